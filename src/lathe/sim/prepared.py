"""An app made ready for many runs: compiled once, with other versions of it to swap to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from lathe.errors import InternalError
from lathe.frozen import frozen
from lathe.lang import digest, read_app
from lathe.lang.diff import Change, diff
from lathe.lang.expr import Follow, Node, Population, walk
from lathe.lang.model import App, Blueprint, Property
from lathe.machine.properties import Lowered, lowered
from lathe.machine.step import Permit
from lathe.machine.table import Table, compile_app
from lathe.runtime.catalog import permit_of

EXTRA = b"""
[field.simulated_extra]
type = "int"
range = [0, 1]
default = 0
"""
"""What another version has more, so that a swap rewrites every entity."""


@frozen
class Loaded:
    """One version of an app, as everything that a run needs of it."""

    files: Mapping[str, bytes]
    digest: str
    app: App
    table: Table
    permit: Permit
    properties: Lowered

    @property
    def has_outside(self) -> bool:
        """Whether effects change what ghosts count, so that the truth differs from what is known of it."""
        return any(e.world for b in self.app.blueprints.values() for e in b.effects.values())


@frozen
class Prepared:
    """An app with its versions: the first is the one that is simulated."""

    versions: tuple[Loaded, ...]
    _changes: dict[tuple[str, str], tuple[Change, ...]] = field(default_factory=dict, compare=False)

    @property
    def first(self) -> Loaded:
        """The version that a run begins with."""
        return self.versions[0]

    def changes(self, old: App, new: App) -> tuple[Change, ...]:
        """What is otherwise in another of the versions: worked out once for all runs."""
        key = (self._of(old).digest, self._of(new).digest)
        found = self._changes.get(key)
        if found is None:
            found = self._changes[key] = tuple(diff(old, new))
        return found

    def _of(self, app: App) -> Loaded:
        return next(v for v in self.versions if v.app is app)

    def by_digest(self, name: str) -> Loaded:
        """The version of a digest."""
        return next(v for v in self.versions if v.digest == name)


def load(files: Mapping[str, bytes]) -> Loaded:
    """A version from its files, which were admitted. Raises `InternalError` if they cannot be read."""
    app = read_app(files).app
    if app is None:
        raise InternalError("what is simulated was admitted, so it can be read")
    table = compile_app(app)
    return Loaded(dict(files), digest(app), app, table, permit_of(app), lowered(table))


def prepare(files: Mapping[str, bytes], others: Sequence[Mapping[str, bytes]] = ()) -> Prepared:
    """An app and what it may be swapped to: `others`, and the app with one more field in each blueprint."""
    first = load(files)
    found = {first.digest: first}
    for version in (*others, _with_field(files)):
        if read_app(version).app is not None:
            loaded = load(version)
            found.setdefault(loaded.digest, loaded)
    return Prepared(tuple(found.values()))


def _with_field(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        name: content + EXTRA if name.endswith(".blueprint.toml") else content
        for name, content in files.items()
    }


def reads_others(blueprint: Blueprint) -> bool:
    """Whether a property of one entity may change its truth when another entity is written."""
    return any(_is_foreign(node) for prop in blueprint.properties.values() for node in _nodes(prop))


def _nodes(prop: Property) -> list[Node]:
    trees = [prop.that.tree, *([prop.when.tree] if prop.when is not None else [])]
    return [node for tree in trees for node in walk(tree)]


def _is_foreign(node: Node) -> bool:
    is_app_ghost = getattr(node, "scope", "") in ("app_ghost", "old_app_ghost")
    return isinstance(node, (Follow, Population)) or is_app_ghost
