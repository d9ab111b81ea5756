"""Requests for decisions: made by whoever was denied, decided by a person who has no part in them.

Who decides is a person by their own token (or a browser's session with it), with the scope `decide`. It is
nobody who asks or whom the request is made for, and nobody whose token one of those has had in their hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec.structs import replace

from lathe.frozen import frozen
from lathe.govern.decision_request import (
    LIVING,
    DecisionRequest,
    How,
    Question,
    Ruling,
    asking_of,
    body_of,
    digest_of,
    keys_of,
    packed,
    policy_of,
    state_of,
    unpacked,
)
from lathe.govern.principal import GovernError, Principal
from lathe.govern.token import token_of
from lathe.runtime.catalog import Catalog
from lathe.runtime.clock import Clock, Ids
from lathe.runtime.engine import BusyError
from lathe.store.audit import Change, DecisionQuery, DecisionRow, HeldRow, Said, audited
from lathe.store.base import PAGE_LIMIT, Store

OPEN_SECONDS = 86_400
"""How long a request waits for its decision, and an approval of it for its use."""
UNTIL_SECONDS_LIMIT = 30 * 86_400
OPEN_LIMIT = 20
"""Requests that may be open of one principal and all who act for it."""
REASON_CHARACTERS_LIMIT = 2_000
TRIES_LIMIT = 12

Standing = Callable[[], Awaitable[None]]
Decide = Callable[[DecisionRow], Awaitable[tuple[DecisionRow, Said]]]


@frozen
class Ready:
    """A decision that is made with something else: its row, and its line of the audit."""

    row: DecisionRow
    said: Said


class Decisions:
    """The decisions of a store, for one process.

    `aliases` are tables of issuers by name, each with the first one of the same address: the same subject of
    it is the same person, whichever table a token came in by.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        clock: Clock,
        ids: Ids,
        *,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self._aliases = aliases or {}
        self._store = store
        self._catalog = catalog
        self._clock = clock
        self._ids = ids

    # Asking.

    async def ask(
        self,
        holder: Principal,
        question: Question,
        keys: tuple[bytes, bytes],
        reason: str,
        files: Mapping[str, bytes] | None = None,
    ) -> DecisionRow:
        """A request for a decision; the one that is open, if the same is asked again. `files` are what would
        be applied: they are kept with it.

        Raises `GovernError` (LR422.decision, LR429.decisions), `BusyError`.
        """
        if len(reason) > REASON_CHARACTERS_LIMIT:
            raise GovernError("LR422.decision", f"a reason has at most {REASON_CHARACTERS_LIMIT} characters")
        for tries in range(TRIES_LIMIT):
            end = await self._store.audit_end()
            now = self._clock.now_ms()
            mine = DecisionQuery(holder.tenant, "open", holder.actor, now, limit=OPEN_LIMIT)
            waiting = await self._store.decisions(mine)
            for row in waiting:
                if asking_of(row).key == keys[0]:
                    return row
            if len(waiting) >= OPEN_LIMIT:
                said = f"`{holder.actor}` has {OPEN_LIMIT} open requests: withdraw some, or wait"
                raise GovernError("LR429.decisions", said)
            row = self._asked(holder, question, keys, reason, now)
            about = {"app": question.app, "digest": digest_of(row), "key": keys[0].hex()}
            said_of = _said(holder, row, now, "decision.asked", about)
            held = () if files is None else (HeldRow(row.tenant, row.id, packed(files)),)
            if await self._store.govern(Change(audited(end, said_of), decisions=(row,), held=held)):
                return row
            await asyncio.sleep(0.002 * tries)
        raise BusyError("others keep changing what governs")

    def _asked(
        self, holder: Principal, question: Question, keys: tuple[bytes, bytes], reason: str, now: int
    ) -> DecisionRow:
        chain = holder.chain or (holder.id,)
        asking = DecisionRequest(question, holder.id, chain, reason, now, *keys)
        expires = now + 1_000 * OPEN_SECONDS
        name = self._ids.new()
        return DecisionRow(
            holder.tenant, name, question.app, "open", holder.actor, b"", expires, 1, body_of(asking)
        )

    async def withdraw(self, holder: Principal, decision: str, standing: Standing) -> DecisionRow:
        """Take a request back, or an approval that was not used: by whoever asked, or whom they act for."""

        async def decide(row: DecisionRow) -> tuple[DecisionRow, Said]:
            if not is_mine(holder, row):
                raise GovernError("LR403.decider", "only who asked withdraws it")
            now = self._living(row, LIVING)
            return _changed(row, "withdrawn"), _said(holder, row, now, "decision.withdrawn", {})

        return await self._decided(holder, decision, decide, standing)

    # Seeing.

    async def one(self, holder: Principal, decision: str) -> DecisionRow:
        """A decision that is somebody's own, or that they may decide. Raises `GovernError`."""
        row = await self._store.decision(holder.tenant, decision)
        if row is None or not sees(holder, row):
            raise GovernError("LR404.decision", "there is no such decision")
        return row

    async def files(self, holder: Principal, decision: str) -> dict[str, bytes]:
        """What a held application applies, byte by byte. Raises `GovernError` (LR404.decision)."""
        row = await self.one(holder, decision)
        body = await self._store.held(row.tenant, row.id)
        if body is None:
            raise GovernError("LR404.decision", "what it asks for is no application: there are no files")
        return unpacked(body, asking_of(row).question)

    async def page(
        self, holder: Principal, *, state: str | None, before: str | None, limit: int
    ) -> tuple[list[DecisionRow], str | None]:
        """The newest decisions that somebody may see, and where the next page begins."""
        live = self._clock.now_ms() if state in LIVING else 0
        query = DecisionQuery(holder.tenant, state, None, live, before, PAGE_LIMIT)
        if not holder.may("decide"):
            query = DecisionQuery(holder.tenant, state, holder.actor, live, before, PAGE_LIMIT)
        found: list[DecisionRow] = []
        while True:
            rows = await self._store.decisions(query)
            for row in rows:
                if sees(holder, row):
                    found.append(row)
                if len(found) == limit:
                    return found, row.id
            if len(rows) < PAGE_LIMIT:
                return found, None
            query = DecisionQuery(query.tenant, state, query.by, live, rows[-1].id, PAGE_LIMIT)

    # Deciding.

    async def approve(
        self,
        holder: Principal,
        decision: str,
        standing: Standing,
        *,
        how: How,
        digest: str,
        until_ms: int | None = None,
        with_any_args: bool = False,
        note: str = "",
    ) -> DecisionRow:
        """Let pass what was asked, once or for a time. Raises `GovernError`, `BusyError`."""

        async def decide(row: DecisionRow) -> tuple[DecisionRow, Said]:
            now = await self.check(holder, row, digest)
            return self._approved(holder, row, now, how, until_ms, note, with_any_args=with_any_args)

        return await self._decided(holder, decision, decide, standing)

    def _approved(
        self,
        holder: Principal,
        row: DecisionRow,
        now: int,
        how: How,
        until_ms: int | None,
        note: str,
        *,
        with_any_args: bool,
    ) -> tuple[DecisionRow, Said]:
        asking = asking_of(row)
        if how != "once" and asking.question.apply:
            raise GovernError("LR422.decision", "an application is approved once")
        if (how == "until") is not (until_ms is not None):
            raise GovernError("LR422.decision", "`until` names the moment up to which it is approved")
        if with_any_args and how != "until":
            raise GovernError("LR422.decision", "only what is approved for a time is so with any arguments")
        expires = row.expires_ms
        if until_ms is not None:
            if not now < until_ms <= now + 1_000 * UNTIL_SECONDS_LIMIT:
                days = UNTIL_SECONDS_LIMIT // 86_400
                raise GovernError("LR422.decision", f"`until` is in the next {days} days")
            expires = until_ms
        ruling = Ruling(holder.id, now, how, note)
        new = replace(
            _changed(row, "approved", ruling),
            key=asking.any_key if with_any_args else asking.key,
            expires_ms=expires,
        )
        about = {"how": how, "digest": digest_of(row), "expires_ms": expires, "note": note}
        about |= {"args": "any"} if with_any_args else {}
        return new, _said(holder, row, now, "decision.approved", about)

    async def deny(
        self, holder: Principal, decision: str, standing: Standing, *, note: str = ""
    ) -> DecisionRow:
        """Deny what was asked; of what was approved and not used, take the approval back."""

        async def decide(row: DecisionRow) -> tuple[DecisionRow, Said]:
            now = await self._check_decider(holder, row, LIVING)
            new = _changed(row, "denied", Ruling(holder.id, now, None, note))
            about = {"digest": digest_of(row), "note": note, "was": row.state}
            return replace(new, key=b""), _said(holder, row, now, "decision.denied", about)

        return await self._decided(holder, decision, decide, standing)

    def standing_policy(self, holder: Principal, row: DecisionRow, version: str, note: str) -> Ready:
        """The approval of what was checked as a standing policy, which `version` of the app has."""
        now, text = self._clock.now_ms(), policy_of(row)
        ruling = Ruling(holder.id, now, "policy", note, text, version)
        about = {"how": "policy", "digest": digest_of(row), "policy": text, "version": version, "note": note}
        return Ready(_changed(row, "approved", ruling), _said(holder, row, now, "decision.approved", about))

    def used(self, holder: Principal, row: DecisionRow) -> Ready:
        """The use of an approval by what is made in the same transaction."""
        now = self._clock.now_ms()
        said = _said(holder, row, now, "decision.used", {"digest": digest_of(row)})
        return Ready(_changed(row, "used"), said)

    async def approved(self, tenant: str, keys: Sequence[bytes]) -> DecisionRow | None:
        """The decision that lets a request of one of these keys pass now."""
        found = await self._store.approved(tenant, keys)
        return found[0] if found else None

    async def check(self, holder: Principal, row: DecisionRow, digest: str) -> int:
        """Whether somebody may approve what they have seen; the moment at which that was so.

        Raises `GovernError` (LR403.decider, LR403.scope, LR409.decided, LR409.digest).
        """
        now = await self._check_decider(holder, row, frozenset({"open"}))
        if digest != digest_of(row):
            raise GovernError("LR409.digest", "that is not the digest of what is asked: look at it again")
        question = asking_of(row).question
        live = {one.app.name: one.digest for one in self._catalog.all(row.tenant)}
        if live.get(question.app, "") != question.version:
            raise GovernError("LR409.decided", f"`{question.app}` has another version since it was asked")
        return now

    async def _check_decider(self, holder: Principal, row: DecisionRow, states: frozenset[str]) -> int:
        asking = asking_of(row)
        question = asking.question
        if holder.grant is not None or holder.kind != "person":
            raise _not("only a person decides")
        holder.needs("decide")
        holder.enters(question.app)
        if question.action and not holder.takes(question.blueprint, question.action):
            raise GovernError("LR403.scope", f"the token is not for `{question.action}`")
        if holder.is_part or len(holder.chain) > 1:
            raise _not("a part of a token decides nothing: show your own")
        asking_ones = {self._same(name) for name in asking.chain}
        if not asking_ones.isdisjoint(map(self._same, (holder.id, holder.actor))):
            raise _not("nobody decides what they ask for, or what is asked in their name")
        handlers: set[str] = set()
        for token in await self._store.lineage(holder.token) if holder.token else ():
            handlers.update(token_of(token).handlers)
        if met := sorted(one for one in handlers - {holder.id} if self._same(one) in asking_ones):
            raise _not(f"`{met[0]}` made or rotated your token, and it is `{met[0]}` who asks")
        return self._living(row, states)

    def _same(self, name: str) -> str:
        """One name for whoever an issuer knows by several tables."""
        table, colon, subject = name.partition(":")
        return f"{self._aliases.get(table, table)}:{subject}" if colon else name

    def _living(self, row: DecisionRow, states: frozenset[str]) -> int:
        """The moment. Raises `GovernError` (LR409.decided) if it is in none of these states."""
        now = self._clock.now_ms()
        state = state_of(row, now)
        if state not in states:
            raise GovernError("LR409.decided", f"it is {state}")
        return now

    async def _decided(
        self, holder: Principal, decision: str, decide: Decide, standing: Standing
    ) -> DecisionRow:
        """Decide, anew if something else was governed meanwhile: also who decides may be nobody by then."""
        for tries in range(TRIES_LIMIT):
            end = await self._store.audit_end()
            await standing()
            new, said = await decide(await self.one(holder, decision))
            if await self._store.govern(Change(audited(end, said), decisions=(new,))):
                return new
            await asyncio.sleep(0.002 * tries)
        raise BusyError("others keep changing what governs")


def is_mine(holder: Principal, row: DecisionRow) -> bool:
    """Whether somebody asked for it, or it was asked in their name."""
    return not {holder.id, holder.actor}.isdisjoint(asking_of(row).chain)


def sees(holder: Principal, row: DecisionRow) -> bool:
    """Whether a decision is somebody's business."""
    if holder.grant is not None or not holder.is_for(row.app):
        return False
    return is_mine(holder, row) or holder.may("decide")


def _changed(row: DecisionRow, state: str, ruling: Ruling | None = None) -> DecisionRow:
    body = row.body if ruling is None else body_of(replace(asking_of(row), ruling=ruling))
    return replace(row, state=state, revision=row.revision + 1, body=body)


def _said(holder: Principal, row: DecisionRow, now: int, kind: str, about: object) -> Said:
    return Said(row.tenant, now, kind, holder.id, holder.chain or (holder.id,), row.id, about)


def _not(said: str) -> GovernError:
    return GovernError("LR403.decider", said)


__all__ = ["OPEN_LIMIT", "Decisions", "Ready", "is_mine", "keys_of", "sees"]
