"""SQL for JSON columns, in SQLite's and PostgreSQL's dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from lathe.lang.types import Kind

NUMBERS = frozenset({"int", "time"})


class Dialect(Protocol):
    """The words of one database. A set is a JSON array, its members are compared as `as_member` has them."""

    empty_set: str
    nothing: str
    """An unset member."""

    def parameter(self, number: int, kind: Kind) -> str:
        """The parameter of this number, from 1 on."""

    def blob(self, parameter: str) -> str:
        """The bytes of a parameter that has them in hexadecimal."""

    def field(self, name: str, kind: Kind) -> str:
        """A field of the row; NULL if it is unset."""

    def cast(self, value: str, kind: Kind) -> str:
        """A value of which only we know the type."""

    def same(self, left: str, right: str) -> str:
        """Equality for which NULL is a value."""

    def elements(self, group: str, alias: str) -> str:
        """The members of a set as a table of this name."""

    def member(self, alias: str) -> str:
        """A member of such a table, to compare with others."""

    def element(self, alias: str, kind: Kind) -> str:
        """A member of such a table, as the value that it is."""

    def as_member(self, value: str, kind: Kind) -> str:
        """A value, to compare with members."""

    def collect(self, rows: str) -> str:
        """The set of the column `m` of a select, without NULL."""

    def extreme(self, function: Literal["min", "max"]) -> str:
        """The function that takes several arguments."""


class Sqlite:
    """JSON1 on the text of `body`."""

    empty_set = "'[]'"
    nothing = "null"

    def parameter(self, number: int, kind: Kind) -> str:
        return f"?{number}"

    def blob(self, parameter: str) -> str:
        return f"unhex({parameter})"

    def field(self, name: str, kind: Kind) -> str:
        return f"json_extract(e.body, '$.fields.{name}')"

    def cast(self, value: str, kind: Kind) -> str:
        return f"({value})"

    def same(self, left: str, right: str) -> str:
        return f"{left} is {right}"

    def elements(self, group: str, alias: str) -> str:
        return f"json_each({group}) as {alias}"

    def member(self, alias: str) -> str:
        return f"{alias}.value"

    def element(self, alias: str, kind: Kind) -> str:
        return f"{alias}.value"

    def as_member(self, value: str, kind: Kind) -> str:
        return value

    def collect(self, rows: str) -> str:
        return f"(select json_group_array(m) from ({rows}) where m is not null)"

    def extreme(self, function: Literal["min", "max"]) -> str:
        return function


NUL_TELLER = "\ufffd"
"""What stands for a NUL where one is compared; `body` itself keeps it."""


class _Fields(Struct):
    fields: msgspec.Raw = msgspec.Raw(b"{}")


_body_decoder = msgspec.json.Decoder(_Fields)


def _without_nul(fields: dict[str, object]) -> dict[str, object]:
    """Texts and lists of texts, which is all that the fields of a row can be."""
    return {
        name: [Postgres.storable(m) for m in value] if isinstance(value, list) else Postgres.storable(value)
        for name, value in fields.items()
    }


_TYPES: Mapping[Kind, str] = {"bool": "boolean", "int": "bigint", "time": "bigint", "set": "jsonb"}


class Postgres:
    """`fields`, the fields of `body` as jsonb."""

    empty_set = "'[]'::jsonb"
    nothing = "null::text"

    @staticmethod
    def storable(value: object) -> object:
        """A value as PostgreSQL takes it: it has no character NUL."""
        return value.replace("\0", NUL_TELLER) if isinstance(value, str) else value

    @staticmethod
    def fields(body: bytes) -> str:
        """The column `fields` of a row with this body."""
        fields: msgspec.Raw = _body_decoder.decode(body).fields
        text = bytes(fields).decode()
        if "\\u0000" in text:
            return msgspec.json.encode(_without_nul(msgspec.json.decode(text))).decode()
        return text

    def parameter(self, number: int, kind: Kind) -> str:
        return f"${number}::{_TYPES.get(kind, 'text')}"

    def blob(self, parameter: str) -> str:
        return f"decode({parameter}, 'hex')"

    def field(self, name: str, kind: Kind) -> str:
        if kind == "set":
            return f"nullif(e.fields->'{name}', 'null'::jsonb)"
        return self.cast(f"e.fields->>'{name}'", kind)

    def cast(self, value: str, kind: Kind) -> str:
        return f"({value})::{_TYPES.get(kind, 'text')}"

    def same(self, left: str, right: str) -> str:
        return f"{left} is not distinct from {right}"

    def elements(self, group: str, alias: str) -> str:
        return f"jsonb_array_elements_text({group}) as {alias}(value)"

    def member(self, alias: str) -> str:
        return f"{alias}.value"

    def element(self, alias: str, kind: Kind) -> str:
        return f"{alias}.value::bigint" if kind in NUMBERS else f"{alias}.value"

    def as_member(self, value: str, kind: Kind) -> str:
        return f"({value})::text"

    def collect(self, rows: str) -> str:
        return f"(select coalesce(jsonb_agg(m), '[]'::jsonb) from ({rows}) as c where m is not null)"

    def extreme(self, function: Literal["min", "max"]) -> str:
        return "least" if function == "min" else "greatest"
