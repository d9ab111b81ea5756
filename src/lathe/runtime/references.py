"""Which entities refer to which, as the migration of one can depend on another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lathe.machine.snapshot import Entity
from lathe.machine.table import Table
from lathe.runtime.plan import Held


class Referring:
    """The references between an app's entities; nothing is kept if its blueprints have none."""

    def __init__(self, table: Table) -> None:
        fields = {
            name: tuple(
                f.name for f in one.blueprint.fields.values() if (f.type.element or f.type).kind == "ref"
            )
            for name, one in table.blueprints.items()
        }
        self._fields = {name: found for name, found in fields.items() if found}
        self._held: dict[str, Held] = {}
        self._by: dict[str, set[str]] = {}
        self.entities: dict[str, Entity] = {}

    @property
    def is_needed(self) -> bool:
        """Whether the app has references at all."""
        return bool(self._fields)

    def add(self, held: Held) -> None:
        """Add or update an entity."""
        if not self.is_needed:
            return
        entity = held.entity
        self._held[entity.id] = held
        self.entities[entity.id] = entity
        for other in self._targets(entity):
            self._by.setdefault(other, set()).add(entity.id)

    def _targets(self, entity: Entity) -> Iterator[str]:
        for name in self._fields.get(entity.blueprint, ()):
            value = entity.fields.get(name)
            for one in value if isinstance(value, frozenset) else (value,):
                if isinstance(one, str):
                    yield one

    def behind(self, names: Iterable[str]) -> list[Held]:
        """The entities that refer to these, transitively, without these themselves; by id."""
        seen = set(names)
        found: list[str] = []
        asked = sorted(seen)
        while asked:
            new = sorted({by for name in asked for by in self._by.get(name, ())} - seen)
            seen.update(new)
            found += new
            asked = new
        return [self._held[name] for name in sorted(found)]
