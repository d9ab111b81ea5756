"""The JSON Schemas of what Lathe writes: traces (`lathe.trace/1`), gauges, and reports."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.schema.build import BOOLEAN, TEXT, Schema, choice, document, list_of, ref, table_of

TRACE_FILE = "trace.schema.json"
GAUGE_FILE = "gauge.schema.json"
REPORT_FILE = "report.schema.json"

EVENTS = (
    "create", "act", "timer", "start", "execute", "end", "stop", "late", "notify", "deliver", "swap", "given",
)  # fmt: skip

_COUNT: Schema = {"type": "integer", "minimum": 0}
_LINE: Schema = {"type": "integer", "minimum": 1}
_VALUES = table_of({})
_CHANGES = table_of(list_of({}, minItems=2, maxItems=2))
_COUNTS = table_of(_COUNT)


def _object(
    description: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None
) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _told(description: str, shape: Schema) -> Schema:
    return {"description": description, **shape}


def trace_schema() -> Schema:
    """The schema of a trace, as it is saved, replayed and printed."""
    definitions = _trace_definitions()
    return document("Lathe trace", definitions.pop("trace"), definitions)


def gauge_schema() -> Schema:
    """The schema of `gauges/*.json`: a trace and the verdict that it must keep."""
    expect = _told(
        "`admitted`, or `refused: NAME` with the property that the trace breaks.",
        {"type": "string", "pattern": "^(admitted|refused: .+)$"},
    )
    gauge = _object("A saved trace that every check runs first.", {"trace": ref("trace"), "expect": expect})
    return document("Lathe gauge", gauge, _trace_definitions())


def report_schema() -> Schema:
    """The schema of what `lathe check --json` prints."""
    definitions = {**_trace_definitions(), **_report_definitions()}
    return document("Lathe report", definitions.pop("report"), definitions)


def _trace_definitions() -> dict[str, Schema]:
    part: dict[str, Schema] = {
        "by": _told("A principal: `role:operator`, `timer`, `effect:patch`, `entity:Order`.", TEXT),
        "entity": _told("Whom it happened to, like `Rollout#1`.", TEXT),
        "action": _told("The action taken; null if none was.", {"type": ["string", "null"]}),
        "args": _told("The arguments by name.", _VALUES),
        "changes": _told("What changed: name to `[before, after]`.", _CHANGES),
    }
    optional: dict[str, Schema] = {
        "part_by": _told("By whom the first entity's part was taken, if not by `by`.", TEXT),
        "actor": _told("The identity behind `by`.", TEXT),
        "effect": _told("The effect of the invocation concerned.", TEXT),
        "timer": _told("The deadline that fired; absent for a state's own timer.", TEXT),
        "ok": _told("Whether the invocation ended well.", BOOLEAN),
        "cause": _told("Why it ended badly.", TEXT),
        "results": _told("What the adapter gave back, by name.", _VALUES),
        "world": _told("Ghosts that the execution changed: name to `[before, after]`.", _CHANGES),
        "refused": _told("Why the step was refused, where a refused one ends the trace.", TEXT),
        "also": _told("The other entities that took part in the step.", list_of(ref("part"))),
        "at": _told("When it happened (RFC 3339), in a trace of something that did.", TEXT),
    }
    clause = {
        "text": _told("The clause in the author's words.", TEXT),
        "values": _told("What it read.", _VALUES),
    }
    trace: dict[str, Schema] = {
        "format": {"const": "lathe.trace/1"},
        "id": TEXT,
        "app": TEXT,
        "digest": _told("The digest of the app that it is a run of.", TEXT),
        "length": _told("Committed steps, and the refused one that ends it.", _COUNT),
        "steps": list_of(ref("step")),
    }
    ends: dict[str, Schema] = {
        "clauses": _told("The clauses of the property that are false.", list_of(ref("clause"))),
        "loop_from": _told("The index of the first step of a lasso's loop.", _COUNT),
    }
    return {
        "trace": _object("A run of the system, step by step.", trace, ends),
        "step": _object("One event.", {"event": choice(EVENTS), **part}, optional),
        "part": _object("What one entity went through in a step.", part),
        "clause": _object("A part of a property that is false.", clause),
    }


_CACHED = "When it was given (UTC), if that was in an earlier run."


def _report_definitions() -> dict[str, Schema]:
    place = {"file": TEXT, "line": _LINE, "column": _LINE}
    edit = {**place, "end_line": _LINE, "end_column": _LINE, "text": TEXT}
    finding: dict[str, Schema] = {
        "code": {"type": "string", "pattern": "^LT[0-9]{3}$"},
        "severity": choice(["error", "warning", "note"]),
        "message": TEXT,
        **place,
        "end_line": _LINE,
        "end_column": _told("Exclusive.", _LINE),
    }
    excerpt: dict[str, Schema] = {
        "line": _told("The number of the first one.", _LINE),
        "lines": list_of(TEXT),
    }
    more: dict[str, Schema] = {
        "excerpt": ref("excerpt"),
        "property": _told("The property concerned, by name.", TEXT),
        "trace": ref("trace"),
        "help": _told("The way out.", TEXT),
        "related": list_of(ref("related")),
        "edit": ref("edit"),
    }
    level: dict[str, Schema] = {
        "level": _COUNT,
        "name": TEXT,
        "verdict": choice(["passes", "fails", "unknown", "skipped"]),
        "seconds": {"type": "number", "minimum": 0},
    }
    counts: dict[str, Schema] = {
        "states": _COUNT,
        "steps": _COUNT,
        "depth": _COUNT,
        "seeds": _COUNT,
        "why": TEXT,
    }
    covered: dict[str, Schema] = {
        "bounds": _told("Instances of each blueprint, and `principals`.", _COUNTS),
        "actions": _told("How often each action was taken, by `Blueprint.action`.", _COUNTS),
        "states": _told("How many states each state was seen in.", _COUNTS),
        "effects": _told("How often each effect's ends were seen.", _COUNTS),
        "exhaustive": TEXT,
        "fingerprint": _told("An order-independent hash of the states that were searched.", TEXT),
    }
    reduced: dict[str, Schema] = {
        "proved": _told("Properties that level 1 proved for all values.", list_of(TEXT)),
        "alike": _told("One state was searched for all that differ only in which is which.", list_of(TEXT)),
    }
    migrated: dict[str, Schema] = {"from": TEXT, "states": _COUNT, "images": _COUNT}
    told = "With `--against`: from which version, and how many of its states."
    reduced["migrated"] = _object(told, migrated, {"alike": TEXT})
    return {
        "report": _object("The answer to a check.", _envelope(), {"cached": _told(_CACHED, TEXT)}),
        "level": _object("One level.", level, counts),
        "finding": _object("One finding.", finding, more),
        "excerpt": _object("The lines around the place, as they were checked.", excerpt),
        "related": _object("Another place that has to do with it.", {**place, "message": TEXT}),
        "edit": _object("Replace what stands there by `text`; the end is exclusive.", edit),
        "covered": _object("What the search went through.", covered, reduced),
    }


def _envelope() -> dict[str, Schema]:
    return {
        "v": _told("The version of this envelope.", {"const": 1}),
        "ok": _told("True for `admitted` alone.", BOOLEAN),
        "verdict": choice(["admitted", "refused", "unknown"]),
        "app": TEXT,
        "digest": TEXT,
        "verifier": _told("The version of Lathe that checked.", TEXT),
        "levels": list_of(ref("level")),
        "findings": list_of(ref("finding")),
        "covered": ref("covered"),
        "not_covered": _told("What the verdict does not speak of.", list_of(TEXT)),
        "accepted_bounds": _told("Bounds accepted by the person who loads it.", list_of(TEXT)),
    }
