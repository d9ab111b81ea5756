"""What policies allow, as formulas over packed states: each decision is Cedar's own.

Whatever the policies of an action read spans a table; Cedar is asked once for each of its rows, and the
rows that it allows guard the command. What no table can hold stays undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, combinations, product

from lathe.check.bounds import UndecidedError
from lathe.check.composed import ir
from lathe.check.composed.columns import Column, columns
from lathe.check.composed.domain import NOBODY_NAMED, Domains, Named
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Slot
from lathe.check.composed.lowering import Context
from lathe.check.composed.relevance import Key
from lathe.frozen import frozen
from lathe.lang.model import Action, App, Argument, Blueprint, Field, Principal
from lathe.policy.engine import Decider, Decision, Slice
from lathe.policy.policies import Policy
from lathe.policy.reads import entities, reads
from lathe.policy.requests import Value

MAX_ROWS = 4_096
"""Rows of one table: more are not asked."""

MAX_TABLES = 1_024
"""Tables that are kept; when there are as many, they are made anew."""

Caller = tuple[tuple[str, str], frozenset[str]]
"""A principal of the schema, and the roles in which it acts."""


class _Same:
    """An app as the key of a cache: itself, not one that says the same."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __hash__(self) -> int:
        return id(self.app)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.app is self.app


def policed(app: App) -> Policed:
    """The policies of an app, with the decisions that were made by them."""
    return _policed(_Same(app))


@lru_cache(maxsize=8)
def _policed(same: _Same) -> Policed:
    return Policed(same.app)


@frozen
class Rows:
    """The table of an action: its columns, and whether each combination of choices is allowed."""

    columns: tuple[Column, ...]
    allowed: tuple[bool, ...]

    def formula(self, context: Context) -> Formula:
        """When a row is allowed: column by column from the last, choices that lead to the same as one."""
        found = [TRUE if is_allowed else FALSE for is_allowed in self.allowed]
        for column in reversed(self.columns):
            conditions, size = column.conditions(context), len(column.choices)
            found = [_chosen(conditions, found[i : i + size]) for i in range(0, len(found), size)]
        return found[0] if found else FALSE


def _chosen(conditions: tuple[Formula, ...], following: list[Formula]) -> Formula:
    groups: dict[Formula, list[Formula]] = {}
    for condition, then in zip(conditions, following, strict=True):
        if condition != FALSE:
            groups.setdefault(then, []).append(condition)
    if len(groups) == 1:
        return next(iter(groups))
    return ir.either(*(ir.both(ir.either(*when), then) for then, when in groups.items()))


class Policed:
    """Turns the policies of an app into conditions."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.decider = Decider(app)
        self._tables: dict[tuple[object, ...], tuple[bool, ...]] = {}

    @property
    def policies(self) -> tuple[Policy, ...]:
        return self.decider.policies

    def concerns(self, blueprint: str, action: str) -> bool:
        """Whether a policy of the app's files can count for an action."""
        return bool(self.decider.slice(blueprint, action).policies)

    def opens(self, blueprint: str, action: str, kind: str) -> bool:
        """Whether a policy may permit an action to principals of a kind, beside those that `by` admits."""
        found = self.decider.slice(blueprint, action).policies
        return any(p.effect == "permit" and _may_be(p, kind) for p in found)

    def keys(self, blueprint: str | None = None, action: str | None = None) -> Iterator[Key]:
        """The fields and arguments that policies read: of all actions, or of one."""
        for b in self.app.blueprints.values():
            for name in (*b.actions, "read"):
                if (blueprint or b.name) == b.name and (action or name) == name:
                    yield from self._keys(b, name)

    def _keys(self, blueprint: Blueprint, action: str) -> Iterator[Key]:
        found, arguments = self.decider.slice(blueprint.name, action).reads, dict[str, object]()
        if action != "read":
            arguments.update(blueprint.actions[action].arguments)
        if action != "create":
            names = (n for n in found.names("resource") if n in blueprint.fields)
            yield from (("field", blueprint.name, "", n) for n in names)
        yield from (("arg", blueprint.name, action, n) for n in found.names("arg") if n in arguments)

    def named(self) -> Named:
        """What policies name: principals, texts and numbers that a search must know."""
        if not self.policies:
            return NOBODY_NAMED
        found = reads(p.tree for p in self.policies)
        return Named(
            principals=tuple(sorted({name for kind, name in found.named if kind == "Principal"})),
            texts=tuple(sorted({x for x in found.literals if isinstance(x, str)})),
            numbers=tuple(sorted({x for x in found.literals if isinstance(x, int)})),
            compares=any("value" in how and self._is_text(name) for name, how in found.uses.items()),
        )

    def _is_text(self, name: tuple[str, str]) -> bool:
        """Whether an attribute of that name is, or holds, a text somewhere."""
        holders: list[Field | Argument] = []
        for blueprint in self.app.blueprints.values():
            if name[0] == "resource":
                holders += [f for f in blueprint.fields.values() if f.name == name[1]]
            else:
                holders += [
                    x for a in blueprint.actions.values() for x in a.arguments.values() if x.name == name[1]
                ]
        return any((h.type.element or h.type).kind == "text" for h in holders)

    def allows(self, slot: Slot, action: Action, by: Principal, context: Context) -> Formula | None:
        """When a principal may take an action; None if no policy concerns it, and `by` decides."""
        if not self.concerns(slot.blueprint.name, action.name):
            return None
        if by.kind not in ("role", "any"):
            return self._table(slot, action.name, [(internal(slot.blueprint, by), frozenset())], context)
        found = self.decider.slice(slot.blueprint.name, action.name)
        ways = _callers(context, found)
        return ir.either(
            *(ir.both(is_so, self._table(slot, action.name, who, context)) for is_so, who in ways)
        )

    def allows_role(self, slot: Slot, action: str, who: tuple[str, str], context: Context) -> Formula:
        """When a principal who holds this role alone may take an action, or `read`."""
        principal, role = who
        return self._table(slot, action, [(("Principal", principal), frozenset({role}))], context)

    def _table(self, slot: Slot, action: str, who: list[Caller], context: Context) -> Formula:
        return self.rows(context.layout.domains, slot, action, who).formula(context)

    def rows(self, domains: Domains, slot: Slot, action: str, who: list[Caller]) -> Rows:
        """The table of those rows in which one of these is allowed."""
        found = self.decider.slice(slot.blueprint.name, action)
        made = self.columns(domains, slot, action)
        choices = tuple(tuple(c.value for c in column.choices) for column in made)
        place = slot.name if found.reads.resource else slot.blueprint.name
        key = (place, action, tuple(who), choices)
        allowed = self._tables.get(key)
        if allowed is None:
            if len(self._tables) >= MAX_TABLES:
                self._tables.clear()
            allowed = self._tables[key] = tuple(
                any(self.decision(slot, action, w, row).allowed for w in who) for row in _named_rows(made)
            )
        return Rows(made, allowed)

    def columns(self, domains: Domains, slot: Slot, action: str) -> tuple[Column, ...]:
        """The columns of an action's table. Raises UndecidedError if they cannot be had, or are too many."""
        found = self.decider.slice(slot.blueprint.name, action)
        made = columns(domains, slot, action, found)
        size = 1
        for column in made:
            size *= len(column.choices)
        if size > MAX_ROWS:
            what = f"`{slot.blueprint.name}.{action}`"
            place = found.policies[0].piece.span()
            raise UndecidedError(f"the policies of {what} tell more than {MAX_ROWS:,} cases apart", place)
        return made

    def decision(
        self, slot: Slot, action: str, who: Caller, row: tuple[dict[str, Value], dict[str, Value]]
    ) -> Decision:
        """What Cedar says of one row: of attributes, and of arguments."""
        found = self.decider.slice(slot.blueprint.name, action)
        return found.decide(*who, slot.name, *row)


def _named_rows(made: tuple[Column, ...]) -> Iterator[tuple[dict[str, Value], dict[str, Value]]]:
    """Every combination of choices, as attributes and arguments."""
    for row in product(*(c.choices for c in made)):
        yield named_row(made, tuple(choice.value for choice in row))


def named_row(
    made: tuple[Column, ...], values: tuple[Value, ...]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """A row's values by name: those of attributes, and those of arguments."""
    pairs = tuple(zip(made, values, strict=True))
    attributes = {c.name: value for c, value in pairs if c.variable is not None}
    return attributes, {c.name: value for c, value in pairs if c.variable is None}


def _may_be(policy: Policy, kind: str) -> bool:
    """Whether the head of a policy lets it count for principals of a kind."""
    head = policy.tree["principal"]
    assert isinstance(head, dict), "Cedar's JSON of a head"
    named = {k for k, _ in entities(head)} | {str(k) for k in [head.get("entity_type")] if k}
    return not named or kind in named or (kind == "Principal" and named == {"Role"})


def _callers(context: Context, found: Slice) -> Iterator[tuple[Formula, list[Caller]]]:
    """Each caller that policies tell apart, the sets of roles that it may hold, and when that is so."""
    layout = context.layout
    people = layout.domains.principals
    if not layout.roles:
        held = sorted({r for roles in layout.role_sets for r in role_choices(roles, found)}, key=sorted)
        if not found.reads.principal:
            yield TRUE, [(("Principal", people[0]), roles) for roles in held]
            return
        for number, name in enumerate(people, 1):
            is_it = ir.eq(context.actor.value, ir.const(number))
            yield is_it, [(("Principal", name), roles) for roles in held]
        return
    for number, name in enumerate(people):
        is_it = ir.eq(context.actor.value, ir.const(number + 1))
        who = name if found.reads.principal else people[0]
        for code, roles in enumerate(layout.role_sets):
            has = ir.eq(layout.roles[number].formula, ir.const(code))
            yield ir.both(is_it, has), [(("Principal", who), r) for r in role_choices(roles, found)]


def role_choices(held: frozenset[str], found: Slice) -> list[frozenset[str]]:
    """The sets of roles in which somebody who holds these may act, as far as policies tell them apart.

    Where roles only open what is closed, the largest says it all; else every part of it is tried.
    """
    named = sorted(held & found.reads.roles)
    if found.reads.only_opens:
        return [frozenset(named)]
    return [frozenset(c) for c in chain.from_iterable(combinations(named, n) for n in range(len(named) + 1))]


def internal(blueprint: Blueprint, by: Principal) -> tuple[str, str]:
    """The principal of the schema that something internal acts as."""
    match by.kind:
        case "timer":
            return "Timer", blueprint.name
        case "entity":
            return "Entity", by.name or ""
        case "effect":
            return "Effect", f"{blueprint.name}.{by.name}"
        case _:
            return "Inbound", f"{blueprint.name}.{by.name}"
