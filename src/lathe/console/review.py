"""The review pages as markdown: checks, reports, versions, differences, permissions, traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lathe.api.wire.problem import Problem
from lathe.console.ask import Ask
from lathe.console.writing import rows, table, text, value
from lathe.lang.model import Json
from lathe.lang.render.escape import code, prose
from lathe.lang.render.words import count
from lathe.machine.trace import Trace, TraceStep
from lathe.machine.tracejson import from_json

Params = Mapping[str, str]
Row = dict[str, Json]
TABS = ("report", "graph", "source", "permissions", "changes", "plan")
FINDINGS_LIMIT = 20
TRACE_ID_CHARACTERS = 12


async def _checks(ask: Ask, params: Params, query: Params) -> list[str]:
    app = {"app": query["app"]} if "app" in query else {}
    body = [
        [
            value(one["id"]),
            value(one["app"]),
            value(one["verdict"]),
            value(one["outcome"] or None),
            value(one["at"]),
        ]
        for one in rows(await ask.get("checks", query=app))
    ]
    head = ["id", "app", "verdict", "outcome", "at"]
    return ["# Checks", "", "The newest first.", "", *table(head, body), "", "One: `GET /v1/checks/ID`."]


async def _check(ask: Ask, params: Params, query: Params) -> list[str]:
    return await _subject(ask, ("checks", params["id"]), params.get("tab", "report"), query)


async def _version(ask: Ask, params: Params, query: Params) -> list[str]:
    path = ("blueprints", params["app"], params["digest"])
    return await _subject(ask, path, params.get("tab", "graph"), query)


async def _subject(ask: Ask, path: tuple[str, ...], tab: str, query: Params) -> list[str]:
    """A check or a version, as one of its tabs."""
    found = cast(Row, await ask.get(*path))
    report = cast(Row, found["report"])
    name = text(found, "app") or text(report, "app") or "unnamed"
    title = f"# {code(name)}: {text(report, 'verdict') or 'loaded without a report'}"
    lines = [
        title,
        "",
        f"Digest {value(found.get('digest') or None)}. As data: `GET /v1/{'/'.join(path)}`.",
        "",
    ]
    if tab in ("report", "plan"):
        return [*lines, *_report(report)]
    if tab == "source":
        return [*lines, *_sources(cast(Mapping[str, str], found["files"]), query.get("file"))]
    if tab not in TABS:
        raise Problem("LR404.route", f"there is no view `{tab[:80]}` of it")
    against = {"against": query["against"]} if "against" in query else {}
    described = cast(Row, await ask.get(*path, "description", query=against))
    if "graph" not in described:
        return [*lines, f"Nothing can be told: {text(described, 'why')}."]
    told = {"graph": _graph, "permissions": _permissions, "changes": _changes}[tab]
    return [*lines, *told(described)]


def _report(report: Row) -> list[str]:
    findings = rows(report, "findings")
    lines = ["## Findings", ""]
    for finding in findings[:FINDINGS_LIMIT]:
        place = f"{text(finding, 'file')}:{text(finding, 'line')}"
        lines += [f"- **{text(finding, 'code')}** {code(place)} {prose(text(finding, 'message'))}"]
        if finding.get("help"):
            lines.append(f"  Help: {prose(text(finding, 'help'))}")
        trace = finding.get("trace")
        if isinstance(trace, dict):
            name = text(trace, "id")[:TRACE_ID_CHARACTERS]
            steps = count(int(str(trace["length"])), "step")
            lines.append(f"  The run of {steps}: `traces/{name}` below this address.")
    if not findings:
        lines.append("none")
    if len(findings) > FINDINGS_LIMIT:
        lines.append(f"- and {len(findings) - FINDINGS_LIMIT} more")
    levels = [
        [text(one, "level"), text(one, "name"), text(one, "verdict"), prose(text(one, "why"))]
        for one in rows(report, "levels")
    ]
    lines += [
        "",
        "## Levels",
        "",
        *table(["level", "name", "verdict", "why"], levels),
        "",
        "## Not covered",
        "",
    ]
    missing = report.get("not_covered")
    return [*lines, *(f"- {prose(str(one))}" for one in (missing if isinstance(missing, list) else []))]


def _sources(files: Mapping[str, str], wanted: str | None) -> list[str]:
    lines: list[str] = []
    for name in sorted(files):
        if wanted in (None, name):
            fence = "`" * max(
                3, 1 + max((len(run) for run in files[name].split() if set(run) == {"`"}), default=0)
            )
            lines += [f"## {code(name)}", "", f"{fence}toml", files[name].rstrip("\n"), fence, ""]
    return lines or ["There is no such file."]


def _graph(described: Row) -> list[str]:
    lines: list[str] = []
    for blueprint in rows(described["graph"], "blueprints"):
        actions = [
            [
                value(a["name"]),
                value(_joined(a["from"])),
                value(_joined(a["to"])),
                value(_joined(a["by"])),
                value(a["guard"] or None),
            ]
            for a in rows(blueprint, "actions")
        ]
        states = [
            [value(s["name"]), value(s["runs"] or None), value(s["timer"] or None), value(s["waits"] or None)]
            for s in rows(blueprint, "states")
        ]
        lines += [f"## {code(text(blueprint, 'name'))}", "", prose(text(blueprint, "doc")), ""]
        lines += [*table(["state", "runs", "timer", "waits for"], states), ""]
        lines += [*table(["action", "from", "to", "by", "when"], actions), ""]
    return lines


def _permissions(described: Row) -> list[str]:
    lines: list[str] = []
    for matrix in rows(described, "permissions"):
        columns = [str(who) for who in cast(list[Json], matrix["columns"])]
        body = [
            [value(row["action"]), *(str(cell) for cell in cast(list[Json], row["cells"]))]
            for row in rows(matrix, "rows")
        ]
        lines += [f"## {code(text(matrix, 'blueprint'))}", "", *table(["", *map(code, columns)], body), ""]
    return lines


def _changes(described: Row) -> list[str]:
    diff = described.get("diff")
    if not isinstance(diff, dict):
        return ["There is nothing to compare it with."]
    body = [
        [text(c, "what"), value(c["path"]), value(c["was"] or None), value(c["now"] or None),
         ", ".join(word for word in ("breaking", "weaker") if c[word])]
        for c in rows(diff, "changes")
    ]  # fmt: skip
    head = ["what", "path", "was", "now", ""]
    return [f"Compared with {value(diff['from'])}.", "", *table(head, body)]


async def _history(ask: Ask, params: Params, query: Params) -> list[str]:
    found = await ask.get("blueprints", params["app"])
    body = [[value(v["digest"]), value(v["at"]), value(v["by"]), prose(text(v, "note"))] for v in rows(found)]
    head = ["digest", "at", "by", "note"]
    return [f"# Versions of {code(params['app'])}", "", "The newest is in force.", "", *table(head, body)]


async def _check_trace(ask: Ask, params: Params, query: Params) -> list[str]:
    return _trace(cast(Row, await ask.get("checks", params["id"])), params["trace"])


async def _version_trace(ask: Ask, params: Params, query: Params) -> list[str]:
    return _trace(cast(Row, await ask.get("blueprints", params["app"], params["digest"])), params["trace"])


def _trace(found: Row, name: str) -> list[str]:
    """A run in sentences, and what it shows to be false."""
    for finding in rows(found["report"], "findings"):
        data = finding.get("trace")
        if isinstance(data, dict) and text(data, "id").startswith(name):
            trace = from_json(data)
            return [f"# {text(finding, 'code')}: {prose(text(finding, 'message'))}", "", *told_trace(trace)]
    raise Problem("LR404.route", f"the report has no trace `{name[:80]}`")


def told_trace(trace: Trace) -> list[str]:
    """The steps of a run in sentences, and the false clauses with what they read."""
    lines = []
    for number, step in enumerate(trace.steps, 1):
        if number - 1 == trace.loop_from:
            lines.append("From here on, again and again:")
        lines.append(f"{number}. {_step(step)}")
    for clause in trace.clauses:
        values = ", ".join(f"{prose(name)} = {value(read)}" for name, read in clause.values.items())
        lines += ["", f"False: {code(clause.text)}" + (f" with {values}" if values else "")]
    return lines


def _step(step: TraceStep) -> str:
    what = step.action or " ".join(filter(None, (step.effect, step.event)))
    told = [
        f"{code(step.by)} {code(what)} {code(part.entity)}{_changed(part.changes)}" for part in step.parts[:1]
    ]
    told += [
        f"with {code(part.action or '')} of {code(part.entity)}{_changed(part.changes)}"
        for part in step.parts[1:]
    ]
    told += [f"outside{_changed(step.world)}"] if step.world else []
    return "; ".join(told) + (f"; refused: {prose(step.refused)}" if step.refused else "")


def _changed(changes: Mapping[str, tuple[Json, Json]]) -> str:
    told = ", ".join(f"{code(name)} {value(was)} → {value(now)}" for name, (was, now) in changes.items())
    return f": {told}" if told else ""


async def _opened(ask: Ask, params: Params, query: Params) -> list[str]:
    return [
        "# Open a report",
        "",
        "In a browser this opens what `lathe check --json` printed, a trace or a gauge, and sends nothing.",
        "Here: `POST /v1/checks` checks files and keeps the report; `lathe replay` tells a trace.",
    ]


async def _entity_trace(ask: Ask, params: Params, query: Params) -> list[str]:
    path = (params["app"], params["plural"], params["id"], "trace")
    found = cast(Row, await ask.get(*path))
    notes = found.get("notes")
    said = [f"- {prose(str(note))}" for note in (notes if isinstance(notes, list) else [])]
    title = f"# What happened to {code(params['id'])}"
    run = told_trace(from_json(found["trace"]))
    return [title, "", *run, *said, "", f"As data: `GET /v1/{'/'.join(path)}`."]


async def _forked(ask: Ask, params: Params, query: Params) -> list[str]:
    version = f"blueprints/{params['app']}/{params.get('digest', 'current')}" if "app" in params else ""
    path = version or f"checks/{params['id']}"
    return [
        "# What if",
        "",
        "In a browser this goes on with a run by hand, on the model alone.",
        f"Here: `POST /v1/{path}/fork` `{{trace, at, take}}` tells where the run leads, what it breaks, and",
        "`choices`: send the `step` of one at the end of `take`. A run of no steps begins before anything.",
    ]


def _joined(found: Json) -> str | None:
    return ", ".join(map(str, found)) or None if isinstance(found, list) else None


REVIEW = {
    "checks": _checks,
    "checks/:id": _check,
    "checks/:id/fork": _forked,
    "checks/:id/:tab": _check,
    "checks/:id/traces/:trace": _check_trace,
    "checks/:id/traces/:trace/fork": _forked,
    "open": _opened,
    "open/:tab": _opened,
    "open/traces/:trace": _opened,
    "open/traces/:trace/fork": _opened,
    "apps/:app/entities/:plural/:id/trace": _entity_trace,
    "apps/:app/entities/:plural/:id/trace/fork": _forked,
    "apps/:app/history": _history,
    "apps/:app/versions/:digest": _version,
    "apps/:app/versions/:digest/fork": _forked,
    "apps/:app/versions/:digest/:tab": _version,
    "apps/:app/versions/:digest/traces/:trace": _version_trace,
    "apps/:app/versions/:digest/traces/:trace/fork": _forked,
}
"""Each view's path below `/console/`, as `views.js` has it."""
