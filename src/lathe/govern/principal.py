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
"""Rights beyond an app's own roles."""
READ = "read"
"""The name in `actions` that stands for getting, listing and following."""


class GovernError(LatheError):
    """Not permitted, or not possible. `code` is that of the problem that answers it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@frozen
class Principal:
    """An authenticated caller. None for `roles`, `apps` or `actions` means every one.

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
        """The principal on whose behalf it acts in the end; itself, if nobody's."""
        return self.chain[-1] if self.chain else self.id

    @property
    def name(self) -> str:
        """Itself with the principal it acts for: the key of receipts."""
        return " for ".join(self.chain) if len(self.chain) > 1 else self.id

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope; an operator has all."""
        return scope in self.scopes or "operator" in self.scopes

    def needs(self, scope: Scope) -> None:
        """Raise `GovernError` (LR403.scope) without the scope."""
        if not self.may(scope):
            raise GovernError("LR403.scope", f"this needs a token with the scope `{scope}`")

    def enters(self, app: str) -> None:
        """Raise `GovernError` (LR403.scope) if its token is not for this app."""
        if not self.is_for(app):
            raise GovernError("LR403.scope", f"the token is not for `{app[:80]}`")

    def is_for(self, app: str) -> bool:
        """Whether its token is for this app."""
        return (self.apps is None or app in self.apps) and (self.grant is None or self.grant.app == app)

    def takes(self, blueprint: str, action: str) -> bool:
        """Whether its token's limits include an action, or `read`; roles and policies are checked later."""
        limits = self.actions
        return limits is None or action in limits or f"{blueprint}.{action}" in limits

    def sees(self, app: str, entity: str) -> bool:
        """Whether it may see an entity at all: a callback's token is for the entity whose effect it is."""
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
    """Roles among these that an app declares exclusive."""
    for group in app.exclusive:
        held = sorted(roles.intersection(group))
        if len(held) > 1:
            return held
    return []
