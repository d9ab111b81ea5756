"""`eventually`: what is owed, what is not, and the run that never arrives."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, run_of, several


def thing(states: str, actions: str, rest: str = "", *, to: str = '["z"]') -> str:
    return (
        f'blueprint = "Thing"\n[state]\n{states}\n[action]\n{actions}\n{rest}\n'
        f'[eventually]\nends = {{ from = ["a"], to = {to} }}\n'
    )


CREATE = 'create = { by = "role:clerk" }\n'
WORK = """
[effect.work]
uses = "http"
with = { url = "https://x.example" }
ok = "ok"
error = "bad"
late = false
"""


def test_a_run_may_stop_where_nothing_is_owed() -> None:
    states = 'a = { initial = true, waits = "x" }\nz = { final = true }'
    report = report_of(thing(states, CREATE + 'end = { from = "a", to = "z", by = "role:clerk" }'))
    found = finding(report, "LT304")
    assert run_of(found) == ["create"]
    assert found.trace is not None
    assert found.trace.loop_from is None


def test_a_run_that_ends_short_of_it_is_not_told_to_go_on_from_a_final_state() -> None:
    states = 'a = { initial = true, after = "1m", then = "end" }\nb = { final = true }\nz = { final = true }'
    actions = CREATE + 'end = { from = "a", to = "z" }\nstop = { from = "a", to = "b", by = "role:clerk" }'
    found = finding(report_of(thing(states, actions)), "LT304")
    assert "nothing leaves `b`: forbid a step" in (found.diagnostic.help or "")


def test_a_fair_action_is_owed() -> None:
    states = "a = { initial = true }\nz = { final = true }"
    assert (
        codes(thing(states, CREATE + 'end = { from = "a", to = "z", by = "role:clerk", fair = true }')) == []
    )


def test_a_timer_is_owed() -> None:
    states = 'a = { initial = true, after = "1m", then = "end" }\nz = { final = true }'
    assert (
        codes(
            thing(states, CREATE + 'end = { from = "a", to = "z" }\nstay = { from = "a", by = "role:clerk" }')
        )
        == []
    )


def test_a_timer_that_may_be_refused_for_ever_is_not_taken() -> None:
    states = 'a = { initial = true, after = "1m", then = "end", waits = "x" }\nz = { final = true }'
    actions = CREATE + (
        'end = { from = "a", to = "z", when = "n == 1" }\n'
        'set = { from = "a", by = "role:clerk", do = ["n = 1 - n"] }'
    )
    field = '[field]\nn = { type = "int", range = [0, 1], default = 0 }\n'
    found = finding(report_of(thing(states, actions, field)), "LT304")
    assert run_of(found) == ["create"], "nobody needs to make it possible"


def test_what_is_possible_now_and_then_need_not_be_taken() -> None:
    """Weak fairness: `end` is possible in every other state of the round, so a run may miss it."""
    states = "a = { initial = true }\nz = { final = true }"
    actions = CREATE + (
        'end = { from = "a", to = "z", when = "n == 1", by = "role:clerk", fair = true }\n'
        'set = { from = "a", by = "role:clerk", fair = true, do = ["n = 1 - n"] }'
    )
    field = '[field]\nn = { type = "int", range = [0, 1], default = 0 }\n'
    found = finding(report_of(thing(states, actions, field)), "LT304")
    assert found.trace is not None
    assert found.trace.loop_from is not None
    assert run_of(found)[found.trace.loop_from :] == ["set", "set"]


def test_how_an_effect_ends_is_never_owed() -> None:
    states = 'a = { initial = true, run = "work" }\nz = { final = true }'
    actions = CREATE + 'ok = { from = "a", to = "z" }\nbad = { from = "a", to = "a" }'
    found = finding(report_of(thing(states, actions, WORK)), "LT304")
    assert found.trace is not None
    assert "end work badly bad" in run_of(found)[found.trace.loop_from :]


def test_that_an_effect_ends_is_owed() -> None:
    states = 'a = { initial = true, run = "work" }\nz = { final = true }'
    actions = CREATE + (
        'ok = { from = "a", to = "z" }\nbad = { from = "a", to = "z" }\n'
        'poke = { from = "a", by = "role:clerk" }'
    )
    assert codes(thing(states, actions, WORK)) == []


def test_progress_and_executions_may_go_on_for_ever_but_the_end_is_owed() -> None:
    states = 'a = { initial = true, run = "work" }\nz = { final = true }'
    actions = CREATE + (
        'ok = { from = "a", to = "z" }\nbad = { from = "a", to = "z" }\n'
        'tick = { from = "a", by = "effect:work" }'
    )
    rest = WORK.replace('ok = "ok"', 'world = ["n += 1"]\nok = "ok"').replace("GET", "POST")
    rest += '[ghost]\nn = { type = "int", range = [0, 1], default = 0 }\n[sometimes]\ni = "n == 1"\n'
    assert codes(thing(states, actions, rest)) == []


def test_outsiders_and_events_are_never_owed() -> None:
    states = 'a = { initial = true, waits = "x" }\nz = { final = true }'
    hook = (
        '[inbound.hook]\npath = "h/{id}"\nsigned = { scheme = "github", secret = "S" }\n'
        'find = { id = "path.id" }\naction = "end"\n'
    )
    assert codes(thing(states, CREATE + 'end = { from = "a", to = "z" }', hook)) == ["LT304 ends"]


def test_a_new_visit_has_a_timer_of_its_own() -> None:
    """Somebody who keeps moving it from one state to the other lets no timer come to its end."""
    states = (
        'a = { initial = true, after = "1m", then = "end" }\n'
        'b = { after = "1m", then = "end" }\nz = { final = true }'
    )
    actions = CREATE + (
        'go = { from = "a", to = "b", by = "role:clerk" }\n'
        'back = { from = "b", to = "a", by = "role:clerk" }\n'
        'end = { from = ["a", "b"], to = "z" }'
    )
    found = finding(report_of(thing(states, actions)), "LT304")
    assert found.trace is not None
    assert run_of(found)[found.trace.loop_from :] == ["go", "back"]
    stays = actions.replace('to = "b", by', "by").replace('from = "b", to = "a"', 'from = "a"')
    assert (
        codes(
            thing(
                states.replace('b = { after = "1m", then = "end" }\n', ""), stays.replace('["a", "b"]', '"a"')
            )
        )
        == []
    )


def test_a_new_visit_has_invocations_of_its_own() -> None:
    states = 'a = { initial = true, run = "work" }\nz = { final = true }'
    actions = CREATE + (
        'ok = { from = "a", to = "z" }\nbad = { from = "a", to = "z" }\n'
        'again = { from = "a", to = "a", by = "role:clerk" }'
    )
    found = finding(report_of(thing(states, actions, WORK)), "LT304")
    assert found.trace is not None
    assert run_of(found)[found.trace.loop_from :] == ["again"]


def test_a_deadline_that_is_moved_stays_the_same_one() -> None:
    states = "a = { initial = true }\nz = { final = true }"
    actions = (
        'create = { by = "role:clerk", do = ["due = now + 60"] }\n'
        'beat = { from = "a", by = "role:clerk", do = ["due = now + 60"] }\n'
        'end = { from = "a", to = "z" }'
    )
    rest = '[field]\ndue = { type = "time" }\n[timer]\nt = { at = "due", then = "end" }\n'
    report = report_of(thing(states, actions, rest))
    assert report.verdict == "admitted"
    assert any("moved" in line for line in report.not_covered), "and the report says so"


def test_another_final_state_is_not_there() -> None:
    states = 'a = { initial = true, after = "1m", then = "end" }\nz = { final = true }\ny = { final = true }'
    actions = CREATE + (
        "end = { from = \"a\", to_if = \"'z' if n == 0 else 'y'\" }\n"
        'set = { from = "a", by = "role:clerk", do = ["n = 1"] }'
    )
    field = '[field]\nn = { type = "int", range = [0, 1], default = 0 }\n'
    found = finding(report_of(thing(states, actions, field)), "LT304")
    assert run_of(found) == ["create", "set", "timer end"]
    assert codes(thing(states, actions, field, to='["z", "y"]')) == []


def test_a_delivery_is_owed() -> None:
    stock = (
        '[state]\nhere = { initial = true, waits = "x" }\n[action]\n'
        'create = { by = "role:clerk" }\ntake = { from = "here", by = "entity:Order" }\n'
        'look = { from = "here", by = "role:clerk" }\n'
    )
    order = """
[state]
a = { initial = true, run = "ask" }
z = { final = true }
[field]
stock = { type = "ref", to = "Stock", frozen = true }
[action]
create = { by = "role:clerk", sets = ["stock"] }
gotten = { from = "a", to = "z" }
[effect.ask]
uses = "call"
with = { on = "stock", action = "take" }
ok = "gotten"
[eventually]
ends = { from = ["a"], to = ["z"] }
"""
    assert codes(several(Stock=stock, Order=order)) == []


@pytest.mark.parametrize(("to", "holds"), [('["z"]', True), ('["b", "z"]', True), ('["b"]', False)])
def test_where_it_gets_to_counts(to: str, *, holds: bool) -> None:
    states = 'a = { initial = true, after = "1m", then = "end" }\nb = { waits = "x" }\nz = { final = true }'
    actions = CREATE + 'end = { from = "a", to = "z" }\ngo = { from = "a", to = "b", by = "role:clerk" }\n'
    actions += 'leave = { from = "b", to = "z", by = "role:clerk", fair = true }'
    assert ("LT304 ends" not in codes(thing(states, actions, to=to))) is holds


def test_one_entity_that_goes_round_excuses_no_other() -> None:
    body = """
[state]
a = { initial = true, waits = "x" }
z = { final = true }
[action]
create = { by = "role:clerk" }
spin = { from = "a", by = "role:clerk", fair = true }
end = { from = "a", to = "z", by = "role:clerk", fair = true, when = "other is None" }
point = { from = "a", by = "role:clerk", sets = ["other"] }
[field]
other = { type = "ref", to = "Thing" }
[eventually]
ends = { from = ["a"], to = ["z"] }
"""
    found = finding(report_of(several(Thing=body)), "LT304")
    assert found.trace is not None
    assert found.trace.loop_from is not None
