"""Traces: shortest, counted in committed steps, and taken again on the machine."""

from __future__ import annotations

import json

from tests.support import finding, report_of, run_of, several

from lathe.machine.trace import HIDDEN, Trace

LAMP = """
blueprint = "Thing"

[state]
off = { initial = true, waits = "x" }
on = { run = "glow", after = "1m", then = "cool" }
hot = { waits = "x" }

[field]
n = { type = "int", range = [0, 5], default = 0 }
mark = { type = "text", max = 9 }

[ghost]
glowed = { type = "int", range = [0, 1], default = 0 }

[action]
create = { by = "role:clerk", sets = ["mark"] }
switch = { from = "off", to = "on", by = "role:clerk" }
slow = { from = "off", by = "role:clerk", when = "n < 5", do = ["n += 1"] }
fast = { from = "off", by = "role:clerk", when = "n < 3", do = ["n += 3"] }
good = { from = "on", to = "hot" }
bad = { from = "on", to = "off" }
cool = { from = "on", to = "off" }
rest = { from = "hot", to = "off", by = "role:clerk" }

[effect.glow]
uses = "http"
with = { method = "POST", url = "https://x.example" }
world = ["glowed = 1"]
ok = "good"
error = "bad"
"""


def shown(entry: str, table: str = "invariant") -> Trace:
    found = finding(
        report_of(LAMP + f"\n[{table}]\np = {entry}\n"), "LT401" if table == "invariant" else "LT402"
    )
    assert found.trace is not None
    return found.trace


def test_a_trace_is_a_shortest_one() -> None:
    assert sorted(str(s.action) for s in shown('"n < 4"').steps) == ["create", "fast", "slow"]
    assert shown('"n < 5"').length == 4


def test_starts_executions_and_stops_do_not_count() -> None:
    trace = shown('"glowed == 0"')
    assert [s.event for s in trace.steps] == ["create", "act", "start", "execute"]
    assert trace.length == 2


def test_what_costs_no_step_is_preferred_to_what_does() -> None:
    """`hot` after three committed steps, however many things happen between them."""
    trace = shown("\"state != 'hot'\"")
    assert trace.length == 3
    assert trace.steps[-1].event == "end"


def test_a_joint_step_is_one_and_names_everyone() -> None:
    room = """
[state]
free = { initial = true, waits = "x" }
taken = { waits = "x" }
[action]
create = { by = "role:clerk" }
take = { from = "free", to = "taken", by = "entity:Guest" }
leave = { from = "taken", to = "free", by = "role:clerk" }
[invariant]
p = "state == 'free'"
"""
    guest = """
[state]
out = { initial = true, waits = "x" }
[field]
room = { type = "ref", to = "Room", frozen = true }
[action]
create = { by = "role:clerk", sets = ["room"] }
enter = { from = "out", by = "role:clerk", also = [{ on = "room", action = "take" }] }
"""
    found = finding(report_of(several(Room=room, Guest=guest)), "LT401")
    assert found.trace is not None
    assert found.trace.length == 3
    assert [(p.action, p.by) for p in found.trace.steps[-1].parts] == [
        ("enter", "role:clerk"),
        ("take", "entity:Guest"),
    ]


def test_a_trace_tells_who_what_with_which_arguments_and_what_changed() -> None:
    trace = shown("\"mark == 'a' or n == 0\"")
    created, step = trace.steps[0], trace.steps[-1]
    assert (created.by, created.event) == ("role:clerk", "create")
    assert created.parts[0].args["mark"] == created.parts[0].changes["mark"][1]
    assert step.parts[0].changes["n"][0] == 0
    assert created.parts[0].changes["state"] == (None, "off")


def test_a_trace_says_which_clause_is_false() -> None:
    trace = shown('"glowed >= 0 and n < 4"')
    assert [(c.text, dict(c.values)) for c in trace.clauses] == [("n < 4", {"n": 4})]


FIRST = """
[state]
a = { initial = true, after = "10m", then = "end" }
z = { waits = "x" }
[action]
create = { by = "role:clerk" }
end = { from = "a", to = "z" }
again = { from = "z", to = "a", by = "role:clerk" }
"""
SECOND = """
[state]
a = { initial = true, after = "AFTER", then = "end" }
z = { final = true }
[field]
first = { type = "ref", to = "First", frozen = true }
[action]
create = { by = "role:clerk", sets = ["first"] }
end = { from = "a", to = "z" }
[invariant]
p = { that = "first.state == 'z'", in = ["z"] }
"""


def test_a_run_in_which_a_longer_timer_comes_first_says_so() -> None:
    for after, is_said in (("15m", True), ("5m", False)):
        found = finding(report_of(several(First=FIRST, Second=SECOND.replace("AFTER", after))), "LT401")
        assert run_of(found) == ["create", "create", "timer end"]
        remark = "the timer of Second#1 in `a` comes before the shorter one of First#1 in `a`"
        assert (remark in found.diagnostic.help) is is_said


def test_the_same_app_gives_the_same_trace() -> None:
    assert shown('"n < 4"') == shown('"n < 4"')
    assert len({shown('"n < 4"').id, shown('"n < 5"').id}) == 2


def test_what_a_path_does_not_read_is_given_something_that_fits() -> None:
    text = LAMP.replace(
        "[ghost]",
        (
            'spare = { type = "set", of = { type = "id" }, max = 2 }\ndue = { type = "time" }\n'
            'who = { type = "id" }\ntop = { type = "enum", of = ["x"], default = "x" }\n'
            'raw = { type = "json", max = 9 }\n\n[ghost]'
        ),
    )
    text = text.replace('sets = ["mark"]', 'sets = ["mark", "spare", "due", "who", "top", "raw"]')
    found = finding(report_of(text + '\n[invariant]\np = "n < 4"\n'), "LT401")
    assert found.trace is not None
    assert found.trace.length == 3
    json.dumps(dict(found.trace.steps[0].parts[0].args))


def test_a_step_property_that_an_execution_breaks_first_is_told_by_it() -> None:
    """`press` would break it in as many steps and its own; the execution counts none."""
    press = 'press = { from = "on", by = "role:clerk", when = "n < 5", do = ["n += 1"] }\n'
    prop = '\n[step]\np = { that = "glowed == old.glowed and n == old.n", in = ["on"] }\n'
    found = finding(report_of(LAMP.replace("good = {", press + "good = {") + prop), "LT402")
    assert found.trace is not None
    assert [s.event for s in found.trace.steps] == ["create", "act", "start", "execute"]
    assert found.trace.length == 2


def test_a_secret_is_shown_nowhere() -> None:
    text = LAMP.replace(
        'mark = { type = "text", max = 9 }', 'mark = { type = "text", max = 9, secret = true }'
    )
    found = finding(report_of(text + "\n[invariant]\np = \"mark != 'hunter2'\"\n"), "LT401")
    assert found.trace is not None
    assert found.trace.steps[0].parts[0].args["mark"] == HIDDEN
    assert [dict(c.values) for c in found.trace.clauses] == [{"mark": HIDDEN}]
    assert f"mark = {HIDDEN}" in found.diagnostic.message


LENT = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }
[field]
n = { type = "int", range = [0, 1], default = 0 }
[action]
create = { by = "role:clerk" }
close = { from = "open", to = "shut", by = "role:clerk" }
grow = { from = "open", by = "entity:Loan", do = ["n += 1"] }
"""
LENDS = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }
[field]
to = { type = "ref", to = "Member", frozen = true }
[action]
create = { by = "role:clerk", sets = ["to"], also = [{ on = "arg.to", action = "grow" }] }
close = { from = "open", to = "shut", by = "role:clerk" }
"""


def test_a_value_that_leaves_its_range_is_told_by_the_step_that_the_run_ends_with() -> None:
    found = finding(report_of(several(Member=LENT, Loan=LENDS)), "LT204")
    assert found.trace is not None
    assert run_of(found) == ["create", "create", "close", "create (refused)"]
    assert found.diagnostic.message == "`n += 1` in `Member.grow` can leave its range, at step 4"


def test_a_step_that_breaks_a_property_is_cured_where_the_entity_was_changed() -> None:
    found = finding(report_of(several(Member=LENT + '[step]\np = "n == old.n"\n', Loan=LENDS)), "LT402")
    assert found.diagnostic.help == "guard `Member.grow` so that it cannot be taken there, or weaken `p`"
