"""What so few principals, texts or pending notices could not show: asked of more, where there could be."""

from __future__ import annotations

import pytest
from tests.support import finding, report_of, run_of, several, told

POLL = """
blueprint = "Poll"
[state]
open = { initial = true, waits = "somebody votes" }
done = { final = true }
[field]
voters = { type = "set", of = { type = "id" }, max = MAX }
count = { type = "int", range = [0, HIGH], default = 0 }
[action]
create = { by = "role:clerk" }
vote = { from = "open", by = "role:clerk", when = "actor not in voters GUARD", do = DO }
close = { from = "open", to = "done", by = "role:clerk" }
"""


def poll(most: int, high: int, guard: str = "", rest: str = "") -> str:
    text = POLL.replace("DO", '["voters += actor", "count += 1"]')
    return text.replace("MAX", str(most)).replace("HIGH", str(high)).replace("GUARD", guard) + rest


def test_a_range_that_four_cannot_leave_and_five_can_is_refused_with_the_run() -> None:
    report = report_of(poll(20, 4))
    assert (report.verdict, told(report)) == ("refused", ["LT204"])
    assert run_of(finding(report, "LT204")) == ["create", *["vote"] * 4, "vote (refused)"]


def test_a_set_that_four_cannot_fill_is_found_too_small_for_five() -> None:
    assert told(report_of(poll(4, 9))) == ["LT204"]


def test_an_invariant_that_four_cannot_break_and_five_can_is_refused() -> None:
    promise = '[invariant]\nfew = "len(voters) <= 4"\n'
    assert told(report_of(poll(20, 20, "", promise))) == ["LT401 few"]


def test_what_all_that_could_differ_do_not_break_is_no_bound_any_more() -> None:
    report = report_of(poll(6, 9, "and len(voters) < 6"))
    assert (report.verdict, told(report)) == ("admitted", [])
    assert not any("principals, where" in line for line in report.not_covered)


def test_what_lies_beyond_eight_is_a_warning_and_a_bound() -> None:
    report = report_of(poll(20, 15))
    assert (report.verdict, told(report)) == ("admitted", ["LT803", "LT803"])
    said = [f.diagnostic.message for f in report.findings]
    assert any("`Poll.count` is 15: with 8 principals it is 0 to 8" in message for message in said)
    assert any(
        "`Poll.voters` has 20 members: with 8 principals it has 8 at most" in message for message in said
    )
    assert "more than 8 principals, where 21 could differ" in report.not_covered


@pytest.mark.parametrize(
    "promise", ["len(voters) <= 9", "len(voters) != 12", "len(voters) < 11 or count > 0"]
)
def test_a_set_that_eight_cannot_fill_and_more_would_is_a_warning(promise: str) -> None:
    text = poll(20, 9, "GUARD").replace(', "count += 1"', "")
    promised = f'[invariant]\nfew = "{promise}"\n'
    found = finding(report_of(text.replace("GUARD", "and len(voters) < 20") + promised), "LT803")
    assert found.property == "few"
    assert told(report_of(text.replace("GUARD", "and len(voters) < 7") + promised)) == []


def test_a_number_of_principals_that_is_declared_is_not_widened() -> None:
    body = poll(20, 4).replace('blueprint = "Poll"', "")
    report = report_of(several("[scope]\nprincipals = 3", Poll=body))
    assert (report.verdict, told(report)) == ("admitted", [])
    assert "more than 3 principals, where 21 could differ" in report.not_covered


@pytest.mark.parametrize(("fields", "expected"), [("abcde", ["LT401 alike"]), ("abc", ["LT401 alike"])])
def test_five_texts_differ(fields: str, expected: list[str]) -> None:
    held = "\n".join(f'{name} = {{ type = "text", max = 9 }}' for name in fields)
    pairs = " or ".join(f"{a} == {b}" for a in fields for b in fields if a < b)
    text = f"""
blueprint = "Texts"
[state]
open = {{ initial = true, waits = "x" }}
[field]
{held}
[action]
create = {{ by = "role:clerk", sets = [{", ".join(f'"{name}"' for name in fields)}] }}
rest = {{ from = "open", by = "role:clerk" }}
[invariant]
alike = "{pairs}"
"""
    assert told(report_of(text)) == expected


MAIL = """
blueprint = "Mail"
[state]
open = { initial = true, waits = "x" }
closed = { waits = "it is read again" }
[field]
pings = { type = "int", range = [0, 9], default = 0 }
[ghost]
late = { type = "int", range = [0, 10], default = 0 }
[action]
create = { by = "role:clerk" }
ping = { from = "open", by = "role:clerk", when = "pings < MOST", do = ["pings += 1"], run = "tell" }
close = { from = "open", to = "closed", by = "role:clerk" }
again = { from = "closed", to = "closed", by = "role:clerk" }
[effect.tell]
uses = "emit"
with = { type = "x" }
world = ["late += 1 if state == 'closed' else 0"]
[invariant]
few_late = "late <= FEW"
"""


def mail(most: int, few: int) -> str:
    return MAIL.replace("MOST", str(most)).replace("FEW", str(few))


def test_three_notices_that_come_late_are_more_than_two() -> None:
    report = report_of(mail(5, 2))
    assert told(report) == ["LT401 few_late"]
    assert told(report_of(mail(5, 5))) == []


def test_more_notices_than_any_search_saw_are_a_warning() -> None:
    report = report_of(mail(9, 9))
    assert (report.verdict, told(report)) == ("admitted", ["LT803"])
    assert "more than 8 of the notice `Mail.tell`" in finding(report, "LT803").diagnostic.message


SOURCE = """
[state]
open = { initial = true, waits = "x" }
[field]
pings = { type = "int", range = [0, 3], default = 0 }
counter = { type = "ref", to = "Counter", FROZEN }
[action]
create = { by = "role:clerk", sets = ["counter"], also = [{ on = "arg.counter", action = "bound" }] }
ping = { from = "open", by = "role:clerk", when = "pings < 3", do = ["pings += 1"], run = "tell" }
rest = { from = "open", by = "role:clerk" }
[effect.tell]
uses = "call"
with = { on = "counter", action = "bump" }
"""
COUNTER = """
[state]
here = { initial = true, waits = "x" }
[field]
value = { type = "int", range = [0, 3], default = 0 }
taken = { type = "bool", default = false }
[action]
create = { by = "role:clerk" }
bound = { from = "here", by = "entity:Source", when = "not taken", do = ["taken = True"] }
rest = { from = "here", by = "role:clerk" }
bump = { from = "here", by = "entity:Source", when = "value < 3", do = ["value += 1"] }
"""
KEEPS_UP = """[invariant]
keeps_up = "all(s.counter != b or b.value + {} >= s.pings for b in Counter for s in Source)"
"""


def test_a_call_that_nobody_waits_for_may_be_asked_for_again_before_it_arrives() -> None:
    frozen = SOURCE.replace("FROZEN", "frozen = true")
    assert told(report_of(several(KEEPS_UP.format(1), Source=frozen, Counter=COUNTER))) == ["LT401 keeps_up"]
    assert told(report_of(several(KEEPS_UP.format(3), Source=frozen, Counter=COUNTER))) == []


def test_notices_that_may_remember_different_things_are_a_warning() -> None:
    moving = SOURCE.replace(", FROZEN", "").replace(
        "rest =", 'move = { from = "open", by = "role:clerk", sets = ["counter"] }\nrest ='
    )
    report = report_of(several(KEEPS_UP.format(3), Source=moving, Counter=COUNTER))
    assert "LT803" in told(report)
    assert "two of the notice `Source.tell` that differ" in finding(report, "LT803").diagnostic.message


def test_a_step_that_only_the_bound_of_notices_keeps_from_coming_is_not_missed() -> None:
    """The timer asks for a third notice while two are pending, which need not come."""
    text = """
blueprint = "Mail"
[state]
open = { initial = true, after = "1h", then = "close" }
closed = { final = true }
[field]
pings = { type = "int", range = [0, MOST], default = 0 }
[ghost]
sent = { type = "int", range = [0, 15], default = 0 }
[action]
create = { by = "role:clerk" }
ping = { from = "open", by = "role:clerk", when = "pings < MOST", do = ["pings += 1"], run = "tell" }
close = { from = "open", to = "closed", run = "tell" }
[effect.tell]
uses = "emit"
with = { type = "x" }
world = ["sent += 1"]
[eventually]
ends = { from = ["open"], to = ["closed"] }
[invariant]
few = "sent <= MOST + 1"
"""
    assert told(report_of(text.replace("MOST", "2"))) == []
    assert report_of(text.replace("MOST", "12")).verdict == "unknown"
