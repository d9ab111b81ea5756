"""Judges a finished run on a real store: by what was observed while it ran, and by what the store holds.

Every step of the journal is taken again by the machine and planned again by the runtime's own `plan`: what is
written must be the same, byte for byte. The writes that come of it go to the simulator's oracle, and into a
store in memory; what that one has at the end, the real one must have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
from msgspec.structs import replace

from lathe.frozen import frozen
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.step import step
from lathe.runtime.catalog import Live, deciding
from lathe.runtime.conformance import event_of, steps_of
from lathe.runtime.plan import Held, Told, plan
from lathe.sim.commands import command_of
from lathe.sim.messages import Answered
from lathe.sim.oracle import Oracle, Violation, refuses
from lathe.sim.prepared import Prepared
from lathe.sim.workload import Issue
from lathe.store.base import Apply, Store
from lathe.store.memory import MemoryStore
from lathe.store.records import Entry, Outgoing, Timer, Version, Write
from lathe.store.tables import decode_row
from lathe.store.verify import Verification

TENANT = "main"
COMPARED = ("entity", "outgoing", "timer", "claim")
"""The tables that follow from the journal."""


class _Payload(msgspec.Struct):
    """What is needed of an entry's payload."""

    event: dict[str, object] = {}


_payload = msgspec.json.Decoder(_Payload).decode


@frozen
class Asked:
    """A command, and the last entry that was known to be committed before it was asked."""

    number: int
    issue: Issue
    since: bytes | None


@frozen
class _Refused:
    """A refusal, and how many commands had been asked until it came."""

    asked: Asked
    said: str
    until: int


class Aftermath:
    """What was told while a run went on. `found` is the first thing that must not be."""

    def __init__(self) -> None:
        self.found: Violation | None = None
        self.announced: set[bytes] = set()
        self.acknowledged: set[bytes] = set()
        self.executed: set[tuple[str, int]] = set()
        self.refused: list[_Refused] = []
        self.steps = 0
        self._answers: dict[tuple[str, str], bytes] = {}
        self._asked = 0
        self._last: bytes | None = None
        self._committed: list[tuple[int, bytes]] = []

    def fail(self, cause: str, said: str) -> None:
        """Something is wrong; the first of them counts."""
        if self.found is None:
            self.found = Violation(cause, said)

    def asks(self, issue: Issue) -> Asked:
        """A command is about to be asked."""
        self._asked += 1
        return Asked(self._asked, issue, self._last)

    def answered(self, asked: Asked, answer: Answered, key: tuple[str, str] | None) -> None:
        """What a client was told."""
        match answer.verdict:
            case "committed":
                self.acknowledged.update(answer.hashes)
                self._last = answer.hashes[0]
                self._committed.append((asked.number, answer.hashes[0]))
                if key is not None:
                    self._same(key, answer.answer)
            case "replayed":
                assert key is not None, "only a key is replayed"
                self._same(key, answer.answer)
            case "refused":
                self.refused.append(_Refused(asked, answer.said, self._asked))
            case "lease":
                self.fail("lease", f"{asked.issue.entity}: a client holds no lease")

    def _same(self, key: tuple[str, str], answer: bytes) -> None:
        if self._answers.setdefault(key, answer) != answer:
            self.fail("key", f"the answer to {key[1]} is not the one that was given before")

    def first_after(self, refused: _Refused) -> list[bytes]:
        """What was committed by commands that were asked after a refusal had come."""
        return [head for number, head in self._committed if number > refused.until]


async def judge(prepared: Prepared, store: Store, aftermath: Aftermath, left: int) -> Violation | None:
    """What is wrong with what a run has left; `left` rows were overdue when nothing went wrong any more."""
    await store.open()
    try:
        dumped = [row async for row in store.dump()]
        late = await store.overdue(TENANT, prepared.first.app.name, before_ms=await store.now_ms(), limit=50)
    finally:
        await store.close()
    judging = _Judging(prepared, aftermath)
    judging.whole(dumped)
    if aftermath.found is None:
        judging.told()
    if aftermath.found is None and left:
        for row in late:
            judging.oracle.overdue(row, row.due_ms + 1)
    return aftermath.found or judging.oracle.found


class _Judging:
    def __init__(self, prepared: Prepared, aftermath: Aftermath) -> None:
        self._first = prepared.first
        self._aftermath = aftermath
        self.oracle = Oracle(prepared, lambda: None)
        self.oracle.knows_journal_alone()
        self._index: dict[bytes, int] = {}
        self._memory = MemoryStore(lambda: 0)
        first = self._first
        version = Version(TENANT, first.app.name, first.digest, dict(first.files), b"{}", 0, "simulator")
        assert self._memory.apply_now(Apply(version, None)).verdict == "accepted"
        how = deciding(first.app)
        self._live = Live(
            tenant=TENANT, app=first.app, table=first.table, digest=first.digest, epoch=1,
            permit=how.permit, may_read=how.may_read, forbids=how.forbids, determining=how.determining,
            explain=how.explain,
        )  # fmt: skip
        self._held: dict[str, Held] = {}

    def whole(self, dumped: list[tuple[str, bytes]]) -> None:
        """The store by itself, then the journal against the machine, then the tables against the journal."""
        verification = Verification()
        try:
            wrong = [broken for table, data in dumped for broken in verification.feed(table, data)]
            wrong += list(verification.finish())
        finally:
            verification.close()
        for broken in wrong:
            self._aftermath.fail("verify", f"{broken.entity} revision {broken.revision}: {broken.why}")
        entries = [
            row
            for table, data in dumped
            if table == "journal" and isinstance(row := decode_row(table, data), Entry)
        ]
        if [entry.position for entry in entries] != list(range(1, len(entries) + 1)):
            self._aftermath.fail("position", "the positions of the journal have gaps")
        for group in steps_of(entries):
            self._step(group)
            if self._aftermath.found is not None or self.oracle.found is not None:
                return
        for name, data in self._differences(dumped):
            self._aftermath.fail("tables", f"`{name}`: {data}")

    def _step(self, group: list[Entry]) -> None:
        first = group[0]
        payload = _payload(first.payload or b"{}")
        world = self.oracle.world
        event = event_of(first)
        found = step(self._first.table, world, event, permit=self._live.permit)
        if isinstance(found, Refusal):
            self._aftermath.fail(
                "replay", f"{first.kind} of {first.entity} is there, the machine refuses: {found}"
            )
            return
        if first.kind == "end" and payload.event.get("ok"):
            number = payload.event["number"]
            if (first.entity, number) not in self._aftermath.executed:
                self._aftermath.fail("unexecuted", f"{first.entity}.{number} ended well and never happened")
        before = {name: self._held.get(name) for name in (*found.reads, *found.written)}
        told = Told(first.kind, first.at_ms, first.by, first.chain, payload.event)
        planned = plan(self._live, found, before, told)
        self._same(group, planned.write)
        self._held.update(planned.after)
        self._aftermath.steps += 1
        for entry in group:
            self._index[entry.hash] = self._aftermath.steps
        answers = self._memory.commit_now([planned.write])
        if answers[0].verdict != "accepted":
            self._aftermath.fail(
                "serialisable", f"{first.entity}.{first.revision} does not fit: {answers[0]}"
            )
            return
        self.oracle.committed(planned.write)

    def _same(self, group: list[Entry], write: Write) -> None:
        """What was written is what is planned, byte for byte."""
        planned = {entry.entity: entry for entry in write.entries}
        if set(planned) != {entry.entity for entry in group}:
            self._aftermath.fail("journal", f"{group[0].step}: others are written, {sorted(planned)}")
            return
        for entry in group:
            meant = planned[entry.entity]
            for name in Entry.__struct_fields__:
                if name != "position" and getattr(entry, name) != getattr(meant, name):
                    said = f"`{name}` of {entry.entity} revision {entry.revision} (position {entry.position})"
                    told = f"{getattr(entry, name)!r}, it should be {getattr(meant, name)!r}"
                    self._aftermath.fail("journal", f"{said} is {told}")
                    return

    def _differences(self, dumped: list[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
        """Rows that the store in memory has otherwise."""
        for name in COMPARED:
            real = {str(_key(row)): row for row in _rows(name, dumped)}
            wanted = {str(_key(row)): row for row in _rows(name, list(self._memory._dumped()))}
            for key in sorted({*real, *wanted}):
                if real.get(key) != wanted.get(key):
                    yield name, f"{real.get(key)} is there, it should be {wanted.get(key)}"

    def told(self) -> None:
        """What was told is so."""
        aftermath = self._aftermath
        for said, hashes in (("acknowledged", aftermath.acknowledged), ("announced", aftermath.announced)):
            lost = [one for one in hashes if one not in self._index]
            if lost:
                aftermath.fail("acknowledged", f"{len(lost)} entries were {said}, and are not there")
        for refused in aftermath.refused:
            if not self._was_refused(refused):
                issue = refused.asked.issue
                said = f"{issue.action} of {issue.entity} was refused ({refused.said})"
                aftermath.fail("refused", f"{said}, and was possible throughout")

    def _was_refused(self, refused: _Refused) -> bool:
        """Whether the machine refuses a command at some moment between question and answer."""
        worlds = self.oracle.worlds
        since = self._index[refused.asked.since] if refused.asked.since is not None else 0
        later = [self._index[head] for head in self._aftermath.first_after(refused) if head in self._index]
        command = command_of(refused.asked.issue, tenant=TENANT, app=self._first.app.name, now_ms=lambda: 0)
        until = min(later, default=len(worlds))
        return any(refuses(loaded, world, command) for loaded, world in worlds[since:until])


def _rows(name: str, dumped: list[tuple[str, bytes]]) -> list[msgspec.Struct]:
    """The rows of a table, without what workers write down for themselves."""
    found = []
    for table, data in dumped:
        if table != name:
            continue
        row = decode_row(table, data)
        found.append(replace(row, due_ms=0, attempt=0) if isinstance(row, Outgoing) else row)
    return found


def _key(row: object) -> tuple[object, ...]:
    if isinstance(row, Outgoing):
        return row.entity, row.number
    if isinstance(row, Timer):
        return row.entity, row.name
    return tuple(getattr(row, name) for name in ("id", "unique", "key") if hasattr(row, name))


__all__ = ["Aftermath", "Asked", "Mapping", "MemoryWorld", "judge"]
