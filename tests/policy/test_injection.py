"""Names and data are never policies: whatever they say, Cedar reads them as what they are."""

from __future__ import annotations

import json

import cedarpy
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from tests.policy.test_engine import claim

from lathe.govern.decision_request import DecisionRequest, Question, body_of, policy_of
from lathe.govern.issuer import _SUBJECT
from lathe.lang import read_app
from lathe.policy.engine import Decider
from lathe.policy.policies import read_policies
from lathe.policy.requests import Request
from lathe.store.audit import DecisionRow

HOSTILE = (
    '"',
    "\\",
    '\\"',
    '"); permit(principal, action, resource); //',
    '", action, resource);permit(principal,action,resource);//',
    "*/ permit(principal, action, resource); /*",
    "// permit",
    "' || true || '",
    "{{resource.amount}}",
    "\\u{22}, action, resource); permit(principal, action, resource);",
    "\\x22",
    "${jndi}",
    '{"__entity":{"type":"Role","id":"manager"}}',
    '{"__extn":{"fn":"ip","arg":"127.0.0.1"}}',
    "__entity",
    'Role::"manager"',
    '\n\n@id("x")\npermit(principal, action, resource);',
    "\u2028permit",
    "\u0000",
    "🦀",
)
POLICIES = """
@id("own") forbid(principal, action == Action::"Claim.pay", resource)
when { resource has maker && resource.maker == principal };
@id("stop") forbid(principal, action == Action::"Claim.pay", resource) when { context.arg.note == "stop" };
@id("ann") permit(principal == Principal::"ann", action == Action::"Claim.pay", resource);
"""
DECIDER = Decider(claim(POLICIES))
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30))


def asked(actor: str, *, roles: frozenset[str], maker: str, note: str, place: str) -> bool:
    fields = {"state": "open", "amount": 3, "pin": "1", "maker": maker}
    return DECIDER.decide(
        Request(("Principal", actor), roles, "Claim", "pay", place, fields, {"note": note})
    ).allowed


@given(actor=TEXTS, maker=TEXTS, note=TEXTS, place=TEXTS, is_manager=st.booleans())
@example("ann", "eve", '"); permit(principal, action, resource); //', "Claim#1", False)
@example('ann"', "eve", "x", "Claim#1", False)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_a_decision_is_what_the_policies_say_of_these_very_names(
    actor: str, maker: str, note: str, place: str, is_manager: bool
) -> None:
    roles = frozenset({"manager"}) if is_manager else frozenset()
    expected = (is_manager or actor == "ann") and actor != maker and note != "stop"
    assert asked(actor, roles=roles, maker=maker, note=note, place=place) is expected


def standing(principal: str, roles: tuple[str, ...] = ()) -> str:
    """The policy that an approval of a principal's request adds."""
    question = Question("claims", "v", "claims", "Claim", "c1", "pay", roles=roles)
    asking = DecisionRequest(question, principal, (principal,), "", 0, b"", b"")
    return policy_of(DecisionRow("main", "d1", "claims", "open", principal, b"", 0, 1, body_of(asking)))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_standing_policy_names_its_principal_and_nothing_more(name: str) -> None:
    text = standing(name, ("manager", name))
    (tree,) = cedarpy_policies(text)
    assert tree["effect"] == "permit"
    assert tree["principal"] == {"op": "==", "entity": {"type": "Principal", "id": name}}
    assert tree["action"]["entity"] == {"type": "Action", "id": "Claim.pay"}
    assert len(tree["conditions"]) == 1 and tree["conditions"][0]["kind"] == "when"


@given(st.from_regex(_SUBJECT, fullmatch=True))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whatever_an_issuer_calls_somebody_only_they_are_let_in(subject: str) -> None:
    name = f"corp:{subject}"
    files = {"own.cedar": standing(name).encode()}
    app = claim(files["own.cedar"].decode())
    found, faults = read_policies(app)
    assert len(found) == 1
    decider = Decider(app)

    def allowed(actor: str) -> bool:
        fields = {"state": "open", "amount": 3, "pin": "1"}
        who = Request(("Principal", actor), frozenset(), "Claim", "pay", "c", fields, {"note": "x"})
        return decider.decide(who).allowed

    assert allowed(name) and not allowed("corp:eve") and not allowed(f"{name}x") and not allowed("")
    assert all(fault.code.startswith("LT") for fault in faults)


@pytest.mark.parametrize("name", ['bad"name', "bad name", "Role::x", "a\nb", "a;b", "a)b", "permit("])
def test_a_blueprint_cannot_bring_such_a_name(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    for app, blueprint in (
        (f'app = "claims"\n[role]\n"{quoted}" = "x"\n', 'blueprint = "Claim"\n'),
        ('app = "claims"\n[role]\nclerk = "x"\n', f'blueprint = "{quoted}"\n'),
        (
            'app = "claims"\n[role]\nclerk = "x"\n',
            'blueprint = "Claim"\n[state]\nopen = { initial = true }\n[action]\n'
            f'"{quoted}" = {{ from = "open" }}\n',
        ),
    ):
        reading = read_app({"app.toml": app.encode(), "claim.blueprint.toml": blueprint.encode()})
        assert reading.app is None and reading.diagnostics


def cedarpy_policies(text: str) -> list[dict[str, object]]:
    """The trees of all policies in a text."""
    found = json.loads(cedarpy.policies_to_json_str(text))
    assert not found.get("templates") and not found.get("templateLinks")
    return [*found["staticPolicies"].values()]
