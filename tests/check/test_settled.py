"""A search that a wide number keeps from ending: closed by proof, or told by a run, or still open."""

from __future__ import annotations

from lathe.check.reporting.report import Report

from ..support import report_of, several, told

COUNT = """
[state]
idle = { initial = true, waits = "somebody starts it" }
counting = { after = "1m", then = "tick" }
full = { waits = "a clerk closes it" }
closed = { final = true }
[field]
n = { type = "int", range = [0, 1000000], default = 0 }
[action]
create = { by = "role:clerk" }
start = { from = "idle", to = "counting", by = "role:clerk" }
tick = { from = "counting", by = "timer", when = "n < 1000000", do = ["n += 1"] }
fill = { from = "counting", to = "full", by = "role:clerk", fair = true, when = "n == 1000000" }
reset = { from = "full", to = "idle", by = "role:clerk", do = ["n = 0"] }
close = { from = "full", to = "closed", by = "role:clerk" }
[invariant]
never_too_much = "n <= 1000000"
[eventually]
fills = { from = ["counting"], to = ["full"] }
"""

FEW = "[scope]\nCount = 1\nbudget_states = 2000"


def report(text: str = COUNT, top: str = FEW) -> Report:
    return report_of(several(top, Count=text))


def codes(found: Report) -> list[str]:
    return [f.diagnostic.code for f in found.findings]


def test_what_a_search_did_not_reach_is_shown_on_the_skeleton() -> None:
    """Full is reached after a million steps, and every count is over some time: nobody walked there."""
    found = report()
    assert told(found) == []
    assert found.verdict == "admitted"
    assert found.covered.exhaustive == "no scope was completed: closed by proof"
    assert found.covered.actions["Count.fill"] == 0
    assert any("ended the search" in said for said in found.not_covered)


def test_who_goes_on_counting_is_closed_soon() -> None:
    """The budget would let it search for long; what is proved is not searched."""
    found = report(top="[scope]\nCount = 1")
    assert told(found) == []
    assert found.verdict == "admitted"
    assert (found.levels[2].states or 0) < 31_000
    assert any("a proof ended the search" in said for said in found.not_covered)


def test_what_a_proof_leaves_open_is_searched_for() -> None:
    """It goes on counting, and comes to what is wrong only after the search has grown."""
    mark = 'mark = { from = "counting", by = "role:clerk", args.m = { type = "bool" }, do = ["m = arg.m"] }'
    text = COUNT.replace("[action]", 'm = { type = "bool", default = false }\n[action]')
    text = text.replace("[invariant]", f"{mark}\n[invariant]").replace("n <= 1000000", "n < 8000")
    found = report(text, top="[scope]\nCount = 1\nbudget_seconds = 100")
    assert codes(found) == ["LT401"]
    assert (found.levels[2].states or 0) > 30_000
    assert found.findings[0].trace is not None and found.findings[0].trace.length > 8_000


def test_who_is_stuck_is_told_with_the_run_there() -> None:
    jam = 'jam = { from = "counting", to = "jammed", by = "role:clerk", when = "n == 3" }\n[invariant]'
    text = COUNT.replace("closed = {", "jammed = {}\nclosed = {").replace("[invariant]", jam)
    found = report(text)
    assert codes(found) == ["LT301", "LT304"]
    assert "`jammed`" in found.findings[0].diagnostic.message
    assert [f.trace.length for f in found.findings if f.trace] == [6, 6]


def test_a_fair_run_that_never_fills_is_told_with_its_loop() -> None:
    again = 'again = { from = "counting", by = "role:clerk", when = "n > 0", do = ["n = 0"] }\n[invariant]'
    found = report(COUNT.replace("[invariant]", again))
    assert codes(found) == ["LT304"]
    trace = found.findings[0].trace
    assert trace is not None
    assert trace.loop_from is not None
    assert sorted(s.action or "" for s in trace.steps[trace.loop_from :]) == ["again", "tick"]


def test_what_fails_too_far_away_for_a_run_stays_open() -> None:
    found = report(COUNT.replace("n == 1000000", "n == 999999"))
    assert found.verdict == "unknown"
    assert codes(found) == ["LT801"]
    assert "whether `counting` can be left as it should" in found.findings[0].diagnostic.message


def test_what_the_skeleton_never_does_is_never_done() -> None:
    found = report(COUNT.replace("n == 1000000", "n > 1000000"))
    assert set(codes(found)) == {"LT202", "LT302"}, "what is never reached then follows from it"
    assert found.verdict == "refused"


def test_an_invariant_that_level_1_does_not_prove_stays_open() -> None:
    odd = COUNT.replace('never_too_much = "n <= 1000000"', 'not_there = "n * n != 999998000001"')
    found = report(odd)
    assert found.verdict == "unknown"
    assert "whether `not_there` holds" in found.findings[-1].diagnostic.message


def test_a_search_that_ends_needs_no_skeleton() -> None:
    found = report(COUNT.replace("1000000", "50"))
    assert found.verdict == "admitted"
    assert found.covered.exhaustive == "within bounds"


def test_that_nobody_is_stuck_is_settled_for_what_was_sampled_too() -> None:
    given = 'args = { at = { type = "int", range = [0, 500000] } }, do = ["n = arg.at"]'
    begun = COUNT.replace('create = { by = "role:clerk" }', f'create = {{ by = "role:clerk", {given} }}')
    found = report(begun)
    assert (found.verdict, told(found)) == ("admitted", ["LT802"])
