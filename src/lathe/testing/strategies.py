"""Random apps, worlds and events, as Hypothesis strategies: what laws of the language are tried on.

    @given(strategies.apps())
    def test_something_holds_for_every_app(app: App) -> None: ...

Needs Hypothesis, which Lathe itself does not; nothing else imports this module.
"""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.machine.event import Event
from lathe.machine.snapshot import MemoryWorld
from lathe.testing._apps import write_app
from lathe.testing._dice import Dice
from lathe.testing._events import random_event, random_world


def _dice(draw: st.DrawFn) -> Dice:
    return Dice(lambda count: draw(st.integers(0, count - 1)))


@st.composite
def app_files(draw: st.DrawFn) -> dict[str, bytes]:
    """The files of an app that can be read without any diagnostic: one to three small blueprints.

    All types, joint steps, timers, deadlines, effects, calls and creations, inbound events, ghosts and
    properties occur. What a check would say of it is left open.
    """
    return write_app(_dice(draw))


def apps() -> SearchStrategy[App]:
    """Apps, read from such files."""
    return app_files().map(_read)


def app_of_seed(seed: int) -> App:
    """The app of a seed, always the same: for many at once, where shrinking would not pay."""
    return _read(write_app(Dice(Random(seed).randrange)))


def _read(files: dict[str, bytes]) -> App:
    reading = read_app(files)
    assert reading.app is not None, [str(d) for d in reading.diagnostics]
    return reading.app


@st.composite
def worlds(draw: st.DrawFn, app: App) -> MemoryWorld:
    """Worlds of an app: up to two entities of each blueprint with any values that fit, nothing in flight.

    They need not be reachable.
    """
    return random_world(_dice(draw), app)


@st.composite
def events(draw: st.DrawFn, app: App, world: MemoryWorld, now: int) -> Event:
    """Events that may meet a world: possible ones mostly, now and then one that makes no sense."""
    return random_event(_dice(draw), app, world, now)


def data_dice(data: DataObject) -> Dice:
    """Choices made within a test, for what depends on what happened before."""
    return Dice(lambda count: data.draw(st.integers(0, count - 1)))
