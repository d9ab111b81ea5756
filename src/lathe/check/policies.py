"""What policies forbid, as formulas over packed states: each decision is Cedar's own.

Whatever the policies of an action read spans a table; Cedar is asked once for each of its rows. What
no such table can hold (a policy that permits more than `by` does, a text, a wide range) stays undecided.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, combinations, product

from lathe.check import ir
from lathe.check.bounds import TooLargeError, require
from lathe.check.domain import MAX_DOMAIN
from lathe.check.ir import FALSE, TRUE, Formula
from lathe.check.layout import Layout, Slot
from lathe.check.lowering import Context, Term, encoded
from lathe.check.relevance import Key
from lathe.frozen import frozen
from lathe.lang.model import Action, App, Blueprint, Json, Principal
from lathe.lang.types import Type
from lathe.policy.engine import Engine, Policy, may_concern, names_principals, read_policies
from lathe.policy.requests import Request, Value

MAX_ROWS = 4096
"""Rows of one table: more are not asked."""

_READABLE = frozenset({"int", "bool", "enum", "id"})


@frozen
class Reads:
    """What the policies of an action look at, of the entity and of the arguments."""

    attributes: tuple[str, ...]
    arguments: tuple[str, ...]


@frozen
class Row:
    """One column of a table: a name, its values, and the condition under which it has each."""

    name: str
    choices: tuple[tuple[Value, Formula], ...]


class _Same:
    """An app as the key of a cache: itself, not one that says the same."""

    def __init__(self, app: App) -> None:
        self.app = app

    def __hash__(self) -> int:
        return id(self.app)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.app is self.app


def decider(app: App) -> Decider:
    """The decider of an app, with the decisions that it has made."""
    return _decider(_Same(app))


@lru_cache(maxsize=8)
def _decider(same: _Same) -> Decider:
    return Decider(same.app)


class Decider:
    """Turns the policies of an app into conditions."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._policies = read_policies(app)[0]
        self._engine = Engine(app, self._policies)

    def concerning(self, blueprint: str, action: str) -> tuple[Policy, ...]:
        """The policies of the app's files that can count for an action."""
        return tuple(p for p in self._policies if may_concern(p, blueprint, action))

    def keys(self) -> Iterator[Key]:
        """The fields and arguments that policies read."""
        for blueprint in self._app.blueprints.values():
            for action in (*blueprint.actions, "read"):
                reads = self._reads(blueprint.name, action)
                yield from (("field", blueprint.name, "", n) for n in reads.attributes if n != "state")
                yield from (("arg", blueprint.name, action, n) for n in reads.arguments)

    def allows(self, slot: Slot, action: Action, by: Principal, context: Context) -> Formula:
        """When the policies let a principal take an action; TRUE if none of them concerns it."""
        if not self.concerning(slot.blueprint.name, action.name):
            return TRUE
        self._demand_clear(slot.blueprint, action)
        if by.kind in ("role", "any"):
            ways = self._callers(context)
            found = [(is_so, self._table(slot, action.name, who, context)) for is_so, who in ways]
            if all(table == TRUE for _, table in found):
                return TRUE
            return ir.either(*(ir.both(is_so, table) for is_so, table in found))
        table = self._table(slot, action.name, [(_internal(slot.blueprint, by), frozenset())], context)
        if table != TRUE:
            raise TooLargeError(f"a policy may forbid `{slot.blueprint.name}.{action.name}` to `{by}`")
        return TRUE

    def allows_role(self, slot: Slot, action: str, who: tuple[str, str], context: Context) -> Formula:
        """When a principal who holds this role alone may take an action, or `read`."""
        principal, role = who
        return self._table(slot, action, [(("Principal", principal), frozenset({role}))], context)

    def _demand_clear(self, blueprint: Blueprint, action: Action) -> None:
        """A trace names the one role by which somebody acts: which of several, no table tells."""
        named = names_principals(self.concerning(blueprint.name, action.name))
        openings = [p for p in action.admits if p.kind in ("role", "any")]
        if len(openings) > 1 and any(kind == "Role" for kind, _ in named):
            what = f"`{blueprint.name}.{action.name}`, which several roles may take"
            raise TooLargeError(f"a policy tells roles apart for {what}")

    def _callers(
        self, context: Context
    ) -> Iterator[tuple[Formula, list[tuple[tuple[str, str], frozenset[str]]]]]:
        """Each principal with every set of roles that it may hold, and when that is so."""
        layout = context.layout
        for number, name in enumerate(layout.domains.principals):
            is_it = ir.eq(context.actor.value, ir.const(number + 1))
            if not layout.roles:
                held = {r for roles in layout.role_sets for r in _subsets(roles)}
                yield is_it, [(("Principal", name), r) for r in sorted(held, key=sorted)]
                continue
            for code, roles in enumerate(layout.role_sets):
                has = ir.eq(layout.roles[number].formula, ir.const(code))
                yield ir.both(is_it, has), [(("Principal", name), r) for r in _subsets(roles)]

    def _table(
        self, slot: Slot, action: str, who: list[tuple[tuple[str, str], frozenset[str]]], context: Context
    ) -> Formula:
        """When one of these is allowed: the rows that Cedar allows, each as a condition."""
        columns = self._columns(slot, action, context)
        size = len(who)
        for column in columns:
            size *= len(column.choices)
        require(size, MAX_ROWS, f"the policies of `{slot.blueprint.name}.{action}`")
        allowed: list[Formula] = []
        count = 0
        for row in product(*(c.choices for c in columns)):
            count += 1
            values = {c.name: value for c, (value, _) in zip(columns, row, strict=True)}
            if any(self._is_allowed(slot, action, w, values) for w in who):
                allowed.append(ir.both(*(condition for _, condition in row)))
        return TRUE if len(allowed) == count else ir.either(*allowed)

    def _is_allowed(
        self,
        slot: Slot,
        action: str,
        who: tuple[tuple[str, str], frozenset[str]],
        values: Mapping[str, Value],
    ) -> bool:
        name, is_new = slot.blueprint.name, action == "create"
        fields = {k[9:]: v for k, v in values.items() if k.startswith("resource.")}
        given = {k[4:]: v for k, v in values.items() if k.startswith("arg.")}
        request = Request(*who, name, action, None if is_new else slot.name, fields, given)
        return self._engine.decide(request).allowed

    def _columns(self, slot: Slot, action: str, context: Context) -> list[Row]:
        reads, blueprint = self._reads(slot.blueprint.name, action), slot.blueprint
        found: list[Row] = []
        for name in reads.attributes if action != "create" else ():
            variable = slot.state if name == "state" else slot.fields.get(name)
            if variable is None:
                continue  # asked with `has` alone, of what no entity has
            kind = variable.kind
            first = 1 if name == "state" else 0
            codes = range(first, self._size(context.layout, kind, name))
            at = context.read(variable)
            found.append(
                _row(f"resource.{name}", context.layout, kind, [(c, ir.eq(at, ir.const(c))) for c in codes])
            )
        for name in reads.arguments:
            argument = blueprint.actions[action].arguments.get(name) if action != "read" else None
            if argument is None:
                continue
            codes = range(self._size(context.layout, argument.type, name))
            term = context.args.get(name)
            found.append(
                _row(
                    f"arg.{name}",
                    context.layout,
                    argument.type,
                    [(c, _is(argument.type, term, c)) for c in codes],
                )
            )
            if argument.optional and argument.type.kind != "id":
                raise TooLargeError(f"a policy reads `{name}`, which may be left out")
        return found

    def _size(self, layout: Layout, kind: Type, name: str) -> int:
        if kind.kind not in (*_READABLE, "state") or layout.domains.size(kind) > MAX_DOMAIN:
            raise TooLargeError(f"a policy reads `{name}`, whose values are too many to be tried")
        return layout.domains.size(kind)

    def _reads(self, blueprint: str, action: str) -> Reads:
        attributes: set[str] = set()
        arguments: set[str] = set()
        for policy in self.concerning(blueprint, action):
            if policy.tree["effect"] != "forbid":
                raise TooLargeError(f"the policy `{policy.id}` permits more than `by` does")
            if any(
                kind != "Role" and kind in ("Principal", *self._app.blueprints)
                for kind, _ in names_principals((policy,))
            ):
                raise TooLargeError(f"the policy `{policy.id}` names a principal or an entity by its id")
            for base, name in _paths(policy.tree["conditions"]):
                if base == "resource":
                    attributes.add(name)
                elif base == "arg":
                    arguments.add(name)
                else:
                    raise TooLargeError(
                        f"the policy `{policy.id}` reads `{name}` of more than entity and arguments"
                    )
        return Reads(tuple(sorted(attributes)), tuple(sorted(arguments)))


def _row(name: str, layout: Layout, kind: Type, codes: list[tuple[int, Formula]]) -> Row:
    possible = [(code, condition) for code, condition in codes if condition != FALSE]
    return Row(name, tuple((_plain(layout.domains.value(kind, code)), is_so) for code, is_so in possible))


def _plain(value: object) -> Value:
    assert value is None or isinstance(value, (int, str)), "what tables read is plain"
    return value


def _is(kind: Type, term: Term | None, code: int) -> Formula:
    """Whether an argument has a code; it may have any, where it is not known."""
    return TRUE if term is None else ir.eq(encoded(kind, term), ir.const(code))


def _subsets(roles: frozenset[str]) -> list[frozenset[str]]:
    every = sorted(roles)
    return [frozenset(c) for c in chain.from_iterable(combinations(every, n) for n in range(len(every) + 1))]


def _internal(blueprint: Blueprint, by: Principal) -> tuple[str, str]:
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


def _paths(tree: Json) -> Iterator[tuple[str, str]]:
    """Each attribute that an expression reads, with what it is read of."""
    if isinstance(tree, list):
        yield from (found for part in tree for found in _paths(part))
    elif isinstance(tree, dict):
        for operator, inside in tree.items():
            if operator in (".", "has") and isinstance(inside, dict) and isinstance(inside["attr"], str):
                yield from _path(inside["left"], inside["attr"])
            elif operator in (".", "has", "Record"):
                yield "", operator
            elif operator == "Var" and inside in ("resource", "context"):
                yield "", str(inside)
            elif operator != "Value":
                yield from _paths(inside)


def _path(left: Json, name: str) -> Iterator[tuple[str, str]]:
    if left == {"Var": "resource"}:
        yield "resource", name
    elif left == {".": {"left": {"Var": "context"}, "attr": "arg"}}:
        yield "arg", name
    elif left != {"Var": "context"}:
        yield "", name
