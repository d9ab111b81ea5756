"""Invariants, step properties, `sometimes`, and properties that hold for no reason."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, run_of, several

DOOR = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }
shut = { waits = "x" }
gone = { final = true }

[field]
n = { type = "int", range = [0, 3], default = 0 }
other = { type = "ref", to = "Thing" }
tags = { type = "set", of = { type = "enum", of = ["a", "b"] }, max = 2 }

[ghost]
seen = { type = "int", range = [0, 2], default = 0 }

[action]
create = { by = "role:clerk" }
shut = { from = "open", to = "shut", by = "role:clerk", when = "n < 3", do = ["n += 1"] }
open = { from = "shut", to = "open", by = "role:clerk", ghost = ["seen += 1"] }
leave = { from = "*", to = "gone", by = "role:clerk" }
point = { from = "open", by = "role:clerk", sets = ["other"] }
"""


@pytest.mark.parametrize(("entry", "holds"), [
    ('"n <= 3"', True),
    ('"n <= 2"', False),
    ('{ that = "n > 0", in = ["shut"] }', True),
    ('{ that = "n > 1", in = ["shut"] }', False),
    ('{ that = "n < 3", when = "state == \'open\' and seen < 2" }', True),
    ('{ that = "n < 3", when = "state == \'open\'", in = ["open", "gone"] }', False),
    ('"seen <= n"', True),
    ('"other is None or other.n <= 3"', True),
    ('"other.n + 0 <= 3"', False),
    ('"all(t.n <= 3 for t in Thing)"', True),
])  # fmt: skip
def test_an_invariant_is_true_in_every_reachable_state(entry: str, *, holds: bool) -> None:
    found = codes(DOOR + f"\n[invariant]\np = {entry}\n")
    assert found == ([] if holds else ["LT401 p"])


def test_arithmetic_with_an_unset_value_makes_a_property_false_and_nothing_else() -> None:
    found = finding(report_of(DOOR + '\n[invariant]\np = "other.n + 0 <= 3"\n'), "LT401")
    assert run_of(found) == ["create"]


@pytest.mark.parametrize(("entry", "holds"), [
    ('"n >= old.n"', True),
    ('"n > old.n"', False),
    ('{ that = "n > old.n", when = "old.state == \'open\' and state == \'shut\'" }', True),
    ('{ that = "old.state == \'open\'", in = ["shut"] }', True),
    ('{ that = "old.state == \'shut\'", in = ["gone"] }', False),
    ('"seen <= old.seen + 1"', True),
    ('"old.state != \'gone\'"', True),
    ('"n == 0"', False),
    ('{ that = "n == 0", in = ["open"], when = "old.state == \'open\'" }', False),
])  # fmt: skip
def test_a_step_property_is_true_of_every_step_of_an_existing_entity(entry: str, *, holds: bool) -> None:
    found = codes(DOOR + f"\n[step]\np = {entry}\n")
    assert found == ([] if holds else ["LT402 p"])


def test_create_is_no_step() -> None:
    assert "LT402 p" not in codes(
        DOOR + '\n[step]\np = { that = "False", when = "old.state != state and old.state == state" }\n'
    )
    first = "p = { that = \"n != 0\", when = \"old.n == 0 and state == 'open' and old.state == 'shut'\" }"
    assert "LT402 p" not in codes(DOOR + f"\n[step]\n{first}\n")


CHARGE = """
blueprint = "Thing"

[state]
busy = { initial = true, run = "charge" }
paid = { final = true }
failed = { waits = "x" }

[field]
n = { type = "int", range = [0, 3], default = 0 }

[ghost]
charged = { type = "int", range = [0, 2], default = 0 }

[action]
create = { by = "role:clerk" }
ok = { from = "busy", to = "paid" }
fail = { from = "busy", to = "failed" }
retry = { from = "failed", to = "busy", by = "role:clerk", when = "n < 3", do = ["n += 1"] }
stop = { from = "failed", to = "paid", by = "role:clerk" }

[effect.charge]
uses = "http"
with = { method = "POST", url = "https://pay.example" }
world = ["charged += 1"]
ok = "ok"
error = "fail"
late = false
"""


def test_an_execution_is_a_step_and_a_start_is_none() -> None:
    report = report_of(CHARGE + '\n[step]\np = "charged == old.charged"\n')
    found = finding(report, "LT402")
    assert run_of(found) == ["create", "start charge", "execute charge"]
    assert found.trace is not None
    assert found.trace.length == 1, "but it does not count"
    moved = CHARGE + '\n[step]\np = "state != old.state or charged > old.charged or charged == 2"\n'
    assert codes(moved) == [], "a start changes nothing, and is no step"


def test_who_only_saw_a_step_takes_none() -> None:
    text = """
blueprint = "Thing"

[state]
here = { initial = true, waits = "x" }

[field]
other = { type = "ref", to = "Thing" }
n = { type = "int", range = [0, 3], default = 0 }

[ghost]
seen = { type = "int", range = [0, 3], default = 0 }

[action]
create = { by = "role:clerk" }
point = { from = "here", by = "role:clerk", when = "arg.other != self", sets = ["other"] }
look.from = "here"
look.by = "role:clerk"
look.when = "other is not None"
look.ghost = ["other.seen += 1"]
poke.from = "here"
poke.by = "role:clerk"
poke.when = "n < 3 and other is not None"
poke.do = ["n += 1"]
poke.ghost = ["other.seen += 1"]
"""
    assert codes(text + '\n[step]\np = "seen == old.seen"\n') == []
    found = finding(report_of(text + '\n[step]\np = "seen == old.seen and n == old.n"\n'), "LT402")
    assert found.trace is not None
    assert [c.text for c in found.trace.clauses] == ["n == old.n"]


def test_world_may_happen_more_than_once_unless_idempotent() -> None:
    invariant = '\n[invariant]\nonce = { that = "charged <= 1", when = "n == 0" }\n'
    found = finding(report_of(CHARGE + invariant), "LT401")
    assert run_of(found) == ["create", "start charge", "execute charge", "execute charge"]
    assert codes(CHARGE.replace("late = false", "late = false\nidempotent = true") + invariant) == []


def test_one_late_execution_may_follow_a_bad_end() -> None:
    idempotent = CHARGE.replace("late = false", "idempotent = true")
    once = idempotent + '\n[invariant]\nonce = { that = "charged <= 1", when = "n == 0" }\n'
    assert "LT401 once" not in codes(once), "late or not, an invocation applies once"
    twice = idempotent + '\n[invariant]\ntwice = { that = "charged <= 1", when = "n == 1" }\n'
    assert "LT401 twice" in codes(twice)


@pytest.mark.parametrize(("entry", "holds"), [
    ('"n == 3"', True),
    ('"n == 3 and state == \'open\'"', True),
    ('{ that = "n == 0", in = ["shut"] }', False),
    ('{ that = "n == 3", when = "seen == 0" }', False),
    ('"other is not None and other.n == 3 and n == 0"', True),
])  # fmt: skip
def test_a_sometimes_is_true_in_at_least_one_reachable_state(entry: str, *, holds: bool) -> None:
    found = codes(DOOR + f"\n[sometimes]\np = {entry}\n")
    assert found == ([] if holds else ["LT403 p"])


@pytest.mark.parametrize(("table", "entry", "is_told"), [
    ("invariant", '{ that = "n < 9", when = "n == 7" }', True),
    ("invariant", '{ that = "n < 9", when = "n == 2" }', False),
    ("invariant", '"not n > 7 or seen == 0"', True),
    ("invariant", '"not n > 2 or seen <= n"', False),
    ("invariant", '"seen <= 2"', True),
    ("invariant", '"n <= 3"', False),
    ("invariant", '"all(t == \'a\' for t in tags)"', True),
    ("invariant", '"all(a == b or a.n < 9 for a in Thing for b in Thing)"', False),
    ("step", '{ that = "n >= old.n", when = "seen == 3" }', False),
    ("step", '{ that = "n > 0", in = ["shut"] }', False),
    ("sometimes", '{ that = "n == 1", when = "n > 0" }', False),
])  # fmt: skip
def test_a_property_that_holds_for_no_reason(table: str, entry: str, *, is_told: bool) -> None:
    report = report_of(DOOR + f"\n[{table}]\np = {entry}\n")
    assert ("LT404" in [f.diagnostic.code for f in report.findings]) is is_told
    assert report.verdict == "admitted", "a warning"


def test_a_property_of_several_is_judged_where_there_are_several() -> None:
    body = DOOR.replace('blueprint = "Thing"\n', "")
    top = '[invariant]\np = "all(a.n <= 3 for a in Thing for b in Thing if a != b)"\n'
    assert codes(several(top, Thing=body)) == []


def test_a_property_of_several_that_needs_three_is_judged_with_one_more() -> None:
    body = DOOR.replace('blueprint = "Thing"\n', "")
    three = "for a in Thing for b in Thing for c in Thing if a != b and b != c and a != c"
    top = f'[invariant]\np = "all(a.n <= 3 {three})"\n'
    small = body.replace("range = [0, 3]", "range = [0, 1]").replace('when = "n < 3"', 'when = "n < 1"')
    assert codes(several(top.replace("a.n <= 3", "a.n <= 1"), Thing=small)) == []


def test_ghosts_of_the_app_and_old_ones_are_read_by_its_properties() -> None:
    body = DOOR.replace('blueprint = "Thing"\n', "").replace('"seen += 1"', '"seen += 1", "total += 1"')
    top = '[ghost]\ntotal = { type = "int", range = [0, 2], default = 0 }\n'
    assert codes(several(top + '[step]\nq = "total <= old.total + 1"\n', Thing=body)) == []
    assert codes(several(top + '[step]\nq = "total == old.total"\n', Thing=body)) == ["LT402 q"]
    assert "LT401 p" in codes(several(top + '[invariant]\np = "total < 2"\n', Thing=body))


def test_the_false_part_is_told_with_its_values() -> None:
    found = finding(report_of(DOOR + '\n[invariant]\np = "seen <= 2 and n < 2"\n'), "LT401")
    assert found.trace is not None
    (clause,) = found.trace.clauses
    assert (clause.text, clause.values) == ("n < 2", {"n": 2})


PAYING = """
blueprint = "Bill"
[state]
paying = { initial = true, run = "pay" }
unclear = { waits = "x" }
paid = { final = true }
[ghost]
money = { type = "int", range = [0, 2], default = 0 }
[action]
create = { by = "role:clerk" }
well = { from = "paying", to = "paid" }
badly = { from = "paying", to = "unclear" }
again = { from = "unclear", to = "paying", by = "role:clerk" }
[effect.pay]
uses = "http"
with = { method = "POST", url = "https://bank.example" }
ok = "well"
error = "badly"
late = false
world = ["money += 1"]
[invariant]
once = "money <= 1"
"""


def test_an_effect_that_is_idempotent_already_is_told_about_what_asks_for_it_again() -> None:
    first = finding(report_of(PAYING), "LT401").diagnostic.help or ""
    assert first.startswith("say `idempotent = true`")
    promised = PAYING.replace("late = false", "late = false\nidempotent = true")
    second = finding(report_of(promised), "LT401").diagnostic.help or ""
    assert "say `idempotent" not in second
    assert "ask for it no more" in second
    keyed = promised.replace("money += 1", "money = 1")
    assert "LT401 once" not in codes(keyed)


def test_who_settles_by_hand_is_told_to_say_what_that_means_to_the_world() -> None:
    text = PAYING.replace("money += 1", "money = 1").replace(
        "once =", 'good = { that = "money == 1", in = ["paid"] }\nonce ='
    )
    settled = text.replace(
        "again =", 'settle = { from = "unclear", to = "paid", by = "role:clerk" }\nagain ='
    )
    cure = finding(report_of(settled), "LT401").diagnostic.help or ""
    assert '`ghost = ["money = …"]`' in cure, cure
    assert codes(settled.replace(" }\nagain", ', ghost = ["money = 1"] }\nagain')) == codes(text)
