"""Rules for names: which are legal, and which are reserved."""

from __future__ import annotations

import keyword
import re

from lathe.errors import Edit
from lathe.lang import lookup
from lathe.lang.resolve import limits
from lathe.lang.resolve.record import Cursor

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_BLUEPRINT = re.compile(r"[A-Z][A-Za-z0-9]*")

RESERVED = lookup.RESERVED | frozenset(keyword.kwlist)
"""What no field, argument, ghost or state may be called."""

RESERVED_ACTIONS = frozenset({"read"})
"""`read` is what policies call getting and listing an entity."""

RESERVED_BLUEPRINTS = frozenset(
    {"Action", "Effect", "Entity", "False", "Inbound", "None", "Role", "Timer", "True"}
)
"""Constants of expressions, and the types of principals and actions in policies."""

RESERVED_APPS = frozenset(
    ["apps", "audit", "blueprints", "checks", "decisions", "events", "intents", "me", "simulations", "tokens"]
)
"""First segments of the API's own paths."""


def is_name(text: str) -> bool:
    """Whether this may name anything but a blueprint."""
    return len(text) <= limits.NAME_LENGTH and _NAME.fullmatch(text) is not None


def is_blueprint_name(text: str) -> bool:
    """Whether this may name a blueprint."""
    return len(text) <= limits.NAME_LENGTH and _BLUEPRINT.fullmatch(text) is not None


def snake(text: str) -> str:
    """The nearest name in snake case; empty if nothing is left."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_0123456789")[: limits.NAME_LENGTH]


def check_name(cursor: Cursor, name: str, *, what: str, reserved: frozenset[str] = frozenset()) -> None:
    """Report a key that is no name (LT004), too long (LT005) or reserved (LT006). `what`: "a field"."""
    shown = name if len(name) <= limits.NAME_LENGTH else f"{name[: limits.NAME_LENGTH]}…"
    if len(name) > limits.NAME_LENGTH:
        message = f"the name of {what} has at most {limits.NAME_LENGTH} characters, `{shown}` has {len(name)}"
        cursor.report_key("LT005", message)
    elif _NAME.fullmatch(name) is None:
        new = snake(name)
        rule = f"the name of {what} is lower case letters, digits and `_`, beginning with a letter"
        if is_name(new) and new not in reserved:
            message = f"`{shown}` is no name: {rule}"
            cursor.report_key("LT004", message, help=f"write `{new}`", edit=Edit(cursor.key, new))
        else:
            cursor.report_key("LT004", f"`{shown}` is no name: {rule}")
    elif name in reserved:
        message = f"`{name}` is reserved, so {what} cannot be called that"
        cursor.report_key("LT006", message, help=f"call it something else, for example `{name}_value`")


def check_blueprint_name(cursor: Cursor, name: str) -> None:
    """Report a blueprint's name that is none (LT004) or too long (LT005)."""
    if len(name) > limits.NAME_LENGTH:
        cursor.report("LT005", f"the name of a blueprint has at most {limits.NAME_LENGTH} characters")
    elif _BLUEPRINT.fullmatch(name) is None:
        new = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name)).lstrip(
            "0123456789"
        )
        rule = "a blueprint's name is letters and digits, beginning with a capital"
        cure = f"write `{new}`" if is_blueprint_name(new) else ""
        edit = Edit(cursor.span, f'"{new}"') if cure else None
        cursor.report("LT004", f"`{name[:80]}` is no name: {rule}", help=cure, edit=edit)
    elif name in RESERVED_BLUEPRINTS:
        message = f"`{name}` is reserved, so a blueprint cannot be called that"
        cursor.report("LT006", message, help=f"call it something else, for example `{name}Entry`")
