"""Who calls: a principal, found from the request by whoever is asked to.

Until tokens come there is one: the development principal, which holds every role of every app and is served
on the loopback interface alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lathe.api.problem import Problem
from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.machine.event import Caller
from lathe.runtime.tokens import Grant, Tokens

BEARER = "bearer "


@frozen
class Principal:
    """A caller that is known. `roles` None: every role of the app. `chain` leads to whom it acts for.

    `grant` is there for the other side of an effect that calls back with its token.
    """

    id: str
    roles: frozenset[str] | None
    chain: tuple[str, ...] = ()
    grant: Grant | None = None

    def sees(self, app: str, entity: str) -> bool:
        """Whether an entity is any of its business: an effect's token is for the one that asked for it."""
        return self.grant is None or (self.grant.app, self.grant.entity) == (app, entity)

    def caller(self, app: App) -> Caller:
        """The machine's caller, in one app."""
        if self.grant is not None:
            return Caller("effect", self.grant.effect)
        roles = frozenset(app.roles) if self.roles is None else self.roles & frozenset(app.roles)
        return Caller("role", None, roles, self.chain[-1] if self.chain else self.id)


class Authenticator(Protocol):
    """Finds the principal of a request. Raises `Problem` (LR401)."""

    def principal(self, headers: Mapping[bytes, bytes]) -> Principal: ...


class Development:
    """Everybody is `dev`, but for effects that call back with their token."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._dev = Principal("dev", None, ("dev",))

    def principal(self, headers: Mapping[bytes, bytes]) -> Principal:
        """The effect whose token the request carries; without one, the development principal."""
        given = headers.get(b"authorization")
        if given is None:
            return self._dev
        text = given.decode("latin-1")
        if not text.lower().startswith(BEARER):
            raise Problem("LR401.token", "the `Authorization` header must be `Bearer TOKEN`")
        grant = self._tokens.read(text[len(BEARER) :].strip())
        if grant is None:
            raise Problem("LR401.token", "the token is none of ours, or has expired")
        name = f"effect:{grant.app}/{grant.entity}.{grant.number}"
        return Principal(name, frozenset(), (), grant)
