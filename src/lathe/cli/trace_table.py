"""A trace as a compact numbered table: who, which action, which entity, and only what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.machine.trace import FalseClause, Trace, TracePart, TraceStep

ROWS_LIMIT = 30
"""Rows shown of a longer trace: its beginning and, mostly, its end."""
ROWS_AT_START = 8
VALUE_LIMIT = 48
CELL_LIMIT = 32
ID_LENGTH = 8
"""Characters of a trace's id that are shown; any beginning of it names it."""

_BETWEEN = {
    "start": "starts",
    "execute": "is executed",
    "stop": "has stopped",
    "late": "is executed late",
    "notify": "is sent",
    "deliver": "arrives",
    "end": "ends",
    "swap": "takes over",
    "given": "as it was",
}


@frozen
class _Row:
    number: str
    by: str
    action: str
    entity: str
    what: str


def draw(trace: Trace, *, is_whole: bool = False) -> list[str]:
    """The table's lines. Unless `is_whole`, starts and stops that change nothing are left out."""
    rows = list(_rows(trace, is_whole=is_whole))
    entities = {row.entity for row in rows}
    shown = (
        rows if is_whole or len(rows) <= ROWS_LIMIT else [*rows[:ROWS_AT_START], None, *rows[_tail(rows) :]]
    )
    widths = [_width(rows, name) for name in ("number", "by", "action", "entity")]
    lines = []
    for row in shown:
        if row is None:
            lines.append(
                f"… {len(rows) - ROWS_LIMIT} rows left out; `--trace {trace.id[:ID_LENGTH]}` shows them"
            )
            continue
        if not row.by:
            lines.append(f"{' ' * widths[0]}  {row.what}")
            continue
        cells = [row.number.rjust(widths[0]), row.by.ljust(widths[1]), row.action.ljust(widths[2])]
        if len(entities) > 1:
            cells.append(row.entity.ljust(widths[3]))
        lines.append("  ".join([*cells, row.what]).rstrip())
    return lines


def clause_line(clause: FalseClause) -> str:
    """A false clause with the values it read: `replicas - ready <= 1   (replicas = 3, ready = 1)`."""
    values = ", ".join(f"{name} = {value(read)}" for name, read in clause.values.items())
    return f"{clause.text}   ({values})" if values else clause.text


def value(data: Json) -> str:
    """A value as an author would write it, cut if it is long."""
    match data:
        case str():
            text = data if data.isidentifier() or _is_plain(data) else repr(data)
        case list():
            text = "{" + ", ".join(value(item) for item in data) + "}"
        case dict():
            text = "{" + ", ".join(f"{name} = {value(item)}" for name, item in data.items()) + "}"
        case _:
            text = str(data)
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"


def _is_plain(text: str) -> bool:
    return bool(text) and all(c.isalnum() or c in "_-#.:" for c in text)


def _tail(rows: list[_Row]) -> int:
    return len(rows) - (ROWS_LIMIT - ROWS_AT_START)


def _width(rows: list[_Row], name: str) -> int:
    return min(max((len(getattr(row, name)) for row in rows), default=0), CELL_LIMIT)


def _rows(trace: Trace, *, is_whole: bool) -> Iterator[_Row]:
    has_actors = _actors_matter(trace)
    number = 0
    for index, step in enumerate(trace.steps):
        if index == trace.loop_from:
            yield _Row("", "", "", trace.steps[0].entity, "from here on, again and again:")
        number += step.counts
        if step.counts:
            yield from _committed(step, str(number), has_actors=has_actors)
        elif is_whole or step.world or step.event in ("execute", "late", "notify") or step.parts[0].changes:
            who = f"effect:{step.effect}" if step.effect else step.by
            yield _Row("·", who, _BETWEEN.get(step.event, step.event), step.entity, _outside(step))


def _outside(step: TraceStep) -> str:
    """What an execution did to the world: the ghosts of the entity and of the app."""
    return _changes({**step.parts[0].changes, **step.world}, {})


def _committed(step: TraceStep, number: str, *, has_actors: bool) -> Iterator[_Row]:
    by = f"{step.by} {step.actor}" if has_actors and step.actor else step.by
    for index, part in enumerate(step.parts):
        notes = _notes(step) if index == 0 else []
        what = " ".join(filter(None, [_changes(part.changes, _news(part)), *notes]))
        action = part.action or ""
        if index == 0:
            action = (
                action
                or _BETWEEN.get(step.event, step.event) + {True: " well", False: " badly", None: ""}[step.ok]
            )
            yield _Row(number, by, action, part.entity, what)
        else:
            yield _Row("", "  also", action, part.entity, what)


def _notes(step: TraceStep) -> list[str]:
    notes = []
    if step.event == "end" and step.cause:
        notes.append(f"({step.cause})")
    if step.timer:
        notes.append(f"(timer {step.timer})")
    results = _unsaid(step.results, step.parts[0]) if step.results and step.ok else {}
    if results:
        notes.append(_pairs(results))
    if step.world:
        notes.append(_changes(step.world, {}))
    if step.refused:
        notes.append(f"refused: {step.refused}")
    return notes


def _news(part: TracePart) -> dict[str, Json]:
    """The arguments that no change already tells."""
    return _unsaid(part.args, part)


def _unsaid(values: Mapping[str, Json], part: TracePart) -> dict[str, Json]:
    """Those of some values that no change of a part already tells."""
    return {
        name: given
        for name, given in values.items()
        if given is not None and (name not in part.changes or part.changes[name][1] != given)
    }


def _changes(changes: Mapping[str, tuple[Json, Json]], args: Mapping[str, Json]) -> str:
    said = [f"with {_pairs(args)}"] if args else []
    state = changes.get("state")
    if state is not None:
        before = "" if state[0] is None else f"{value(state[0])} "
        said.append(f"{before}→ {value(state[1])}")
    for name, (before_value, after) in changes.items():
        if name == "state" or before_value == after:
            continue
        if before_value is None:
            said.append(f"{name} = {value(after)}")
        else:
            said.append(f"{name} {value(before_value)} → {value(after)}")
    return ", ".join(said)


def _pairs(values: Mapping[str, Json]) -> str:
    return ", ".join(f"{name} = {value(given)}" for name, given in values.items())


def _actors_matter(trace: Trace) -> bool:
    """Whether who it was tells something: there were several, or one was written down."""
    actors = {step.actor for step in trace.steps if step.actor is not None}
    written = {
        value(after) for step in trace.steps for part in step.parts for _, after in part.changes.values()
    }
    return len(actors) > 1 or bool(actors & written)
