"""The two versions that a run swaps between: the app as it is, and with one more field in each blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.frozen import frozen
from lathe.lang import digest, read_app
from lathe.lang.model import App
from lathe.machine.table import Table, compile_app
from lathe.probe.expected_answers import Foresight
from lathe.reader.cedar import Policies
from lathe.reader.reader import Reader
from lathe.reader.world import Entity, Value
from lathe.sim.prepared import EXTRA, with_extra

EXTRA_NAME = "simulated_extra"
"""The field that the other version has more; it is 0 where nobody has said otherwise, which nobody can."""
assert EXTRA_NAME.encode() in EXTRA, "that is the field which is added"


@frozen
class Version:
    """One version, as the runtime has it and as the second reader does."""

    table: Table
    files: Mapping[str, bytes]
    digest: str
    reader: Reader
    foresight: Foresight

    @property
    def app(self) -> App:
        return self.table.app

    def moved(self, entity: Entity) -> Entity:
        """An entity of the other version in this one: what both have stays, what this one has more is 0."""
        names = self.app.blueprints[entity.blueprint].fields
        fields: dict[str, Value] = {name: entity.fields.get(name, 0) for name in names}
        return replace(entity, fields=fields, version=entity.version + 1)


def version_of(table: Table, files: Mapping[str, bytes], reader: Reader) -> Version:
    """The version that is tried."""
    return Version(table, files, digest(table.app), reader, Foresight(table.app, reader))


def other_version(files: Mapping[str, bytes]) -> Version:
    """The other one. The app must be one that `can_swap`."""
    with_more = with_extra(files)
    other = read_app(with_more).app
    assert other is not None, "one field more is no fault"
    return version_of(compile_app(other), with_more, reader_of(other))


def can_swap(app: App) -> bool:
    """Whether an app goes over to the other version as it is: nothing in it says otherwise."""
    blueprints = app.blueprints.values()
    return all(b.migrate is None and EXTRA_NAME not in b.fields for b in blueprints)


def reader_of(app: App) -> Reader:
    """The second reading of an app, its policies' too: of those it shares Cedar's parser, and no more."""
    if not app.policies:
        return Reader(app)
    from lathe.policy.policies import read_policies  # only here: it loads cedarpy

    return Reader(app, policies=Policies(app, [policy.tree for policy in read_policies(app)[0]]))
