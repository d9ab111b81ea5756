"""The finite domains of values that a check explores, and their integer codes.

Enums and bools are coded by position, ints by their distance from the low end, text, ids and refs
from 1 with 0 for unset, times as set or unset, sets as masks over their members' codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lathe.check.composed.relevance import Key, overlong
from lathe.check.composed.roles import fewest_holders, maximal_role_sets
from lathe.frozen import frozen
from lathe.lang.adapters import REFUSED
from lathe.lang.expr import Compare, Expression, Literal, Members, Node, Read, Special, walk
from lathe.lang.model import Action, App, Argument, Blueprint, Field, Ghost, Value as Default
from lathe.lang.types import Type

if TYPE_CHECKING:  # a check that finds nothing never needs the machine: start-up counts
    from lathe.machine.snapshot import Value

MAX_DOMAIN = 64
"""An argument with more values than this is sampled."""

MAX_PRINCIPALS = 4
"""Principals of a search, unless `[scope]` says otherwise."""

WIDEST_PRINCIPALS = 8
"""Principals of a search that asks again what fewer of them could not do."""

MAX_FRESH_TEXTS = 4
"""Texts beside those that the app names."""

WIDEST_FRESH_TEXTS = 8
"""Texts of a search that asks again what fewer of them could not do."""

MOST_PENDING = 2
"""Notices of one effect of an entity that may be pending at once."""

WIDEST_PENDING = 8
"""Notices of a search that asks again what fewer of them could not do."""

A_TIME = 1_000
"""The instant that stands for every set time, in milliseconds."""

SCALARS = frozenset({"int", "bool", "enum"})
"""Kinds whose codes leave no room for unset."""


@frozen
class Choice:
    """The codes that an argument ranges over; `sampled` if these are not all that there are."""

    codes: tuple[int, ...]
    sampled: bool


@frozen
class Named:
    """What an app's policies name: principals, texts, numbers. `compares`: values with one another, too."""

    principals: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    compares: bool = False


NOBODY_NAMED = Named()


@frozen
class Domains:
    """The values of a scope: instances of each blueprint, principals, texts; ints to sample at.

    The last of the `principals` are those that policies name, `named` of them: nobody else can stand for
    them. `could_differ` is the number of principals that the app could tell apart, and one more; `named_ids`
    are those that the app names; the last
    `fresh_texts` of the texts are those that nothing names. With `whole`, the codes of a sampled choice
    are only its ends: who reads them means everything between (level 1).
    """

    instances: Mapping[str, int]
    principals: tuple[str, ...]
    could_differ: int
    ids: tuple[str, ...]
    named_ids: tuple[str, ...]
    texts: tuple[str, ...]
    landmarks: tuple[int, ...]
    fresh_texts: int
    differing_texts: int = 0
    whole: bool = False
    named: int = 0
    pending: int = MOST_PENDING

    def size(self, kind: Type) -> int:
        """How many codes a stored value of this type has, unset included where it can be."""
        match kind.kind:
            case "bool" | "time":
                return 2
            case "int":
                assert kind.low is not None and kind.high is not None, "a declared int has a range"
                return kind.high - kind.low + 1
            case "enum" | "state":
                return len(kind.members) + (kind.kind == "state")
            case "text":
                return len(self.texts) + 1
            case "id":
                return len(self.ids) + 1
            case "ref":
                return self.instances[kind.blueprint or ""] + 1
            case "set":
                return int(1 << self.members(kind))
            case _:
                return 1

    def members(self, kind: Type) -> int:
        """How many different members a set of this type can have."""
        assert kind.element is not None, "a set has an element type"
        return self.size(kind.element) - (kind.element.kind not in SCALARS)

    def code(self, kind: Type, value: Value | Default) -> int:
        """The code of a machine value, or of a literal of the model (whose sets are tuples)."""
        if kind.kind == "set":
            assert kind.element is not None and isinstance(value, (frozenset, tuple)), "a set has members"
            return sum(1 << self._member(kind.element, m) for m in value)
        if value is None:
            return 0
        match kind.kind:
            case "bool":
                return int(bool(value))
            case "int":
                assert kind.low is not None and isinstance(value, int), "a declared int has a range"
                return value - kind.low
            case "enum":
                return sorted(kind.members).index(str(value))
            case "state":
                return kind.members.index(str(value)) + 1
            case "text":  # one that nothing names is as good as the last of the fresh ones
                return self.texts.index(str(value)) + 1 if value in self.texts else len(self.texts)
            case "id":
                return self.ids.index(str(value)) + 1
            case "ref":
                return int(str(value).rpartition("#")[2])
            case "time":
                return 1
            case _:
                return 0

    def _member(self, kind: Type, value: Value | Default) -> int:
        return self.code(kind, value) - (kind.kind not in SCALARS)

    def value(self, kind: Type, code: int) -> Value:
        """The machine value of a code."""
        match kind.kind:
            case "bool":
                return bool(code)
            case "int":
                assert kind.low is not None, "a declared int has a range"
                return kind.low + code
            case "enum":
                return sorted(kind.members)[code]
            case "set":
                return frozenset(self._members_of(kind, code))
            case "json":
                return "null"
        if code == 0:
            return None
        match kind.kind:
            case "state":
                return kind.members[code - 1]
            case "text":
                return self.texts[code - 1]
            case "id":
                return self.ids[code - 1]
            case "ref":
                return f"{kind.blueprint}#{code}"
            case _:
                return A_TIME

    def _members_of(self, kind: Type, mask: int) -> Iterator[int | bool | str | None]:
        assert kind.element is not None, "a set has an element type"
        offset = kind.element.kind not in SCALARS
        for index in range(mask.bit_length()):
            if mask >> index & 1:
                member = self.value(kind.element, index + offset)
                assert not isinstance(member, frozenset), "sets do not nest"
                yield member

    def choice(self, argument: Argument) -> Choice:
        """What a caller may give for an argument: codes, without unset."""
        kind = argument.type
        if kind.kind == "set":
            return self._set_choice(kind)
        if kind.kind == "int":
            return self._int_choice(kind, argument.explore)
        if kind.kind == "text":
            most = None if kind.maximum is None else max(kind.maximum, 1)
            fits = (most is None or len(t) <= most for t in self.texts)
            return Choice(tuple(i for i, does in enumerate(fits, 1) if does), False)
        first = 0 if kind.kind in SCALARS else 1
        return Choice(tuple(range(first, max(self.size(kind), 1))) or (0,), False)

    def _int_choice(self, kind: Type, explore: tuple[int, int] | None) -> Choice:
        assert kind.low is not None and kind.high is not None, "a declared int has a range"
        if self.whole:
            return Choice((0, self.size(kind) - 1), True)
        if explore is not None:
            codes = tuple(v - kind.low for v in range(explore[0], explore[1] + 1))
            return Choice(codes, explore != (kind.low, kind.high))
        if self.size(kind) <= MAX_DOMAIN:
            return Choice(tuple(range(self.size(kind))), False)
        near = {v + d for v in self.landmarks for d in (-1, 0, 1)} | {kind.low, kind.high}
        values = sorted(v for v in near if kind.low <= v <= kind.high)
        return Choice(tuple(v - kind.low for v in values), True)

    def thinned(self, kind: Type, codes: tuple[int, ...]) -> tuple[int, ...]:
        """A smaller sample: ints at what matters, then the ends alone; sets at their extremes."""
        ends = tuple(dict.fromkeys((codes[0], codes[-1])))
        if kind.kind != "int" or kind.low is None:
            return ends
        near = {v + d - kind.low for v in self.landmarks for d in (-1, 0, 1)} | set(ends)
        kept = tuple(code for code in codes if code in near)
        return kept if len(kept) < len(codes) else ends

    def _set_choice(self, kind: Type) -> Choice:
        size = self.members(kind)
        if self.whole:
            return Choice((0, (1 << size) - 1), True)
        most = min(size, kind.maximum if kind.maximum is not None else size)
        if 1 << size <= MAX_DOMAIN:
            return Choice(tuple(m for m in range(1 << size) if m.bit_count() <= most), False)
        singles = [1 << i for i in range(size)] if most else []
        fullest = (1 << most) - 1
        return Choice((0, *singles, *({fullest} - set(singles) - {0})), True)


def make_domains(
    app: App,
    instances: Mapping[str, int],
    explored: frozenset[Key],
    principals: int | None = None,
    *,
    whole: bool = False,
    named: Named = NOBODY_NAMED,
    texts_limit: int = MAX_FRESH_TEXTS,
    pending: int = MOST_PENDING,
) -> Domains:
    """The domains of an app at a scope. `principals` overrides how many there are; `named` by policies."""
    nodes = [n for e in expressions(app) for n in walk(e.tree)]
    literal_ids = sorted(_literals(nodes, "id") | _defaults(app, "id"))
    wanted = _wanted_principals(app, instances, explored, nodes)
    people = people_of(principals or _principals(app, wanted, len(named.principals)), named.principals)
    texts = sorted(_literals(nodes, "text") | set(named.texts))
    others = _defaults(app, "text") | _messages(app, explored) | {"x" * size for size in overlong(app)}
    texts += sorted(others - set(texts))
    if any(isinstance(n, Special) and n.name == "id" for n in nodes):
        texts += [f"{b}#{i + 1}" for b, n in sorted(instances.items()) for i in range(n)]
    differing = _differing_texts(app, instances, explored, nodes, compares=named.compares)
    fresh = min(differing, texts_limit)
    texts += [_fresh_name(i, texts) for i in range(fresh)]
    landmarks = {int(n.value) for n in nodes if isinstance(n, Literal) and type(n.value) is int}
    ends = [x for b in app.blueprints.values() for f in b.fields.values() for x in (f.type.low, f.type.high)]
    landmarks |= {x for x in ends if x is not None} | set(named.numbers)
    return Domains(
        instances=dict(instances),
        principals=people,
        could_differ=max(wanted + len(named.principals), len(people)),
        ids=(*people, *(i for i in literal_ids if i not in people)),
        named_ids=tuple(literal_ids),
        texts=tuple(texts),
        landmarks=tuple(sorted(landmarks)),
        fresh_texts=fresh,
        differing_texts=differing,
        whole=whole,
        named=len(named.principals),
        pending=pending,
    )


def people_of(count: int, named: tuple[str, ...]) -> tuple[str, ...]:
    """So many principals: any of them, at least one, then those that policies name."""
    free = (f"p{i + 1}" for i in range(count + len(named)))
    others = [name for name in free if name not in named][: max(count - len(named), 1)]
    return (*others, *named)


def expressions(app: App) -> Iterator[Expression]:
    """Every expression that a check reads."""
    for prop in app.properties.values():
        yield prop.that
        yield from (e for e in (prop.when,) if e)
    for blueprint in app.blueprints.values():
        yield from _of_blueprint(blueprint)


def _of_blueprint(blueprint: Blueprint) -> Iterator[Expression]:
    for action in blueprint.actions.values():
        yield from (e for e in (action.when, action.to_if) if e)
        yield from (a.value for a in (*action.do, *action.ghost))
        for clause in action.also:
            yield clause.on
            yield from clause.args.values()
            yield from (e for e in (clause.when,) if e)
    for effect in blueprint.effects.values():
        yield from (a.value for a in effect.world)
        if effect.target:
            yield from (e for e in (effect.target.on, *effect.target.args.values()) if e)
    for prop in blueprint.properties.values():
        yield from (e for e in (prop.that, prop.when) if e)
    yield from (c.when for c in blueprint.cannot.values() if c.when)


def _literals(nodes: list[Node], kind: str) -> set[str]:
    return {
        n.value for n in nodes if isinstance(n, Literal) and n.type.kind == kind and isinstance(n.value, str)
    }


def _defaults(app: App, kind: str) -> set[str]:
    """The texts or ids that fields, ghosts and arguments begin with, members of sets included."""
    holders: list[Field | Ghost | Argument] = [*app.ghosts.values()]
    for blueprint in app.blueprints.values():
        holders += [*blueprint.fields.values(), *blueprint.ghosts.values()]
        holders += [a for action in blueprint.actions.values() for a in action.arguments.values()]
    found: set[str] = set()
    for holder in holders:
        values = holder.default if isinstance(holder.default, tuple) else (holder.default,)
        if kind in (holder.type.kind, holder.type.element.kind if holder.type.element else ""):
            found |= {v for v in values if isinstance(v, str)}
    return found


def _messages(app: App, explored: frozenset[Key]) -> set[str]:
    """What a refusal says, as far as the arguments that take it hold it."""
    return {
        REFUSED[: action.arguments["message"].type.maximum]
        for blueprint in app.blueprints.values()
        for action in blueprint.actions.values()
        if ("arg", blueprint.name, action.name, "message") in explored
        and action.arguments["message"].type.kind == "text"
    }


def _fresh_name(index: int, taken: list[str]) -> str:
    """A short text that is none of those that the app names."""
    name = "abcdefgh"[index]
    while name in taken:
        name += "_"
    return name


def _slots(app: App, instances: Mapping[str, int], explored: frozenset[Key], kind: str) -> int:
    """How many different values of a kind the explored fields of a scope can hold at once."""
    total = 0
    for blueprint in app.blueprints.values():
        name = blueprint.name
        kinds = [f.type for f in blueprint.fields.values() if ("field", name, "", f.name) in explored]
        kinds += [g.type for g in blueprint.ghosts.values() if ("ghost", name, "", g.name) in explored]
        for found in kinds:
            if found.kind == kind:
                total += instances[name]
            elif found.element is not None and found.element.kind == kind:
                total += instances[name] * (found.maximum or 1)
    return total


def _wanted_principals(
    app: App, instances: Mapping[str, int], explored: frozenset[Key], nodes: list[Node]
) -> int:
    """As many principals as the explored ids and what one step is given can tell apart."""
    count = _slots(app, instances, explored, "id") + _given_at_once(app, explored, "id")
    compares = any(isinstance(n, Read) and n.scope == "arg" and n.type.kind == "id" for n in nodes)
    return max(count, 2) if compares else count


def _principals(app: App, wanted: int, named: int) -> int:
    """How many principals there are: what `[scope]` says, or at most four beside those that policies name.

    They are enough to hold all roles.
    """
    if app.scope.principals is not None:
        return app.scope.principals
    count = min(wanted, MAX_PRINCIPALS) + named
    return max(count, fewest_holders(maximal_role_sets(app))) if count > 1 and app.exclusive else count


def _differing_texts(
    app: App, instances: Mapping[str, int], explored: frozenset[Key], nodes: list[Node], *, compares: bool
) -> int:
    """As many texts beside the named ones as can differ: one, unless texts are compared with one another."""
    uniques = [
        f
        for b in app.blueprints.values()
        for u in b.unique.values()
        for f in u.fields
        if b.fields[f].type.kind == "text"
    ]
    if not uniques and not compares and not any(map(_compares_texts, nodes)):
        return 1
    return _slots(app, instances, explored, "text") + _given_at_once(app, explored, "text")


def _compares_texts(node: Node) -> bool:
    """Whether a node compares a text with another that is not written down."""
    if not isinstance(node, Compare) or node.op == "is" or node.left.type.kind != "text":
        return False
    others = node.right.items if isinstance(node.right, Members) else (node.right,)
    return not all(isinstance(side, Literal) for side in others) and (
        not isinstance(node.left, Literal) or len(others) > 1
    )


def _given_at_once(app: App, explored: frozenset[Key], kind: str) -> int:
    """The most values of a kind that a step is given: arguments, and for ids whoever acts; at least one."""
    most = 1
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            count = 0
            for argument in action.arguments.values():
                if ("arg", blueprint.name, action.name, argument.name) not in explored:
                    continue
                element = argument.type.element
                if argument.type.kind == kind:
                    count += 1
                elif element is not None and element.kind == kind:
                    count += argument.type.maximum or 1
            most = max(most, count + (count > 0 and kind == "id" and _asks_who(app, action)))
    return most


def _asks_who(app: App, action: Action) -> bool:
    """Whether an action, or one that is taken with it, reads who acts; policies may always."""
    waiting, seen = [action], [action]
    while waiting:
        taken = waiting.pop()
        read = [taken.when, taken.to_if, *(a.value for a in (*taken.do, *taken.ghost))]
        for clause in taken.also:
            read += [clause.on, clause.when, *clause.args.values()]
            other = app.blueprints[clause.blueprint].actions[clause.action]
            if other not in seen:
                waiting.append(other)
                seen.append(other)
        nodes = (node for expression in read if expression is not None for node in walk(expression.tree))
        if any(isinstance(node, Special) and node.name == "actor" for node in nodes):
            return True
    return bool(app.policies)
