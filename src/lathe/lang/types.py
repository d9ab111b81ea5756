"""The types of the blueprint language: what a field, an argument or an expression may hold."""

from __future__ import annotations

from typing import Literal

from lathe.frozen import frozen

Kind = Literal["bool", "int", "enum", "text", "id", "ref", "set", "time", "json", "state", "none", "unknown"]

INT_LIMIT = 2**53
"""Declared ranges lie within ± this, so that every value survives JSON in any language."""


@frozen
class Type:
    """A type. Which attributes count depends on `kind`.

    `int`: `low` and `high` (None only for intermediate values). `enum`: `members`.
    `text`, `json`, `set`: `maximum` (characters, bytes, members). `ref`: `blueprint`.
    `set`: `element`. `state`: `blueprint` (whose states) and `members` (their names).
    `none` is the type of the literal `None`; `unknown` stands where nothing is known
    (`old.*` in a migration) and fits everything.
    """

    kind: Kind
    low: int | None = None
    high: int | None = None
    members: tuple[str, ...] = ()
    blueprint: str | None = None
    element: Type | None = None
    maximum: int | None = None

    def __str__(self) -> str:
        match self.kind:
            case "int" if self.low is not None:
                return f"int {self.low}..{self.high}"
            case "enum" | "state":
                return f"{self.kind} of {', '.join(self.members)}"
            case "ref":
                return f"ref to {self.blueprint}"
            case "set":
                return f"set of {self.element}"
            case "none":
                return "None"
            case _:
                return self.kind


BOOL = Type("bool")
INT = Type("int")
TEXT = Type("text")
ID = Type("id")
TIME = Type("time")
NONE = Type("none")
UNKNOWN = Type("unknown")
