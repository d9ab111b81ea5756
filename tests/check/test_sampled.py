"""Domains that are too large to be tried whole: what is sampled, and what that leaves undecided."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, several, told

from lathe.check.algebra.level import Proved
from lathe.check.algebra.prove import Proofs
from lathe.gate.verdict import Options
from lathe.lang.model import App

CLAIM = """
blueprint = "Claim"

[state]
open = { initial = true, waits = "x" }
paid = { final = true }

[field]
amount = { type = "int", range = [0, 9000] }
small = { type = "int", range = [0, 9], default = 0 }
total = { type = "int", range = [0, 20000], default = 0 }

[action]
create = { by = "role:clerk", sets = ["amount"] }
pay = { from = "open", to = "paid", by = "role:clerk", when = "amount <= 50" }
refuse = { from = "open", to = "paid", by = "role:clerk", sets = ["small"] }
"""


def test_a_sampled_domain_is_noted_where_it_is_declared() -> None:
    report = report_of(CLAIM)
    found = finding(report, "LT802")
    assert report.verdict == "admitted"
    assert (found.diagnostic.severity, found.diagnostic.span.line) == ("note", 9)
    assert "values of `amount` beyond a sample" in report.not_covered


def test_what_nothing_reads_is_not_sampled() -> None:
    assert codes(CLAIM.replace(', when = "amount <= 50"', "")) == []


def test_a_domain_of_64_values_is_tried_whole() -> None:
    assert codes(CLAIM.replace("[0, 9000]", "[0, 63]")) == []
    assert codes(CLAIM.replace("[0, 9000]", "[0, 64]")) == ["LT802"]


@pytest.mark.parametrize(
    ("value", "is_found"), [(0, True), (9000, True), (49, True), (51, True), (4321, True)]
)
def test_both_ends_and_each_constant_and_its_neighbours_are_tried(value: int, *, is_found: bool) -> None:
    text = CLAIM + f'\n[invariant]\np = "amount != {value}"\n'
    assert ("LT401 p" in codes(text)) is is_found


def test_each_constant_is_tried_however_many_there_are() -> None:
    others = "\n".join(
        f'q{n} = "small <= 9 or (amount != {20 * n} and amount != {20 * n + 10})"' for n in range(1, 51)
    )
    text = CLAIM + f'\n[invariant]\np = "small == 9 or amount != 8000"\n{others}\n'
    assert "LT401 p" in codes(text)


@pytest.mark.parametrize(("rest", "expected"), [
    ('[invariant]\np = "amount * 3 != 12345"\n', ["LT801 p", "LT802"]),
    ('[invariant]\np = { that = "small <= 8", when = "amount * 3 == 12345" }\n', ["LT801 p", "LT802"]),
    ('[step]\np = "state == old.state or amount * 3 != 12345"\n', ["LT801 p", "LT802"]),
    ('[invariant]\np = "amount <= 9000"\n', ["LT802"]),
    ('[invariant]\np = { that = "small <= 9", when = "amount > 3" }\n', ["LT802"]),
    ('[step]\np = "amount == old.amount"\n', ["LT802"]),
    ('[invariant]\np = "small <= 9"\n', ["LT802"]),
    ('[sometimes]\np = "amount == 9000"\n', ["LT802"]),
    ('[cannot]\nc = { role = "clerk", do = ["pay"], when = "amount == 77" }\n', ["LT603 c", "LT802"]),
    ((
'[cannot]\n'
'c = { role = "clerk", do = ["pay"], when = "amount > 60 and amount % 7 == 3 and amount < 80" }\n'
), ["LT801 c", "LT802"]),
])  # fmt: skip
def test_what_reads_sampled_data_is_undecided_unless_it_is_proved(rest: str, expected: list[str]) -> None:
    assert codes(CLAIM + "\n" + rest) == expected


def test_data_that_are_computed_from_a_sample_are_sampled_too() -> None:
    text = (
        CLAIM
        + 'add = { from = "open", by = "role:clerk", when = "total == 0", do = ["total = amount * 2"] }\n'
    )
    assert codes(text + '[invariant]\np = "total * 3 != 24690"\n') == ["LT801 p", "LT802"]
    assert codes(text + '[invariant]\np = "total <= 18000"\n') == ["LT802"], "it is proved"


def test_a_range_that_a_sample_decides_is_undecided() -> None:
    text = (
        CLAIM + 'add = { from = "open", by = "role:clerk", when = "total < 1", do = ["total += amount"] }\n'
    )
    assert told(report_of(text)) == ["LT802"], "it is proved"
    report = report_of(text.replace("+= amount", "= amount * 9 if amount * 3 == 12345 else 0"))
    assert told(report) == ["LT801", "LT802"]
    assert "total = amount * 9" in finding(report, "LT801").diagnostic.message
    assert codes(text.replace("total < 1", "total < 20000")) == ["LT204", "LT802"], "a witness is one"


def test_an_end_that_a_sample_decides_is_undecided() -> None:
    effect = (
        '[effect.work]\nuses = "http"\nwith = { url = "https://x.example" }\nok = "good"\n'
        'error = "bad"\nlate = false\n'
    )
    text = CLAIM.replace("paid = {", 'busy = { run = "work" }\npaid = {')
    text += (
        'go = { from = "open", to = "busy", by = "role:clerk" }\n'
        'good = { from = "busy", to = "paid" }\nbad = { from = "busy", to = "paid"GUARD }\n'
    )
    assert codes(text.replace("GUARD", "") + effect) == ["LT802"]
    assert codes(text.replace("GUARD", ', when = "amount >= 0"') + effect) == ["LT802"], "it is proved"
    found = codes(text.replace("GUARD", ', when = "amount * 3 != 12345"') + effect)
    assert found == ["LT801", "LT802"]


def test_a_refused_property_is_not_undecided_as_well() -> None:
    assert codes(CLAIM + '\n[invariant]\np = "amount < 9000"\n') == ["LT401 p", "LT802"]


def test_an_undecided_level_says_why() -> None:
    report = report_of(CLAIM + '\n[invariant]\np = "amount * 3 != 12345"\n')
    level = next(x for x in report.levels if x.level == 2)
    assert (report.verdict, level.verdict) == ("unknown", "unknown")
    assert "`p`" in level.why


def test_explore_tries_every_value_of_it_and_cuts_what_would_leave_it() -> None:
    text = CLAIM.replace("range = [0, 9000]", "range = [0, 9000], explore = [10, 12]")
    assert codes(text + '\n[sometimes]\na = "amount == 10"\nb = "amount == 11"\nc = "amount == 12"\n') == [
        "LT802"
    ]
    assert "LT801" in codes(text + '\n[sometimes]\na = "amount == 9000"\n'), "it may be possible elsewhere"
    more = (
        text + 'more = { from = "open", by = "role:clerk", when = "amount < 9000", do = ["amount += 1"] }\n'
    )
    assert "LT401 p" not in codes(more + '[invariant]\np = "amount <= 12"\n')


def test_stored_values_are_exact_and_reached_by_steps() -> None:
    text = (
        CLAIM + 'more = { from = "open", by = "role:clerk", when = "amount < 9000", do = ["amount += 1"] }\n'
    )
    assert "LT403 p" not in codes(text + '[sometimes]\np = "amount == 60"\n')
    found = finding(report_of(text + '[invariant]\np = "amount % 61 != 60"\n'), "LT401")
    assert found.trace is not None


def test_a_result_that_a_refused_ok_turns_into_error_is_told_at_ok() -> None:
    text = """
blueprint = "Quote"

[state]
asked = { initial = true, run = "price" }
priced = { final = true }
failed = { final = true }

[field]
price = { type = "int", range = [0, 9000], default = 0 }

[action]
create = { by = "role:clerk" }
computed = { from = "asked", to = "priced", sets = ["price"], when = "arg.price >= 1" }
fail = { from = "asked", to = "failed" }

[effect.price]
uses = "http"
with = { url = "https://prices.example/", take = { price = "body.price" } }
ok = "computed"
error = "fail"
"""
    found = finding(report_of(text), "LT802")
    assert found.diagnostic.message.startswith("sampled: `price` of `computed`")


LASTING = """blueprint = "Thing"
[state]
open = { initial = true, after = "1d", then = "lapse" }
paid = { final = true }
lapsed = { final = true }
[field]
amount = { type = "int", range = [1, 10000], frozen = true }
[action]
create = { by = "role:clerk", sets = ["amount"] }
pay = { from = "open", to = "paid", by = "role:clerk", when = "amount <= 50" }
lapse = { from = "open", to = "lapsed" }
[eventually]
settles = { from = ["open"], to = ["paid", "lapsed"] }
"""


def test_an_eventually_that_no_value_keeps_from_coming_is_settled_on_the_skeleton() -> None:
    """The guard has one truth on either side of 50, so what holds of the regions holds of every value."""
    report = report_of(LASTING)
    assert (report.verdict, told(report)) == ("admitted", ["LT802"])


def test_an_eventually_that_a_value_beyond_the_sample_might_keep_from_coming_stays_open() -> None:
    """1,111 is no value of the sample, and no region tells it from its neighbours."""
    report = report_of(
        LASTING.replace('to = "lapsed" }', 'to = "lapsed", when = "amount * amount != 1234321" }', 1)
    )
    assert report.verdict == "unknown"
    cure = finding(report, "LT801").diagnostic.help
    assert "constants alone" in cure
    assert "invariant" not in cure


def test_an_eventually_of_a_scope_that_is_too_large_to_be_asked_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its guards compare with constants alone: to be told to do that would help nobody."""
    monkeypatch.setattr(
        "lathe.check.skeleton.sampled_liveness.settle", lambda *_: None
    )  # as of a million states
    open_still = finding(report_of(LASTING), "LT801").diagnostic
    assert open_still.message.endswith("not proved: all of them could not be asked of 1 Thing")
    assert open_still.help.startswith("say in `[scope]` of app.toml that fewer are enough; narrow `amount`")


def test_an_eventually_that_a_value_of_the_sample_keeps_from_coming_fails() -> None:
    report = report_of(LASTING.replace('to = "lapsed" }', 'to = "lapsed", when = "amount < 5000" }', 1))
    assert report.verdict == "refused"


PAY = """
blueprint = "Pay"
[state]
open = { initial = true, STATE }
done = { final = true }
[field]
amount = { type = "int", range = [0, 1000], default = 0 }
[action]
create.by = "role:clerk"
create.args = { x = { type = "int", range = [0, 1000] EXPLORE } }
create.do = ["amount = arg.x"]
close = { from = "open", to = "done", BY when = "WHEN" }
"""
WAITS = PAY.replace("STATE", 'waits = "x"').replace("BY", 'by = "role:clerk",').replace(" EXPLORE", "")
TIMED = PAY.replace("STATE", 'after = "1h", then = "close"').replace("BY", "")


def test_that_nobody_is_stuck_is_asked_for_values_beyond_the_sample_too() -> None:
    """Nobody gave 123, from which nothing leads on."""
    report = report_of(WAITS.replace("WHEN", "amount * 7 != 861"))
    assert (report.verdict, told(report)) == ("unknown", ["LT801", "LT802"])
    assert "whether `open` can be left" in finding(report, "LT801").diagnostic.message


STAGES = """
blueprint = "Order"
[state]
OPEN
done = { final = true }
[field]
amount = { type = "int", range = [0, 1000], default = 0 }
[action]
create.by = "role:clerk"
create.args = { x = { type = "int", range = [0, 1000] } }
create.do = ["amount = arg.x"]
GO
close = { from = ["s0", "s1", "s2", "s3", "s4"], to = "done", by = "role:clerk", when = "amount * 7 != 861" }
"""


def test_states_of_which_the_same_is_open_are_one_finding() -> None:
    states = [f's{i} = {{ {"initial = true, " if not i else ""}waits = "x" }}' for i in range(5)]
    go = [f'go{i} = {{ from = "s{i}", to = "s{i + 1}", by = "role:clerk", when = "WHEN" }}' for i in range(4)]
    text = STAGES.replace("OPEN", "\n".join(states)).replace("GO", "\n".join(go))
    report = report_of(text.replace("WHEN", "amount * 7 != 861"))
    assert (report.verdict, told(report)) == ("unknown", ["LT801", "LT802"])
    message = finding(report, "LT801").diagnostic.message
    assert message.startswith("whether `s0`, `s1`, `s2` and 2 more can be left as they should is known only")
    kept = report_of(text.replace("WHEN", "amount >= 0").replace("amount * 7 != 861", "amount <= 1000"))
    assert (kept.verdict, told(kept)) == ("admitted", ["LT802"])


@pytest.mark.parametrize("when", ["amount >= 0", "amount <= 500 or amount > 500"])
def test_a_state_that_can_be_left_whatever_is_given_is_settled_without_a_run(when: str) -> None:
    report = report_of(WAITS.replace("WHEN", when))
    assert (report.verdict, told(report)) == ("admitted", ["LT802"])


def test_a_sampled_set_does_not_hide_who_is_stuck() -> None:
    members = ", ".join(f'"m{i}"' for i in range(8))
    typed = f'type = "set", of = {{ type = "enum", of = [{members}] }}, max = 8'
    text = WAITS.replace('type = "int", range = [0, 1000], default = 0', typed)
    text = text.replace('type = "int", range = [0, 1000]', typed)
    stuck = "not ('m3' in amount and 'm5' in amount and 'm7' not in amount)"
    assert told(report_of(text.replace("WHEN", stuck))) == ["LT801", "LT802"]
    assert told(report_of(text.replace("WHEN", "len(amount) >= 0 or 'm5' in amount"))) == ["LT802"]


@pytest.mark.parametrize(
    ("when", "expected"), [("amount != 500", ["LT801 ends", "LT802"]), ("amount >= 0", ["LT802"])]
)
def test_what_explore_leaves_out_of_an_argument_counts_for_what_comes_in_the_end(
    when: str, expected: list[str]
) -> None:
    text = TIMED.replace("EXPLORE", ", explore = [0, 2]").replace("WHEN", when)
    promise = '\n[eventually]\nends = { from = ["open"], to = ["done"] }\n'
    assert told(report_of(text + promise)) == expected


def test_the_cure_for_what_explore_left_out_is_to_explore_it() -> None:
    """A range of three that somebody chose of a thousand is not narrowed to 64."""
    promise = '\n[eventually]\nends = { from = ["open"], to = ["done"] }\n'
    text = TIMED.replace("WHEN", "amount != 500") + promise
    chosen = finding(report_of(text.replace("EXPLORE", ", explore = [0, 2]")), "LT801").diagnostic.help
    assert "drop the `explore` of `x` or widen it" in chosen and "narrow" not in chosen
    field = text.replace("EXPLORE", "").replace(
        "range = [0, 1000], default", "range = [0, 1000], explore = [0, 2], default"
    )
    both = finding(report_of(field.replace("amount != 500", "amount * 7 != 861")), "LT801").diagnostic.help
    assert "narrow `x` to 64 values or fewer, and drop the `explore` of `amount` or widen it" in both


def test_an_eventually_reads_what_those_read_who_take_part() -> None:
    """Who is joined refuses one amount, which nobody gave."""
    taker = """
[state]
here = { initial = true, waits = "x" }
[field]
amount = { type = "int", range = [0, 1000], frozen = true }
[action]
create = { by = "role:clerk", sets = ["amount"] }
rest = { from = "here", by = "role:clerk" }
take = { from = "here", by = "entity:Giver", when = "amount * 7 != 861" }
"""
    giver = """
[state]
open = { initial = true, after = "1h", then = "push" }
done = { final = true }
[field]
other = { type = "ref", to = "Taker", frozen = true }
[action]
create = { by = "role:clerk", sets = ["other"] }
push = { from = "open", to = "done", also = [{ on = "other", action = "take" }] }
[eventually]
ends = { from = ["open"], to = ["done"] }
"""
    report = report_of(several("[scope]\nTaker = 1", Giver=giver, Taker=taker))
    assert report.verdict == "unknown"
    assert "LT801 ends" in told(report)


def test_level_1_has_what_the_budget_left_and_says_if_that_was_not_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[float] = []

    def proved(app: App, seen: object, clock: object, seconds: float) -> Proved:
        given.append(seconds)
        nothing = Proofs(frozenset(), frozenset(), (), 1, (), (), (), is_timed=seconds < 30)
        return Proved(nothing, {})

    monkeypatch.setattr("lathe.check.algebra.level.prove_app", proved)
    text = CLAIM + '\n[invariant]\np = "amount * 3 != 12345"\n'
    for budget, is_timed in ((1.0, True), (60.0, False)):
        undecided = finding(report_of(text, Options(budget_seconds=budget)), "LT801").diagnostic
        assert ("the seconds of level 1 ran out" in undecided.message) is is_timed
        assert undecided.help.startswith("a larger `--budget`") is is_timed
    assert given == [5.0, 60.0]
