"""Entities that make entities without end: nobody is met twice, and only the scope holds them up."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, several

BREED = """
blueprint = "Node"
[state]
open = { initial = true, run = "again", waits = "x" }
[field]
FIELDS
[action]
create = { by = ["role:clerk", "entity:Node"] CREATE }
rest = { from = "open", by = "role:clerk" }
ENDS
[effect.again]
uses = "create"
with = { blueprint = "Node" ARGS }
WIRED
"""
MADE = 'made = { from = "open" }'
DEPTH = 'depth = { type = "int", range = [0, 3] }'


def breed(
    *, fields: str = "", create: str = "", ends: str = MADE, args: str = "", wired: str = 'ok = "made"'
) -> str:
    parts = {"FIELDS": fields, "CREATE": create, "ENDS": ends, "ARGS": args, "WIRED": wired}
    text = BREED
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


@pytest.mark.parametrize(
    "text",
    [breed(), breed(ends="", wired=""), "[scope]"],
    ids=["awaited", "a notice", "one of each declared"],
)
def test_somebody_who_makes_another_that_does_the_same_is_refused(text: str) -> None:
    if text == "[scope]":
        text = several("[scope]\nNode = 1", Node=breed().replace('blueprint = "Node"\n', "", 1))
    report = report_of(text)
    assert codes(text) == ["LT505"]
    found = finding(report, "LT505")
    assert "`again` leads to itself again" in found.diagnostic.message
    assert found.trace is not None
    assert found.trace.loop_from == 1


def test_a_counter_ends_it() -> None:
    refusing = 'made = { from = "open" }\nno = { from = "open" }'
    counted = breed(
        fields=DEPTH,
        create=', sets = ["depth"], when = "arg.depth > 0"',
        ends=refusing,
        args=', args = { depth = "depth - 1" }',
        wired='ok = "made"\nerror = "no"',
    )
    assert "LT505" not in codes(counted)
    assert "LT505" in codes(counted.replace("depth - 1", "max(depth - 1, 1)"))


def test_a_child_that_may_have_no_children_ends_it() -> None:
    text = breed(
        fields='parent = { type = "ref", to = "Node" }',
        create=', args = { of = { type = "ref", to = "Node", optional = true } }, '
        'when = "arg.of is None or arg.of.parent is None", do = ["parent = arg.of"]',
        ends='made = { from = "open" }\nno = { from = "open" }',
        args=', args = { of = "self" }',
        wired='ok = "made"\nerror = "no"',
    )
    assert "LT505" not in codes(text)


def test_two_that_make_each_other_are_refused() -> None:
    body = """[state]
open = {{ initial = true, run = "other", waits = "x" }}
[action]
create = {{ by = ["role:clerk", "entity:{0}"] }}
rest = {{ from = "open", by = "role:clerk" }}
[effect.other]
uses = "create"
with = {{ blueprint = "{0}" }}
"""
    assert "LT505" in codes(several("", Hen=body.format("Egg"), Egg=body.format("Hen")))
