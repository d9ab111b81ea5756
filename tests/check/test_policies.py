"""Policies in the search: what they forbid is never taken, and `cannot` asks them in every state."""

from __future__ import annotations

import pytest

from lathe.check.composed.permit import permit_of
from lathe.check.reporting.report import Report
from lathe.gate import check_files
from lathe.lang.resolve import read_app
from lathe.machine import gauge

APP = b"""
app = "claims"
[role]
clerk = "asks"
manager = "pays"
"""
CLAIM = b"""
blueprint = "Claim"
[state]
open = { initial = true, waits = "somebody pays it" }
paid = { final = true }
dropped = { final = true }
[field]
amount = { type = "int", range = [0, 9] }
maker = { type = "id" }
[ghost]
payer = { type = "id" }
[action]
create = { by = "role:clerk", sets = ["amount"], do = ["maker = actor"] }
pay = { from = "open", to = "paid", by = "role:manager", ghost = ["payer = actor"] }
drop = { from = "open", to = "dropped", by = "role:clerk" }
[cannot]
clerk_pays = { role = "clerk", do = ["pay"] }
[invariant]
two_of_them = { that = "payer != maker", in = ["paid"] }
small = { that = "amount < 6", in = ["paid"] }
"""
NOT_OWN = """
forbid(principal, action == Action::"Claim.pay", resource)
when { resource has maker && resource.maker == principal };
"""
NOT_LARGE = """
forbid(principal, action == Action::"Claim.pay", resource) when { resource.amount > 5 };
"""


def report(policies: str, claim: bytes = CLAIM) -> Report:
    """What the gate says of claims with these policies."""
    files = {"app.toml": APP, "claim.blueprint.toml": claim, "own.cedar": policies.encode()}
    return check_files(files).report


def said(policies: str, claim: bytes = CLAIM) -> tuple[str, list[str]]:
    """The verdict, and each finding's code with the property that it is about."""
    found = report(policies, claim)
    return found.verdict, [f"{f.diagnostic.code} {f.property or ''}".strip() for f in found.findings]


def test_cannot_that_policies_keep_for_a_sample_alone_is_not_decided() -> None:
    wide = CLAIM.replace(b"range = [0, 9] }", b"range = [0, 1000000] }")
    both = wide.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    both = both.replace(b'do = ["pay"] }', b'do = ["pay"], when = "amount > 5" }')
    assert "LT801 clerk_pays" in said(NOT_OWN + NOT_LARGE, both)[1]
    clerks = 'forbid(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    assert "LT801 clerk_pays" not in said(NOT_OWN + NOT_LARGE + clerks, both)[1], "no value lets a clerk pay"


def test_what_is_forbidden_is_never_taken() -> None:
    assert said(NOT_OWN + NOT_LARGE) == ("admitted", [])


@pytest.mark.parametrize(
    ("policies", "broken"), [(NOT_LARGE, "two_of_them"), (NOT_OWN, "small")], ids=["not own", "not large"]
)
def test_a_forbid_too_few_breaks_what_it_kept(policies: str, broken: str) -> None:
    assert f"LT401 {broken}" in said(policies)[1]


def test_cannot_is_kept_by_a_forbid_and_asked_in_every_state() -> None:
    open_to_both = CLAIM.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    assert "LT603 clerk_pays" in said(NOT_OWN + NOT_LARGE, open_to_both)[1]
    never = 'forbid(principal, action == Action::"Claim.pay", resource);'
    assert "LT603 clerk_pays" not in said(never, open_to_both)[1]


def test_cannot_is_asked_of_the_very_principal_that_its_condition_is_about() -> None:
    own = CLAIM.replace(b'do = ["pay"] }', b'do = ["pay"], when = "actor == maker" }')
    own = own.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    assert "LT603 clerk_pays" not in said(NOT_OWN + NOT_LARGE, own)[1]
    assert "LT603 clerk_pays" in said(NOT_LARGE, own)[1]


def test_cannot_read_asks_the_policies_too() -> None:
    hidden = CLAIM.replace(b'do = ["pay"]', b'do = "read"')
    assert "LT603 clerk_pays" in said(NOT_OWN + NOT_LARGE, hidden)[1]
    closed = 'forbid(principal in Role::"clerk", action == Action::"Claim.read", resource);'
    assert "LT603 clerk_pays" not in said(NOT_OWN + NOT_LARGE + closed, hidden)[1]


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (
            'forbid(principal, action == Action::"Claim.pay", resource == Claim::"7");',
            "the policy `own.cedar#3` names the entity `7`, and which one gets that id nobody can say",
        ),
        (
            'forbid(principal, action == Action::"Claim.pay", resource) when { context == context };',
            "the policy `own.cedar#3` reads `context` as a whole, which no request tells",
        ),
        (
            'forbid(principal, action == Action::"Claim.pay", resource)\n'
            'when { resource has note && resource.note like "a*" };',
            "the policy `own.cedar#3` compares the text `note` with a pattern, and texts are opaque",
        ),
        (
            'forbid(principal, action == Action::"Claim.pay", resource)\n'
            "when { resource has due && resource.due > 5 };",
            "the policy `own.cedar#3` reads the time `due`, of which a search knows only whether it is set",
        ),
        (
            'forbid(principal, action == Action::"Claim.pay", resource) when { resource.worth + 1 > 5 };',
            "the policy `own.cedar#3` reads `worth`, whose values are too many to be tried",
        ),
        (
            'forbid(principal, action == Action::"Claim.pay", resource)\n'
            'when { resource has maker && resource.maker in Role::"clerk" };',
            "the policy `own.cedar#3` reads whom an attribute belongs to (`in`), which no request tells",
        ),
    ],
    ids=["entity", "context", "like", "time", "sum", "role of another"],
)
def test_what_no_table_holds_leaves_the_verdict_open_and_says_why(policy: str, why: str) -> None:
    more = b'note = { type = "text", max = 9 }\ndue = { type = "time" }\n'
    more += b'worth = { type = "int", range = [0, 1000], default = 0 }\n[ghost]'
    found = report(NOT_OWN + NOT_LARGE + policy, CLAIM.replace(b"[ghost]", more))
    assert [f.diagnostic.code for f in found.findings] == ["LT801"], found.findings
    assert found.verdict == "unknown"
    assert why in found.findings[0].diagnostic.message
    assert found.findings[0].diagnostic.span.file == "own.cedar"


def test_permits_beyond_by_are_searched_and_their_runs_shown() -> None:
    opened = 'permit(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    assert said(NOT_OWN + NOT_LARGE + opened)[1] == ["LT603 clerk_pays"]
    found = report(NOT_LARGE + opened).findings
    assert [f"{f.diagnostic.code} {f.property}" for f in sorted(found, key=lambda f: f.diagnostic.code)] == [
        "LT401 two_of_them",
        "LT603 clerk_pays",
    ]
    broken = next(f.trace for f in found if f.property == "two_of_them")
    assert broken is not None
    assert [step.by for step in broken.steps] == ["role:clerk", "role:clerk"]


def test_principal_that_a_policy_names_is_one_of_those_who_act() -> None:
    only_ann = (
        'forbid(principal, action == Action::"Claim.pay", resource) unless { principal == Principal::"ann" };'
    )
    ann = CLAIM.replace(b"[invariant]", b'[invariant]\nnever = { that = "payer is None" }')
    found = report(NOT_OWN + NOT_LARGE + only_ann, ann)
    run = next(f.trace for f in found.findings if f.property == "never")
    assert run is not None
    assert run.steps[-1].actor == "ann"
    assert run.steps[0].actor == "p1"


def test_forbid_that_names_a_role_is_tried_with_every_set_of_roles() -> None:
    both = CLAIM.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    no_clerk = 'forbid(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    assert said(NOT_OWN + NOT_LARGE + no_clerk, both) == ("admitted", [])
    both = both.replace(b"[invariant]", b'[invariant]\nnever = { that = "payer is None" }')
    found = report(NOT_OWN + NOT_LARGE + no_clerk, both)
    run = next(f.trace for f in found.findings if f.property == "never")
    assert run is not None
    assert run.steps[-1].by == "role:manager"


def test_wide_range_that_is_compared_with_numbers_is_decided() -> None:
    wide = CLAIM.replace(b"range = [0, 9] }", b"range = [0, 1000000] }")
    verdict, found = said(NOT_OWN + NOT_LARGE, wide)
    assert "LT401 small" not in found
    assert "LT401 small" in said(NOT_OWN, wide)[1]
    assert verdict == "admitted", found


def test_has_of_what_no_entity_has_is_false() -> None:
    never = 'forbid(principal, action == Action::"Claim.pay", resource) when { resource has nothing };'
    assert said(NOT_OWN + NOT_LARGE + never) == ("admitted", ["LT604"])


def test_cannot_read_that_no_table_holds_leaves_the_verdict_open() -> None:
    noted = CLAIM.replace(b"[ghost]", b'note = { type = "text", max = 9 }\n[ghost]')
    noted = noted.replace(b'do = ["pay"]', b'do = "read"')
    hides = 'forbid(principal, action == Action::"Claim.read", resource)\nwhen { resource has note };'
    assert "LT603 clerk_pays" in said(NOT_OWN + NOT_LARGE + hides, noted)[1]
    hides = hides.replace("note }", 'note && resource.note like "*" }')
    assert said(NOT_OWN + NOT_LARGE + hides, noted) == ("unknown", ["LT801"])


def test_gauges_are_replayed_with_the_policies() -> None:
    found = report(NOT_LARGE).findings
    kept = next(f.trace for f in found if f.property == "two_of_them")
    assert kept is not None
    files = {"app.toml": APP, "claim.blueprint.toml": CLAIM, "own.cedar": NOT_LARGE.encode()}
    files["gauges/own.json"] = gauge.dump(kept, "admitted").encode()
    assert "LT406" in {f.diagnostic.code for f in check_files(files).report.findings}
    files["own.cedar"] = (NOT_OWN + NOT_LARGE).encode()
    assert check_files(files).report.verdict == "admitted"


def test_permit_that_is_taken_away_is_noticed_by_a_gauge() -> None:
    opened = 'permit(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    kept = next(f.trace for f in report(NOT_LARGE + opened).findings if f.property == "two_of_them")
    assert kept is not None
    files = {"app.toml": APP, "claim.blueprint.toml": CLAIM, "own.cedar": (NOT_LARGE + opened).encode()}
    app = read_app(files).app
    assert app is not None
    assert gauge.verdicts(gauge.run(app, kept, "own.json", permit_of(app))) == ["refused: two_of_them"]
    assert gauge.verdicts(gauge.run(app, kept, "own.json")) == ["admitted"]


def told(policies: str, claim: bytes = CLAIM, top: bytes = b"") -> list[str]:
    """Each finding as code, place and message."""
    files = {"app.toml": APP + top, "claim.blueprint.toml": claim, "own.cedar": policies.encode()}
    found = [f.diagnostic for f in check_files(files).report.findings]
    return [f"{d.code} {d.severity} {d.span} {d.message}" for d in found]


def test_policy_without_which_everything_would_be_decided_alike_is_told() -> None:
    again = '\n@id("again")\nforbid(principal, action == Action::"Claim.pay", resource)\n'
    again += "when { resource.amount > 7 };"
    assert told(NOT_OWN + NOT_LARGE + again) == [
        "LT604 warning own.cedar:7:1 the policy `again` changes nothing: others always decide the same, "
        "in any state that can be reached"
    ]
    late = again.replace("7", "99")
    never = "the policy `again` changes nothing: it never decides anything"
    assert never in "".join(told(NOT_OWN + NOT_LARGE + late))
    clerks = 'forbid(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    assert told(NOT_OWN + NOT_LARGE + clerks) == [], "it refuses a manager who is a clerk too"


def test_each_policy_is_counted_in_what_was_covered() -> None:
    covered = report(NOT_OWN + NOT_LARGE).covered
    assert list(covered.policies) == ["own.cedar#1", "own.cedar#2"]
    assert all(covered.policies.values())


def test_action_that_policies_refuse_to_everyone_is_told() -> None:
    never = 'forbid(principal, action == Action::"Claim.drop", resource);'
    found = told(NOT_OWN + NOT_LARGE + never)
    assert [f for f in found if f.startswith("LT601 error")] == [
        "LT601 error claim.blueprint.toml:15:1 nobody may ever take `drop`"
    ]
    assert not [f for f in found if f.startswith("LT202")]


def test_action_without_by_may_be_opened_by_a_policy() -> None:
    closed = CLAIM.replace(b', by = "role:clerk" }\n[cannot]', b" }\n[cannot]")
    assert "LT601" in "".join(told(NOT_OWN + NOT_LARGE, closed))
    opened = 'permit(principal in Role::"clerk", action == Action::"Claim.drop", resource);'
    assert told(NOT_OWN + NOT_LARGE + opened, closed) == []


def test_role_that_policies_alone_let_act_is_not_idle() -> None:
    auditor = b'auditor = "looks"\n'
    assert [f[:14] for f in told(NOT_OWN + NOT_LARGE, top=auditor)] == ["LT605 warning "]
    looks = 'permit(principal in Role::"auditor", action == Action::"Claim.read", resource);'
    assert told(NOT_OWN + NOT_LARGE + looks, top=auditor) == []


def test_what_policies_open_to_everybody_is_told() -> None:
    opened = '\n@id("door")\npermit(principal, action == Action::"Claim.drop", resource);'
    assert told(NOT_OWN + NOT_LARGE + opened) == [
        "LT602 warning own.cedar:7:1 the policy `door` opens `drop`, which changes something, "
        "to every principal"
    ]
    anybody = CLAIM.replace(b'to = "dropped", by = "role:clerk"', b'to = "dropped", by = "any"')
    assert [f[:5] for f in told(NOT_OWN + NOT_LARGE, anybody)] == ["LT602"]
    clerks = (
        'forbid(principal, action == Action::"Claim.drop", resource) unless { principal in Role::"clerk" };'
    )
    assert told(NOT_OWN + NOT_LARGE + clerks, anybody) == []


def test_cure_of_a_cannot_names_what_permits_it() -> None:
    opened = '@id("door") permit(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
    (found,) = report(NOT_OWN + NOT_LARGE + opened).findings
    assert found.diagnostic.help.startswith("narrow what permits it, `door` (own.cedar:6:1)")
    both = CLAIM.replace(b'by = "role:manager"', b'by = ["role:manager", "role:clerk"]')
    (found,) = report(NOT_OWN + NOT_LARGE, both).findings
    assert (
        'forbid(principal in Role::"clerk", action == Action::"Claim.pay", resource);'
        in found.diagnostic.help
    )


MAILED = """mailed = { from = "open", to = "dropped" }
failed = { from = "open", to = "dropped" }
[effect.mail]
uses = "http"
with = { method = "POST", url = "https://a.example/x" }
idempotent = true
ok = "mailed"
error = "failed"
[cannot]"""


def test_forbid_of_an_effects_end_loses_it() -> None:
    mail = CLAIM.replace(b"[cannot]", MAILED.encode())
    mail = mail.replace(b'waits = "somebody pays it"', b'waits = "somebody pays it", run = ["mail"]')
    assert not [f for f in told(NOT_OWN + NOT_LARGE, mail) if f.startswith("LT501")]
    ends = 'forbid(principal is Effect, action == Action::"Claim.failed", resource);'
    found = told(NOT_OWN + NOT_LARGE + ends, mail)
    assert [f for f in found if f.startswith("LT501")], found


def test_typing_errors_are_refused_before_any_search() -> None:
    assert said('forbid(principal, action == Action::"Claim.pya", resource);') == ("refused", ["LT604"])
