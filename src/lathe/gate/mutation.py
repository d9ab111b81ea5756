"""Mutation score: which single changes of an app neither its properties nor the built-in checks notice.

A mutant is killed if the gate does not admit it, or warns of what it did not warn of before. One that is
admitted is equivalent if it takes the same steps between the same states, so that nobody could tell it
apart; the rest survive: each is a question. A mutant whose search did not end survives too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from lathe.check.composed.relevance import Key
from lathe.check.composed.system import needed
from lathe.check.judge.observable_steps import Labelled, Labeller
from lathe.check.mutation.mutants import Mutant, mutants
from lathe.check.read import finding
from lathe.check.reporting.account import UNSEARCHED
from lathe.check.reporting.report import Finding, Report
from lathe.check.search.graph import Clock, Limits
from lathe.check.search.scope import scopes
from lathe.errors import Diagnostic
from lathe.frozen import frozen
from lathe.gate.verdict import DEFAULTS, check_app
from lathe.lang.model import App

MUTANT_SECONDS = 30.0
SMALL_SECONDS = 1.0
"""For a mutant with one instance of each; what that does not show is asked of the whole scope."""
MUTANT_STATES = 1_000_000
"""A mutant whose search does not end within these is undecided, so it is not killed."""

COMPARED_STATES = 200_000
"""A mutant with more states than this is not compared with the app: it is not called equivalent."""

EQUIVALENT = "equivalent"
UNDECIDED = "undecided"


@frozen
class Tried:
    """A mutant and what became of it: the code that killed it, `equivalent`, or empty if it survived.

    `undecided`: nothing was found, and the search did not end. `level` is that of the finding,
    `is_warning` tells that the mutant was admitted all the same.
    """

    mutant: Mutant
    killed_by: str
    level: int | None = None
    is_warning: bool = False

    @property
    def is_survivor(self) -> bool:
        return self.killed_by in ("", UNDECIDED)


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
        return sum(not t.is_survivor for t in self.tried) - self.equivalent

    @property
    def percent(self) -> float:
        """Killed of all that are not equivalent; 100 if there are none."""
        others = len(self.tried) - self.equivalent
        return 100 * self.killed / others if others else 100.0


def score(
    app: App,
    clock: Clock,
    *,
    stop_at: float = float("inf"),
) -> Score:
    """Try every mutant of an app that is admitted. The time, or Ctrl-C, ends it with what is known.

    Each is tried with one instance of each blueprint first, for most are killed there: what is left has the
    whole scope.
    """
    every = list(mutants(app))
    tried: dict[int, Tried] = {}
    with suppress(KeyboardInterrupt):
        own = _Own(app, clock)
        for attempt in (_try_small, _try) if len(scopes(app)) > 1 else (_try,):
            for number, mutant in enumerate(every):
                if clock() >= stop_at:
                    break
                result = attempt(mutant, own, clock) if number not in tried else None
                if result is not None:
                    tried[number] = result
    return Score(tuple(tried[number] for number in sorted(tried)), len(every) - len(tried))


def _try_small(mutant: Mutant, own: _Own, clock: Clock) -> Tried | None:
    """A mutant with one of each blueprint: killed if a run shows something wrong; else nobody knows yet."""
    scope = replace(mutant.app.scope, instances=dict.fromkeys(mutant.app.blueprints, 1))
    report = _checked(replace(mutant.app, scope=scope), clock, SMALL_SECONDS)
    shown = [f for f in report.findings if f.trace is not None and f.diagnostic.severity == "error"]
    noticed = own.first_news(replace(report, findings=tuple(shown)))
    return None if noticed is None else Tried(mutant, noticed.code, _level_of(noticed.code, report))


def _try(mutant: Mutant, own: _Own, clock: Clock) -> Tried:
    report = _checked(mutant.app, clock)
    noticed = own.first_news(report)
    if noticed is not None:
        is_warning = noticed.severity == "warning"
        return Tried(mutant, noticed.code, _level_of(noticed.code, report), is_warning)
    if report.covered.exhaustive != "within bounds" or report.verdict != "admitted":
        return Tried(mutant, UNDECIDED)
    return Tried(mutant, EQUIVALENT if own.is_same(mutant) else "")


def _checked(app: App, clock: Clock, seconds: float = MUTANT_SECONDS) -> Report:
    small = replace(app.scope, budget_states=min(app.scope.budget_states, MUTANT_STATES))
    options = replace(DEFAULTS, budget_seconds=seconds)
    report = check_app(replace(app, scope=small), options, clock)
    if report.is_interrupted:
        raise KeyboardInterrupt
    return report


def _level_of(code: str, report: Report) -> int:
    """The level that found it: by its verdict where it fails, else by where warnings come from."""
    failed = [level.level for level in report.levels if level.verdict in ("fails", "unknown")]
    return min(failed, default=0 if code < "LT2" or code in _STRUCTURE else 2)


_STRUCTURE = frozenset({"LT503", "LT602", "LT605"})
"""Warnings that level 0 gives."""


def _is_open(found: Finding) -> bool:
    """Whether it says no more than that a search did not end; a defect of ours is none either."""
    diagnostic = found.diagnostic
    if diagnostic.code == "LT801":
        return any(told in diagnostic.message for told in UNSEARCHED)
    return diagnostic.code == "LT901"


class _Own:
    """The app itself, checked and searched once, to be compared with what stands beside it."""

    def __init__(self, app: App, clock: Clock) -> None:
        self._clock = clock
        self._app = app
        self._keys = needed(app)
        self._warnings = {_said(f) for f in _checked(app, clock).findings if f.diagnostic.code != "LT801"}
        self._own: dict[frozenset[Key], tuple[Labeller, Labelled | None]] = {}

    def first_news(self, report: Report) -> Diagnostic | None:
        """The first error or warning of a mutant that the app itself does not have, errors first."""
        news = [
            f.diagnostic
            for f in report.findings
            if f.diagnostic.severity != "note" and _said(f) not in self._warnings and not _is_open(f)
        ]
        return min(news, key=lambda d: d.severity != "error", default=None)

    def is_same(self, mutant: Mutant) -> bool:
        """Whether a mutant takes the same steps between the same states, and stores the same.

        What either of the two reads is carried in both. Where values were sampled, nothing is the same: the
        difference may lie beyond the sample.
        """
        if mutant.app.policies != self._app.policies:
            return False  # in which roles somebody may is no step; what changes nothing is LT604
        keys = self._keys | needed(mutant.app)
        if mutant.field is not None and not self._shows(mutant.field, keys):
            return False
        if keys not in self._own:
            labeller = Labeller(keys)
            self._own[keys] = labeller, labeller.steps(self._app, self._limits())
        labeller, own = self._own[keys]
        if own is None or list(_promises(self._app)) != list(_promises(mutant.app)):
            return False
        return labeller.steps(mutant.app, self._limits()) == own

    def _shows(self, field: tuple[str, str], keys: frozenset[Key]) -> bool:
        """Whether the search tells values of a field apart: of a time it knows only that it is set."""
        kind = self._app.blueprints[field[0]].fields[field[1]].type.kind
        return kind != "time" and ("field", field[0], "", field[1]) in keys

    def _limits(self) -> Limits:
        return Limits(COMPARED_STATES, self._clock() + MUTANT_SECONDS, self._clock)


def _said(found: Finding) -> tuple[str, str]:
    return found.diagnostic.code, found.diagnostic.message


def _promises(app: App) -> Iterator[str]:
    """What a runtime does that no step of the search shows: durations, repeats, requests, uniqueness."""
    for blueprint in app.blueprints.values():
        yield f"{sorted(blueprint.unique)}"
        yield from (f"{s.name} {s.after_ms} {s.then}" for s in blueprint.states.values())
        yield from (f"{t.name} {t.at} {t.then}" for t in blueprint.timers.values())
        for effect in blueprint.effects.values():
            is_shown = effect.target is not None
            yield f"{effect.name} {effect.idempotent} {None if is_shown else effect.error}"


def survivors(found: Score) -> Iterator[Finding]:
    """LT405 for each change that nothing would notice."""
    for tried in found.tried:
        if tried.is_survivor:
            message = f"nothing would notice: {tried.mutant.told}"
            cure = "is that as good? if not, say in a property what it would break"
            yield finding("LT405", message, tried.mutant.span, cure, severity="note")
