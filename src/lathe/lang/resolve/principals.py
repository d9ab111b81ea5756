"""Principals as the author writes them: `role:NAME`, `effect:NAME`, `timer`, `entity:Blueprint`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from lathe.errors import Edit
from lathe.lang.model import Principal, PrincipalKind
from lathe.lang.resolve.faults import listed, quoted
from lathe.lang.resolve.naming import is_name, snake
from lathe.lang.resolve.record import Word

_NAMED: dict[str, PrincipalKind] = {
    "role": "role",
    "effect": "effect",
    "entity": "entity",
    "inbound": "inbound",
}
_ALONE: dict[str, PrincipalKind] = {"timer": "timer", "any": "any"}
_FORMS = "`role:NAME`, `effect:NAME`, `timer`, `entity:Blueprint`, `inbound:NAME` or `any`"


class Known(NamedTuple):
    """Who exists, for one blueprint. None: that cannot be told, so nothing is reported about it.

    With `is_open`, a role exists by being named.
    """

    roles: Collection[str] | None
    is_open: bool
    effects: Collection[str] | None
    inbound: Collection[str] | None
    blueprints: Collection[str] | None


def to_principal(text: str) -> Principal | None:
    """The principal that a text means; None if it means none."""
    if text in _ALONE:
        return Principal(_ALONE[text])
    kind, colon, name = text.partition(":")
    if not colon or not name or kind not in _NAMED:
        return None
    return Principal(_NAMED[kind], name)


def roles_of(words: Iterable[Word]) -> set[str]:
    """The roles that a list of principals names."""
    found = (to_principal(word.text) for word in words)
    return {p.name for p in found if p is not None and p.kind == "role" and p.name is not None}


def read_principals(words: Iterable[Word], known: Known) -> tuple[Principal, ...]:
    """Read a `by`, and report what does not exist or stands there twice."""
    found: dict[Principal, None] = {}
    for word in words:
        principal = to_principal(word.text)
        if principal is None:
            _report_form(word, known)
            continue
        if principal in found:
            word.cursor.report("LT006", f"`{word.text}` stands there twice", help="remove one of them")
        found[principal] = None
        _check_exists(word, principal, known)
    return tuple(found)


def _report_form(word: Word, known: Known) -> None:
    text = word.text.strip()
    message = f"`{text[:80]}` is no principal: one is {_FORMS}"
    new = f"role:{text}" if is_name(text) else text.replace(" ", "").lower()
    principal = to_principal(new)
    is_known = principal is not None and (
        principal.kind != "role" or known.is_open or known.roles is None or principal.name in known.roles
    )
    if is_known and new != word.text:
        word.cursor.report("LT107", message, help=f"write `{new}`", edit=Edit(word.cursor.span, quoted(new)))
    else:
        word.cursor.report("LT107", message)


def _check_exists(word: Word, principal: Principal, known: Known) -> None:
    name = principal.name
    if name is None:
        return
    if principal.kind == "role" and known.is_open and not is_name(name):
        new = snake(name)
        help_ = f"write `role:{new}`" if is_name(new) else ""
        message = f"`{name[:80]}` is no name: a role's is lower case letters, digits and `_`"
        word.cursor.report("LT107", message, help=help_)
        return
    match principal.kind:
        case "role":
            code, names, cure = "LT107", known.roles, f'add `{name} = "what it is"` to `[role]` in app.toml'
        case "effect":
            code, names, cure = "LT106", known.effects, f"add `[effect.{name}]`"
        case "inbound":
            code, names, cure = "LT106", known.inbound, f"add `[inbound.{name}]`"
        case _:
            code, names, cure = "LT101", known.blueprints, "name a blueprint of this app"
    if names is None or name in names:
        return
    kind = "blueprint" if principal.kind == "entity" else principal.kind
    thing = "inbound event" if kind == "inbound" else kind
    guess = word.cursor.faults.closest(name, names)
    message = f"there is no {thing} `{name[:80]}`"
    if guess is not None:
        new = f"{principal.kind}:{guess}"
        word.cursor.report(
            code, message, help=f"did you mean `{new}`?", edit=Edit(word.cursor.span, quoted(new))
        )
    else:
        known_ones = f"; there are {listed(sorted(names))}" if names else ""
        word.cursor.report(code, message, help=f"{cure}{known_ones}", once=message)
