"""The clauses of policies, each evaluated alone, as a policy of its own, by Cedar itself.

`when` falls apart at `&&`, `unless` at `||`; the head is a clause for the principal and one for the resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

import cedarpy

from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.machine.snapshot import Value
from lathe.policy.engine import Decider, Slice
from lathe.policy.policies import Policy
from lathe.policy.reads import attribute, entities
from lathe.policy.why import UNTOLD, Denied, Explain, Reason, Why, nearest, needs_role, own

_ORDERS = ("==", "!=", "<", "<=", ">", ">=")
_BODY = re.compile(r"when \{ (.*) \};\s*\Z", re.DOTALL)
_BRACKETS = re.compile(r"(?<!\w)\(((?:resource|context|principal)(?:\.\w+)*)\)")
VALUE_CHARACTERS_LIMIT = 80
"""As much as is told of a value."""
_ID = re.compile(r"`policy(\d+)`")


@frozen
class Clause:
    """One clause: its text, the policy that it is alone, its tree.

    `is_wanted` tells whether its policy wants it true, `reads_entity` whether it looks at the entity.
    """

    text: str
    source: str
    tree: Json
    is_wanted: bool
    reads_entity: bool


@frozen
class Judged:
    """Whether each clause holds as its policy wants it; None where it cannot be evaluated."""

    policy: Policy
    clauses: tuple[tuple[Clause, bool | None], ...]


class _Clauses:
    """The policies of a slice, in clauses."""

    def __init__(self, found: Slice) -> None:
        self._slice = found
        self.policies = tuple((policy, tuple(_clauses(policy))) for policy in found.policies)
        every = [clause for _, clauses in self.policies for clause in clauses]
        self._set = cedarpy.PolicySet.from_str("\n".join(clause.source for clause in every))

    def judged(self, denied: Denied) -> list[Judged]:
        """What holds of each policy."""
        seen = denied.seen or {}
        who, roles = denied.principal, denied.caller.roles
        result = self._slice.judged(self._set, (who, roles, denied.resource), seen, denied.args)
        holds = {int(name.removeprefix("policy")) for name in result.diagnostics.reasons}
        failed = {int(number) for error in result.diagnostics.errors for number in _ID.findall(str(error))}
        found, number = [], 0
        for policy, clauses in self.policies:
            answers: list[tuple[Clause, bool | None]] = []
            for clause in clauses:
                is_so = (number in holds) is clause.is_wanted
                answers.append((clause, None if number in failed else is_so))
                number += 1
            found.append(Judged(policy, tuple(answers)))
        return found


def explainer_by(decider: Decider) -> Explain:
    """Explains denials by the permits of an app and its policies."""
    known: dict[tuple[str, str], _Clauses] = {}

    def explain(denied: Denied) -> Why:
        key = (denied.blueprint, denied.action.name)
        made = known.get(key)
        if made is None:
            made = known[key] = _Clauses(decider.slice(*key))
        judged = made.judged(denied) if made.policies else []
        permits = [_missed(j, denied) for j in judged if j.policy.effect == "permit"]
        forbids = [_hit(j, denied) for j in judged]
        return Why(nearest([*own(denied), *permits]), tuple(f for f in forbids if f is not None))

    return explain


def _missed(judged: Judged, denied: Denied) -> Reason:
    """What is false of a permit."""
    said, distance = [], 0
    for clause, is_so in judged.clauses:
        if clause.reads_entity and denied.seen is None:
            said.append(UNTOLD)
        elif is_so is False:
            said.append(_said(clause, denied, is_true=not clause.is_wanted))
            distance |= _role(clause.tree) is not None
    return Reason(judged.policy.id, tuple(dict.fromkeys(said)), distance)


def _hit(judged: Judged, denied: Denied) -> Reason | None:
    """Why a policy denies, if it does: a forbid whose clauses hold, or a policy that cannot be evaluated."""
    if denied.seen is None and any(clause.reads_entity for clause, _ in judged.clauses):
        return None
    for clause, is_so in judged.clauses:
        if is_so is None:
            return Reason(judged.policy.id, (f"`{clause.text}` cannot be evaluated",))
        if not is_so:
            return None
    if judged.policy.effect == "permit":
        return None
    return Reason(
        judged.policy.id,
        tuple(_said(clause, denied, is_true=clause.is_wanted) for clause, _ in judged.clauses),
    )


def _said(clause: Clause, denied: Denied, *, is_true: bool) -> str:
    """A clause in words, with the values that it compares."""
    role = _role(clause.tree)
    if role is not None:
        return f"you hold role `{role}`" if is_true else needs_role(role, denied.caller)
    values = _values(clause.tree, denied)
    return f"`{clause.text}` is {str(is_true).lower()}" + (f": {values}" if values else "")


def _values(tree: Json, denied: Denied) -> str:
    """What a comparison meets on each side that is no literal."""
    (operator, sides), *_ = tree.items() if isinstance(tree, dict) else (("", None),)
    if operator not in _ORDERS or not isinstance(sides, dict):
        return ""
    met = [value for value in (_met(sides["left"], denied), _met(sides["right"], denied)) if value]
    if len(met) == 2 and met[0][1] == met[1][1]:
        return f"both are {met[0][1]}"
    return ", ".join(f"`{name}` is {value}" for name, value in met)


def _met(side: Json, denied: Denied) -> tuple[str, str] | None:
    """A side of a comparison by its name, with its value."""
    if side == {"Var": "principal"}:
        return "principal", _shown(denied.principal[1])
    name = attribute(side)
    if name is None:
        return None
    base, values = ("resource", denied.seen or {}) if name[0] == "resource" else ("context.arg", denied.args)
    return f"{base}.{name[1]}", _shown(values.get(name[1]))


def _shown(value: Value) -> str:
    if isinstance(value, frozenset):
        return "`{" + ", ".join(sorted(map(str, value)))[:VALUE_CHARACTERS_LIMIT] + "}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "unset" if value is None else f"`{str(value)[:VALUE_CHARACTERS_LIMIT]}`"


def _role(tree: Json) -> str | None:
    """The role that a clause asks of whoever acts."""
    if isinstance(tree, dict) and isinstance(inside := tree.get("in"), dict):
        found = list(entities(inside["right"]))
        if inside["left"] == {"Var": "principal"} and len(found) == 1 and found[0][0] == "Role":
            return found[0][1]
    return None


def _clauses(policy: Policy) -> Iterator[Clause]:
    """The clauses of a policy: its head, then its conditions."""
    for variable in ("principal", "resource"):
        head = policy.tree[variable]
        assert isinstance(head, dict), "Cedar's JSON of a head"
        for tree in _head(variable, head):
            yield _clause(tree, is_wanted=True, reads_entity=False)
    conditions = policy.tree["conditions"]
    assert isinstance(conditions, list), "Cedar's JSON of a policy"
    for condition in conditions:
        assert isinstance(condition, dict), "Cedar's JSON of a condition"
        is_wanted = condition["kind"] == "when"
        for tree in _parts(condition["body"], "&&" if is_wanted else "||"):
            reads_entity = '{"Var": "resource"}' in json.dumps(tree)
            yield _clause(tree, is_wanted=is_wanted, reads_entity=reads_entity)


def _head(variable: str, head: Mapping[str, Json]) -> Iterator[Json]:
    """What a head asks of the principal or the resource, as conditions."""
    left: Json = {"Var": variable}
    within = head.get("in") if head["op"] == "is" else head
    if head["op"] == "is":
        yield {"is": {"left": left, "entity_type": head["entity_type"]}}
    if isinstance(within, dict) and "entity" in within:
        operator = "==" if head["op"] == "==" else "in"
        yield {operator: {"left": left, "right": {"Value": {"__entity": within["entity"]}}}}


def _parts(tree: Json, operator: str) -> list[Json]:
    """What stands between the outermost of these operators, from the left."""
    found: list[Json] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        inside = node.get(operator) if isinstance(node, dict) else None
        if isinstance(inside, dict):
            waiting += [inside["right"], inside["left"]]
        else:
            found.append(node)
    return found


def _clause(tree: Json, *, is_wanted: bool, reads_entity: bool) -> Clause:
    anything: Json = {"op": "All"}
    policy: Json = {
        "effect": "permit",
        "principal": anything,
        "action": anything,
        "resource": anything,
        "conditions": [{"kind": "when", "body": tree}],
    }
    whole: Json = {"templates": {}, "staticPolicies": {"policy0": policy}, "templateLinks": []}
    source = cedarpy.policies_from_json_str(json.dumps(whole)).strip()
    body = _BODY.search(source)
    assert body is not None, "Cedar writes a condition as `when { … };`"
    text, plain = "", body[1]
    while plain != text:  # Cedar's own writing puts every operand in brackets
        text, plain = plain, _BRACKETS.sub(r"\1", plain)
    return Clause(text, source, tree, is_wanted, reads_entity)
