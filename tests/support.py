"""Small apps as text: what a check says of them, and what the machine does with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count

from lathe.check.reporting.report import Finding, Report
from lathe.gate import Options, check_files
from lathe.lang import App, read_app
from lathe.machine.event import (
    Act,
    Caller,
    CallerKind,
    Cause,
    Create,
    Delivers,
    Ends,
    Event,
    Executes,
    LateExecution,
    Notifies,
    Starts,
    Stops,
    TimerFires,
)
from lathe.machine.outcome import Refusal, Step
from lathe.machine.snapshot import Entity, MemoryWorld, Value
from lathe.machine.step import step
from lathe.machine.table import compile_app
from lathe.machine.trace import TraceStep

_FILE = re.compile(r"^# --- (\S+)$", re.MULTILINE)
SECOND = 1_000


def files_of(text: str) -> dict[str, bytes]:
    """The files of an app: `# --- name` begins one; a text without such lines is one blueprint."""
    if not _FILE.search(text):
        return {"thing.blueprint.toml": text.encode()}
    _, *parts = _FILE.split(text)
    return {name: body.encode() for name, body in zip(parts[::2], parts[1::2], strict=True)}


def several(top: str = "", **blueprints: str) -> str:
    """The text of an app with the role `clerk`, the text of its blueprints by their names."""
    parts = [f'# --- app.toml\napp = "small"\n[role]\nclerk = "c"\n{top}']
    for name, body in blueprints.items():
        parts.append(f'# --- {name.lower()}.blueprint.toml\nblueprint = "{name}"\n{body}')
    return "\n".join(parts)


def app_of(text: str) -> App:
    """The app that a text means; fails with what is wrong with it."""
    reading = read_app(files_of(text))
    wrong = "\n".join(f"{d.span} {d.code} {d.message}" for d in reading.diagnostics)
    assert reading.app is not None, wrong
    return reading.app


def report_of(text: str, options: Options = Options()) -> Report:  # noqa: B008 - frozen data
    """What a check says of an app that can be read. Its clock stands still."""
    app_of(text)
    return check_files(files_of(text), options, lambda: 0.0).report


def told(report: Report) -> list[str]:
    """The codes of a report with their properties, sorted, each as often as it is told."""
    return sorted(f"{f.diagnostic.code} {f.property or ''}".strip() for f in report.findings)


def codes(text: str) -> list[str]:
    """The codes that a check of a text gives."""
    return told(report_of(text))


def finding(report: Report, code: str) -> Finding:
    """The one finding with this code."""
    found = [f for f in report.findings if f.diagnostic.code == code]
    assert len(found) == 1, told(report)
    return found[0]


def run_of(found: Finding) -> list[str]:
    """The trace of a finding in short: `create`, `start patch`, `end patch well rolled`."""
    assert found.trace is not None, found.diagnostic.message
    return [_short(s) for s in found.trace.steps]


def _short(told_step: TraceStep) -> str:
    is_plain = told_step.event in ("act", "create")
    words = [
        "" if is_plain else told_step.event,
        "" if is_plain else told_step.effect or told_step.timer or "",
        {True: "well", False: "badly", None: ""}[told_step.ok],
        told_step.action or "",
        "(refused)" if told_step.refused is not None else "",
    ]
    return " ".join(word for word in words if word)


class Machine:
    """A world of one app, stepped by hand. A refused event changes nothing and is answered by its reason."""

    def __init__(self, text: str) -> None:
        self.table = compile_app(app_of(text))
        self.world = MemoryWorld({}, self.table.ghosts)
        self.now = 0
        self.last: Step | None = None
        self.refusal: Refusal | None = None
        self._numbers = count(1)

    def entity(self, name: str) -> Entity:
        return self.world.entities[name]

    def take(self, event: Event) -> str:
        """Take an event: `done`, or the reason why it was refused."""
        outcome = step(self.table, self.world, event)
        if isinstance(outcome, Refusal):
            self.last, self.refusal = None, outcome
            return outcome.reason
        self.last, self.refusal = outcome, None
        self.world = self.world.after(outcome.written, outcome.ghosts)
        return "done"

    def create(self, blueprint: str = "Thing", *, by: str = "role:clerk", **args: Value) -> str:
        """A new entity, which must be possible; its name."""
        name = f"{blueprint}#{next(self._numbers)}"
        answer = self.take(Create(blueprint, name, args, caller(by), self._later()))
        assert answer == "done", self.refusal
        return name

    def try_create(self, blueprint: str = "Thing", *, by: str = "role:clerk", **args: Value) -> str:
        name = f"{blueprint}#{next(self._numbers)}"
        return self.take(Create(blueprint, name, args, caller(by), self._later()))

    def act(
        self, entity: str, action: str, *, by: str = "role:clerk", visit: int | None = None, **args: Value
    ) -> str:
        return self.take(Act(entity, action, args, caller(by), self._later(), visit))

    def timer(self, entity: str, deadline: str | None = None) -> str:
        return self.take(TimerFires(entity, deadline, self._later()))

    def start(self, entity: str) -> str:
        return self.take(Starts(entity, self._later()))

    def execute(self, entity: str) -> str:
        return self.take(Executes(entity, self._later()))

    def end_well(self, entity: str, **results: Value) -> str:
        return self.take(Ends(entity, True, self._later(), results))

    def end_badly(self, entity: str, cause: Cause = "timeout", **results: Value) -> str:
        return self.take(Ends(entity, False, self._later(), results, cause))

    def stop(self, entity: str) -> str:
        return self.take(Stops(entity, self._later()))

    def late(self, entity: str, effect: str) -> str:
        return self.take(LateExecution(entity, effect, self._later()))

    def notify(self, entity: str, effect: str, *names: str, again: bool = False) -> str:
        return self.take(Notifies(entity, effect, self._later(), names, again))

    def deliver(self, entity: str, *names: str) -> str:
        return self.take(Delivers(entity, self._later(), names))

    def phases(self, entity: str) -> Mapping[str, str]:
        """The phase of each invocation, the latest of each effect."""
        return {i.effect: i.phase for i in self.entity(entity).invocations}

    def _later(self) -> int:
        self.now += SECOND
        return self.now


def caller(text: str) -> Caller:
    """`role:clerk`, `role:clerk@ann` (acting for `ann`), `effect:patch`, `timer`, `entity:Order`, `any`."""
    text, _, actor = text.partition("@")
    kind, _, name = text.partition(":")
    if kind in ("role", "any"):
        return Caller("role", None, frozenset(filter(None, name.split("+"))), actor or "ann")
    kinds: Mapping[str, CallerKind] = {
        "effect": "effect",
        "timer": "timer",
        "entity": "entity",
        "inbound": "inbound",
    }
    return Caller(kinds[kind], name or None, actor=actor or None)
