"""What a search finds: values that leave their ranges, what never happens, and who may do what."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, run_of, several

COUNTER = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }
shut = { final = true }

[field]
n = { type = "int", range = [0, 3], default = 0 }
zero = { type = "int", range = [0, 1], default = 0 }
tags = { type = "set", of = { type = "enum", of = ["a", "b"] }, max = 1 }
other = { type = "ref", to = "Thing" }

[action]
create = { by = "role:clerk" }
close = { from = "open", to = "shut", by = "role:clerk" }
"""


def test_a_value_that_leaves_its_range_has_a_shortest_witness() -> None:
    text = COUNTER + 'up = { from = "open", by = "role:clerk", do = ["n += 2"] }\n'
    found = finding(report_of(text), "LT204")
    assert run_of(found) == ["create", "up", "up (refused)"]
    assert found.trace is not None
    assert found.trace.length == 3, "the refused step counts"


@pytest.mark.parametrize(("do", "when", "is_told"), [
    ("n += 1", "n < 3", False), ("n += 1", "n < 4", True), ("n -= 1", "n > 0", False),
    ("n -= 1", "n >= 0", True),
    ("n = 3 // zero", "True", True), ("n = 3 // zero", "zero > 0", False), ("n = 3 % zero", "True", True),
    ("n = min(n + 5, 3)", "True", False), ("n = (n + 9) * 0", "True", False),
    ("tags += ('a', 'b')", "True", True), ("tags += 'a'", "len(tags) == 0", False),
    ("tags += 'b'", "True", True), ("tags = ('a', 'b')", "True", True), ("tags -= 'a'", "True", False),
])  # fmt: skip
def test_lt204_is_exactly_what_can_be_refused(do: str, when: str, *, is_told: bool) -> None:
    body = COUNTER + f'step = {{ from = "open", by = "role:clerk", do = ["{do}"], when = "{when}" }}\n'
    body += 'one = { from = "open", by = "role:clerk", do = ["zero = 1 - zero"] }\n'
    body += 'tag = { from = "open", by = "role:clerk", when = "len(tags) == 0", do = ["tags += \'a\'"] }\n'
    assert ("LT204" in codes(body)) is is_told


@pytest.mark.parametrize(("action", "is_told"), [
    ('do = ["n = other.n"]', True),
    ('do = ["n = other.n"], when = "other is not None"', False),
    ('when = "other.n + 0 < 3"', True),
    ('when = "other is not None and other.n + 0 < 3"', False),
    ('do = ["n = other.n + 0 if other is not None else 0"]', False),
    ('args = { x = { type = "int", range = [0, 3], optional = true } }, do = ["n = arg.x"]', True),
    ('args = { x = { type = "int", range = [0, 3], optional = true } }, do = ["n = 0 * arg.x"]', True),
    ('args = { x = { type = "int", range = [0, 3], default = 1 } }, do = ["n = arg.x"]', False),
])  # fmt: skip
def test_arithmetic_with_an_unset_value(action: str, *, is_told: bool) -> None:
    body = COUNTER + 'point = { from = "open", by = "role:clerk", sets = ["other"] }\n'
    body += f'step = {{ from = "open", by = "role:clerk", {action} }}\n'
    assert ("LT205" in codes(body)) is is_told


def test_an_effects_callback_that_overflows_is_told_too() -> None:
    text = """
blueprint = "Thing"

[state]
busy = { initial = true, run = "work", after = "1m", then = "late" }

[field]
n = { type = "int", range = [0, 2], default = 0 }

[action]
create = { by = "role:clerk" }
again = { from = "busy", to = "busy", do = ["n += 1"] }
late = { from = "busy", to = "busy" }

[effect.work]
uses = "http"
with = { url = "https://x.example" }
ok = "again"
error = "late"
"""
    found = finding(report_of(text), "LT204")
    assert run_of(found)[-1] == "end work well late", "a refused `ok` is an `error`"


def test_a_state_that_cannot_be_reached() -> None:
    text = COUNTER.replace("shut = {", 'lost = { waits = "x" }\nshut = {')
    assert codes(text) == ["LT201"]
    guarded = text + 'lose = { from = "open", to = "lost", by = "role:clerk", when = "n > 5" }\n'
    assert codes(guarded) == ["LT202"], "and the state behind it is told with it"


def test_an_action_that_can_never_be_taken() -> None:
    text = COUNTER + 'never = { from = "open", by = "role:clerk", when = "n == 3" }\n'
    assert codes(text) == ["LT202"]
    up = 'up = { from = "open", by = "role:clerk", when = "n < 3", do = ["n += 1"] }\n'
    assert codes(text + up) == []


def test_an_action_whose_caller_never_comes_can_never_be_taken() -> None:
    text = several(
        A=(
            '[state]\nx = { initial = true, waits = "x" }\n[action]\n'
            'create = { by = "role:clerk" }\ngo = { from = "x", by = "entity:B" }\n'
        ),
        B=(
            '[state]\nx = { initial = true, waits = "x" }\n[action]\n'
            'create = { by = "role:clerk" }\nstay = { from = "x", by = "role:clerk" }\n'
        ),
    )
    assert codes(text) == ["LT601"], "it is seen before anything is searched"
    called = text.replace('create = { by = "role:clerk" }\nstay', 'create = { by = "entity:A" }\nstay')
    assert codes(called) == ["LT601", "LT601"], "of `create` as well"
    stay = 'stay = { from = "x", by = "role:clerk"'
    joint = 'args = { a = { type = "ref", to = "A" } }, also = [{ on = "arg.a", action = "go" }]'
    assert codes(text.replace(stay, f"{stay}, {joint}")) == []


INN = {
    "Room": """
[state]
free = { initial = true, waits = "x" }
taken = { waits = "x" }

[action]
create = { by = "role:clerk" }
close = { from = "free", to = "taken", by = "role:clerk" }
open = { from = "taken", to = "free", by = "role:clerk" }
take = { from = "taken", to = "free", by = "entity:Guest", when = "state == 'WANTED'" }
""",
    "Guest": """
[state]
out = { initial = true, waits = "x" }
inside = { waits = "x" }

[field]
room = { type = "ref", to = "Room", frozen = true }

[action]
create = { by = "role:clerk", sets = ["room"] }
leave = { from = "inside", to = "out", by = "role:clerk" }
come = { from = "out", to = "inside", by = "role:clerk" }
enter = { from = "out", to = "inside", by = "role:clerk", also = [{ on = "room", action = "take" }] }
""",
}


@pytest.mark.parametrize(("wanted", "expected"), [("taken", []), ("free", ["LT202"])])
def test_a_joint_step_that_each_side_admits_and_that_is_never_possible(
    wanted: str, expected: list[str]
) -> None:
    room = INN["Room"].replace("WANTED", wanted)
    assert codes(several(Room=room, Guest=INN["Guest"])) == expected


def test_a_creation_that_takes_others_along_and_is_never_possible_is_a_joint_step_too() -> None:
    guest = INN["Guest"].replace(
        'create = { by = "role:clerk", sets = ["room"] }',
        'create = { by = "role:clerk", sets = ["room"], when = "arg.room.state == \'free\'", '
        'also = [{ on = "arg.room", action = "take" }] }',
    )
    room = INN["Room"].replace("WANTED", "taken")
    assert "LT506" in codes(several(Room=room, Guest=guest))
    assert codes(several(Room=INN["Room"].replace("WANTED", "free"), Guest=guest)) == ["LT202"], (
        "`take` alone"
    )


def test_a_creation_that_goes_along_a_field_that_it_sets_is_told_to_name_the_argument() -> None:
    guest = INN["Guest"].replace(
        'create = { by = "role:clerk", sets = ["room"] }',
        'create = { by = "role:clerk", sets = ["room"], also = [{ on = "room", action = "take" }] }',
    )
    report = report_of(several(Room=INN["Room"].replace("WANTED", "taken"), Guest=guest))
    told = [f.diagnostic for f in report.findings if f.diagnostic.code == "LT506"]
    help = next(d.help for d in told if "`create`" in d.message)
    assert help is not None
    assert 'write `on = "arg.room"`' in help
    assert told == [f.diagnostic for f in report.findings if f.diagnostic.severity == "error"]
    assert {said.split("`")[1] for _, said in told[0].related} >= {"out", "inside", "leave", "take"}


def test_a_joint_step_that_its_own_side_refuses_is_an_action_that_is_never_taken() -> None:
    guest = INN["Guest"].replace("also = [", "when = \"state == 'inside'\", also = [")
    found = codes(several(Room=INN["Room"].replace("WANTED", "taken"), Guest=guest))
    assert "LT506" not in found
    assert found.count("LT202") == 1, "`enter`; `take`, which it alone reaches, follows"


def test_what_another_sides_guard_refuses_leaves_no_range() -> None:
    guest = INN["Guest"].replace("[field]", '[field]\nn = { type = "int", range = [0, 1], default = 0 }')
    guest = guest.replace(
        'to = "inside", by = "role:clerk", also', 'to = "inside", by = "role:clerk", do = ["n += 1"], also'
    )
    room = INN["Room"].replace("when = \"state == 'WANTED'\"", 'when = "uses < 1", do = ["uses += 1"]')
    room = room.replace(
        "[action]", '[field]\nuses = { type = "int", range = [0, 1], default = 0 }\n\n[action]'
    )
    assert codes(several(Room=room, Guest=guest)) == []
    assert "LT204" in codes(several(Room=room.replace('when = "uses < 1", ', ""), Guest=guest))


UNIQUE = """
[state]
open = { initial = true, waits = "x" }
shut = { waits = "x" }

[field]
name = { type = "text", max = 9 }

[action]
create = { by = "role:clerk", sets = ["name"] }
close = { from = "open", to = "shut", by = "role:clerk" }
reopen = { from = "shut", to = "open", by = "role:clerk" }
"""
TWO_OPEN = """
[invariant]
apart = "all(a == b or a.name != b.name for a in Thing for b in Thing if a.state == b.state == 'open')"
"""


def test_the_store_enforces_unique_so_nothing_can_break_it() -> None:
    assert "LT401 apart" in codes(several(TWO_OPEN, Thing=UNIQUE))
    unique = UNIQUE + '\n[unique]\none = { fields = ["name"], in = ["open"] }\n'
    assert codes(several(TWO_OPEN, Thing=unique)) == []
    elsewhere = UNIQUE + '\n[unique]\none = { fields = ["name"], in = ["shut"] }\n'
    assert "LT401 apart" in codes(several(TWO_OPEN, Thing=elsewhere))


PERSONS = """
blueprint = "Thing"

[state]
draft = { initial = true, waits = "x" }
approved = { final = true }

[field]
maker = { type = "id" }
checker = { type = "id" }

[action]
create = { by = "role:clerk", do = ["maker = actor"] }
approve = { from = "draft", to = "approved", by = "role:clerk", when = "WHEN", do = ["checker = actor"] }

[invariant]
four_eyes = { that = "maker != checker", in = ["approved"] }
"""


def test_there_are_enough_principals_to_be_told_apart() -> None:
    report = report_of(PERSONS.replace("WHEN", "actor != maker"))
    assert (report.verdict, report.covered.bounds["principals"]) == ("admitted", 3)
    assert codes(PERSONS.replace("WHEN", "True")) == ["LT401 four_eyes"]
    assert codes(PERSONS.replace("WHEN", "actor == maker")) == ["LT401 four_eyes"]


def test_exclusive_roles_are_held_by_different_people() -> None:
    body = PERSONS.replace('blueprint = "Thing"\n', "").replace("WHEN", "True")
    body = body.replace('to = "approved", by = "role:clerk"', 'to = "approved", by = "role:boss"')
    text = several('boss = "b"\n', Thing=body)
    assert codes(text) == ["LT401 four_eyes"], "one person may hold both"
    assert codes(text.replace('app = "small"', 'app = "small"\nexclusive = [["clerk", "boss"]]')) == []


def test_a_timer_or_effect_has_no_actor() -> None:
    text = """
blueprint = "Thing"

[state]
draft = { initial = true, after = "1m", then = "approve" }
approved = { final = true }

[field]
maker = { type = "id" }

[action]
create = { by = "role:clerk", do = ["maker = actor"] }
approve = { from = "draft", to = "approved", by = "role:clerk", do = ["maker = actor"] }

[invariant]
somebody = "maker is not None"
"""
    found = finding(report_of(text), "LT401")
    assert run_of(found) == ["create", "timer approve"]


def test_an_inbound_event_is_an_outsider_at_any_time() -> None:
    text = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }

[field]
n = { type = "int", range = [0, 3], default = 0 }

[action]
create = { by = "role:clerk" }
hit = { from = "open", when = "n < 3", do = ["n += 1"] }

[inbound.hook]
path = "hook/{id}"
signed = { scheme = "github", secret = "HOOK" }
find = { id = "path.id" }
action = "hit"

[invariant]
twice = "n < 3"
"""
    found = finding(report_of(text), "LT401")
    assert found.trace is not None
    assert [s.by for s in found.trace.steps] == ["role:clerk", "inbound:hook", "inbound:hook", "inbound:hook"]


def test_an_event_gives_only_the_arguments_that_it_names() -> None:
    text = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }

[field]
forced = { type = "bool", default = false }

[action]
create = { by = "role:clerk" }
hit.from = "open"
hit.args.force = { type = "bool", default = false }
hit.args.n = { type = "int", range = [0, 3], default = 0 }
hit.do = ["forced = arg.force"]

[inbound.hook]
path = "hook/{id}"
signed = { scheme = "github", secret = "HOOK" }
find = { id = "path.id" }
action = "hit"
args = { n = "body.n" }

[invariant]
never = "not forced"
"""
    assert codes(text) == []
    assert codes(text.replace('args = { n = "body.n" }', 'args = { force = "body.force" }')) == [
        "LT401 never"
    ]
