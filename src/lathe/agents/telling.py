"""The runtime's answers and the verifier's reports as short texts for an agent, each with a next step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from lathe.lang.model import Json

Row = Mapping[str, Json]

FINDINGS_SHOWN = 20
STEPS_SHOWN = 25
BOUNDS_SHOWN = 12
WARNINGS = ("warning", "note")


def value(found: Json) -> str:
    """A value in a line."""
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def rows(found: Json) -> list[Row]:
    """A list of objects."""
    return cast(list[Row], found or [])


def report(document: Row) -> str:
    """A verdict: each finding with its run and its cure, then what was not covered."""
    findings = sorted(rows(document["findings"]), key=lambda f: f["severity"] in WARNINGS)
    lines = [line for finding in findings[:FINDINGS_SHOWN] for line in _finding(finding)]
    if len(findings) > FINDINGS_SHOWN:
        lines.append(f"{len(findings) - FINDINGS_SHOWN} more findings: mend these first")
    verdict = str(document["verdict"])
    if document.get("why"):
        lines.append(f"not decided: {document['why']}")
    for level in rows(document.get("levels")):
        if level.get("states") is not None:
            lines.append(f"level {level['level']}: {level['states']} states, {level['steps']} steps")
    if verdict == "admitted":
        lines += [f"not covered: {text}" for text in cast(list[str], document["not_covered"])[:BOUNDS_SHOWN]]
    named = f"{document['app']}: " if document.get("app") else ""
    return "\n".join([*lines, f"{named}{verdict}", _next_of(verdict)])


def _next_of(verdict: str) -> str:
    if verdict == "admitted":
        return "next: `diff` shows what loading it would change, `apply` loads it"
    if verdict == "unknown":
        return "next: narrow the domains that are named, or `accept_bounds` if the bounds are enough"
    return "next: do what `help` says, check again; `explain` a code for its cause and an example"


def _finding(finding: Row) -> list[str]:
    about = f" {finding['property']}" if finding.get("property") else ""
    place = f"{finding['file']}:{finding['line']}:{finding['column']}"
    lines = [f"{place} {finding['severity']} {finding['code']}{about}: {finding['message']}"]
    trace = finding.get("trace")
    if isinstance(trace, dict):
        lines += _trace(trace)
    if finding.get("help"):
        lines.append(f"  help: {finding['help']}")
    return lines


def _trace(trace: Row) -> list[str]:
    steps = rows(trace["steps"])
    lines = [f"  {n} {step(found)}" for n, found in enumerate(steps[:STEPS_SHOWN], 1)]
    if len(steps) > STEPS_SHOWN:
        lines.append(f"  … {len(steps) - STEPS_SHOWN} more steps")
    for clause in rows(trace.get("clauses")):
        held = cast(Row, clause["values"])
        lines.append(f"  false: {clause['text']} ({', '.join(f'{k} = {value(v)}' for k, v in held.items())})")
    return lines


def step(found: Row) -> str:
    """One step of a run."""
    changes = cast(Mapping[str, Sequence[Json]], found.get("changes") or {})
    args = cast(Row, found.get("args") or {})
    given = f"({', '.join(f'{k}={value(v)}' for k, v in args.items())})" if args else ""
    what = found.get("action") or f"[{found.get('event', '')} {found.get('effect', '')}".strip() + "]"
    changed = ", ".join(f"{k} {value(pair[0])}→{value(pair[1])}" for k, pair in changes.items())
    after = f": refused, {found['refused']}" if found.get("refused") else f": {changed}" if changed else ""
    return f"{found['by']} {found['entity']}.{what}{given}{after}"


def plan(document: Row) -> str:
    """What loading would do."""
    found = cast(Row, document["plan"])
    lines = [
        f"{found['app']}: {found['verdict']}; {short(found['old']) or 'nothing'} → {short(found['new'])}"
    ]
    for change in rows(found["changes"]):
        marks = [word for word in ("breaking", "weaker") if change.get(word)]
        lines.append(f"  {change['what']} {change['path']}" + (f" ({', '.join(marks)})" if marks else ""))
    living = rows(found["population"])
    if living:
        alive = ", ".join(f"{r['count']} {r['blueprint']} {r['state']}" for r in living)
        lines.append(f"  alive: {alive}; {found['moved']} would be rewritten")
    lines += [
        f"  does not fit: {r['entity']} ({r['blueprint']} in {r['state']}): {r['why']}"
        for r in rows(found["unfit"])
    ]
    if "applied" in document:
        lines.append(f"applied {short(document['applied'])}")
        return "\n".join([*lines, "next: `list` without `plural` shows its collections"])
    if document.get("decision"):
        return "\n".join([*lines, held(cast(Row, document["decision"]))])
    if not found["possible"]:
        judged = cast(Row, document["report"])
        return "\n".join([*lines, *([report(judged)] if judged["verdict"] != "admitted" else [])])
    breaking = ", `breaking: true`" if found["breaking"] else ""
    return "\n".join([*lines, f"next: `apply` with `confirm: {found['digest']}`{breaking}"])


def short(digest: Json) -> str:
    """A digest, as much of it as tells it apart."""
    return str(digest).removeprefix("sha256:")[:12] if digest else ""


def apps(document: Row) -> str:
    """What is loaded."""
    found = rows(document["items"])
    if not found:
        return "nothing is loaded\nnext: `explain language`, write a blueprint, `check` it, `apply` it"
    lines = []
    for app in found:
        lines.append(f"{app['app']}: {app['doc']}".rstrip(": "))
        lines += [f"  {app['app']}/{b['plural']}: {b['doc']}".rstrip(": ") for b in rows(app["blueprints"])]
    return "\n".join([*lines, "next: `actions` of a collection, or `list` with `app` and `plural`"])


def page(document: Row) -> str:
    """A page of entities."""
    found = rows(document["items"])
    lines = [entity(row) for row in found] or ["none"]
    if document.get("next"):
        lines.append(f"next: more with `cursor: {document['next']}`")
    return "\n".join(lines)


def entity(row: Row) -> str:
    """One entity in a line."""
    fields = cast(Row, row.get("fields") or {})
    told = " ".join(f"{name}={value(v)}" for name, v in fields.items() if v is not None)
    state = f" {row['state']}" if row.get("state") else ""
    return f"{row['id']}{state} (version {row['version']}, visit {row['visit']}) {told}".rstrip()


def possible(items: Iterable[Row]) -> str:
    """What may be done now, then why not the rest."""
    lines, others = [], []
    for row in items:
        if row["possible"]:
            fenced = ", fenced: give the `visit`" if row.get("fenced") else ""
            lines.append(f"{row['action']}{arguments(cast(Row, row.get('args') or {}))}{fenced}")
        else:
            others.append(f"  not {row['action']}: {row['code']} {row.get('why', '')}".rstrip())
    return "\n".join([*(lines or ["nothing is possible now"]), *others])


def arguments(args: Row) -> str:
    """Arguments with their types; those in brackets may be left out."""
    told = []
    for name, kind in args.items():
        of = cast(Row, kind)
        text = f"{name}: {_kind(of)}"
        told.append(text if of.get("required") else f"[{text}]")
    return f"({', '.join(told)})" if told else ""


def _kind(of: Row) -> str:
    more = {k: v for k, v in of.items() if k not in ("type", "required", "doc", "schema")}
    limits = " ".join(f"{k}={value(v)}" for k, v in more.items())
    return f"{of.get('type', 'any')}" + (f" {limits}" if limits else "")


def schema(operation: Row) -> str:
    """The arguments of an operation in the runtime's OpenAPI document."""
    body = cast(Row, operation.get("requestBody") or {})
    if not body:
        return ""
    content = cast(Row, cast(Row, body["content"])["application/json"])
    found = cast(Row, content["schema"])
    needed = cast(list[str], found.get("required") or [])
    told = []
    for name, kind in cast(Row, found.get("properties") or {}).items():
        text = f"{name}: {_json_kind(cast(Row, kind))}"
        told.append(text if name in needed else f"[{text}]")
    return f"({', '.join(told)})" if told else ""


def _json_kind(kind: Row) -> str:
    if "enum" in kind:
        return "|".join(value(v) for v in cast(list[Json], kind["enum"]))
    low, high = kind.get("minimum"), kind.get("maximum")
    limits = f" {low}..{high}" if low is not None else ""
    return f"{kind.get('type', 'any')}{limits}"


def events(items: Iterable[Row]) -> str:
    """Events, one a line."""
    lines = [event(row) for row in items]
    return "\n".join(lines or ["nothing"])


def event(row: Row) -> str:
    """One event: its position, when, to whom, what, by whom, what changed."""
    changes = cast(Mapping[str, Sequence[Json]], row.get("changes") or {})
    changed = ", ".join(f"{k} {value(pair[0])}→{value(pair[1])}" for k, pair in changes.items())
    what = row.get("action") or f"[{row['kind']}]"
    detail = " ".join(str(row[name]) for name in ("effect", "cause", "why") if row.get(name))
    by = row.get("actor") or row["by"]
    said = f"{row.get('position', '')} {row['time']} {row['entity']} {what} {detail}".replace("  ", " ")
    return f"{said.strip()} by {by}" + (f": {changed}" if changed else "")


def none_taken(denied: Json, action: str) -> str:
    """That nothing was there to take; and which entity would fit, if the caller might."""
    said = "there is none on which it is possible\nnext: come again with `wait`"
    if not denied:
        return said
    return f"{said}; `{denied}` would fit, but you may not: `act` with this id, `{action}`, says what to ask"


def held(decision: Row) -> str:
    """A decision that somebody waits for, or that was made."""
    state = decision.get("state")
    after = {
        "open": "next: a person decides; `decisions` with this id shows how it stands",
        "approved": f"next: `apply` with `decision: {decision['id']}`"
        if decision.get("apply")
        else "next: send the very same request again",
        "denied": "next: do not ask the same again",
    }.get(str(state), "")
    shown = {k: v for k, v in decision.items() if k not in ("id", "state") and v not in (None, [], {}, "")}
    lines = [f"decision {decision['id']}: {state}", *(f"  {k}: {value(v)}" for k, v in shown.items())]
    return "\n".join([*lines, after] if after else lines)


def problem(document: Json, status: int) -> str:
    """A refusal: its code, what helps, and what to do next."""
    if not isinstance(document, dict):
        return f"the runtime answers {status}"
    code = str(document.get("code", status))
    lines = [f"{code}: {document.get('detail') or document.get('title') or status}"]
    for name in (
        "state",
        "guard",
        "values",
        "help",
        "nearest",
        "forbids",
        "policies",
        "decision",
        "ask",
        "retry_after",
    ):
        is_told = document.get("false") and name in ("guard", "values")  # the first line says it all
        if document.get(name) and not is_told:
            lines.append(f"  {name}: {value(document[name])}")
    if isinstance(document.get("report"), dict):
        lines.append(report(cast(Row, document["report"])))
    elif isinstance(document.get("plan"), dict):
        lines.append(plan({"plan": document["plan"]}))
    else:
        lines.append(_after(code))
    return "\n".join(lines)


def _after(code: str) -> str:
    """What to do after a refusal, by its code."""
    for start, words in _NEXT.items():
        if code.startswith(start):
            return f"next: {words}"
    return f"next: `explain {code}`"


_NEXT = {
    "LR401": "give a token: LATHE_TOKEN, or `Authorization: Bearer`",
    "LR403": "`actions` shows what you may; `decisions` with `ask` asks a person",
    "LR404.app": "`list` shows what is loaded",
    "LR404.route": "`list` shows what is loaded",
    "LR404.action": "`actions` shows what there is",
    "LR404.entity": "`list` finds it",
    "LR409": "`get` shows how it is, `actions` what is possible now",
    "LR412": "`get` it again: it has changed",
    "LR422": "`actions` without `id` shows the arguments",
    "LR428": "give the `visit` that `get` shows",
    "LR429": "wait as long as is said, and come again",
    "LR503": "come again in a second, with the same `key`",
}
