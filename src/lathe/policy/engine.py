"""Decisions: Cedar's own engine, asked once for each thing that the policies of an action can tell apart.

The policies are sliced by action and type of resource, from their heads. A decision is kept for exactly
what its slice reads, so the same question in other words is not asked again. What cannot be evaluated is
denied: a forbid that fails forbids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import cedarpy

from lathe.frozen import frozen
from lathe.lang.model import App
from lathe.lang.types import Type
from lathe.policy.lower import Permit, permits
from lathe.policy.policies import Policy, asks_for, may_concern, read_policies
from lathe.policy.reads import Reads, reads
from lathe.policy.requests import Request, Value, action_entity, principal_entity, record, shown, uid

MAX_DECISIONS = 65_536
"""Decisions that one slice keeps; when there are as many, it begins anew."""

Key = tuple[object, ...]
Seen = tuple[tuple[str, str], frozenset[str], str, tuple[Value, ...]]
"""Principal, roles, resource, and the attributes that are read."""

_SOMEBODY = ("Principal", "")
"""Whoever it is, where no policy looks at who."""


@frozen
class Decision:
    """Whether a request is allowed, which policies determined that, and what could not be evaluated."""

    allowed: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...]


class Slice:
    """The policies that can count for one action on one type of resource, and what they decided."""

    def __init__(
        self, app: App, which: tuple[str, str], own: Iterable[Permit], policies: Iterable[Policy]
    ) -> None:
        blueprint, action = which
        texts = [(p.id, p.text) for p in own]
        self.policies = tuple(p for p in policies if may_concern(p, blueprint, action))
        texts += [(p.id, p.piece.text) for p in self.policies]
        self.reads: Reads = reads(p.tree for p in self.policies).with_roles(p.role for p in own if p.role)
        self._names = {f"policy{number}": name for number, (name, _) in enumerate(texts)}
        self._set = cedarpy.PolicySet.from_str("\n".join(text for _, text in texts))
        self._blueprint, self._name, self._is_new = blueprint, action, action == "create"
        self._tells_principals, self._tells_resources = self.reads.principal, self.reads.resource
        self._tells_groups = any(asks_for(p, "action") for p in self.policies)
        self._tells_context = any(asks_for(p, "context") for p in self.policies)
        self._held: dict[frozenset[str], frozenset[str]] = {}
        made = app.blueprints[blueprint].actions.get(action)
        given = {a.name: a.type for a in made.arguments.values() if not a.secret} if made else {}
        self._attributes = (
            {} if self._is_new else _kinds(shown(app.blueprints[blueprint]), self.reads, "resource")
        )
        self._arguments = _kinds(given, self.reads, "arg")
        self._attribute_names, self._argument_names = tuple(self._attributes), tuple(self._arguments)
        self._decisions: dict[Key, Decision] = {}
        self._entities: dict[Key, cedarpy.Entities] = {}

    def decide(
        self,
        principal: tuple[str, str],
        roles: frozenset[str],
        resource: str | None,
        attributes: Mapping[str, Value],
        arguments: Mapping[str, Value],
    ) -> Decision:
        """Whether a request is allowed; what a `Request` says, without its blueprint and action."""
        if principal[0] == "Principal":
            if not self._tells_principals:
                principal = _SOMEBODY
            held = self._held.get(roles)
            roles = held if held is not None else self._named(roles)
        place = resource if resource is not None and self._tells_resources else ""
        values = tuple(map(attributes.get, self._attribute_names))
        key = (principal, roles, place, values, *map(arguments.get, self._argument_names))
        found = self._decisions.get(key)
        if found is None:
            if len(self._decisions) >= MAX_DECISIONS:
                self._decisions.clear()
                self._entities.clear()
            seen = (principal, roles, place, values)
            found = self._decisions[key] = self._asked(seen, attributes, arguments)
        return found

    def _named(self, roles: frozenset[str]) -> frozenset[str]:
        """Those of some roles that the slice tells apart."""
        if len(self._held) >= MAX_DECISIONS:
            self._held.clear()
        found = self._held[roles] = roles & self.reads.roles
        return found

    def _asked(self, seen: Seen, attributes: Mapping[str, Value], arguments: Mapping[str, Value]) -> Decision:
        """Ask Cedar, of what is read and of nothing else. `seen` is what entities are made of."""
        principal, roles, place, _ = seen
        thing = uid("New", self._blueprint) if self._is_new else uid(self._blueprint, place)
        known = self._entities.get(seen)
        if known is None:
            listed = [principal_entity(principal, roles)]
            if self._tells_groups:
                listed.append(action_entity(self._blueprint, self._name))
            if self._attributes:
                listed.append({"uid": thing, "attrs": record(self._attributes, attributes), "parents": []})
            known = self._entities[seen] = cedarpy.Entities.from_json_str(json.dumps(listed))
        question: dict[str, object] = {
            "principal": uid(*principal),
            "action": uid("Action", f"{self._blueprint}.{self._name}"),
            "resource": thing,
        }
        if self._tells_context:
            question["context"] = json.dumps({"arg": record(self._arguments, arguments)})
        result = cedarpy.is_authorized(question, self._set, known)
        reasons = tuple(sorted(self._names[r] for r in result.diagnostics.reasons))
        errors = tuple(result.diagnostics.errors)
        return Decision(result.allowed and not errors, reasons, errors)


def _kinds(every: Mapping[str, Type], found: Reads, base: str) -> dict[str, Type]:
    """The types of what is read, as far as policies see it: nothing secret, nothing of no type in Cedar."""
    return {n: every[n] for n in found.names(base) if n in every and every[n].kind != "json"}


class Decider:
    """Decides requests by the permits of an app and its policies."""

    def __init__(self, app: App, policies: tuple[Policy, ...] | None = None) -> None:
        self.app = app
        self.policies = read_policies(app)[0] if policies is None else policies
        self._slices: dict[tuple[str, str], Slice] = {}
        self._own: dict[str, list[Permit]] = {}
        for permit in permits(app):
            self._own.setdefault(permit.action, []).append(permit)

    def slice(self, blueprint: str, action: str) -> Slice:
        """The policies that can count for an action; `read` is one too."""
        found = self._slices.get((blueprint, action))
        if found is None:
            own = self._own.get(f"{blueprint}.{action}", [])
            found = self._slices[blueprint, action] = Slice(self.app, (blueprint, action), own, self.policies)
        return found

    def decide(self, request: Request) -> Decision:
        """Whether a request is allowed."""
        return self.slice(request.blueprint, request.action).decide(
            request.principal, request.roles, request.resource, request.attributes, request.arguments
        )

    def without(self, policy: Policy) -> Decider:
        """The same app, had this policy not been written."""
        return Decider(self.app, tuple(p for p in self.policies if p is not policy))
