"""One cause is one finding: what never is because of it is named there, and nowhere else."""

from __future__ import annotations

import pytest
from tests.support import codes, report_of, several

TASK = """
[state]
open = { initial = true, waits = "x" }
closing = { waits = "x" }
review = { waits = "x" }
closed = { final = true }

[field]
twin = { type = "ref", to = "C" }

[action]
create = { by = "role:clerk" }
link = { from = "open", by = "role:clerk", sets = ["twin"] }
bump = { from = "closing", by = "entity:C" }
check = { from = "closing", to = "review", by = "role:clerk" }
back = { from = "review", to = "closing", by = "role:clerk" }
finish = { from = "review", to = "closed", by = "role:clerk" }
drop = { from = "open", to = "closed", by = "role:clerk" }

[action.begin]
from = "open"
to = "closing"
by = "role:clerk"
when = "twin is not None and twin.state == 'closing'"
also = [{ on = "twin", action = "bump" }]

[sometimes]
reviewed = "state == 'review'"
"""


def told(text: str) -> dict[str, list[str]]:
    """The findings by their subject, with what follows from each."""
    found = {}
    for finding in report_of(text).findings:
        if finding.diagnostic.severity == "error":
            subject = finding.diagnostic.message.split("`")[1]
            found[subject] = [said.split("`")[1] for _, said in finding.diagnostic.related]
    return found


def test_a_guard_that_is_never_true_is_told_once_with_all_behind_it() -> None:
    follows = ["closing", "review", "bump", "check", "back", "finish", "reviewed"]
    assert told(several(C=TASK)) == {"begin": follows}
    (finding,) = [f for f in report_of(several(C=TASK)).findings if f.diagnostic.severity == "error"]
    assert "`closing`" in finding.diagnostic.help and "and 1 more follow from it" in finding.diagnostic.help


def test_two_causes_are_two_findings() -> None:
    other = TASK.replace(
        "[sometimes]",
        '[action.stop]\nfrom = "open"\nto = "closed"\nby = "role:clerk"\n'
        "when = \"state == 'closed'\"\n[sometimes]",
    )
    assert set(told(several(C=other))) == {"begin", "stop"}


def test_states_that_only_lead_to_each_other_are_one_finding() -> None:
    nobody = TASK.replace('to = "closing"\nby', 'to = "closed"\nby').replace(
        "twin.state == 'closing'", "True"
    )
    nobody = nobody.replace('also = [{ on = "twin", action = "bump" }]', "").replace(
        'bump = { from = "closing", by = "entity:C" }\n', ""
    )
    assert told(several(C=nobody)) == {"closing": ["review", "check", "back", "finish", "reviewed"]}


@pytest.mark.parametrize("prop", ["state == 'closed' and twin is None and twin is not None", "1 > 2"])
def test_what_never_holds_for_a_reason_of_its_own_stands_for_itself(prop: str) -> None:
    own = TASK.replace("state == 'review'", prop)
    assert set(told(several(C=own))) == {"begin", "reviewed"}
    assert sorted(codes(several(C=own)))[-1].startswith("LT403")


def test_of_a_joint_step_the_side_that_is_never_met_is_the_cause() -> None:
    """Alone it is impossible; the step that takes it along only follows."""
    side = 'from = "open", by = "entity:C", when = "state == \'closed\'"'
    own = TASK.replace('from = "closing", by = "entity:C"', side)
    own = own.replace("twin.state == 'closing'", "twin.state == 'open'")
    found = told(several(C=own))
    assert set(found) == {"bump"} and {"begin", "closing", "reviewed"} <= set(found["bump"])
