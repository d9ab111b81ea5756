"""A group in one call of SQLite leaves what a group leaves that is looked at row by row."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import apsw
import pytest
from msgspec.structs import replace
from tests.store.contract import made
from tests.store.rows import (
    APP,
    BLUEPRINT,
    FAR_MS,
    SOON_MS,
    TENANT,
    claim,
    outgoing,
    receipt,
    timer,
    turned,
    write,
)

from lathe.store.records import Answer, EntityRow, Entry, Write
from lathe.store.sqlite import fast_path
from lathe.store.sqlite.file import NAME
from lathe.store.sqlite.store import SqliteStore
from lathe.store.tables import Row
from lathe.store.verify import verify

NOW_MS = 1_700_000_000_000
TABLES = ("entity", "journal", "outgoing", "timer", "claim", "receipt")


class Groups:
    """Groups as they come: steps of one entity and of two, on what is there, is queued, or is stale."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._rows: dict[str, EntityRow] = {}
        self._stored: dict[str, EntityRow] = {}
        self._keys = 0
        self._is_plain = False

    def next(self) -> list[Write]:
        """Some writes; those that are meant to be refused leave no trace here. Most groups have none such."""
        self._rows = dict(self._stored)
        self._is_plain = self._random.random() < 0.7
        return [self._write() for _ in range(self._random.choice((1, 2, 5, 17, 40)))]

    def told(self, group: list[Write], answers: list[Answer]) -> None:
        """What the next group builds on."""
        for queued, answer in zip(group, answers, strict=True):
            if answer.verdict == "accepted":
                self._stored.update({row.id: row for row in queued.entities})

    def _write(self) -> Write:
        draw = self._random
        names = draw.sample([f"e{n}" for n in range(1, 13)], draw.choice((1, 1, 1, 2)))
        turns = [self._turned(name) for name in names]
        more: dict[str, object] = {}
        if draw.random() < 0.6:
            self._keys += self._is_plain or draw.random() < 0.98
            more["receipt"] = receipt(str(self._keys))
        name, number = names[0], draw.randrange(3)
        if draw.random() < 0.4:
            phase = draw.choice(("waiting", "notice", "started"))
            more["outgoing"] = (outgoing(name, number, phase=phase, due_ms=draw.randrange(9)),)
            more["holds"] = draw.choice((None, ("w1", SOON_MS)))
        if draw.random() < 0.2:
            more["ended"] = ((name, (number + 1) % 3),)
        if draw.random() < 0.2:
            more["timers"] = (timer(name, str(number)),)
        if draw.random() < 0.2:
            more["disarmed"] = ((name, str((number + 1) % 3)),)
        if not self._is_plain and draw.random() < 0.05:
            more["lease"] = ("w1", name, number)
        if not self._is_plain and draw.random() < 0.02:
            more["claims"] = (claim(name, str(number)),)
        made = write(*turns, **more)
        if not self._is_plain and draw.random() < 0.03:
            return replace(made, bases=((name, b"?" * 32),))
        if self._is_plain or draw.random() < 0.9:
            self._rows.update({row.id: row for row, _ in turns})
        return made

    def _turned(self, name: str) -> tuple[EntityRow, Entry]:
        """One more step: it mostly keeps the state, and whether that is final."""
        before = self._rows.get(name)
        state, is_final = ("open", False) if before is None else (before.state, before.final_ms is not None)
        if self._random.random() < 0.3:
            state = self._random.choice(("open", "held"))
        if self._random.random() < 0.3:
            is_final = not is_final
        return turned(before, name, state=state, final=is_final, at_ms=self._random.randrange(9))


async def played(folder: Path, seed: int) -> tuple[list[list[Answer]], dict[str, list[Row]]]:
    """What the same groups were answered, and all rows that they left."""
    store = SqliteStore(folder, clock=lambda: NOW_MS)
    await store.open()
    try:
        await made(store, "e0")
        groups = Groups(seed)
        answers = []
        for _ in range(30):
            group = groups.next()
            answers.append(await store.commit(group))
            groups.told(group, answers[-1])
        assert [broken async for broken in verify(store)] == []
    finally:
        await store.close()
    file = apsw.Connection(str(folder / NAME))
    assert file.execute("pragma integrity_check").get == "ok", "each row is in its indexes, once"
    rows = {table: sorted(file.execute(f"select * from {table}"), key=repr) for table in TABLES}
    file.close()
    return answers, rows


@pytest.mark.parametrize("seed", range(12))
def test_both_ways_leave_the_same(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    put = fast_path.put

    def counted(connection: apsw.Connection, rows: fast_path.Rows) -> bool:
        calls.append(put(connection, rows))
        return calls[-1]

    monkeypatch.setattr(fast_path, "put", counted)
    mine = asyncio.run(played(tmp_path / "at-once", seed))
    assert sum(calls) > 10, "many groups were written in one call"
    monkeypatch.setattr(fast_path, "can_be", lambda group: False)
    other = asyncio.run(played(tmp_path / "by-row", seed))
    assert mine == other


def test_what_is_archived_may_be_made_anew(tmp_path: Path) -> None:
    """The writer remembers heads; a group that was written otherwise makes it forget."""

    async def main() -> None:
        store = SqliteStore(tmp_path)
        await store.open()
        await made(store)
        first = write(turned(None, "a", final=True))
        assert await store.commit([first]) == [Answer("accepted")]
        moved = await store.archive(TENANT, APP, BLUEPRINT, final_before_ms=FAR_MS, limit=9)
        assert moved == ["a"]
        assert await store.commit([write(turned(first.entities[0]))]) == [Answer("stale", "a")]
        assert await store.commit([write(turned(None, "b"))]) == [Answer("accepted")]
        await store.close()

    asyncio.run(main())
