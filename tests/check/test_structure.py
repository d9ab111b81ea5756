"""What the text alone shows: ways out of final states, ends, repeats, who may, rounds of `also`."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, several

LETTER = """
blueprint = "Letter"

[state]
sending = { initial = true, run = "mail" }
failed = { waits = "a clerk restarts it" }
sent = { final = true }

[action]
create = { by = "role:clerk" }
delivered = { from = "sending", to = "sent" }
fail = { from = "sending", to = "failed" }
restart = { from = "failed", to = "sending", by = "role:clerk" }

[effect.mail]
uses = "http"
with = { method = "PUT", url = "https://post.example" }
ok = "delivered"
error = "fail"
late = false
"""


def changed(*pairs: tuple[str, str]) -> str:
    text = LETTER
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_nothing_is_wrong_with_the_letter() -> None:
    assert codes(LETTER) == []


@pytest.mark.parametrize("way", [
    'burn = { from = "sent", to = "failed", by = "role:clerk" }',
    'burn = { from = ["failed", "sent"], by = "role:clerk" }',
])  # fmt: skip
def test_nothing_leaves_a_final_state_nor_stays_in_one(way: str) -> None:
    assert "LT203" in codes(changed(("restart = {", f"{way}\nrestart = {{")))


def test_a_final_state_has_no_timer_of_its_own() -> None:
    assert "LT203" in codes(
        changed(("sent = { final = true }", 'sent = { final = true, after = "1s", then = "fail" }'))
    )


def test_only_notices_are_asked_for_on_entering_a_final_state() -> None:
    text = changed(("sent = { final = true }", 'sent = { final = true, run = "mail" }'))
    assert "LT203" in codes(text)
    text = changed(('to = "sent" }', 'to = "sent", run = "mail" }'))
    assert "LT203" in codes(text)
    notice = '\n[effect.announce]\nuses = "emit"\n'
    assert (
        codes(changed(("sent = { final = true }", 'sent = { final = true, run = "announce" }')) + notice)
        == []
    )
    assert codes(changed(('to = "sent" }', 'to = "sent", run = "announce" }')) + notice) == []


def test_an_effect_that_is_no_notice_has_an_error() -> None:
    assert "LT502" in codes(
        changed(
            ('error = "fail"\n', ""),
            ('fail = { from = "sending", to', 'fail = { by = "role:clerk", from = "sending", to'),
        )
    )


def test_an_effect_without_ok_needs_a_timer_that_leaves_the_state() -> None:
    without = changed(
        ('ok = "delivered"\n', ""), ("delivered = { from", 'delivered = { by = "role:clerk", from')
    )
    assert "LT502" in codes(without)
    timed = without.replace('run = "mail" }', 'run = "mail", after = "1m", then = "fail" }')
    assert "LT502" not in codes(timed)


def test_an_effect_that_may_repeat_is_idempotent_or_counted() -> None:
    text = changed(('"PUT"', '"POST"'))
    assert codes(text) == ["LT503"]
    assert report_of(text).verdict == "admitted", "a warning"
    assert codes(text.replace("late = false", "late = false\nidempotent = true")) == []
    counted = text.replace("late = false", 'late = false\nworld = ["sent_letters += 1"]')
    ghost = '\n[ghost]\nsent_letters = { type = "int", range = [0, 9], default = 0 }\n'
    assert codes(counted + ghost) == []


@pytest.mark.parametrize(("method", "is_told"), [
    ("GET", False), ("HEAD", False), ("PUT", False), ("DELETE", False), ("POST", True), ("PATCH", True),
])  # fmt: skip
def test_what_repeats_harmlessly_is_what_the_adapter_says(method: str, *, is_told: bool) -> None:
    assert ("LT503" in codes(changed(('"PUT"', f'"{method}"')))) is is_told
    assert "LT503" in codes(changed(("late = false", "late = false\nidempotent = false")))


def test_nobody_may_ever_take_an_action_that_nothing_admits() -> None:
    text = changed(
        (
            'restart = { from = "failed", to = "sending", by = "role:clerk" }',
            'restart = { from = "failed", to = "sending" }',
        )
    )
    assert "LT601" in codes(text)
    assert "LT202" not in codes(text), "one action is reported once"


def test_an_effect_without_ok_needs_a_timer_only_where_it_is_asked_for() -> None:
    text = changed(
        ('run = "mail" }', 'run = "mail", after = "1h", then = "give_up" }'),
        (
            "restart = {",
            "give_up = { from = \"sending\", to_if = \"'failed' if 1 > 0 else 'sending'\" }\nrestart = {",
        ),
        (
            'delivered = { from = "sending", to = "sent" }',
            'delivered = { from = "failed", to = "sent", by = "role:clerk" }',
        ),
        ('ok = "delivered"\n', ""),
    )
    assert "LT502" not in codes(text)
    assert "LT502" in codes(text.replace(', after = "1h", then = "give_up"', ""))


def test_the_timer_of_a_state_takes_what_is_possible_there() -> None:
    text = changed(('failed = { waits = "a clerk restarts it" }', 'failed = { after = "1h", then = "fail" }'))
    found = finding(report_of(text), "LT106").diagnostic
    assert found.message == "the timer of `failed` takes `fail`, which is not possible there"
    assert codes(text.replace('fail = { from = "sending"', 'fail = { from = ["sending", "failed"]')) == []


def test_what_timers_alone_take_is_possible_where_one_takes_it() -> None:
    timed = (
        ('run = "mail" }', 'run = "mail", after = "1h", then = "give_up" }'),
        ("restart = {", 'give_up = { from = ["sending", "failed"], to = "failed" }\nrestart = {'),
    )
    found = finding(report_of(changed(*timed)), "LT601").diagnostic
    assert found.message == "nobody may ever take `give_up` in `failed`, which has no timer for it"
    assert codes(changed(*timed).replace(', "failed"], to = "failed"', '], to = "failed"')) == []
    by = changed(*timed).replace("give_up = {", 'give_up = { by = "role:clerk",')
    assert codes(by) == [], "somebody else may"


def test_what_changes_something_is_not_open_to_everybody() -> None:
    text = changed(("restart = {", 'look = { from = "failed", by = "any" }\nrestart = {'))
    assert codes(text) == [], "it changes nothing"
    text = changed(
        (
            'restart = { from = "failed", to = "sending", by = "role:clerk" }',
            'restart = { from = "failed", to = "sending", by = "any" }',
        )
    )
    assert codes(text) == ["LT602"]
    assert report_of(text).verdict == "admitted"


def test_an_event_from_outside_is_signed() -> None:
    event = '\n[inbound.bounced]\npath = "bounced/{id}"\nfind = { id = "path.id" }\naction = "bounce"\n'
    text = changed(("restart = {", 'bounce = { from = "failed" }\nrestart = {')) + event
    assert codes(text) == ["LT602"]
    assert codes(text + 'signed = { scheme = "standard", secret = "POST" }\n') == []


def test_a_role_that_may_do_nothing_is_idle() -> None:
    body = LETTER.replace('blueprint = "Letter"\n', "")
    assert codes(several('idler = "nothing"\n', Letter=body)) == ["LT605"]
    read = 'read = ["role:clerk", "role:idler"]\n' + body
    assert codes(several('idler = "nothing"\n', Letter=read)) == []


CANNOT = """
[state]
open = { initial = true, waits = "x" }
shut = { waits = "x" }

[field]
big = { type = "bool", default = false }

[action]
create = { by = "role:clerk" }
grow = { from = "open", to = "shut", by = ["role:clerk", "role:boss"], do = ["big = True"] }
"""


@pytest.mark.parametrize(("entry", "is_told"), [
    ('{ role = "boss", do = ["create"] }', False),
    ('{ role = "boss", do = ["grow"] }', True),
    ('{ role = "boss", do = ["read"] }', True),
    ('{ role = "other", do = ["create", "grow", "read"] }', False),
    ('{ role = "boss", do = ["grow"], when = "big" }', True),
    ('{ role = "boss", do = ["grow"], when = "big and state == \'open\'" }', False),
])  # fmt: skip
def test_a_cannot_holds_where_by_denies_it_in_every_reachable_state(entry: str, *, is_told: bool) -> None:
    text = several('boss = "b"\nother = "o"\n', Thing=CANNOT + f"\n[cannot]\nc = {entry}\n")
    assert ("LT603 c" in codes(text)) is is_told


def test_a_cannot_that_a_state_breaks_comes_with_the_way_there() -> None:
    text = several(
        'boss = "b"\n', Thing=CANNOT + '\n[cannot]\nc = { role = "boss", do = ["grow"], when = "big" }\n'
    )
    found = finding(report_of(text), "LT603")
    assert found.trace is not None
    assert [s.action for s in found.trace.steps] == ["create", "grow"]


def test_a_cannot_is_about_entities_that_there_are_and_whoever_acts() -> None:
    body = CANNOT.replace("[action]", 'maker = { type = "id" }\n\n[action]').replace(
        'create = { by = "role:clerk" }', 'create = { by = "role:clerk", do = ["maker = actor"] }'
    )
    cannot = '\n[cannot]\nc = { role = "boss", do = ["grow"], when = "WHEN" }\n'
    text = several('boss = "b"\n', Thing=body + cannot)
    found = finding(report_of(text.replace("WHEN", "actor == maker")), "LT603")
    assert found.trace is not None
    assert [s.action for s in found.trace.steps] == ["create"]
    assert "LT603 c" not in codes(text.replace("WHEN", "maker is None")), (
        "nobody is no entity without a maker"
    )


def test_any_permits_every_role() -> None:
    body = CANNOT.replace('["role:clerk", "role:boss"]', '"any"')
    text = several('boss = "b"\n', Thing=body + '\n[cannot]\nc = { role = "boss", do = ["grow"] }\n')
    assert "LT603 c" in codes(text)


ROUND = """
[state]
here = { initial = true, waits = "x" }

[field]
other = { type = "ref", to = "B" }

[action]
create = { by = "role:clerk" }
"""


@pytest.mark.parametrize("clause", ["", ', when = "False"'])
def test_a_round_of_joint_steps_has_no_end_whatever_when_says(clause: str) -> None:
    one = (
        ROUND
        + 'go.from = "here"\ngo.by = ["role:clerk", "entity:B"]\n'
        + f'go.also = [{{ on = "other", action = "go"{clause} }}]\n'
    )
    two = one.replace('to = "B"', 'to = "A"').replace('"role:clerk", "entity:B"', '"entity:A"')
    report = report_of(several(A=one, B=two))
    assert [f.diagnostic.code for f in report.findings].count("LT505") == 1
