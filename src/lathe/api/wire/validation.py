"""Messages for a body or parameter that is not valid: what is wrong and what would be right."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import Struct

from lathe.api.wire.problem import Problem
from lathe.lang.lookup import closest
from lathe.lang.model import Action

KINDS: Mapping[str, str] = {
    "object": "an object",
    "array": "a list",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "null": "null",
}
NAMED_LIMIT = 40
NAME_CHARACTERS_LIMIT = 80
_PLACE = re.compile(r"(?P<said>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
_KIND = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")


def invalid_body(error: msgspec.ValidationError, kind: type[Struct]) -> Problem:
    """The problem (LR400.body) of a body that does not have its type; lists the members of the type."""
    whole = _PLACE.fullmatch(str(error))
    assert whole is not None, "everything has that form"
    said, place = whole["said"], whole["place"] or ""
    subject = f"`{place[:NAME_CHARACTERS_LIMIT]}`" if place else "the body"
    if missing := _MISSING.fullmatch(said):
        told = f"`{missing[1]}` is missing" + (f" in {subject}" if place else "")
    elif unknown := _UNKNOWN.fullmatch(said):
        told = f"{subject} has no member `{unknown[1][:NAME_CHARACTERS_LIMIT]}`"
    elif wrong := _KIND.fullmatch(said):
        told = f"{subject} must be {_kinds(wrong[1])}, and is {_kinds(wrong[2])}"
    else:
        told = f"{subject}: {said[:1].lower()}{said[1:]}"
    return Problem("LR400.body", told, help=_members(kind))


def _kinds(text: str) -> str:
    return " or ".join(KINDS.get(one.strip(), one.strip()) for one in text.split("|"))


def _members(kind: type[Struct]) -> str:
    needed, others = list[str](), list[str]()
    for field in msgspec.structs.fields(kind):
        is_needed = field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
        (needed if is_needed else others).append(f"`{field.encode_name}`")
    told = [f"it needs {', '.join(needed)}"] if needed else []
    told += [f"it {'also ' if needed else ''}takes {', '.join(others)}"] if others else []
    return "; ".join(told)


def only(asked: Iterable[str], *names: str) -> None:
    """Raises `Problem` (LR400.query) for a parameter of a query that is none of these."""
    strange = sorted(set(asked).difference(names))
    if strange:
        there = none_of(strange[0], names, what="its parameters are") if names else "it takes none"
        raise Problem(
            "LR400.query", f"there is no parameter `{strange[0][:NAME_CHARACTERS_LIMIT]}`", help=there
        )


def arguments_help(action: Action) -> str:
    """The arguments that an action takes, as a sentence."""
    named = [f"`{one.name}` ({one.type})" for one in action.arguments.values()]
    return f"`{action.name}` takes {_listed(named)}" if named else f"`{action.name}` takes no arguments"


def none_of(name: str, there: Collection[str], *, what: str) -> str:
    """Lists the existing names, with the closest to the given one."""
    meant = closest(name, there) if len(name) <= NAME_CHARACTERS_LIMIT else None
    guess = f"did you mean `{meant}`? " if meant is not None else ""
    return f"{guess}{what} {_listed([f'`{one}`' for one in there])}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_LIMIT} more" if len(names) > NAMED_LIMIT else ""
    return ", ".join(names[:NAMED_LIMIT]) + more
