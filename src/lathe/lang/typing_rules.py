"""Typing rules: assignability, comparability, and how types are named in messages."""

from __future__ import annotations

from lathe.lang.types import INT, TEXT, UNKNOWN, Type

LOOSE = Type("text", maximum=-1)
"""The type of quoted text until the other side says what it is: text, an id, an enum or a state."""

EMPTY_SET = Type("set", element=UNKNOWN)
LOOSE_SET = Type("set", element=LOOSE)

MAY_BE_UNSET = frozenset({"text", "id", "ref", "time", "none", "unknown"})
"""Kinds of fields that may hold `None`."""

TAKES_QUOTED = frozenset({"text", "id", "enum", "state", "unknown"})
"""Kinds that quoted text can be."""

ELEMENTS = frozenset({"bool", "int", "enum", "text", "id", "ref", "state", "unknown"})
"""Kinds that can stand in a tuple or set display."""


def set_of(element: Type) -> Type:
    """The type of a set of such elements."""
    return Type("set", element=element)


def element_of(type_: Type) -> Type:
    """What is in a set; unknown for what is no set."""
    return type_.element if type_.element is not None else UNKNOWN


def is_loose(type_: Type) -> bool:
    """Whether the type is still to be decided by the other side."""
    return type_ in (LOOSE, LOOSE_SET, EMPTY_SET)


def fits(value: Type, target: Type) -> bool:
    """Whether a value of one type may be stored, passed or given where the other is wanted.

    Ranges and lengths are not compared: whether a value stays inside is for the verifier to tell.
    `None` fits what may be unset.
    """
    if value.kind == "none":
        return target.kind in MAY_BE_UNSET
    if value.kind == "set" and target.kind == "set":
        return fits(element_of(value), element_of(target))
    if value.kind == "json" or value.kind == "time":
        return target.kind in (value.kind, "unknown")
    return is_comparable(value, target)


def is_comparable(left: Type, right: Type) -> bool:
    """Whether `==` can hold between two types. Sets, times and json are compared with nothing."""
    if left.kind == "unknown" or right.kind == "unknown":
        return True
    if left.kind != right.kind:
        return False
    match left.kind:
        case "bool" | "int" | "text" | "id":
            return True
        case "enum":
            return set(left.members) == set(right.members)
        case "ref" | "state":
            return left.blueprint == right.blueprint
        case _:
            return False


def join(left: Type, right: Type) -> Type | None:
    """The type of a value that is one or the other; None if there is none."""
    for one, other in ((left, right), (right, left)):
        if one.kind == "unknown" or (one.kind == "none" and other.kind in MAY_BE_UNSET):
            return other
        if (is_loose(one) and one.kind == "text" and other.kind in TAKES_QUOTED) or (
            is_loose(one) and one.kind == "set" and other.kind == "set"
        ):
            return other
    if left.kind == "set" and right.kind == "set":
        element = join(element_of(left), element_of(right))
        return None if element is None else set_of(element)
    if left.kind == "time" and right.kind == "time":
        return left
    if not is_comparable(left, right):
        return None
    return {"int": INT, "text": TEXT}.get(left.kind, left)


def described(type_: Type) -> str:
    """The type as a message tells it."""
    match type_.kind:
        case "bool":
            return "a condition (true or false)"
        case "int":
            return "an int"
        case "enum":
            return f"one of {quoted(type_.members)}"
        case "state":
            return f"a state of {type_.blueprint}" if type_.blueprint else "a state"
        case "ref":
            return f"a ref to {type_.blueprint}"
        case "set":
            return f"a set of {_plural(element_of(type_))}"
        case "id" | "time":
            return "an id" if type_.kind == "id" else "a time"
        case "none":
            return "None"
        case "unknown":
            return "of a type that is not known here"
        case _:
            return type_.kind


def quoted(names: tuple[str, ...], *, at_most: int = 8) -> str:
    """Names in quotes with commas between, the first few of many."""
    listed = ", ".join(f"'{name}'" for name in names[:at_most])
    return listed if len(names) <= at_most else f"{listed}, …"


def _plural(type_: Type) -> str:
    match type_.kind:
        case "enum":
            return quoted(type_.members)
        case "ref":
            return f"refs to {type_.blueprint}"
        case "bool":
            return "conditions"
        case "text":
            return "texts"
        case "unknown":
            return "anything"
        case _:
            return f"{type_.kind}s"
