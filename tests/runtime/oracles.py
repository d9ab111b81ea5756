"""What must hold after every run, whatever happened in it."""

from __future__ import annotations

from collections import defaultdict

from lathe.lang import digest
from lathe.lang.model import App
from lathe.machine.table import compile_app
from lathe.runtime.conformance import Replayer, steps_of
from lathe.runtime.snapshot import entity_of
from lathe.store.base import JournalQuery
from lathe.store.journal import breaks
from lathe.store.memory import MemoryStore
from lathe.store.records import Entry


async def whole_journal(store: MemoryStore, tenant: str = "main") -> list[Entry]:
    """Every entry, by position."""
    found: list[Entry] = []
    while page := await store.entries(JournalQuery(tenant, found[-1].position if found else 0)):
        found += page
    return found


async def journal_replays(store: MemoryStore, *apps: App) -> None:
    """Positions have no gaps, chains hold, and the journal taken again gives the rows."""
    tables = {digest(app): compile_app(app) for app in apps}
    entries = await whole_journal(store)
    assert [e.position for e in entries] == list(range(1, len(entries) + 1))
    chains: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        chains[entry.entity].append(entry)
    for chain in chains.values():
        assert not list(breaks(chain))
    replayer = Replayer(tables)
    partings = [p for group in steps_of(entries) for p in replayer.take(group)]
    assert not partings, partings[0]
    rows = await store.load("main", apps[0].name, list(chains))
    for name, row in rows.items():
        entity = entity_of(row)
        assert entity == replayer.entities[name]
        assert row.head == chains[name][-1].hash
