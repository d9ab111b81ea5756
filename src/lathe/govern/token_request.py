"""A requested token: whether it is valid, and whether it stays within the token that delegates it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from lathe.govern.principal import SCOPES, GovernError, Kind, Principal
from lathe.govern.token import met, widened

LONGEST_SECONDS = 400 * 86_400
NAMES_LIMIT = 100
NOTE_CHARACTERS_LIMIT = 500

_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}(?:\.[A-Za-z_][A-Za-z0-9_]{0,99})?")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class TokenRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """The body of a request for a token. `parent`: `self` to delegate the caller's own token, or the id of
    another to delegate.

    Left out, `roles`, `scopes`, `apps` and `actions` are, of a part, what the whole has; else no role, no
    scope, every app, every action. `expires_in` is in seconds.
    """

    principal: str
    kind: Kind = "agent"
    roles: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    apps: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    expires_in: int | None = None
    parent: str | None = None
    note: str = ""
    tenant: str | None = None


def check(wanted: TokenRequest, *, holder: str) -> None:
    """Raise `GovernError` (LR422.token) for an invalid request.

    A colon stands in the principals of issuers alone: such a token is a part of their own, for themselves.
    """
    is_own = wanted.parent == "self" and wanted.principal == holder
    if not is_own and not _PRINCIPAL.fullmatch(wanted.principal):
        raise _wrong("a principal is 1 to 100 letters, digits and `._@+-`, and begins with a letter or digit")
    if wanted.tenant is not None and not _TENANT.fullmatch(wanted.tenant):
        raise _wrong("a tenant is 1 to 63 small letters, digits, `-` and `_`")
    for what, names in (("role", wanted.roles), ("app", wanted.apps), ("action", wanted.actions)):
        _check_names(what, names or ())
    unknown = set(wanted.scopes or ()) - set(SCOPES)
    if unknown:
        raise _wrong(f"there is no scope `{min(unknown)[:40]}`: there are {', '.join(SCOPES)}")
    if wanted.expires_in is not None and not 1 <= wanted.expires_in <= LONGEST_SECONDS:
        raise _wrong(f"`expires_in` is 1 to {LONGEST_SECONDS} seconds")
    if len(wanted.note) > NOTE_CHARACTERS_LIMIT:
        raise _wrong(f"a note has at most {NOTE_CHARACTERS_LIMIT} characters")
    is_limited = wanted.apps is not None or wanted.actions is not None
    if is_limited and "operator" in (wanted.scopes or ()):
        raise _wrong("an operator's token is not limited to apps or actions: leave out what is too much")


def _check_names(what: str, names: Sequence[str]) -> None:
    if len(names) > NAMES_LIMIT:
        raise _wrong(f"a token names at most {NAMES_LIMIT} {what}s")
    for name in names:
        if not _NAME.fullmatch(name) or (what != "action" and "." in name):
            raise _wrong(f"`{name[:40]}` cannot be the name of an {what}".replace("an role", "a role"))


def _wrong(said: str) -> GovernError:
    return GovernError("LR422.token", said)


def part_of(parent: Principal, wanted: TokenRequest) -> TokenRequest:
    """The token as delegated from `parent`. Raises `GovernError` (LR403.scope) if it asks for more."""
    if wanted.kind == "person" and parent.kind != "person":
        raise _wider("who acts for an agent or a service is no person")
    roles = parent.roles or frozenset()
    return replace(
        wanted,
        roles=_among("role", wanted.roles, roles),
        scopes=_among("scope", wanted.scopes, widened(tuple(parent.scopes))),
        apps=_limited("app", wanted.apps, parent.apps),
        actions=_limited("action", wanted.actions, parent.actions),
    )


def _among(what: str, names: Sequence[str] | None, whole: frozenset[str]) -> tuple[str, ...]:
    found = whole if names is None else frozenset(names)
    if more := found - whole:
        raise _wider(f"the {what} `{min(more)}` is more than the token has that is delegated")
    return tuple(sorted(found))


def _limited(what: str, names: Sequence[str] | None, whole: frozenset[str] | None) -> tuple[str, ...] | None:
    if whole is None:
        return None if names is None else tuple(names)
    found = whole if names is None else frozenset(names)
    if more := found - met(found, whole):
        raise _wider(f"the {what} `{min(more)}` is more than the token has that is delegated")
    return tuple(sorted(found))


def _wider(said: str) -> GovernError:
    return GovernError("LR403.scope", said)
