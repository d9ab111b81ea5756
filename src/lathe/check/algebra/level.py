"""Level 1 of an app: which system is proved about, and for which scopes that counts."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.check.algebra.guess import guesses
from lathe.check.algebra.prove import Proofs, prove
from lathe.check.bounds import TooLargeError
from lathe.check.composed.domain import expressions
from lathe.check.composed.system import System, make_system
from lathe.check.search.graph import Clock, Graph, Limits
from lathe.check.search.plain import search
from lathe.check.search.scope import holds_sets, linked
from lathe.frozen import frozen
from lathe.lang.expr import Population, walk
from lathe.lang.model import App

DEFAULT_SECONDS = 5.0

OBSERVED_STATES = 5_000
"""States that are looked at for lemmas, where no search was made before."""


@frozen
class Proved:
    """What was proved, and for how many instances: of any number (empty), or of so many."""

    proofs: Proofs
    instances: Mapping[str, int]


def prove_app(
    app: App,
    seen: tuple[System, Graph] | None,
    clock: Clock,
    seconds: float | None = None,
    *,
    keeps: bool = False,
) -> Proved | None:
    """Prove what can be proved of an app; None if its system is too large to be laid out.

    `seen` is what a search found, for lemmas; without it a short one is made.
    """
    stop_at = clock() + (DEFAULT_SECONDS if seconds is None else seconds)
    least = dict(seen[0].layout.domains.instances) if seen else {}
    try:
        system = wide_enough(app, least)
        if seen is None:
            small = make_system(app, dict.fromkeys(app.blueprints, 1))
            seen = small, search(small, Limits(OBSERVED_STATES, stop_at, clock))
    except TooLargeError:
        return None
    layout = seen[0].layout
    guessed = guesses(layout, seen[1].states, system.layout)
    proofs = prove(system, guessed, clock, stop_at, keeps=keeps)
    return Proved(proofs, {} if _counts_for_all(app) else dict(system.layout.domains.instances))


def wide_enough(app: App, least: Mapping[str, int]) -> System:
    """The system with one more of each blueprint than any step takes part in.

    A larger one has no other steps: they involve the same entities, and somebody who looks on.
    """
    both = linked(app)
    instances = {name: max(2 if name in both else 1, least.get(name, 1)) for name in app.blueprints}
    system = make_system(app, instances, whole=True)
    crowd = {name: _participants(system, name) for name in both}
    wider = {name: max(count, crowd.get(name, 0) + 1) for name, count in instances.items()}
    return system if wider == instances else make_system(app, wider, whole=True)


def _participants(system: System, blueprint: str) -> int:
    """The most entities of a blueprint that take part in one step."""
    most = 0
    for command in system.commands:
        slots = {command.label.slot.name, *(s.slot.name for s in command.shares)}
        most = max(most, sum(name.startswith(f"{blueprint}#") for name in slots))
    return most


def _counts_for_all(app: App) -> bool:
    """Whether nothing counts entities or holds sets of them, so that how many there are changes nothing."""
    return not holds_sets(app) and not any(
        isinstance(n, Population) for e in expressions(app) for n in walk(e.tree)
    )
