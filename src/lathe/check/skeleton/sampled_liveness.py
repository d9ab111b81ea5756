"""Liveness for values that were only sampled, decided on the skeleton (`regions`).

No induction speaks of it: that an entity can go on, and that an `eventually` holds. The skeleton can do all
that the app can, whatever values are given, and what it can surely do the app can too.
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import make_system, narrowed_fields
from lathe.check.reporting.account import Progress
from lathe.check.search.graph import Limits
from lathe.check.skeleton.settle import Settled, open_said, settle
from lathe.check.widening.wider import Wider, enlarged, staff
from lathe.errors import Span
from lathe.lang.model import App

SECONDS = 5.0
"""What the skeleton may take."""


def kept_for_all(progress: Progress) -> tuple[frozenset[Span], bool]:
    """Each `eventually` that no run of the skeleton misses, and each state that can be left as it should.

    With it, whether the scope was too large to be asked: then nothing is known of what is left.
    """
    try:
        found = [settled for settled in _settled(progress) if settled is not None]
    except (TooLargeError, KeyboardInterrupt):
        return frozenset(), False
    return frozenset().union(*(kept(progress.app, settled) for settled in found)), not found


def _settled(progress: Progress) -> Iterator[Settled | None]:
    """What the skeleton of the scope settles; with further holders of every role, what that leaves open."""
    assert progress.completed is not None, "a scope was searched"
    system, app = progress.completed[0], progress.app
    if narrowed_fields(app):  # what the search cut goes on here
        system = make_system(app, system.layout.domains.instances, whole=True)
    clock = progress.limits.clock
    yield settle(system, Limits(app.scope.budget_states, clock() + SECONDS, clock))
    count = staff(system.layout) if system.layout.roles else None
    if count is not None:
        instances = dict(system.layout.domains.instances)
        large, _ = enlarged(system.layout, Wider(instances, count), system.initial)
        yield settle(large, Limits(app.scope.budget_states, clock() + SECONDS, clock))


def kept(app: App, settled: Settled) -> frozenset[Span]:
    """What comes in the end as it should, as the skeleton settles it: places as in `lasting_spans`."""
    wrong = {failure.prop.span for failure in settled.unfair}
    lasting = (prop for b in app.blueprints.values() for prop in b.eventually.values())
    good = {p.span for p in lasting if p.span not in wrong and open_said(p) not in settled.open}
    left = {(still.slot.blueprint.name, still.state) for still in settled.standing}
    doubtful = {state.span for state in settled.doubtful}
    states = ((b.name, state) for b in app.blueprints.values() for state in b.states.values())
    return frozenset(good | {s.span for owner, s in states if (owner, s.name) not in left} - doubtful)
