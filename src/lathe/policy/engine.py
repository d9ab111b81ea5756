"""The authorization engine: one call of Cedar for each combination of values that an action's policies can
tell apart.

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
from lathe.policy.implied import ImpliedPermit, permits
from lathe.policy.policies import Policy, asks_for, may_concern, read_policies
from lathe.policy.reads import Reads, reads
from lathe.policy.requests import Request, Value, action_entity, principal_entity, record, shown, uid

MAX_DECISIONS = 65_536
"""Decisions that one slice keeps; when there are as many, it begins anew."""

Key = tuple[object, ...]
Who = tuple[tuple[str, str], frozenset[str], str]
"""Principal, roles, and the resource."""

_text = json.JSONEncoder(check_circular=False).encode
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
        self, app: App, which: tuple[str, str], own: Iterable[ImpliedPermit], policies: Iterable[Policy]
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
        self._action, self._new = uid("Action", f"{blueprint}.{action}"), uid("New", blueprint)
        self._people: dict[Who, str] = {}
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
        values = map(attributes.get, self._attribute_names)
        key: Key = (principal, roles, place, *values)
        if self._argument_names:
            key = (*key, *map(arguments.get, self._argument_names))
        found = self._decisions.get(key)
        if found is None:
            if len(self._decisions) >= MAX_DECISIONS:
                self._decisions.clear()
                self._entities.clear()
                self._people.clear()
            found = self._decisions[key] = self._asked((principal, roles, place), attributes, arguments)
        return found

    def _named(self, roles: frozenset[str]) -> frozenset[str]:
        """Those of some roles that the slice tells apart."""
        if len(self._held) >= MAX_DECISIONS:
            self._held.clear()
        found = self._held[roles] = roles & self.reads.roles
        return found

    def _asked(self, who: Who, attributes: Mapping[str, Value], arguments: Mapping[str, Value]) -> Decision:
        """Ask Cedar, of what is read and of nothing else."""
        result = self._answer(self._set, who, attributes, arguments)
        reasons = tuple(sorted(self._names[r] for r in result.diagnostics.reasons))
        errors = tuple(result.diagnostics.errors)
        return Decision(result.allowed and not errors, reasons, errors)

    def judged(
        self,
        policies: cedarpy.PolicySet,
        who: tuple[tuple[str, str], frozenset[str], str | None],
        attributes: Mapping[str, Value],
        arguments: Mapping[str, Value],
    ) -> cedarpy.AuthzResult:
        """What Cedar says of a request by other policies, which read nothing more than the slice does."""
        principal, roles, place = who
        if max(len(self._people), len(self._entities)) >= MAX_DECISIONS:
            self._people.clear()
            self._entities.clear()
        return self._answer(policies, (principal, roles, place or ""), attributes, arguments)

    def _answer(
        self,
        policies: cedarpy.PolicySet,
        who: Who,
        attributes: Mapping[str, Value],
        arguments: Mapping[str, Value],
    ) -> cedarpy.AuthzResult:
        principal, _, place = who
        question: dict[str, object] = {
            "principal": uid(*principal),
            "action": self._action,
            "resource": self._new if self._is_new else uid(self._blueprint, place),
        }
        if self._tells_context:
            question["context"] = _text({"arg": record(self._arguments, arguments)})
        return cedarpy.is_authorized(question, policies, self._known(who, attributes))

    def _known(self, who: Who, attributes: Mapping[str, Value]) -> cedarpy.Entities | str:
        """The entities of a question; read once and kept where it may be asked again with other arguments."""
        if not self._tells_context:
            return self._entities_of(who, attributes)
        key = *who, *map(attributes.get, self._attribute_names)
        known = self._entities.get(key)
        if known is None:
            text = self._entities_of(who, attributes)
            known = self._entities[key] = cedarpy.Entities.from_json_str(text)
        return known

    def _entities_of(self, who: Who, attributes: Mapping[str, Value]) -> str:
        text = self._people.get(who)
        if text is None:
            text = self._people[who] = self._told(who)
        if self._attributes:
            text += _text(record(self._attributes, attributes)) + "}"
        return text + "]"

    def _told(self, who: Who) -> str:
        """What Cedar is told of whoever asks, and of the resource as far as its attributes, as JSON."""
        principal, roles, place = who
        has_parents = bool(roles) and principal[0] == "Principal"  # else there is nothing to tell
        listed = [principal_entity(principal, roles)] if has_parents else []
        if self._tells_groups:
            listed.append(action_entity(self._blueprint, self._name))
        parts = [_text(entity) for entity in listed]
        if self._attributes:
            thing = _text(uid(self._blueprint, place))
            parts.append(f'{{"uid":{thing},"parents":[],"attrs":')
        return "[" + ",".join(parts)


def _kinds(every: Mapping[str, Type], found: Reads, base: str) -> dict[str, Type]:
    """The types of what is read, as far as policies see it: nothing secret, nothing of no type in Cedar."""
    return {n: every[n] for n in found.names(base) if n in every and every[n].kind != "json"}


class Decider:
    """Decides requests by the permits of an app and its policies."""

    def __init__(self, app: App, policies: tuple[Policy, ...] | None = None) -> None:
        self.app = app
        self.policies = read_policies(app)[0] if policies is None else policies
        self._slices: dict[tuple[str, str], Slice] = {}
        self._own: dict[str, list[ImpliedPermit]] = {}
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
