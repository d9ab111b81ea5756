"""An app compiled once for many runs, with other versions of it to swap to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from lathe.errors import InternalError
from lathe.frozen import frozen
from lathe.lang import digest, read_app
from lathe.lang.diff import Change, diff
from lathe.lang.expr import Follow, Node, Population, walk
from lathe.lang.model import App, Blueprint, Property
from lathe.machine.properties import Lowered, lowered
from lathe.machine.snapshot import Entity, MemoryWorld, Scalar, Value
from lathe.machine.step import Permit
from lathe.machine.table import Table, compile_app
from lathe.runtime.catalog import permit_of
from lathe.sim.goals import Goal, goals_of

EXTRA = b"""
[field.simulated_extra]
type = "int"
range = [0, 1]
default = 0
"""
"""What another version has more, so that a swap rewrites every entity."""
RETAIN = b'retain = "2s"\n'
"""How soon it archives what is final, and what nobody refers to that is there."""
POLICY = "simulated.cedar"
"""The file in which a version has one policy more."""


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
    goals: tuple[Goal, ...] = ()
    """Where guided runs of the first version want to come."""
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
    """An app and what it may be swapped to: `others`; the app with one more field in each blueprint, which
    archives as well; the app with one more policy, if it has any.
    """
    first = load(files)
    found = {first.digest: first}
    made = [_with_field(files, first.app), *_with_policy(files, first.app)]
    for version in (*others, *made):
        if read_app(version).app is not None:
            loaded = load(version)
            found.setdefault(loaded.digest, loaded)
    return Prepared(tuple(found.values()), goals_of(first.app))


def with_extra(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of an app with one more field in each blueprint."""
    return {n: data + EXTRA if n.endswith(".blueprint.toml") else data for n, data in files.items()}


def _with_field(files: Mapping[str, bytes], app: App) -> dict[str, bytes]:
    has_own = {b.file for b in app.blueprints.values() if b.retain_ms is not None}
    files = with_extra(files)
    if not _is_forgetful(app):
        return files
    is_new = {name for name in files if name.endswith(".blueprint.toml")} - has_own
    return {name: RETAIN + content if name in is_new else content for name, content in files.items()}


def _is_forgetful(app: App) -> bool:
    """Whether what an app promises holds without those that are over: none goes through all."""
    nodes = (n for b in app.blueprints.values() for prop in b.properties.values() for n in _nodes(prop))
    return not app.properties and not any(isinstance(node, Population) for node in nodes)


def _with_policy(files: Mapping[str, bytes], app: App) -> list[dict[str, bytes]]:
    """Versions that forbid what the app permits: one action that is open to a role."""
    if not app.policies:
        return []
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            if action.name != "create" and any(p.kind == "role" for p in action.by):
                name = f"{blueprint.name}.{action.name}"
                text = f'@id("simulated") forbid (principal, action == Action::"{name}", resource);\n'
                return [{**files, POLICY: text.encode()}]
    return []


def reads_others(blueprint: Blueprint) -> bool:
    """Whether a property of one entity may change its truth when another entity is written."""
    return any(_is_foreign(node) for prop in blueprint.properties.values() for node in _nodes(prop))


def _nodes(prop: Property) -> list[Node]:
    trees = [prop.that.tree, *([prop.when.tree] if prop.when is not None else [])]
    return [node for tree in trees for node in walk(tree)]


def _is_foreign(node: Node) -> bool:
    is_app_ghost = getattr(node, "scope", "") in ("app_ghost", "old_app_ghost")
    return isinstance(node, (Follow, Population)) or is_app_ghost


def kept_ghosts(before: MemoryWorld, new: Loaded) -> dict[str, Value]:
    """The ghosts of the app that another version has as well."""
    return {name: value for name, value in before.ghosts.items() if name in new.table.ghosts}


def referred(loaded: Loaded, entity: Entity) -> Iterator[Scalar]:
    """Whom the fields of an entity mean."""
    for one in loaded.app.blueprints[entity.blueprint].fields.values():
        value = entity.fields.get(one.name)
        if one.type.kind == "ref":
            yield value if not isinstance(value, frozenset) else None
        elif one.type.element is not None and one.type.element.kind == "ref":
            yield from value if isinstance(value, frozenset) else ()
