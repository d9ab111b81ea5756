"""Mutation score: which single changes of an app its properties, and the house checks, would not notice.

A mutant is killed if the gate does not admit it. One that is admitted is equivalent if it takes the same
steps between the same states, so that nobody could tell it apart; the rest survive: each is a question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from lathe.check.bounds import TooLargeError
from lathe.check.command import Command
from lathe.check.graph import Clock, Limits
from lathe.check.mutants import Mutant, mutants
from lathe.check.read import finding
from lathe.check.relevance import explored
from lathe.check.report import Finding, Report
from lathe.check.scope import scopes
from lathe.check.search import search
from lathe.check.system import System, make_system
from lathe.errors import LatheError
from lathe.frozen import frozen
from lathe.gate.verdict import DEFAULTS, Options, check_app
from lathe.lang.model import App

MUTANT_SECONDS = 5.0
MUTANT_STATES = 200_000
"""A mutant whose search does not end within these is not admitted, so it counts as killed."""

Step = tuple[int, tuple[str, ...], int]


@frozen
class Tried:
    """A mutant and what became of it: the code that killed it, `equivalent`, or empty if it survived."""

    mutant: Mutant
    killed_by: str
    level: int | None = None

    @property
    def is_survivor(self) -> bool:
        return not self.killed_by


@frozen
class Score:
    """What became of every mutant that was tried; `left` were not, because the time was up."""

    tried: tuple[Tried, ...]
    left: int

    @property
    def equivalent(self) -> int:
        return sum(t.killed_by == EQUIVALENT for t in self.tried)

    @property
    def killed(self) -> int:
        return sum(bool(t.killed_by) for t in self.tried) - self.equivalent

    @property
    def percent(self) -> float:
        """Killed of all that are not equivalent; 100 if there are none."""
        others = len(self.tried) - self.equivalent
        return 100 * self.killed / others if others else 100.0


EQUIVALENT = "equivalent"


def score(
    app: App,
    clock: Clock,
    *,
    stop_at: float = float("inf"),
) -> Score:
    """Try every mutant of an app that is admitted. The time, or Ctrl-C, ends it with what is known."""
    every = list(mutants(app))
    own = _Own(app, clock)
    tried: list[Tried] = []
    try:
        for mutant in every:
            if clock() >= stop_at:
                break
            tried.append(_try(mutant, own, clock))
    except KeyboardInterrupt:
        return Score(tuple(tried), len(every) - len(tried))
    return Score(tuple(tried), len(every) - len(tried))


def _try(mutant: Mutant, own: _Own, clock: Clock) -> Tried:
    options = replace(DEFAULTS, budget_seconds=MUTANT_SECONDS)
    try:
        report = check_app(_small(mutant.app), options, clock)
    except (LatheError, LookupError, AssertionError) as error:
        return Tried(mutant, f"{type(error).__name__}: it cannot even be built", 0)
    if any("an interrupt ended" in level.why for level in report.levels):
        raise KeyboardInterrupt
    if report.verdict != "admitted":
        return Tried(mutant, *_killer(report, options))
    return Tried(mutant, EQUIVALENT if own.is_same(mutant) else "")


def _small(app: App) -> App:
    return replace(app, scope=replace(app.scope, budget_states=min(app.scope.budget_states, MUTANT_STATES)))


def _killer(report: Report, options: Options) -> tuple[str, int]:
    found = next(f.diagnostic.code for f in report.findings if f.diagnostic.severity == "error")
    failed = [level.level for level in report.levels if level.verdict in ("fails", "unknown")]
    return found, min(failed, default=options.level)


class _Own:
    """The app itself, searched once, to be compared with what is admitted beside it."""

    def __init__(self, app: App, clock: Clock) -> None:
        self._clock = clock
        self._keys = explored(app)
        self._found = self._graph(app)

    def is_same(self, mutant: Mutant) -> bool:
        """Whether a mutant takes the same steps between the same states, and stores the same."""
        if mutant.field is not None and ("field", mutant.field[0], "", mutant.field[1]) not in self._keys:
            return False
        return self._found is not None and self._graph(mutant.app) == self._found

    def _graph(self, app: App) -> tuple[tuple[str, ...], Counter[Step]] | None:
        try:
            system = make_system(app, scopes(app)[-1])
        except TooLargeError:
            return None
        graph = search(system, Limits(MUTANT_STATES, self._clock() + MUTANT_SECONDS, self._clock))
        if not graph.is_complete:
            return None
        shape = tuple(f"{v.name} {v.size} {v.offset}" for v in system.layout.variables)
        names = [_name(c) for c in system.commands]
        steps: Counter[Step] = Counter()
        for here, packed in enumerate(graph.states):
            for edge in range(graph.first[here], graph.first[here] + graph.degree[here]):
                steps[packed, names[graph.labels[edge]], graph.states[graph.targets[edge]]] += 1
        return (*shape, *_promises(system)), steps


def _name(command: Command) -> tuple[str, ...]:
    label = command.label
    shares = [f"{s.slot.name}.{s.action}" for s in command.shares]
    own = (label.event, label.slot.name, str(label.by), str(label.action), str(label.effect))
    return (*own, str(label.deadline), str(label.is_ok), str(label.cause), *shares)


def _promises(system: System) -> Iterator[str]:
    """What a runtime does that no step of the search shows: durations, effects, uniqueness."""
    for blueprint in system.layout.app.blueprints.values():
        yield f"{sorted(blueprint.unique)}"
        yield from (f"{s.name} {s.after_ms} {s.then}" for s in blueprint.states.values())
        yield from (f"{e.name} {e.idempotent} {e.error}" for e in blueprint.effects.values())


def survivors(found: Score) -> Iterator[Finding]:
    """LT405 for each change that nothing would notice."""
    for tried in found.tried:
        if tried.is_survivor:
            message = f"nothing would notice: {tried.mutant.told}"
            cure = "is that as good? if not, say in a property what it would break"
            yield finding("LT405", message, tried.mutant.span, cure, severity="note")
