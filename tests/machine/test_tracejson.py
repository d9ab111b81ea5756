"""Traces as JSON: nothing is lost on the way, and nothing malformed comes in."""

from __future__ import annotations

import json
from typing import get_args

import jsonschema
import pytest
from hypothesis import given, strategies as st

from lathe.errors import UnreadableError
from lathe.lang.model import Json
from lathe.lang.schema import gauge_schema, records, trace_schema
from lathe.machine.trace import EventKind, FalseClause, Trace, TracePart, TraceStep
from lathe.machine.tracejson import DIAGNOSTIC_LIMIT, from_json, to_json

words = st.text(max_size=6)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=4,
)
named = st.dictionaries(words, values, max_size=3)
changes = st.dictionaries(words, st.tuples(values, values), max_size=3)
parts = st.builds(TracePart, words, st.none() | words, words, named, changes)
steps = st.builds(
    TraceStep,
    event=st.sampled_from(get_args(EventKind)),
    parts=st.lists(parts, min_size=1, max_size=3).map(tuple),
    by=words,
    actor=st.none() | words,
    effect=st.none() | words,
    timer=st.none() | words,
    ok=st.none() | st.booleans(),
    cause=st.none() | words,
    results=named,
    world=changes,
    refused=st.none() | words,
)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    taken = tuple(draw(st.lists(steps, max_size=4)))
    clauses = draw(st.lists(st.builds(FalseClause, words, named), max_size=2))
    loop = draw(st.none() | st.integers(0, len(taken) - 1)) if taken else None
    return Trace(draw(words), draw(words), draw(words), taken, tuple(clauses), loop)


@given(traces())
def test_a_trace_comes_back_as_it_went(trace: Trace) -> None:
    assert from_json(json.loads(json.dumps(to_json(trace)))) == trace


@given(traces())
def test_a_trace_fits_its_schema(trace: Trace) -> None:
    jsonschema.Draft7Validator(trace_schema()).validate(json.loads(json.dumps(to_json(trace))))


START = TraceStep(
    "act",
    (TracePart("Rollout#1", "start", "role:operator", {}, {"state": ("planned", "rolling")}),),
    "role:operator",
)
TRACE = Trace("7f3a", "helix", "sha256:00", (START,))


def test_what_says_nothing_is_left_out() -> None:
    assert to_json(TRACE) == {
        "format": "lathe.trace/1",
        "id": "7f3a",
        "app": "helix",
        "digest": "sha256:00",
        "length": 1,
        "steps": [
            {
                "event": "act",
                "by": "role:operator",
                "entity": "Rollout#1",
                "action": "start",
                "args": {},
                "changes": {"state": ["planned", "rolling"]},
            }
        ],
    }


def test_the_schema_knows_every_kind_of_event() -> None:
    assert get_args(EventKind) == records.EVENTS


@pytest.mark.parametrize(
    ("expect", "fits"),
    [("admitted", True), ("refused: one_broker_down", True), ("refused", False), ("unknown", False)],
)
def test_a_gauge_is_a_trace_and_its_verdict(expect: str, fits: bool) -> None:
    gauge = {"trace": to_json(TRACE), "expect": expect}
    assert jsonschema.Draft7Validator(gauge_schema()).is_valid(gauge) is fits


def with_step(**members: Json) -> dict[str, Json]:
    data = to_json(TRACE)
    first = data["steps"]
    assert isinstance(first, list) and isinstance(first[0], dict)
    return {**data, "steps": [{**first[0], **members}]}


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (None, "LT004", "`trace` must be an object"),
        ([], "LT004", "`trace` must be an object"),
        ({}, "LT003", "`format` is missing"),
        ({**to_json(TRACE), "format": "lathe.trace/2"}, "LT004", "`format` must be `lathe.trace/1`"),
        ({**to_json(TRACE), "steps": {}}, "LT004", "`steps` must be a list"),
        ({**to_json(TRACE), "steps": [1]}, "LT004", "`steps[0]` must be an object"),
        ({**to_json(TRACE), "length": "1"}, "LT004", "`length` must be a whole number"),
        ({**to_json(TRACE), "loop_from": 1}, "LT004", "`loop_from` must be the index of a step"),
        ({**to_json(TRACE), "loop_from": True}, "LT004", "`loop_from` must be the index of a step"),
        ({**to_json(TRACE), "clauses": [{"text": 1}]}, "LT004", "`clauses[0].text` must be text"),
        ({**to_json(TRACE), "lenght": 1}, "LT002", "`lenght` is not a member of a trace"),
        (with_step(event="boom"), "LT004", "`steps[0].event` must be one of create, act"),
        (with_step(ok=1), "LT004", "`steps[0].ok` must be true or false"),
        (with_step(by=None), "LT004", "`steps[0].by` must be text"),
        (with_step(action=3), "LT004", "`steps[0].action` must be text"),
        (with_step(changes={"a": [1]}), "LT004", "`steps[0].changes.a` must be a list of two"),
        (with_step(world=[]), "LT004", "`steps[0].world` must be an object"),
        (with_step(also=[{"entity": "A#1"}]), "LT003", "`steps[0].also[0].by` is missing"),
        (with_step(actor=None), "LT004", "`steps[0].actor` must be text"),
    ],
)
def test_what_is_no_trace_is_refused_with_the_path(data: object, code: str, message: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        from_json(data, file="gauges/one.json")
    first = caught.value.diagnostics[0]
    assert (first.code, first.span.file) == (code, "gauges/one.json")
    assert first.message.startswith(message)


def test_only_so_many_faults_are_told() -> None:
    with pytest.raises(UnreadableError) as caught:
        from_json({**to_json(TRACE), "steps": [0] * 1000})
    assert len(caught.value.diagnostics) == DIAGNOSTIC_LIMIT


@given(values)
def test_any_json_is_a_trace_or_refused(data: Json) -> None:
    for given_data in (data, {**to_json(TRACE), "steps": data}, with_step(also=data, changes=data, ok=data)):
        try:
            trace = from_json(given_data)
        except UnreadableError as error:
            assert error.diagnostics
        else:
            assert from_json(to_json(trace)) == trace
