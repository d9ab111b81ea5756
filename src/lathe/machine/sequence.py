"""A trace as a sequence chart: who called whom, and what changed."""

from __future__ import annotations

from lathe.lang.model import App
from lathe.lang.render.escape import mermaid_label, one_line
from lathe.machine.trace import FalseClause, Trace, TraceStep
from lathe.machine.trace_english import Names, caller, given, how_it_ended, outside, pairs, what_changed

_KINDS = {"outsider": "actor", "entity": "participant", "outside": "actor"}
"""Who takes part, from left to right, and how Mermaid draws them."""


def sequence_chart(trace: Trace, app: App | None = None) -> str:
    """The trace as a Mermaid `sequenceDiagram`. With the app, the values of secrets are hidden."""
    chart = _Chart(app)
    for index, step in enumerate(trace.steps):
        if index == trace.loop_from:
            chart.lines.append("loop from here on, again and again")
        chart.add(step)
    if trace.loop_from is not None and trace.loop_from < len(trace.steps):
        chart.lines.append("end")
    for clause in trace.clauses:
        chart.conclude(clause)
    return chart.text()


class _Chart:
    """A sequence diagram in the making. Ids are ours; every text is escaped."""

    def __init__(self, app: App | None) -> None:
        self.names = Names(app)
        self.lines: list[str] = []
        self._ids: dict[tuple[str, str], str] = {}

    def text(self) -> str:
        """The whole diagram, those who take part first."""
        declared = [
            f"{sign} {name} as {mermaid_label(label)}"
            for wanted, sign in _KINDS.items()
            for (kind, label), name in self._ids.items()
            if kind == wanted
        ]
        return "\n".join(["sequenceDiagram", *(f"  {line}" for line in (*declared, *self.lines))]) + "\n"

    def add(self, step: TraceStep) -> None:
        """Draw one step: its message, and what it changed for each who took part."""
        first, *others = step.parts
        me = self._id("entity", first.entity)
        secrets = self.names.secret(first.entity)
        self._message(step, me, secrets)
        for part in others:
            if part.action is not None:
                self._arrow(me, "->>", self._id("entity", part.entity), f"also {part.action}")
        for part in step.parts:
            what = what_changed(part, self.names)
            self._note(self._id("entity", part.entity), what)
        self._note(me, outside(step.world, secrets))

    def conclude(self, clause: FalseClause) -> None:
        """Say below everything what is false now."""
        entities = [name for (kind, _), name in self._ids.items() if kind == "entity"]
        if entities:
            values = ", ".join(pairs(clause.values, self.names.secret("")))
            told = f"false: {one_line(clause.text)}" + (f" ({values})" if values else "")
            self._note(",".join(dict.fromkeys((entities[0], entities[-1]))), told)

    def _message(self, step: TraceStep, me: str, secrets: frozenset[str]) -> None:
        part = step.parts[0]
        action = part.action or "nothing"
        effect = step.effect or "effect"
        match step.event:
            case "create" | "act":
                caller = self._caller(step)
                sign = "-x" if step.refused is not None else "->>"
                told = f"{action}{given(part.args, secrets)}{_role(step)}{_refused(step)}"
                self._arrow(caller, sign, me, told)
            case "timer":
                when = f"{step.timer} has come" if step.timer else "time is up"
                self._arrow(me, "->>", me, f"{when}, {action}{_refused(step)}")
            case "start" | "notify":
                self._arrow(me, "->>", self._outside_id(), f"{effect}{_refused(step)}")
            case "execute" | "late":
                self._note(self._outside_id(), f"{effect} happens{' late' if step.event == 'late' else ''}")
            case "stop":
                self._arrow(self._outside_id(), "-->>", me, f"{effect} has stopped")
            case "end":
                told = f"{effect} ends {how_it_ended(step, secrets)}, {action}{_refused(step)}"
                self._arrow(self._outside_id(), "-->>", me, told)
            case "swap":
                self._note(me, f"the new version takes over{_refused(step)}")
            case "given":
                self._note(me, "as it was")
            case "deliver":
                self._arrow(me, "->>", me, f"{effect} arrives, {action}{_refused(step)}")

    def _caller(self, step: TraceStep) -> str:
        if step.by.startswith(("effect:", "inbound:")):
            return self._outside_id()
        if step.actor is not None:  # one person is one column, whatever roles it acts in
            return self._id("outsider", step.actor)
        return self._id("outsider", caller(step).replace("`", ""))

    def _outside_id(self) -> str:
        return self._id("outside", "outside")

    def _id(self, kind: str, label: str) -> str:
        return self._ids.setdefault((kind, label), f"p{len(self._ids)}")

    def _arrow(self, source: str, sign: str, target: str, told: str) -> None:
        self.lines.append(f"{source}{sign}{target}: {mermaid_label(told)}")

    def _note(self, where: str, told: str) -> None:
        if told:
            self.lines.append(f"Note over {where}: {mermaid_label(told)}")


def _refused(step: TraceStep) -> str:
    return f", refused: {step.refused}" if step.refused is not None else ""


def _role(step: TraceStep) -> str:
    """In which role somebody acts whose column says who it is."""
    kind, _, name = step.by.partition(":")
    return f", as {name.replace('+', ' and ')}" if kind == "role" and step.actor is not None and name else ""
