"""What policies decide in the states that were reached: every request that they can tell from another.

The states are looked at once, for what the policies of an action read; then Cedar is asked of each
combination that occurs, for every kind of caller, and every choice of arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product

from lathe.check.bounds import UndecidedError
from lathe.check.composed.columns import Column
from lathe.check.composed.layout import Slot
from lathe.check.composed.policies import Caller, Policed, internal, named_row, policed, role_choices
from lathe.check.composed.system import System
from lathe.check.search.graph import Graph
from lathe.frozen import frozen
from lathe.lang.model import Action, Blueprint, Principal
from lathe.policy.engine import Decider, Decision, Slice
from lathe.policy.policies import Policy
from lathe.policy.requests import Value

MAX_REQUESTS = 50_000
"""Requests about one action; where there are more, what its policies decide is not counted."""

Named = tuple[str, str]
"""A blueprint, and one of its actions or `read`."""


@frozen
class Asked:
    """A request that can be made in a state that was reached, and what Cedar says to it."""

    who: Caller
    slot: Slot
    row: tuple[dict[str, Value], dict[str, Value]]
    decision: Decision


@dataclass(slots=True)
class Decided:
    """What policies decided.

    `allowed` are the actions that somebody may take somewhere, `roles` those that alone let one do something,
    `open` the actions that a principal without any role may take, by which permits. `counts` tells for each
    policy how many requests it determined; `needed` are those without which one would go otherwise.
    `unknown` are the actions about which too much would have to be asked.
    """

    allowed: set[Named] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    open: dict[Named, tuple[str, ...]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    needed: set[str] = field(default_factory=set)
    unknown: set[Named] = field(default_factory=set)


def decided(system: System, graph: Graph) -> Decided:
    """Everything that policies decide in the states of a graph."""
    asker = _Asker(system, graph)
    found = Decided()
    for blueprint in system.layout.app.blueprints.values():
        if system.layout.of(blueprint.name):
            for action in (*blueprint.actions, "read"):
                try:
                    _take_in(found, asker, blueprint, action)
                except UndecidedError:
                    found.unknown.add((blueprint.name, action))
    return found


def anybody_may(system: System, graph: Graph, blueprint: Blueprint, action: str) -> bool:
    """Whether there is a request for an action that is allowed; True if none, or too many, can be made."""
    asker = _Asker(system, graph)
    try:
        answers = {asked.decision.allowed for asked in asker.requests(blueprint, action)}
    except UndecidedError:
        return True
    return answers != {False}


def _take_in(found: Decided, asker: _Asker, blueprint: Blueprint, action: str) -> None:
    name = (blueprint.name, action)
    for asked in asker.requests(blueprint, action):
        decision, (principal, roles) = asked.decision, asked.who
        found.counts.update(decision.policies)
        if decision.allowed:
            found.allowed.add(name)
            if principal[0] == "Principal":
                found.roles |= roles if len(roles) == 1 else frozenset()
                if not roles:
                    found.roles |= asker.system.layout.app.roles.keys()
                    found.open.setdefault(name, decision.policies)
        if len(decision.policies) == 1 and decision.policies[0] not in found.needed:
            policy = asker.by_id.get(decision.policies[0])
            if policy is not None and asker.goes_otherwise(asked, name, policy):
                found.needed.add(policy.id)


class _Asker:
    """Asks what can be asked in the states of a graph."""

    def __init__(self, system: System, graph: Graph) -> None:
        self.system = system
        self._graph = graph
        self._policed: Policed = policed(system.layout.app)
        self.by_id = {p.id: p for p in self._policed.policies}
        self._without: dict[str, Decider] = {}
        self._reached: dict[str, list[int]] = {}

    def goes_otherwise(self, asked: Asked, name: Named, policy: Policy) -> bool:
        """Whether a request would be decided otherwise, had a policy not been written."""
        other = self._without.get(policy.id)
        if other is None:
            other = self._without[policy.id] = self._policed.decider.without(policy)
        decision = other.slice(*name).decide(*asked.who, asked.slot.name, *asked.row)
        return decision.allowed is not asked.decision.allowed

    def requests(self, blueprint: Blueprint, action: str) -> Iterator[Asked]:
        """Every request for an action that policies tell apart. Raises UndecidedError if too many."""
        domains = self.system.layout.domains
        found = self._policed.decider.slice(blueprint.name, action)
        people = list(self._people(blueprint, blueprint.actions.get(action), found))
        for slot in self.system.layout.of(blueprint.name):
            made = self._policed.columns(domains, slot, action)
            seen = [c for c in made if c.variable is not None]
            given = [c.choices for c in made if c.variable is None]
            rows = self._rows(slot, seen) if action != "create" else [()]
            self._demand_few(found, len(people) * len(rows), given)
            for attributes, arguments, who in product(rows, product(*given), people):
                values = (*attributes, *(choice.value for choice in arguments))
                row = named_row(made, values)
                yield Asked(who, slot, row, found.decide(*who, slot.name, *row))
            if action == "create":
                return

    def _demand_few(self, found: Slice, asked: int, given: Iterable[tuple[object, ...]]) -> None:
        for choices in given:
            asked *= len(choices)
        if asked > MAX_REQUESTS:
            place = found.policies[0].piece.span() if found.policies else self.system.layout.app.span
            raise UndecidedError(f"more than {MAX_REQUESTS:,} requests can be told apart", place)

    def _people(self, blueprint: Blueprint, action: Action | None, found: Slice) -> Iterator[Caller]:
        """Who may ask: callers in each set of roles that matters, and what acts by itself."""
        layout = self.system.layout
        people = layout.domains.principals if found.reads.principal else layout.domains.principals[:1]
        sets = {frozenset[str](), *(frozenset((role,)) for role in found.reads.roles)}
        sets |= {roles for held in layout.role_sets for roles in role_choices(held, found)}
        for name in people:
            yield from ((("Principal", name), roles) for roles in sorted(sets, key=sorted))
        if action is not None:
            inside = [p for p in action.admits if p.kind not in ("role", "any")]
            if self._policed.opens(blueprint.name, action.name, "Effect"):
                inside += [Principal("effect", name) for name in blueprint.effects]
            yield from ((internal(blueprint, by), frozenset()) for by in dict.fromkeys(inside))

    def _rows(self, slot: Slot, seen: list[Column]) -> list[tuple[Value, ...]]:
        """The values of some columns, together as they occur in the states that were reached."""
        found: dict[tuple[int, ...], None] = {}
        variables = [(c, c.variable) for c in seen if c.variable is not None]
        for packed in self._states(slot):
            if slot.state.read(packed):
                found[tuple(c.position(variable.read(packed)) for c, variable in variables)] = None
        return [tuple(c.choices[i].value for c, i in zip(seen, row, strict=True)) for row in found]

    def _states(self, slot: Slot) -> list[int]:
        """What is different about a slot, as far as policies read it, in the states that were reached."""
        states = self._reached.get(slot.name)
        if states is None:
            keys = self._policed.keys(slot.blueprint.name)
            names = {key[3] for key in keys if key[0] == "field"} & slot.fields.keys()
            read = [slot.state, *(slot.fields[name] for name in names)]
            mask = sum(v.mask << v.offset for v in read)
            states = self._reached[slot.name] = _distinct(self._graph, mask)
        return states


def _distinct(graph: Graph, mask: int) -> list[int]:
    """The states with nothing but some of their bits, each once, in order."""
    if isinstance(graph.states, list):
        return sorted({packed & mask for packed in graph.states})
    from lathe.check.arrays.judge import distinct  # only where a search has grown: it loads numpy

    return distinct(graph, mask)
