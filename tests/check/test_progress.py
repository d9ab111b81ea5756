"""Who can still move: stuck, trapped, and waiting without saying so."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, run_of, several

HEAD = 'blueprint = "Thing"\n'


def thing(states: str, actions: str, rest: str = "") -> str:
    create = 'create = { by = "role:clerk" }'
    return f"{HEAD}[state]\n{states}\n[action]\n{create}\n{actions}\n{rest}"


def test_a_state_with_no_way_out_is_stuck_and_waits_does_not_excuse_it() -> None:
    assert codes(thing('a = { initial = true, waits = "x" }', "")) == ["LT301"]
    assert codes(thing("a = { initial = true, final = true }", "")) == []
    assert (
        codes(thing('a = { initial = true, waits = "x" }', 'stay = { from = "a", by = "role:clerk" }')) == []
    )


def test_stuck_is_a_situation_not_only_a_state() -> None:
    text = thing(
        'a = { initial = true, waits = "x" }\nz = { final = true }',
        'go = { from = "a", to = "a", by = "role:clerk", when = "n < 2", do = ["n += 1"] }\n'
        'end = { from = "a", to = "z", by = "role:clerk", when = "n == 0" }',
        '[field]\nn = { type = "int", range = [0, 2], default = 0 }\n',
    )
    found = finding(report_of(text), "LT301")
    assert run_of(found) == ["create", "go", "go"]


def test_trapped_is_to_move_without_ever_resting() -> None:
    text = thing(
        'a = { initial = true, waits = "x" }\nb = {}\nc = {}',
        'fall = { from = "a", to = "b", by = "role:clerk" }\n'
        'there = { from = "b", to = "c", by = "role:clerk" }\n'
        'back = { from = "c", to = "b", by = "role:clerk" }',
    )
    report = report_of(text)
    assert sorted(f.diagnostic.code for f in report.findings) == ["LT302", "LT302"], "one for each state"


def test_waiting_without_saying_so() -> None:
    actions = 'end = { from = "a", to = "z", by = "role:clerk" }'
    assert codes(thing("a = { initial = true }\nz = { final = true }", actions)) == ["LT303"]
    assert codes(thing('a = { initial = true, waits = "x" }\nz = { final = true }', actions)) == []


@pytest.mark.parametrize(("actions", "rest"), [
    ('end = { from = "a", to = "z", by = "role:clerk", fair = true }', ""),
    ('end = { from = "a", to = "z" }', '[timer.t]\nat = "due"\nthen = "end"\n[field.due]\ntype = "time"'),
])  # fmt: skip
def test_fair_actions_timers_and_effects_can_end_a_visit(actions: str, rest: str) -> None:
    text = thing("a = { initial = true }\nz = { final = true }", actions, rest)
    if "due" in rest:
        text = text.replace(
            'create = { by = "role:clerk" }', 'create = { by = "role:clerk", do = ["due = now + 5"] }'
        )
    assert codes(text) == []


def test_a_states_timer_ends_its_visit_but_not_by_staying() -> None:
    states = 'a = { initial = true, after = "1m", then = "tick" }\nz = { final = true }'
    ends = 'end = { from = "a", to = "z", by = "role:clerk" }\n'
    assert codes(thing(states, 'tick = { from = "a", to = "a" }\n' + ends)) == [], "it begins another"
    assert codes(thing(states, 'tick = { from = "a" }\n' + ends)) == ["LT303"]


def test_a_deadline_that_is_never_set_ends_nothing() -> None:
    text = thing(
        "a = { initial = true }\nz = { final = true }",
        'end = { from = "a", to = "z" }',
        '[timer]\nt = { at = "due", then = "end" }\n[field]\ndue = { type = "time" }\n',
    )
    assert codes(text) == ["LT202", "LT301"], "that `z` is never reached follows from it"


def test_an_effect_ends_a_visit_by_either_end() -> None:
    states = 'a = { initial = true, run = "work" }\nz = { final = true }'
    effect = (
        '[effect.work]\nuses = "http"\nwith = { url = "https://x.example" }\nok = "ok"\n'
        'error = "bad"\nlate = false\n'
    )
    ends = 'bad = { from = "a", to = "z" }\n'
    assert codes(thing(states, 'ok = { from = "a" }\n' + ends, effect)) == ["LT301"], (
        "after a good end nothing comes"
    )
    assert codes(thing(states, 'ok = { from = "a", to = "z" }\n' + ends, effect)) == []


def test_after_its_effects_have_ended_it_may_wait_without_saying_so() -> None:
    states = 'a = { initial = true, run = "work" }\nz = { final = true }'
    effect = '[effect.work]\nuses = "http"\nwith = { url = "https://x.example" }\nok = "ok"\nerror = "bad"\n'
    actions = (
        'ok = { from = "a" }\nbad = { from = "a", to = "z" }\n'
        'end = { from = "a", to = "z", by = "role:clerk" }'
    )
    found = finding(report_of(thing(states, actions, effect + "late = false\n")), "LT303")
    assert run_of(found) == ["create", "start work", "end work well ok"]


def test_one_state_is_reported_once_by_the_first_that_applies() -> None:
    text = thing(
        "a = { initial = true }\nb = {}",
        'go = { from = "a", to = "b", by = "role:clerk" }',
    )
    report = report_of(text)
    assert [(f.diagnostic.code, f.diagnostic.span.line) for f in report.findings] == [
        ("LT302", 3),
        ("LT301", 4),
    ]


ROOM = """
[state]
free = { initial = true, waits = "x" }
gone = { final = true }

[action]
create = { by = "role:clerk" }
take = { from = "free", to = "gone", by = "entity:Guest" }
"""
GUEST = """
[state]
out = { initial = true, waits = "x" }
left = { final = true }

[field]
room = { type = "ref", to = "Room", frozen = true }

[action]
create = CREATE
leave = { from = "out", to = "left", by = "role:clerk"RUN }
"""


def test_what_another_entity_may_do_to_it_is_a_way_on() -> None:
    joint = (
        'leave = { from = "out", to = "left", by = "role:clerk", also = [{ on = "room", action = "take" }] }'
    )
    guest = GUEST.replace("CREATE", '{ by = "role:clerk", sets = ["room"] }')
    guest = guest.replace(
        'leave = { from = "out", to = "left", by = "role:clerk"RUN }',
        joint + '\nquit = { from = "out", to = "left", by = "role:clerk" }',
    )
    assert codes(several(Room=ROOM, Guest=guest)) == []


def test_a_creation_that_takes_it_along_is_a_way_on() -> None:
    create = '{ by = "role:clerk", sets = ["room"], also = [{ on = "arg.room", action = "take" }] }'
    guest = GUEST.replace("CREATE", create).replace("RUN", "")
    assert codes(several(Room=ROOM, Guest=guest)) == []


def test_a_notice_that_calls_it_is_a_way_on() -> None:
    guest = GUEST.replace("CREATE", '{ by = "role:clerk", sets = ["room"] }').replace("RUN", ', run = "tell"')
    guest += '\n[effect.tell]\nuses = "call"\nwith = { on = "room", action = "take" }\n'
    assert codes(several(Room=ROOM, Guest=guest)) == []


def test_a_call_that_waits_for_somebody_else_can_end_a_visit() -> None:
    stock = """
[state]
here = { initial = true, waits = "x" }
[action]
create = { by = "role:clerk" }
take = { from = "here", by = "entity:Order" }
look = { from = "here", by = "role:clerk" }
"""
    order = """
[state]
asking = { initial = true, run = "ask" }
got = { final = true }
[field]
stock = { type = "ref", to = "Stock", frozen = true }
[action]
create = { by = "role:clerk", sets = ["stock"] }
gotten = { from = "asking", to = "got" }
[effect.ask]
uses = "call"
with = { on = "stock", action = "take" }
ok = "gotten"
"""
    assert codes(several(Stock=stock, Order=order)) == []


OPEN = 'open = { initial = true, waits = "x" }\nshut = { final = true }'
SEALED = '[field]\nsealed = { type = "bool", default = false }\n'
STAYS = """
note = { from = "open", by = "role:clerk" }
seal = { from = "open", by = "role:clerk", do = ["sealed = True"] }
"""
CLOSE = 'close = { from = "open", to = "shut", by = "role:clerk", when = "not sealed" }'


def test_who_waits_where_nothing_possible_leads_out_is_told_as_a_warning() -> None:
    report = report_of(thing(OPEN, STAYS + CLOSE, SEALED))
    found = finding(report, "LT305")
    assert (report.verdict, found.diagnostic.severity) == ("admitted", "warning")
    assert run_of(found) == ["create", "seal"]
    assert "needs `not sealed` (sealed = true)" in found.diagnostic.help
    reopened = 'open_it = { from = "open", by = "role:clerk", do = ["sealed = False"] }\n'
    assert codes(thing(OPEN, STAYS + reopened + CLOSE, SEALED)) == []


def test_a_state_without_ways_out_or_with_a_plain_one_keeps_nobody_waiting() -> None:
    own = OPEN.replace("shut", 'kept = { waits = "nobody" }\nshut')
    keep = 'keep = { from = "open", to = "kept", by = "role:clerk" }\n'
    stay = 'look = { from = "kept", by = "role:clerk" }\n'
    plain = 'close = { from = "open", to = "shut", by = "role:clerk" }'
    assert codes(thing(own, keep + stay + plain)) == []
    assert codes(thing(OPEN, STAYS + CLOSE + "\n" + plain.replace("close", "drop"), SEALED)) == []


def test_who_is_let_on_by_one_more_of_another_is_not_kept_waiting() -> None:
    """With two keys, one of which is lost, a third would open it."""
    key = """
[state]
here = { initial = true, waits = "x" }
lost = { waits = "x" }
[action]
create = { by = "role:clerk" }
lose = { from = "here", to = "lost", by = "role:clerk" }
open = { from = "here", by = "entity:Door" }
look = { from = "lost", by = "role:clerk" }
"""
    door = """
[state]
shut = { initial = true, waits = "a key" }
open = { final = true }
[action]
create = { by = "role:clerk" }
knock = { from = "shut", by = "role:clerk" }
open = { from = "shut", to = "open", by = "role:clerk", args = KEY, also = ALSO }
""".replace("KEY", '{ key = { type = "ref", to = "Key" } }')
    door = door.replace("ALSO", '[{ on = "arg.key", action = "open" }]')
    assert "LT305" not in codes(several(Key=key, Door=door))
