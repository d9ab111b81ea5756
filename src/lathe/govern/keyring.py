"""Creates, lists, rotates and revokes tokens, with a line in the audit log for each change.

An operator makes tokens for anybody of its tenant. Whoever has a token may delegate it: a part of it, for a
time, to somebody who then acts for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from msgspec.structs import replace

from lathe.frozen import frozen
from lathe.govern.principal import MAIN, GovernError, Principal, clashing
from lathe.govern.token import (
    DEPTH_LIMIT,
    Token,
    body_of,
    hash_of,
    is_alive,
    parts_of,
    principal_of,
    secret_of,
    shows,
    text_of,
    token_of,
)
from lathe.govern.token_quota import check_room, lineage_of, living
from lathe.govern.token_request import LONGEST_SECONDS, TokenRequest, check, part_of
from lathe.machine.moment import rfc3339
from lathe.runtime.catalog import Catalog
from lathe.runtime.clock import Clock, Ids
from lathe.runtime.engine import BusyError
from lathe.store.audit import Change, Said, TokenRow, audited
from lathe.store.base import Store, StoreError

DEFAULT_SECONDS = 30 * 86_400
OVERLAP_SECONDS_LIMIT = 86_400
ROWS_AT_ONCE = 2_000
"""Page size where all tokens are read."""
TRIES_LIMIT = 12
"""How often a change is decided anew after concurrent changes, before it fails with `BusyError`."""


@frozen
class Made:
    """A token that was created, rotated or revoked. `text` is its secret text, returned only once."""

    row: TokenRow
    text: str = ""


@frozen
class _Decision:
    """A change of one token, and its line in the audit."""

    said: Said
    made: Made
    raised: tuple[str, ...] = ()


class Keyring:
    """Manages a store's tokens."""

    def __init__(self, store: Store, catalog: Catalog, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._ids = ids

    async def find(self, text: str) -> Principal | None:
        """The principal of this token text; None if unknown or not valid any more."""
        parts = parts_of(text)
        return None if parts is None else await self.look_up(parts[0], hash_of(parts[1]))

    async def look_up(self, token: str, proof: bytes) -> Principal | None:
        """The principal of a token with this secret's hash, read from the store."""
        stamp = self._catalog.generation
        lineage = await self._store.lineage(token)
        now = self._clock.now_ms()
        if not lineage or not shows(token_of(lineage[0]), proof, now) or not is_alive(lineage, now):
            return None
        return principal_of(lineage, proof=proof, stamp=stamp)

    async def first(self) -> Made | None:
        """Create an operator's token if the store has no token yet; None if it has one."""

        async def decide() -> _Decision | None:
            if await self._store.tokens(MAIN, limit=1):
                return None
            wanted = TokenRequest("operator", "person", scopes=("operator",), note="made at the first start")
            return await self._new(wanted, None, MAIN, by=("lathe",), seconds=LONGEST_SECONDS)

        return await self._decided(decide)

    async def create(self, holder: Principal, wanted: TokenRequest, *, is_session: bool = False) -> Made:
        """Create a token. Raises `GovernError`, `BusyError`."""
        check(wanted, holder=holder.id)
        _check_person(holder, wanted)
        tenant, asked = wanted.tenant or holder.tenant, wanted.expires_in
        if tenant != holder.tenant and not (holder.tenant == MAIN and holder.may("operator")):
            raise GovernError("LR403.scope", f"only an operator of `{MAIN}` makes tokens of another tenant")

        async def decide() -> _Decision:
            parent = await self._parent(holder, wanted)
            by = holder.chain or (holder.id,)
            if parent is None:
                holder.needs("operator")
                return await self._new(wanted, None, tenant, by=by, seconds=asked)
            if parent.tenant != tenant:
                raise GovernError("LR403.scope", "what is delegated stays in its tenant")
            part = part_of(parent, wanted)
            return await self._new(part, parent, tenant, by=by, seconds=asked, is_session=is_session)

        made = await self._decided(decide)
        assert made is not None, "it is always decided"
        return made

    async def _parent(self, holder: Principal, wanted: TokenRequest) -> Principal | None:
        """The current principal of the token that is delegated; None if the new token has no parent."""
        if wanted.parent is None and holder.may("operator"):
            return None
        if wanted.parent in (None, "self", holder.token):
            if holder.grant is not None or holder.roles is None:
                raise GovernError("LR403.scope", "there is no token here that could be delegated")
            return holder
        assert wanted.parent is not None, "it is an id"
        return principal_of(await self._live(holder, wanted.parent), proof=b"", stamp=0)

    async def _new(
        self,
        wanted: TokenRequest,
        parent: Principal | None,
        tenant: str,
        *,
        by: tuple[str, ...],
        seconds: int | None,
        is_session: bool = False,
    ) -> _Decision:
        now = self._clock.now_ms()
        ends = now + 1_000 * (DEFAULT_SECONDS if seconds is None else seconds)
        if parent is not None and parent.expires_ms is not None:
            if seconds is not None and ends > parent.expires_ms:
                raise GovernError("LR403.scope", "what is delegated ends no later than what it is a part of")
            ends = min(ends, parent.expires_ms)
        secret = secret_of()
        token = Token(
            principal=wanted.principal,
            kind=wanted.kind,
            hash=hash_of(secret),
            made_ms=now,
            made_by=by[0],
            roles=tuple(sorted(set(wanted.roles or ()))),
            scopes=tuple(sorted(set(wanted.scopes or ()))),
            apps=None if wanted.apps is None else tuple(sorted(set(wanted.apps))),
            actions=None if wanted.actions is None else tuple(sorted(set(wanted.actions))),
            beyond=(parent.chain or (parent.id,)) if parent is not None and not parent.token else (),
            note=wanted.note,
            handlers=by,
            is_session=is_session,
        )
        held = parent.token if parent is not None else ""
        row = TokenRow(tenant, self._ids.new(), held, ends, None, body_of(token))
        await self._fits(row, token, parent)
        said = Said(tenant, now, "token.created", by[0], by, row.id, told(row))
        return _Decision(said, Made(row, text_of(row.id, secret)))

    async def _fits(self, row: TokenRow, token: Token, parent: Principal | None) -> None:
        """Raise `GovernError` if there are too many tokens, or if the principal would hold roles that exclude
        each other.
        """
        if row.parent and len(await self._store.lineage(row.parent)) >= DEPTH_LIMIT:
            raise GovernError("LR403.scope", f"a token is delegated on at most {DEPTH_LIMIT - 1} times")
        now = self._clock.now_ms()
        alive = living(await self._all(row.tenant, living_ms=now), now)
        check_room(row, token, alive)
        actor = parent.actor if parent is not None else token.principal
        same = [token_of(other) for other in alive.values() if _actor(other, alive) == actor]
        for live in self._catalog.all(row.tenant):
            tokens = [t for t in (token, *same) if t.apps is None or live.app.name in t.apps]
            clash = clashing(live.app, frozenset(role for each in tokens for role in each.roles))
            if clash and any(role in token.roles for role in clash):
                said = " and ".join(f"`{role}`" for role in clash)
                raise GovernError("LR409.exclusive", f"`{actor}` would hold {said} in `{live.app.name}`")

    async def _all(self, tenant: str, *, living_ms: int | None = None) -> list[TokenRow]:
        """All tokens of a tenant, or those that are valid at a moment."""
        found: list[TokenRow] = []
        while True:
            after = found[-1].id if found else ""
            page = await self._store.tokens(tenant, after=after, limit=ROWS_AT_ONCE, living_ms=living_ms)
            found += page
            if len(page) < ROWS_AT_ONCE:
                return found

    async def rotate(self, holder: Principal, token: str, *, overlap_seconds: int = 0) -> Made:
        """Give a token a new secret; the previous one remains valid for `overlap_seconds`.

        Raises `GovernError`, `BusyError`.
        """
        if not 0 <= overlap_seconds <= OVERLAP_SECONDS_LIMIT:
            raise GovernError("LR422.token", f"secrets overlap for at most {OVERLAP_SECONDS_LIMIT} seconds")

        async def decide() -> _Decision:
            row = (await self._live(holder, token))[0]
            now, secret, old = self._clock.now_ms(), secret_of(), token_of(row)
            if token != holder.token:
                _check_person(holder, TokenRequest(old.principal, old.kind, scopes=old.scopes))
            handlers = dict.fromkeys((*old.handlers, *(holder.chain or (holder.id,))))
            until = now + 1_000 * overlap_seconds
            new = replace(
                old, hash=hash_of(secret), rotated_ms=now, old_hash=old.hash, old_until_ms=until,
                handlers=tuple(handlers),
            )  # fmt: skip
            made = Made(replace(row, body=body_of(new)), text_of(token, secret))
            said = _said(holder, row, now, "token.rotated", {"overlap_seconds": overlap_seconds})
            return _Decision(said, made, () if overlap_seconds else (row.tenant,))

        made = await self._decided(decide)
        assert made is not None, "it is always decided"
        return made

    async def revoke(self, holder: Principal, token: str) -> TokenRow:
        """Revoke a token and all derived from it: nothing is committed by them afterwards. Raises as `rotate`
        does.
        """

        async def decide() -> _Decision:
            row = (await self._own(holder, token))[0]
            if row.revoked_ms is not None:
                raise GovernError("LR404.token", "the token is revoked already")
            now = self._clock.now_ms()
            said = _said(holder, row, now, "token.revoked", {"principal": token_of(row).principal})
            return _Decision(said, Made(replace(row, revoked_ms=now)), (row.tenant,))

        made = await self._decided(decide)
        assert made is not None, "it is always decided"
        return made.row

    async def page(self, holder: Principal, tenant: str, *, after: str, limit: int) -> list[TokenRow]:
        """An operator's tenant's tokens; of anybody else their own, with those that come from it."""
        if holder.may("operator") and holder.tenant in (tenant, MAIN):
            return await self._store.tokens(tenant, after=after, limit=limit)
        if holder.token:
            return await self._store.derived_tokens(holder.token, after=after, limit=limit)
        rows = {row.id: row for row in await self._all(holder.tenant)}
        mine = [row for row in rows.values() if _is_from(holder, lineage_of(row, rows))]
        return [row for row in mine if row.id > after][:limit]

    def unknown(self, row: TokenRow) -> list[str]:
        """Roles and apps of a token that no loaded app has, a sentence each; they may be loaded later."""
        token = token_of(row)
        lives = {live.app.name: live.app for live in self._catalog.all(row.tenant)}
        strange = [name for name in token.apps or () if name not in lives]
        meant = [app for app in lives.values() if token.apps is None or app.name in token.apps]
        roles = sorted({role for app in meant for role in app.roles})
        found = [_strange("app", name, sorted(lives), "is loaded") for name in strange]
        where = "that the token is for has it" if token.apps is not None else "that is loaded has it"
        return found + [_strange("role", role, roles, where) for role in token.roles if role not in roles]

    async def _own(self, holder: Principal, token: str) -> list[TokenRow]:
        """A token's lineage, if the holder may manage it: an operator, the token itself, or one that it was
        delegated from.
        """
        lineage = await self._store.lineage(token)
        is_operators = bool(lineage) and holder.may("operator") and holder.tenant in (lineage[0].tenant, MAIN)
        is_own = bool(lineage) and _is_from(holder, lineage)
        if not (is_operators or is_own) or holder.grant is not None:
            raise GovernError("LR404.token", "there is no such token")
        return lineage

    async def _live(self, holder: Principal, token: str) -> list[TokenRow]:
        lineage = await self._own(holder, token)
        if not is_alive(lineage, self._clock.now_ms()):
            raise GovernError("LR404.token", "the token is over")
        return lineage

    async def _decided(self, decide: Callable[[], Awaitable[_Decision | None]]) -> Made | None:
        """Decide and commit a change; again if tokens were changed concurrently."""
        for tries in range(TRIES_LIMIT):
            end = await self._store.audit_end()
            decision = await decide()
            if decision is None:
                return None
            change = Change(audited(end, decision.said), (decision.made.row,), decision.raised)
            if await self._store.govern(change):
                with suppress(StoreError):  # it is made: who asked for it must have it
                    await self._catalog.refresh()
                return decision.made
            await asyncio.sleep(0.002 * tries)
        raise BusyError("others keep changing what governs")


def _check_person(holder: Principal, wanted: TokenRequest) -> None:
    """Raise `GovernError` if a holder that is no person would get the secret of someone who decides."""
    decides = {"operator", "decide"}.intersection(wanted.scopes or ())
    if wanted.kind == "person" and decides and holder.kind != "person":
        raise GovernError(
            "LR403.scope", f"only a person handles the token of a person with the scope `{min(decides)}`"
        )


def _strange(what: str, name: str, known: Sequence[str], where: str) -> str:
    from difflib import get_close_matches  # late: only after a slip

    near = get_close_matches(name, known, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known) or 'none'}"
    subject = f"no app {where}" if what == "role" else f"no such app {where}"
    return f"the {what} `{name}`: {subject}; {hint[:300]}"


def told(row: TokenRow) -> dict[str, object]:
    """A token as JSON data, without any secret."""
    token = token_of(row)
    document: dict[str, object] = {
        "id": row.id,
        "tenant": row.tenant,
        "principal": token.principal,
        "kind": token.kind,
        "roles": token.roles,
        "scopes": token.scopes,
        "apps": token.apps,
        "actions": token.actions,
        "parent": row.parent or None,
        "made": rfc3339(token.made_ms),
        "by": token.made_by,
        "expires": rfc3339(row.expires_ms),
        "rotated": None if token.rotated_ms is None else rfc3339(token.rotated_ms),
        "revoked": None if row.revoked_ms is None else rfc3339(row.revoked_ms),
        "note": token.note,
    }
    return document


def _said(holder: Principal, row: TokenRow, now_ms: int, kind: str, about: object) -> Said:
    return Said(row.tenant, now_ms, kind, holder.id, holder.chain or (holder.id,), row.id, about)


def _is_from(holder: Principal, lineage: list[TokenRow]) -> bool:
    """Whether a token is the holder's own or was delegated from it, or from the issuer's principal that the
    holder is.
    """
    if holder.token:
        return holder.token in {row.id for row in lineage}
    beyond = token_of(lineage[-1]).beyond
    return bool(beyond) and beyond == holder.chain and lineage[-1].tenant == holder.tenant


def _actor(row: TokenRow, rows: Mapping[str, TokenRow]) -> str:
    """The principal on whose behalf a token acts in the end."""
    oldest = token_of(lineage_of(row, rows)[-1])
    return oldest.beyond[-1] if oldest.beyond else oldest.principal
