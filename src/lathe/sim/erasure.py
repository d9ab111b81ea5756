"""An independent record of erased journals, to compare reads and exports with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lathe.machine.table import Table
from lathe.runtime.catalog import permit_of
from lathe.runtime.conformance import Replayer, steps_of
from lathe.store.records import Entry
from lathe.store.tables import decode_row


class Erased:
    """What was erased: of each entity, its journal up to a revision."""

    def __init__(self) -> None:
        self._through: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether anything was."""
        return bool(self._through)

    def erases(self, entity: str, revision: int) -> None:
        """Everything is gone that an entity's journal holds by now: as far as this revision."""
        self._through[entity] = revision

    def wrong(self, entries: Iterable[Entry]) -> str:
        """What is told that was erased, or is not told though it was not. Empty: nothing."""
        for entry in entries:
            is_erased = entry.revision <= self._through.get(entry.entity, 0)
            if is_erased and entry.payload is not None:
                return f"{entry.entity}.{entry.revision} was erased, and is told"
            if not is_erased and entry.payload is None:
                return f"{entry.entity}.{entry.revision} was not erased, and is told no more"
        return ""


def entries_of(dumped: Iterable[tuple[str, bytes]]) -> Iterator[Entry]:
    """The entries of an export, those of the archive among them."""
    for table, data in dumped:
        row = decode_row(table, data) if table in ("journal", "archived_journal") else None
        if isinstance(row, Entry):
            yield row


def parted(entries: Sequence[Entry], tables: Mapping[str, Table]) -> str:
    """What `store verify` says of a journal's steps, taken again as far as they can be. Empty: nothing."""
    replayer = Replayer(tables, permit_of)
    for group in steps_of(sorted(entries, key=lambda entry: entry.position)):
        for parting in replayer.take(group):
            return f"{parting.entity} revision {parting.revision}: {parting.why}"
    return ""
