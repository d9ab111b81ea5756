"""What a reviewer sees beside a verdict: diagram, permissions, differences, surviving mutants, replays.

Everything is plain JSON data. What cannot be told of this app is left out, and `why` says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from lathe.check.bounds import TooLargeError
from lathe.check.composed.permit import permit_of
from lathe.check.reporting.reportjson import finding_json
from lathe.check.search.graph import Clock
from lathe.errors import LatheError, UnreadableError
from lathe.lang import digest, render
from lathe.lang.diff import Change, diff
from lathe.lang.model import App, Json
from lathe.machine import gauge, tracejson
from lathe.machine.replay import Replayed


def describe(app: App, against: App | None) -> dict[str, Json]:
    """Graph and permissions of an app, and what it means that `against` does not."""
    matrix, why = _permissions(app)
    told: dict[str, Json] = {"digest": digest(app), "graph": render.graph(app), "permissions": matrix}
    if why:
        told["why"] = why
    if against is not None:
        told["diff"] = compare(against, app)
    return told


def compare(old: App, new: App) -> dict[str, Json]:
    """What changed in meaning, what `[migrate]` may have to say, and what the version before looks like."""
    from lathe.check.migration.needs import needs  # only here: it loads the machine

    changes = diff(old, new)
    return {
        "from": digest(old),
        "breaking": any(c.is_breaking for c in changes),
        "changes": changes_json(changes),
        "migrate": [{"path": need.path, "help": need.cure} for need in needs(old, new)],
        "graph": render.graph(old),
        "permissions": _permissions(old)[0],
    }


def changes_json(changes: Iterable[Change]) -> list[Json]:
    """Semantic differences, as `lathe diff --json` has them."""
    return [
        {
            "path": c.path,
            "kind": c.kind,
            "what": c.what,
            "was": c.was,
            "now": c.now,
            "breaking": c.is_breaking,
            "weaker": c.is_weaker,
        }
        for c in changes
    ]


def survivors(app: App, clock: Clock, *, seconds: float) -> dict[str, Json]:
    """The mutation score within so many seconds, and the single changes that nothing would notice."""
    from lathe.gate import mutation  # only here: it runs many checks

    found = mutation.score(app, clock, stop_at=clock() + seconds)
    return {
        "percent": round(found.percent, 1),
        "killed": found.killed,
        "tried": len(found.tried),
        "equivalent": found.equivalent,
        "left": found.left,
        "findings": [finding_json(finding) for finding in mutation.survivors(found)],
    }


def replay(app: App, data: object) -> dict[str, Json]:
    """A trace taken again by this app, on the model alone: no effect is performed, nothing is stored.

    `steps` are as they go now, up to the first that goes otherwise. Raises `UnreadableError` for what is no
    trace.
    """
    trace = tracejson.from_json(data, file="trace")
    run = gauge.run(app, trace, "trace", permit_of(app))
    last = next((index for index, one in enumerate(run) if not one.is_same), len(run) - 1)
    return {
        "digest": digest(app),
        "same": all(one.is_same for one in run),
        "steps": [_replayed(one) for one in run[: last + 1]],
        "verdicts": [*gauge.verdicts(run)],
    }


def unreadable(error: UnreadableError) -> dict[str, Json]:
    """What was wrong with a document that somebody sent."""
    return {"problem": "; ".join(d.message for d in error.diagnostics[:3])}


def _replayed(one: Replayed) -> Json:
    broken: list[Json] = [
        {"property": b.prop.name, "clauses": [{"text": c.text, "values": dict(c.values)} for c in b.clauses]}
        for b in one.broken
    ]
    return {"step": tracejson.step_to_json(one.actual), "same": one.is_same, "broken": broken}


def _permissions(app: App) -> tuple[list[Json], str]:
    """The matrix, and why policies are not in it if they could not be tried."""
    if not app.policies:
        return render.permission_matrix(app), ""
    from lathe.check.reporting.permissions import ruling  # only where there are policies: it loads cedarpy

    try:
        return render.permission_matrix(app, ruling(app)), ""
    except (TooLargeError, LatheError) as error:
        return render.permission_matrix(app), f"policies could not be tried: {error}"
