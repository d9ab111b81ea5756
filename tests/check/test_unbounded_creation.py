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


AGAIN = """[state]
open = { initial = true, waits = "x" }
[field]
parent = { type = "ref", to = "Node", frozen = true }
children = { type = "set", of = { type = "ref", to = "Node" }, max = 6 }
[ghost]
made_so_far = { type = "int", range = [0, 9], default = 0 }
[action]
create.by = ["role:clerk", "entity:Node"]
create.args = { of = { type = "ref", to = "Node", optional = true } }
create.do = ["parent = arg.of"]
begin = { from = "open", by = "role:clerk", when = "parent is None", run = "again" }
rest = { from = "open", by = "role:clerk" }
MADE
[effect.again]
uses = "create"
with = { blueprint = "Node", args = { of = "self" } }
ok = "made"
error = "ended"
"""


def again(made: str) -> list[str]:
    ended = 'ended = { from = "open", by = "role:clerk" }'
    return codes(several("", Node=AGAIN.replace("MADE", f"{made}\n{ended}")))


def test_somebody_who_asks_for_another_whenever_one_is_made_is_refused() -> None:
    assert again('made = { from = "open", run = "again", ghost = ["made_so_far += 1"] }') == ["LT505"]
    assert again('made = { from = "open" }') == []


def test_a_set_that_is_full_at_last_ends_it() -> None:
    taking = 'made = { from = "open", args = { made = { type = "ref", to = "Node" } }, '
    taking += 'do = ["children += arg.made"], when = "len(children) < 6", run = "again" }'
    assert "LT505" not in again(taking)
