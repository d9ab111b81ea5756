"""A trace as JSON (`lathe.trace/1`) and back, without loss.

Optional members that say nothing are left out. What comes in is bytes from anywhere, so every
member is checked and every fault is told with the path to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

from lathe.errors import Diagnostic, Span, UnreadableError
from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.machine.trace import FORMAT, EventKind, FalseClause, Trace, TracePart, TraceStep

DIAGNOSTIC_LIMIT = 20
"""Faults told of one document; what follows is rarely news."""

EVENTS: tuple[str, ...] = get_args(EventKind)

_PART = frozenset({"entity", "action", "by", "args", "changes"})
_STEP = _PART | {"event", "part_by", "actor", "effect", "timer", "ok", "cause", "results", "world"}
_STEP |= {"refused", "also", "at"}
_TRACE = frozenset({"format", "id", "app", "digest", "length", "steps", "clauses", "loop_from"})
_CLAUSE = frozenset({"text", "values"})


def to_json(trace: Trace) -> dict[str, Json]:
    """The trace as plain JSON data, members in reading order; `length` is told, never read back."""
    data: dict[str, Json] = {
        "format": FORMAT,
        "id": trace.id,
        "app": trace.app,
        "digest": trace.digest,
        "length": trace.length,
        "steps": [step_to_json(step) for step in trace.steps],
    }
    if trace.clauses:
        data["clauses"] = [{"text": c.text, "values": dict(c.values)} for c in trace.clauses]
    if trace.loop_from is not None:
        data["loop_from"] = trace.loop_from
    return data


def step_to_json(step: TraceStep) -> Json:
    """One step, as it stands in a trace."""
    first = step.parts[0]
    data: dict[str, Json] = {"event": step.event, **_part_to_json(first), "by": step.by}
    optional: dict[str, Json] = {
        "part_by": None if first.by == _usual_by(step.by, first.action, step.refused) else first.by,
        "actor": step.actor,
        "effect": step.effect,
        "timer": step.timer,
        "ok": step.ok,
        "cause": step.cause,
        "results": dict(step.results) or None,
        "world": _changes_to_json(step.world) or None,
        "refused": step.refused,
        "also": [_part_to_json(part) for part in step.parts[1:]] or None,
        "at": step.at,
    }
    data.update((name, value) for name, value in optional.items() if value is not None)
    return data


def _usual_by(by: str, action: str | None, refused: str | None) -> str:
    """By whom the first entity's part was taken, where `part_by` does not say: nobody, if none was."""
    return by if action is not None and refused is None else ""


def _part_to_json(part: TracePart) -> dict[str, Json]:
    return {
        "by": part.by,
        "entity": part.entity,
        "action": part.action,
        "args": dict(part.args),
        "changes": _changes_to_json(part.changes),
    }


def _changes_to_json(changes: Mapping[str, tuple[Json, Json]]) -> dict[str, Json]:
    return {name: [before, after] for name, (before, after) in changes.items()}


def from_json(data: object, *, file: str = "trace.json") -> Trace:
    """The trace that decoded JSON says; `file` is named in what is found wrong.

    Raises UnreadableError with LT002 (unknown member), LT003 (missing) and LT004 (wrong type or
    value), each message naming the path of the member, as `steps[2].changes.state`.
    """
    reader = _Reader(file)
    trace = reader.trace(data)
    if reader.diagnostics:
        raise UnreadableError(tuple(reader.diagnostics))
    return trace


@frozen
class _Object:
    """A JSON object and the path to it; the path of the whole document is empty.

    Where something else stood (already told), it has no members and lacks none.
    """

    members: Mapping[str, Any]
    path: str
    is_object: bool = True

    def path_to(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class _Reader:
    """Collects faults; each method answers with something usable even if there were some."""

    def __init__(self, file: str) -> None:
        self.span = Span(file, 1, 1, 1, 1)
        self.diagnostics: list[Diagnostic] = []

    def fault(self, code: str, message: str) -> None:
        if len(self.diagnostics) < DIAGNOSTIC_LIMIT:
            self.diagnostics.append(Diagnostic(code, "error", message, self.span))

    def table(self, data: object, path: str, *, known: frozenset[str]) -> _Object:
        """The object at `path`, in which no member but the `known` may stand."""
        found = self.object_at(data, path)
        for name in found.members:
            if name not in known:
                self.fault("LT002", f"`{found.path_to(name)}` is not a member of a trace")
        return found

    def object_at(self, data: object, path: str) -> _Object:
        if isinstance(data, dict):
            return _Object(data, path)
        self.fault("LT004", f"`{path or 'trace'}` must be an object")
        return _Object({}, path, is_object=False)

    def values(self, parent: _Object, name: str) -> dict[str, Json]:
        """A mapping of names to whatever JSON they hold; absent is empty."""
        return dict(self.object_at(parent.members.get(name, {}), parent.path_to(name)).members)

    def items(self, parent: _Object, name: str) -> list[tuple[Any, str]]:
        """Each item of a list with its path; absent is empty."""
        data = parent.members.get(name, [])
        if not isinstance(data, list):
            self.fault("LT004", f"`{parent.path_to(name)}` must be a list")
            return []
        return [(item, f"{parent.path_to(name)}[{index}]") for index, item in enumerate(data)]

    def text(self, parent: _Object, name: str) -> str:
        return self.optional_text(parent, name) or "" if self.has(parent, name) else ""

    def has(self, parent: _Object, name: str) -> bool:
        if parent.is_object and name not in parent.members:
            self.fault("LT003", f"`{parent.path_to(name)}` is missing")
        return name in parent.members

    def optional_text(self, parent: _Object, name: str) -> str | None:
        value = parent.members.get(name)
        if name in parent.members and not isinstance(value, str):
            self.fault("LT004", f"`{parent.path_to(name)}` must be text")
        return value if isinstance(value, str) else None

    def changes(self, parent: _Object, name: str) -> dict[str, tuple[Json, Json]]:
        changes: dict[str, tuple[Json, Json]] = {}
        for member, pair in self.values(parent, name).items():
            if isinstance(pair, list) and len(pair) == 2:
                changes[member] = (pair[0], pair[1])
            else:
                path = f"{parent.path_to(name)}.{member}"
                self.fault("LT004", f"`{path}` must be a list of two: before and after")
        return changes

    def trace(self, data: object) -> Trace:
        top = self.table(data, "", known=_TRACE)
        if self.text(top, "format") not in (FORMAT, ""):
            self.fault("LT004", f"`format` must be `{FORMAT}`, not `{top.members['format']}`")
        if type(top.members.get("length", 0)) is not int:
            self.fault("LT004", "`length` must be a whole number")
        self.has(top, "steps")
        steps = tuple(self.step(item, path) for item, path in self.items(top, "steps"))
        return Trace(
            id=self.text(top, "id"),
            app=self.text(top, "app"),
            digest=self.text(top, "digest"),
            steps=steps,
            clauses=tuple(self.clause(item, path) for item, path in self.items(top, "clauses")),
            loop_from=self.loop_from(top.members.get("loop_from"), len(steps)),
        )

    def loop_from(self, value: object, length: int) -> int | None:
        if value is None:
            return None
        if type(value) is not int or not 0 <= value < length:
            self.fault("LT004", "`loop_from` must be the index of a step")
            return None
        return value

    def step(self, data: object, path: str) -> TraceStep:
        step = self.table(data, path, known=_STEP)
        event = self.text(step, "event")
        if step.members.get("event") == event and event not in EVENTS:
            self.fault("LT004", f"`{path}.event` must be one of {', '.join(EVENTS)}")
        ok = step.members.get("ok")
        if ok is not None and not isinstance(ok, bool):
            self.fault("LT004", f"`{path}.ok` must be true or false")
        by = self.text(step, "by")
        refused = self.optional_text(step, "refused")
        action = step.members.get("action")
        part_by = self.optional_text(step, "part_by")
        first = self.part(step, by=_usual_by(by, action, refused) if part_by is None else part_by)
        others = [self.table(item, at, known=_PART) for item, at in self.items(step, "also")]
        return TraceStep(
            event=cast("EventKind", event),
            parts=(first, *(self.part(other, by=self.text(other, "by")) for other in others)),
            by=by,
            actor=self.optional_text(step, "actor"),
            effect=self.optional_text(step, "effect"),
            timer=self.optional_text(step, "timer"),
            ok=ok,
            cause=self.optional_text(step, "cause"),
            results=self.values(step, "results"),
            world=self.changes(step, "world"),
            refused=refused,
            at=self.optional_text(step, "at"),
        )

    def part(self, data: _Object, *, by: str) -> TracePart:
        return TracePart(
            entity=self.text(data, "entity"),
            action=None if data.members.get("action") is None else self.text(data, "action"),
            by=by,
            args=self.values(data, "args"),
            changes=self.changes(data, "changes"),
        )

    def clause(self, data: object, path: str) -> FalseClause:
        clause = self.table(data, path, known=_CLAUSE)
        return FalseClause(self.text(clause, "text"), self.values(clause, "values"))
