"""The authenticated caller and the limits on what it may do."""

from __future__ import annotations

from typing import Literal

from lathe.effect.base import MAIN
from lathe.errors import LatheError
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine.event import Caller
from lathe.runtime.tokens import Grant

__all__ = ["MAIN", "READ", "SCOPES", "GovernError", "Kind", "Principal", "Scope", "clashing"]

Kind = Literal["person", "agent", "service"]
Scope = Literal["operator", "apply", "decide", "metrics"]
SCOPES: tuple[Scope, ...] = ("operator", "apply", "decide", "metrics")
"""What goes beyond an app's own roles. `apply`: load versions and roll back. `decide`: decide what others ask
for, as a person. `metrics`: read them. `operator`: all of it, tokens of others, and the audit."""
READ = "read"
"""The name in `actions` that getting, listing and following are."""


class GovernError(LatheError):
    """It may not be, or cannot be. `code` is that of the problem which it is answered with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@frozen
class Principal:
    """A caller that is known. None for `roles`, `apps` or `actions`: every one.

    `chain` leads from the caller to whom it acts for in the end. `grant` is there for the other side of an
    effect that calls back with its token. `token` is the id of the token that it came with, `proof` the hash
    of what it showed, `stamp` the catalog's generation under which that was looked at. `is_part`: the token
    was delegated by somebody, if only by its own principal.
    From `again_ms` on it is to be verified anew.
    """

    id: str
    roles: frozenset[str] | None
    chain: tuple[str, ...] = ()
    grant: Grant | None = None
    tenant: str = MAIN
    kind: Kind = "service"
    scopes: frozenset[str] = frozenset()
    apps: frozenset[str] | None = None
    actions: frozenset[str] | None = None
    expires_ms: int | None = None
    token: str = ""
    proof: bytes = b""
    stamp: int = 0
    is_part: bool = False
    again_ms: int | None = None

    @property
    def actor(self) -> str:
        """Whom it acts for in the end: itself, if for nobody else."""
        return self.chain[-1] if self.chain else self.id

    @property
    def name(self) -> str:
        """Who it is, with whom it acts for: what answers are kept under."""
        return " for ".join(self.chain) if len(self.chain) > 1 else self.id

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope; an operator has all."""
        return scope in self.scopes or "operator" in self.scopes

    def needs(self, scope: Scope) -> None:
        """Raises `GovernError` (LR403.scope) without the scope."""
        if not self.may(scope):
            raise GovernError("LR403.scope", f"this needs a token with the scope `{scope}`")

    def enters(self, app: str) -> None:
        """Raises `GovernError` (LR403.scope) if it is not for this app."""
        if not self.is_for(app):
            raise GovernError("LR403.scope", f"the token is not for `{app[:80]}`")

    def is_for(self, app: str) -> bool:
        """Whether it is for this app."""
        return (self.apps is None or app in self.apps) and (self.grant is None or self.grant.app == app)

    def takes(self, blueprint: str, action: str) -> bool:
        """Whether an action, or `read`, is within what it is limited to; roles and policies come after."""
        limits = self.actions
        return limits is None or action in limits or f"{blueprint}.{action}" in limits

    def sees(self, app: str, entity: str) -> bool:
        """Whether an entity is any of its business: an effect's token is for the one that asked for it."""
        return self.grant is None or (self.grant.app, self.grant.entity) == (app, entity)

    def caller(self, app: App) -> Caller:
        """The machine's caller, in one app. Raises `GovernError` (LR403.exclusive)."""
        if self.grant is not None:
            return Caller("effect", self.grant.effect)
        if self.roles is None:
            return Caller("role", None, frozenset(app.roles), self.actor)
        roles = self.roles & frozenset(app.roles)
        clash = clashing(app, roles)
        if clash:
            said = " and ".join(f"`{role}`" for role in clash)
            raise GovernError("LR403.exclusive", f"no one may hold {said} together in `{app.name}`")
        return Caller("role", None, roles, self.actor)


def clashing(app: App, roles: frozenset[str]) -> list[str]:
    """Roles among these that an app lets no one hold together."""
    for group in app.exclusive:
        held = sorted(roles.intersection(group))
        if len(held) > 1:
            return held
    return []
