"""Filter expressions as SQL, with the meaning of `machine.evaluate`.

Each node becomes a value (NULL: unset) and, where it may have none, the condition under which it has none
(arithmetic with something unset, a division by zero): such a row is not listed, as a property without a value
is false. Text and numbers of an expression go in as parameters, never as SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec

from lathe.errors import UsageError
from lathe.frozen import frozen
from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Population,
    Quantifier,
    Read,
    SetChange,
    Special,
    walk,
)
from lathe.lang.types import Kind
from lathe.machine.evaluate import Frame, holds as holds_in
from lathe.machine.snapshot import Entity, MemoryWorld, Scalar, Value
from lathe.store.dialect import Dialect
from lathe.store.number_bounds import check_bounds
from lathe.store.records import EntityRow

NODES_LIMIT = 200
"""As many as the language allows."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_EMPTY = MemoryWorld()


def check(node: Node) -> None:
    """Refuse what no database can answer about one row. Raises `UsageError`."""
    nodes = walk(node)
    if len(nodes) > NODES_LIMIT:
        raise UsageError(f"a list's `where` has at most {NODES_LIMIT} parts")
    for part in nodes:
        _check_one(part)
    check_bounds(node)


def _check_one(node: Node) -> None:
    match node:
        case Follow(name=name):
            raise UsageError(f"a list's `where` reads its own rows only, not `{name}` of another entity")
        case Population(blueprint=blueprint):
            raise UsageError(f"a list's `where` reads one row at a time, not all of `{blueprint}`")
        case Read(scope=scope, name=name) if scope not in ("field", "variable"):
            raise UsageError(f"a list's `where` reads fields, and `{name}` is none")
        case Read(name=name, type=kind):
            if kind.kind == "json" or not _NAME.fullmatch(name):
                raise UsageError(f"a list's `where` cannot read `{name}`")
        case Special(name=name) if name not in ("state", "id", "self"):
            raise UsageError(f"a list's `where` cannot read `{name}`")


def holds(node: Node, row: EntityRow) -> bool:
    """What the SQL must say: whether the expression is true of a row, by the machine's own rules."""
    fields: dict[str, Value | list[Scalar]] = msgspec.json.decode(row.body)["fields"]
    values: dict[str, Value] = {n: frozenset(v) if isinstance(v, list) else v for n, v in fields.items()}
    values |= {n.name: None for n in walk(node) if isinstance(n, Read) and n.name not in values}
    entity = Entity(row.id, row.blueprint, row.state, values)
    return holds_in(node, Frame(world=_EMPTY, entity=entity, fields=values))


def named(node: Node) -> Iterator[tuple[str, list[str]]]:
    """The columns with an index that a filter pins down, with the values that they may have: each follows
    from the filter, so it may be said beside it.
    """
    for part in node.operands if isinstance(node, And) else (node,):
        if not isinstance(part, Compare) or part.op not in ("==", "in"):
            continue
        left, right = part.left, part.right
        if isinstance(right, Special):
            left, right = right, left
        items = right.items if isinstance(right, Members) and part.op == "in" else (right,)
        values = [item.value for item in items if isinstance(item, Literal) and isinstance(item.value, str)]
        if isinstance(left, Special) and left.name in ("state", "id") and 0 < len(values) == len(items):
            yield left.name, values


def lower(node: Node, dialect: Dialect, parameters: list[object]) -> str:
    """A condition over the table `entity`, called `e`; its parameters are added to those that are there.

    Raises `UsageError` where it cannot be said in SQL.
    """
    check(node)
    said = _Lowering(dialect, parameters).lower(node, {})
    condition = f"({said.value}) is true"
    return condition if said.fails is None else f"({condition} and not {said.fails})"


@frozen
class _Said:
    """`value`, and when there is none: NULL there, whatever it is otherwise."""

    value: str
    fails: str | None = None


def _either(*conditions: str | None) -> str | None:
    found = [c for c in conditions if c is not None]
    return "(" + " or ".join(found) + ")" if found else None


def _is_unset(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


_Scope = Mapping[str, str]
"""The SQL of each comprehension variable."""


class _Lowering:
    """One expression on its way to SQL."""

    def __init__(self, dialect: Dialect, parameters: list[object]) -> None:
        self._dialect = dialect
        self._parameters = parameters
        self._aliases = 0

    def lower(self, node: Node, scope: _Scope) -> _Said:
        """The SQL of a node."""
        rule: Callable[..., _Said] = _RULES[type(node)]
        return rule(self, node, scope)

    def _alias(self) -> str:
        self._aliases += 1
        return f"w{self._aliases}"

    def _parameter(self, value: object, kind: Kind) -> str:
        self._parameters.append(value)
        return self._dialect.parameter(len(self._parameters), kind)

    def _literal(self, node: Literal, scope: _Scope) -> _Said:
        match node.value:
            case None:
                return _Said("null")
            case bool():
                return _Said("true" if node.value else "false")
            case int():
                return _Said(self._parameter(node.value, "int"))
            case str():
                return _Said(self._parameter(node.value, "text"))

    def _read(self, node: Read, scope: _Scope) -> _Said:
        if node.scope == "variable":
            return _Said(scope[node.name])
        return _Said(self._dialect.field(node.name, node.type.kind))

    def _special(self, node: Special, scope: _Scope) -> _Said:
        return _Said("e.state" if node.name == "state" else "e.id")

    def _not(self, node: Not, scope: _Scope) -> _Said:
        inner = self.lower(node.operand, scope)
        return _Said(f"(({inner.value}) is not true)", inner.fails)

    def _and(self, node: And, scope: _Scope) -> _Said:
        parts = [self.lower(x, scope) for x in node.operands]
        return _Said(self._joined(parts, "and"), self._in_turn(parts, "({}) is true"))

    def _or(self, node: Or, scope: _Scope) -> _Said:
        parts = [self.lower(x, scope) for x in node.operands]
        return _Said(self._joined(parts, "or"), self._in_turn(parts, "({}) is not true"))

    def _joined(self, parts: list[_Said], word: str) -> str:
        return "(" + f" {word} ".join(f"(({p.value}) is true)" for p in parts) + ")"

    def _in_turn(self, parts: list[_Said], goes_on: str) -> str | None:
        """When one has no value that is looked at: as long as those before it do not decide."""
        fails: str | None = None
        for part in reversed(parts):
            later = None if fails is None else f"({goes_on.format(part.value)} and {fails})"
            fails = _either(part.fails, later)
        return fails

    def _if_else(self, node: IfElse, scope: _Scope) -> _Said:
        test, then, other = (self.lower(x, scope) for x in (node.condition, node.then, node.otherwise))
        value = self._dialect.cast(
            f"case when {test.value} then {then.value} else {other.value} end", node.type.kind
        )
        if then.fails is None and other.fails is None:
            return _Said(value, test.fails)
        branch = f"(case when {test.value} then {then.fails or 'false'} else {other.fails or 'false'} end)"
        return _Said(value, _either(test.fails, branch))

    def _compare(self, node: Compare, scope: _Scope) -> _Said:
        if node.op == "in":
            return self._in(node, scope)
        left, right = self.lower(node.left, scope), self.lower(node.right, scope)
        fails = _either(left.fails, right.fails)
        if node.op in ("==", "!=", "is"):
            same = self._same(node, left.value, right.value)
            return _Said(f"(not {same})" if node.op == "!=" else same, fails)
        return _Said(f"coalesce({left.value} {node.op} {right.value}, false)", fails)

    def _same(self, node: Compare, left: str, right: str) -> str:
        if _is_unset(node.right) or node.op == "is":
            return f"({left} is null)"
        if _is_unset(node.left):
            return f"({right} is null)"
        if node.left.type.kind == "set" or node.right.type.kind == "set":
            return self._same_set(left, right)
        return f"({self._dialect.same(left, right)})"

    def _same_set(self, left: str, right: str) -> str:
        """Both unset, or neither, and each has all members of the other."""
        a, b = self._alias(), self._alias()
        outer, inner = self._elements(left, a), self._elements(right, b)
        in_outer, in_inner = (
            f"(select {self._member(a)} from {outer})",
            f"(select {self._member(b)} from {inner})",
        )
        one = f"not exists (select 1 from {outer} where {self._member(a)} not in {in_inner})"
        two = f"not exists (select 1 from {inner} where {self._member(b)} not in {in_outer})"
        return f"((({left}) is null) = (({right}) is null) and {one} and {two})"

    def _elements(self, group: str, alias: str) -> str:
        return self._dialect.elements(group, alias)

    def _member(self, alias: str) -> str:
        return self._dialect.member(alias)

    def _in(self, node: Compare, scope: _Scope) -> _Said:
        left = self.lower(node.left, scope)
        if isinstance(node.right, Members):
            items = [self.lower(x, scope) for x in node.right.items]
            fails = _either(left.fails, *(x.fails for x in items))
            known = [i.value for i, n in zip(items, node.right.items, strict=True) if not _is_unset(n)]
            if _is_unset(node.left) or not known:
                return _Said("false", fails)
            return _Said(f"coalesce({left.value} in ({', '.join(known)}), false)", fails)
        right = self.lower(node.right, scope)
        alias = self._alias()
        wanted = self._dialect.as_member(left.value, node.left.type.kind)
        elements = (
            f"select 1 from {self._elements(right.value, alias)} where {self._member(alias)} = {wanted}"
        )
        return _Said(f"exists ({elements})", _either(left.fails, right.fails))

    def _members(self, node: Members, scope: _Scope) -> _Said:
        items = [(self.lower(x, scope), x.type.kind) for x in node.items if not _is_unset(x)]
        fails = _either(*(said.fails for said, _ in items))
        rows = [f"select {self._dialect.as_member(said.value, kind)} as m" for said, kind in items]
        if not rows:
            return _Said(self._dialect.empty_set, fails)
        return _Said(self._dialect.collect(" union ".join(rows)), fails)

    def _set_change(self, node: SetChange, scope: _Scope) -> _Said:
        left, right = self.lower(node.left, scope), self.lower(node.right, scope)
        of_left, of_right = self._rows(node.left, left.value), self._rows(node.right, right.value)
        word = "union" if node.op == "+" else "except"
        return _Said(self._dialect.collect(f"{of_left} {word} {of_right}"), _either(left.fails, right.fails))

    def _rows(self, node: Node, value: str) -> str:
        """The members of a set, or the one of a member, as rows."""
        if _is_unset(node):
            return f"select {self._dialect.nothing} as m"
        if node.type.kind != "set":
            return f"select {self._dialect.as_member(value, node.type.kind)} as m"
        alias = self._alias()
        return f"select {self._member(alias)} as m from {self._elements(value, alias)}"

    def _arithmetic(self, node: Arithmetic, scope: _Scope) -> _Said:
        left, right = self.lower(node.left, scope), self.lower(node.right, scope)
        fails = _either(left.fails, right.fails, f"{left.value} is null", f"{right.value} is null")
        a, b = left.value, right.value
        if node.type.kind == "time":
            return _Said(f"({a} {node.op} 1000 * {b})", fails)
        if node.op in ("+", "-", "*"):
            return _Said(f"({a} {node.op} {b})", fails)
        name = self._alias()
        is_off = f"case when {name}.a % {name}.b <> 0 and ({name}.a < 0) <> ({name}.b < 0) then 1 else 0 end"
        if node.op == "//":
            value = f"{name}.a / {name}.b - {is_off}"
        else:
            value = f"{name}.a % {name}.b + {name}.b * ({is_off})"
        floored = f"(select {value} from (select {a} as a, nullif({b}, 0) as b) as {name})"
        return _Said(floored, _either(fails, f"{b} = 0"))

    def _negate(self, node: Negate, scope: _Scope) -> _Said:
        inner = self.lower(node.operand, scope)
        return _Said(f"(- {inner.value})", _either(inner.fails, f"{inner.value} is null"))

    def _call(self, node: Call, scope: _Scope) -> _Said:
        if node.function == "len":
            rows = self.lower(node.arguments[0], scope)
            members = self._rows(node.arguments[0], rows.value)
            counted = f"(select count(*) from ({members}) as {self._alias()} where m is not null)"
            return _Said(counted, rows.fails)
        parts = [self.lower(x, scope) for x in node.arguments]
        fails = _either(*(p.fails for p in parts), *(f"{p.value} is null" for p in parts))
        values = ", ".join(p.value for p in parts)
        if node.function == "abs":
            return _Said(f"abs({values})", fails)
        if len(parts) == 1:
            return _Said(f"({values})", fails)
        return _Said(f"{self._dialect.extreme(node.function)}({values})", fails)

    def _quantifier(self, node: Quantifier, scope: _Scope) -> _Said:
        """Every element is looked at, whatever the others say: nested selects, one for each loop."""
        inner = dict(scope)
        loops: list[tuple[str, _Said, _Said]] = []
        for loop in node.loops:
            source = self.lower(loop.source, inner)
            alias = self._alias()
            element = loop.source.type.element
            kind: Kind = element.kind if element is not None else "text"
            inner[loop.variable] = self._dialect.element(alias, kind)
            condition = _Said("true") if loop.condition is None else self.lower(loop.condition, inner)
            loops.append((self._elements(source.value, alias), source, condition))
        body = self.lower(node.body, inner)
        value, fails = self._gathered(node, body, loops), body.fails
        if node.function == "sum":
            fails = _either(fails, f"({body.value}) is null")
        for elements, source, condition in reversed(loops):
            later = None if fails is None else f"(({condition.value}) is true and {fails})"
            fails = _either(condition.fails, later)
            found = None if fails is None else f"exists (select 1 from {elements} where {fails})"
            fails = _either(source.fails, found)
        return _Said(value, fails)

    def _gathered(self, node: Quantifier, body: _Said, loops: list[tuple[str, _Said, _Said]]) -> str:
        if node.function == "sum":
            value = body.value
            for elements, _, condition in reversed(loops):
                one, all_of = (
                    self._alias(),
                    f"select {value} as m from {elements} where ({condition.value}) is true",
                )
                total = self._dialect.cast(f"select sum({one}.m) from ({all_of}) as {one}", "int")
                value = f"coalesce({total}, 0)"
            return value
        found = f"({body.value}) is {'true' if node.function == 'any' else 'not true'}"
        for elements, _, condition in reversed(loops):
            found = f"exists (select 1 from {elements} where ({condition.value}) is true and {found})"
        return found if node.function == "any" else f"(not {found})"


_RULES: Mapping[type, Callable[..., _Said]] = {
    Literal: _Lowering._literal,
    Read: _Lowering._read,
    Special: _Lowering._special,
    Not: _Lowering._not,
    And: _Lowering._and,
    Or: _Lowering._or,
    Compare: _Lowering._compare,
    Arithmetic: _Lowering._arithmetic,
    Negate: _Lowering._negate,
    IfElse: _Lowering._if_else,
    Members: _Lowering._members,
    SetChange: _Lowering._set_change,
    Call: _Lowering._call,
    Quantifier: _Lowering._quantifier,
}
"""All but those that `check` refuses."""
