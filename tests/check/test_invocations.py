"""Lost ends, callbacks of the wrong visit, and calls, as the search finds them."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of, run_of, several

WORK = """
blueprint = "Thing"

[state]
busy = { initial = true, run = "work" }
paused = { waits = "x" }
done = { final = true }
failed = { final = true }

[field]
n = { type = "int", range = [0, 2], default = 0 }

[action]
create = { by = "role:clerk" }
ok = { from = "busy", to = "done" }
fail = { from = "busy", to = "failed" }
more = { from = "busy", by = "role:clerk", when = "n < 2", do = ["n += 1"] }
pause = { from = "busy", to = "paused", by = "role:clerk" }
resume = { from = "paused", to = "busy", by = "role:clerk" }

[effect.work]
uses = "http"
with = { url = "https://x.example" }
ok = "ok"
error = "fail"
late = false
"""


def changed(old: str, new: str) -> str:
    assert old in WORK, old
    return WORK.replace(old, new)


def lost(text: str) -> list[str]:
    return [c for c in codes(text) if c == "LT501"]


def test_callbacks_are_needed_only_in_the_visit_that_asked() -> None:
    assert lost(WORK) == []


def test_a_bad_end_is_lost_where_error_is_refused() -> None:
    text = changed(
        'fail = { from = "busy", to = "failed" }', 'fail = { from = "busy", to = "failed", when = "n < 2" }'
    )
    found = finding(report_of(text), "LT501")
    assert sorted(run_of(found)[1:4]) == ["more", "more", "start work"]
    assert run_of(found)[4] == "end work badly (refused)"
    assert found.trace is not None
    assert found.trace.length == 4, "starts do not count"


def test_a_bad_end_that_a_unique_refuses_is_told_to_keep_its_place() -> None:
    """Who leaves the states that a `unique` counts may come back to find the place taken."""
    text = WORK.replace("failed = { final = true }", 'failed = { waits = "x" }') + (
        '[field.seat]\ntype = "enum"\nof = ["one"]\ndefault = "one"\n'
        '[unique]\none = { fields = ["seat"], in = ["failed"] }\n'
    )
    found = finding(report_of(several("[scope]\nThing = 2\n", Thing=text.split("\n", 2)[2])), "LT501")
    assert run_of(found)[-1] == "end work badly (refused)"
    assert "let `one` hold its place in `busy` too" in found.diagnostic.help


def test_a_good_end_is_lost_only_where_error_is_refused_too() -> None:
    assert (
        lost(
            changed(
                'ok = { from = "busy", to = "done" }', 'ok = { from = "busy", to = "done", when = "n < 1" }'
            )
        )
        == []
    )


def test_an_effect_asked_for_in_one_visit_may_end_in_each_of_its_states() -> None:
    text = changed(
        'more = { from = "busy", by',
        'side = { from = "paused", by = "role:clerk", run = "work" }\nmore = { from = "busy", by',
    )
    found = finding(report_of(text), "LT501")
    assert "paused" in found.diagnostic.message


@pytest.mark.parametrize(("guard", "is_lost"), [
    ("arg.cause == 'refused'", True),
    ("arg.cause != 'crashed'", True),
    ("arg.cause in ('timeout', 'unreachable', 'refused', 'invalid', 'crashed', 'cancelled')", False),
])  # fmt: skip
def test_a_bad_end_may_have_any_cause(guard: str, *, is_lost: bool) -> None:
    causes = '["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]'
    text = changed(
        'fail = { from = "busy", to = "failed" }',
        (
            f'fail.from = "busy"\nfail.to = "failed"\nfail.when = "{guard}"\n'
            f'fail.args.cause = {{ type = "enum", of = {causes} }}'
        ),
    )
    assert bool(lost(text)) is is_lost


def test_results_range_over_their_domains() -> None:
    text = changed(
        'ok = { from = "busy", to = "done" }',
        'ok.from = "busy"\nok.to = "done"\nok.do = ["n = 0 if arg.status < 300 else 2"]\n'
        'ok.args.status = { type = "int", range = [200, 299], default = 200 }',
    )
    assert "LT401 p" not in codes(
        text + '\n[invariant]\np = { that = "n <= 1", in = ["done"], when = "n != 1" }\n'
    )
    wide = text.replace("[200, 299]", "[200, 399]")
    assert "LT401 p" in codes(wide + '\n[invariant]\np = { that = "n < 2", in = ["done"] }\n')


def test_a_result_that_the_adapter_does_not_offer_is_left_out() -> None:
    text = changed(
        'ok = { from = "busy", to = "done" }',
        'ok.from = "busy"\nok.to = "done"\nok.do = ["n = arg.extra"]\n'
        'ok.args.extra = { type = "int", range = [0, 2], default = 0 }',
    )
    only = text.replace('more = { from = "busy", by = "role:clerk", when = "n < 2", do = ["n += 1"] }\n', "")
    assert codes(only + '\n[invariant]\np = "n == 0"\n') == []


def test_progress_is_possible_while_started_and_only_then() -> None:
    text = changed(
        "more = {",
        'tick = { from = ["busy", "paused"], by = "effect:work", when = "n < 2", do = ["n += 1"] }\nmore = {',
    )
    alone = text.replace('more = { from = "busy", by = "role:clerk", when = "n < 2", do = ["n += 1"] }\n', "")
    found = finding(report_of(alone + '\n[invariant]\np = "n == 0"\n'), "LT401")
    assert run_of(found) == ["create", "start work", "tick"]
    paused = (
        alone + '\n[step]\np = { that = "n == old.n", in = ["paused"], when = "old.state == \'paused\'" }\n'
    )
    assert codes(paused) == [], "its visit is over"


def test_one_after_another() -> None:
    text = changed('run = "work" }', 'run = ["work", "then"] }').replace(
        'ok = { from = "busy", to = "done" }', 'ok = { from = "busy" }\nend = { from = "busy", to = "done" }'
    )
    text += (
        '\n[ghost]\nfirst_done = { type = "bool", default = false }\n'
        'early = { type = "bool", default = false }\n'
    )
    text = text.replace('ok = { from = "busy" }', 'ok = { from = "busy", ghost = ["first_done = True"] }')
    text += (
        '\n[effect.then]\nuses = "http"\nwith = { url = "https://x.example" }\n'
        'world = ["early = early or not first_done"]\nok = "end"\nerror = "fail"\n'
    )
    text += '\n[invariant]\nin_order = "not early"\n'
    assert "LT401 in_order" not in codes(text)


CALLS = {
    "Order": """
[state]
open = { initial = true, waits = "x" }
asking = { run = "ask" }
got = { final = true }
refused = { final = true }

[field]
stock = { type = "ref", to = "Stock", frozen = true }

[action]
create = { by = "role:clerk", sets = ["stock"] }
want = { from = "open", to = "asking", by = "role:clerk" }
give_up = { from = "asking", to = "refused", by = "role:clerk" }
gotten = { from = "asking", to = "got" }
denied = { from = "asking", to = "refused" }

[effect.ask]
uses = "call"
with = { on = "stock", action = "take" }
ok = "gotten"
error = "denied"
""",
    "Stock": """
[state]
here = { initial = true, waits = "x" }

[field]
left = { type = "int", range = [0, 1], default = 1 }

[action]
create = { by = "role:clerk" }
take = { from = "here", by = "entity:Order", when = "left > 0", do = ["left -= 1"] }
fill = { from = "here", by = "role:clerk", do = ["left = 1"] }
""",
}


def test_a_call_arrives_together_with_ok_or_is_refused() -> None:
    top = (
        '[ghost]\ntaken = { type = "int", range = [0, 3], default = 0 }\n[invariant]\n'
        "no_more = \"sum(1 for o in Order if o.state == 'got') <= 1\"\n"
    )
    body = CALLS["Stock"].replace(
        'fill = { from = "here", by = "role:clerk", do = ["left = 1"] }\n',
        'look = { from = "here", by = "role:clerk" }\n',
    )
    assert (
        codes(
            several(
                "[scope]\nOrder = 2\nStock = 1\n"
                + top.replace('[ghost]\ntaken = { type = "int", range = [0, 3], default = 0 }\n', ""),
                Order=CALLS["Order"],
                Stock=body,
            )
        )
        == []
    )
    report = report_of(several("[scope]\nOrder = 2\nStock = 1\n" + top[top.index("[invariant]") :], **CALLS))
    assert run_of(finding(report, "LT401"))[-1].startswith("deliver ask")


def test_a_call_counts_as_one_step_with_its_ok() -> None:
    top = '[sometimes]\nnever = "False"\n[invariant]\np = "all(o.state != \'got\' for o in Order)"\n'
    found = finding(report_of(several(top, **CALLS)), "LT401")
    assert run_of(found) == ["create", "create", "want", "deliver ask gotten"]
    assert found.trace is not None
    assert found.trace.length == 4
    assert [p.action for p in found.trace.steps[-1].parts] == ["gotten", "take"]


def test_a_call_that_is_refused_needs_an_error_that_is_possible() -> None:
    order = CALLS["Order"].replace('denied = { from = "asking"', 'denied = { from = "open"')
    assert "LT501" in codes(several(Order=order, Stock=CALLS["Stock"]))


def test_a_call_is_never_made_after_its_visit() -> None:
    left = "all(o.state != 'refused' or s.left == 1 for o in Order for s in Stock)"
    top = f'[scope]\nOrder = 1\nStock = 1\n[invariant]\np = "{left}"\n'
    assert "LT401 p" not in codes(several(top, **CALLS))


MAKE = {
    "Cell": """
[state]
new = { initial = true, run = "split" }
grown = { final = true }

[action]
create = { by = ["role:clerk", "entity:Cell"] }
done = { from = "new", to = "grown" }

[effect.split]
uses = "create"
with = { blueprint = "Cell" }
ok = "done"
""",
}


def test_calls_that_go_round_without_end() -> None:
    found = finding(report_of(several(**MAKE)), "LT505")
    assert found.trace is not None
    assert found.trace.loop_from is not None
    assert run_of(found)[found.trace.loop_from :][0] == "deliver split done"


def test_a_creation_by_a_caller_is_no_endless_round() -> None:
    body = MAKE["Cell"].replace(
        'new = { initial = true, run = "split" }',
        'new = { initial = true, waits = "x" }\nbusy = { run = "split" }',
    )
    body = body.replace(
        'done = { from = "new"',
        'go = { from = "new", to = "busy", by = "role:clerk" }\ndone = { from = "busy"',
    )
    assert "LT505" not in codes(several(Cell=body))


def test_more_notices_than_a_few_are_cut_and_leave_what_never_happened_open() -> None:
    text = """
blueprint = "Thing"

[state]
here = { initial = true, waits = "x" }

[field]
n = { type = "int", range = [0, 3], default = 0 }

[ghost]
heard = { type = "int", range = [0, 9], default = 0 }

[action]
create = { by = "role:clerk" }
say = { from = "here", by = "role:clerk", when = "n < 3", do = ["n += 1"], run = "tell" }
stay = { from = "here", by = "role:clerk" }

[effect.tell]
uses = "emit"
world = ["heard += 1"]

[invariant]
once_each = "heard <= n"

[sometimes]
all_pending = "n == 3 and heard == 0"
"""
    report = report_of(text)
    assert (report.verdict, [f.diagnostic.code for f in report.findings]) == ("unknown", ["LT801"])
    assert "more than 2 of the notice `Thing.tell` pending at once" in report.not_covered
    assert codes(text.replace("n == 3 and heard == 0", "n == 3 and heard == 1")) == []


def test_a_notice_that_calls_may_be_refused_without_a_trace() -> None:
    order = (
        CALLS["Order"]
        .replace('ok = "gotten"\nerror = "denied"\n', "")
        .replace('gotten = { from = "asking", to', 'gotten = { from = "asking", by = "role:clerk", to')
        .replace('denied = { from = "asking", to', 'denied = { from = "asking", by = "role:clerk", to')
        .replace('asking = { run = "ask" }', 'asking = { run = "ask", waits = "x" }')
    )
    assert codes(several(Order=order, Stock=CALLS["Stock"])) == []
    top = '[invariant]\np = "all(s.left == 1 for s in Stock)"\n'
    found = finding(report_of(several(top, Order=order, Stock=CALLS["Stock"])), "LT401")
    assert run_of(found)[-1] == "notify ask"
    assert found.trace is not None
    assert found.trace.length == 4, "what arrives is a step"
