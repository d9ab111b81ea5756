"""What an action's policies read, as table columns, each with its equivalence classes of values.

Values that no policy can tell apart stand in one choice: a time is set or unset, an int that is compared
with numbers alone lies between two of them, a text is one that is named or another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise

from lathe.check.bounds import UndecidedError
from lathe.check.composed import ir
from lathe.check.composed.domain import A_TIME, MAX_DOMAIN, SCALARS, Domains
from lathe.check.composed.ir import TRUE, Formula
from lathe.check.composed.layout import Slot, Variable
from lathe.check.composed.lowering import Context, Term, encoded
from lathe.frozen import frozen
from lathe.lang.model import Argument
from lathe.lang.types import Type
from lathe.policy.engine import Slice
from lathe.policy.policies import Policy
from lathe.policy.reads import Reads, reads
from lathe.policy.requests import Value

LEFT_OUT = -1
"""The code of an argument without a value, where its type has no code for that."""


@frozen
class Choice:
    """Codes from `low` to `high` that policies cannot tell apart, and a value that stands for them."""

    low: int
    high: int
    value: Value


@frozen
class Column:
    """An attribute of the entity (`variable`) or an argument, with its choices in the order of codes."""

    name: str
    kind: Type
    choices: tuple[Choice, ...]
    variable: Variable | None

    def position(self, code: int) -> int:
        """The choice that a code of the variable belongs to."""
        return max(bisect_right(self.choices, code, key=lambda choice: choice.low) - 1, 0)

    def conditions(self, context: Context) -> tuple[Formula, ...]:
        """When it is each of the choices. An argument that the context does not know may be any."""
        if self.variable is not None:
            at = context.read(self.variable)
            return tuple(_within(at, c, self.variable.size - 1) for c in self.choices)
        term = context.args.get(self.name)
        return tuple(TRUE if term is None else _is_given(self.kind, term, c) for c in self.choices)


def _within(code: Formula, choice: Choice, last: int) -> Formula:
    if choice.low == choice.high:
        return ir.eq(code, ir.const(choice.low))
    above = TRUE if choice.low == 0 else ir.le(ir.const(choice.low), code)
    return ir.both(above, TRUE if choice.high == last else ir.le(code, ir.const(choice.high)))


def _is_given(kind: Type, term: Term, choice: Choice) -> Formula:
    if choice.low == LEFT_OUT:
        return term.none
    is_set = ir.no(term.none) if kind.kind in SCALARS else TRUE
    return ir.both(is_set, _within(encoded(kind, term), choice, -1))


def columns(domains: Domains, slot: Slot, action: str, found: Slice) -> tuple[Column, ...]:
    """The columns of an action. Raises UndecidedError for what no table holds."""
    _demand_known(found)
    made = [*_attributes(domains, slot, found)] if action != "create" else []
    arguments = slot.blueprint.actions[action].arguments if action != "read" else {}
    for name in found.reads.names("arg"):
        argument = arguments.get(name)
        if argument is not None and not argument.secret and argument.type.kind != "json":
            made.append(Column(name, argument.type, _given(domains, argument, name, found), None))
    return tuple(made)


def _attributes(domains: Domains, slot: Slot, found: Slice) -> Iterator[Column]:
    fields = slot.blueprint.fields
    for name in found.reads.names("resource"):
        if name == "state":
            names = enumerate(slot.blueprint.states, 1)
            yield Column(name, slot.state.kind, tuple(Choice(c, c, s) for c, s in names), slot.state)
        elif name in fields and not fields[name].secret and fields[name].type.kind != "json":
            kind = fields[name].type
            yield Column(name, kind, _choices(domains, kind, ("resource", name), found), slot.fields[name])


def _given(domains: Domains, argument: Argument, name: str, found: Slice) -> tuple[Choice, ...]:
    made = _choices(domains, argument.type, ("arg", name), found)
    can_be_unset = argument.optional and not argument.has_default
    if argument.type.kind in SCALARS:
        return (Choice(LEFT_OUT, LEFT_OUT, None), *made) if can_be_unset else made
    return made if can_be_unset or argument.type.kind == "set" else made[1:]


def _choices(domains: Domains, kind: Type, what: tuple[str, str], found: Slice) -> tuple[Choice, ...]:
    """The choices of a type; unset comes first, where it has a code."""
    how, size = found.reads.uses[what], domains.size(kind)
    if how == {"has"}:
        anything = _example(domains, kind)
        always_set = kind.kind in (*SCALARS, "set")
        whole = (Choice(0, size - 1, anything),) if always_set else ()
        return whole or (Choice(0, 0, None), Choice(1, max(size - 1, 1), anything))
    if kind.kind == "time":
        raise _undecided(found, what, "reads the time `{}`, of which a search knows only whether it is set")
    if kind.kind == "text" and "like" in how:
        raise _undecided(found, what, "compares the text `{}` with a pattern, and texts are opaque")
    if kind.kind == "int" and how <= {"has", "compared"}:
        return tuple(_regions(kind, found.reads))
    if size > MAX_DOMAIN:
        raise _undecided(found, what, "reads `{}`, whose values are too many to be tried")
    return tuple(Choice(code, code, _plain(domains, kind, code)) for code in range(size))


def _example(domains: Domains, kind: Type) -> Value:
    """A value that stands for all, where it matters only that there is one."""
    match kind.kind:
        case "set":
            return frozenset()
        case "time":
            return A_TIME
        case "text" | "id" | "ref":
            return "somebody"
        case _:
            return _plain(domains, kind, 0)


def _regions(kind: Type, found: Reads) -> Iterator[Choice]:
    """An int that is compared with numbers alone: each of them, and what lies between."""
    assert kind.low is not None and kind.high is not None, "a declared int has a range"
    numbers = {n for n in found.literals if isinstance(n, int)}
    starts = {kind.low} | {n + d for n in numbers for d in (0, 1) if kind.low <= n + d <= kind.high}
    ordered = [*sorted(starts), kind.high + 1]
    for start, following in pairwise(ordered):
        yield Choice(start - kind.low, following - 1 - kind.low, start)


def _plain(domains: Domains, kind: Type, code: int) -> Value:
    """A value as policies see it: it is one of those that tables hold."""
    value = domains.value(kind, code)
    assert not isinstance(value, frozenset) or kind.kind == "set", "only sets have members"
    return value


def _demand_known(found: Slice) -> None:
    """What only somebody who knows more than the request could tell."""
    if found.reads.beyond:
        what = found.reads.beyond[0]
        policy = _first(found, lambda r: what in r.beyond)
        raise _error(policy, f"reads {what}, which no request tells")
    own = ("Role", "New", "Principal", "Timer", "Entity", "Effect", "Inbound")
    for kind, name in sorted(found.reads.named):
        if kind not in own:
            policy = _first(found, lambda r, which=(kind, name): which in r.named)  # type: ignore[misc]
            raise _error(policy, f"names the entity `{name}`, and which one gets that id nobody can say")


def _undecided(found: Slice, what: tuple[str, str], why: str) -> UndecidedError:
    return _error(_first(found, lambda r: what in r.uses), why.format(what[1]))


def _first(found: Slice, matches: Callable[[Reads], bool]) -> Policy:
    return next(p for p in found.policies if matches(reads((p.tree,))))


def _error(policy: Policy, why: str) -> UndecidedError:
    return UndecidedError(f"the policy `{policy.id}` {why}", policy.piece.span())
