"""Random expressions of the language, as text: typed by construction, so that they are always read.

A `Sight` is what can be read at a place; `condition`, `number` and `value` write an expression that
reads some of it. Everything is put in brackets, so that precedence never matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace

from lathe.frozen import frozen
from lathe.lang.types import Type
from lathe.testing._dice import Dice

TEXTS = ("x", "yy", "zzzz")
IDS = ("boss",)
ORDERED = ("==", "!=", "<", "<=", ">", ">=")
NULLABLE = frozenset({"text", "id", "ref", "time"})
"""Kinds whose fields may be unset."""


@frozen
class Shape:
    """What is seen of a blueprint's entities through a ref."""

    fields: Mapping[str, Type]
    ghosts: Mapping[str, Type]
    states: tuple[str, ...]


@frozen
class Atom:
    """Something that a name reads."""

    text: str
    type: Type
    may_be_unset: bool


@frozen
class Sight:
    """What can be read at a place. `names` are direct; `atoms` adds what is behind refs."""

    shapes: Mapping[str, Shape]
    names: tuple[Atom, ...] = ()
    atoms: tuple[Atom, ...] = ()
    blueprint: str | None = None
    has_actor: bool = False
    has_now: bool = False
    ghosts: bool = False
    populations: tuple[str, ...] = ()
    variables: tuple[str, ...] = field(default=())

    def of(self, *kinds: str) -> list[Atom]:
        return [a for a in self.atoms if a.type.kind in kinds]

    def seeing(self, *names: Atom) -> Sight:
        """With more names, and what is behind them."""
        return replace(self, names=(*self.names, *names), atoms=(*self.atoms, *self._opened(names)))

    def _opened(self, names: tuple[Atom, ...]) -> list[Atom]:
        found = [n for n in names if n.text != "self"]
        for name in names:
            if name.type.kind == "ref" and not name.text.startswith("old."):
                found += self._behind(name)
        return found

    def _behind(self, ref: Atom) -> list[Atom]:
        shape = self.shapes[ref.type.blueprint or ""]
        is_self = ref.text == "self"
        kinds = {**shape.fields, **(shape.ghosts if self.ghosts else {})}
        if is_self:  # the same as without `self.`, so one is enough
            kinds = dict(list(kinds.items())[:1])
        found = [
            Atom(f"{ref.text}.{name}", kind, kind.kind in NULLABLE or (not is_self and kind.kind != "set"))
            for name, kind in kinds.items()
            if kind.kind != "json"
        ]
        if not is_self:
            kind = Type("state", blueprint=ref.type.blueprint, members=shape.states)
            found.append(Atom(f"{ref.text}.state", kind, True))
        return found


Rule = Callable[[], str]


def condition(d: Dice, s: Sight, depth: int = 2) -> str:
    """An expression that is true or false."""
    rules: list[tuple[int, Rule]] = [(1, lambda: d.pick(("True", "False")))]
    rules += _comparisons(d, s, depth)
    if depth > 0:
        rules += [
            (3, lambda: f"(not {condition(d, s, depth - 1)})"),
            (4, lambda: f"({condition(d, s, depth - 1)} and {condition(d, s, depth - 1)})"),
            (4, lambda: f"({condition(d, s, depth - 1)} or {condition(d, s, depth - 1)})"),
            (1, lambda: _if_else(d, s, depth, lambda: condition(d, s, depth - 1))),
        ]
        if _loopable(s):
            rules.append((4, lambda: _quantifier(d, s, depth, d.pick(("all", "any")))))
    return d.weighed(rules)()


def _comparisons(d: Dice, s: Sight, depth: int) -> list[tuple[int, Rule]]:
    rules: list[tuple[int, Rule]] = []
    nullable = [a for a in s.atoms if a.may_be_unset]
    if s.of("bool"):
        rules.append((4, lambda: d.pick(s.of("bool")).text))
    if s.of("int"):
        rules.append((6, lambda: _order(d, s, depth)))
    for kind in ("enum", "text", "id", "state", "ref"):
        if s.of(kind):
            rules.append((4, lambda kind=kind: _equality(d, s, kind)))  # type: ignore[misc]
    if _searchable(s):
        rules.append((5, lambda: _membership(d, s)))
    if s.of("set"):
        rules.append((3, lambda: f"(len({d.pick(s.of('set')).text}) {d.pick(ORDERED)} {d.number(0, 2)})"))
    if nullable:
        rules.append((4, lambda: f"({d.pick(nullable).text} is {d.pick(('', 'not '))}None)"))
    return rules


def _order(d: Dice, s: Sight, depth: int) -> str:
    left, right = number(d, s, depth - 1), number(d, s, depth - 1)
    if d.chance(15):
        return f"({left} <= {number(d, s, 0)} < {right})"
    return f"({left} {d.pick(ORDERED)} {right})"


def _equality(d: Dice, s: Sight, kind: str) -> str:
    atom = d.pick(s.of(kind))
    if kind != "ref" and d.chance(25):
        items = ", ".join(_operand(d, s, atom.type) for _ in range(d.number(1, 2)))
        return f"({atom.text} {d.pick(('in', 'not in'))} ({items},))"
    return f"({atom.text} {d.pick(('==', '!='))} {_operand(d, s, atom.type)})"


def _operand(d: Dice, s: Sight, kind: Type) -> str:
    """A value that may stand beside one of this type; never `None`."""
    same = [a.text for a in s.atoms if _same(a.type, kind)]
    match kind.kind:
        case "enum" | "state":
            options = [f"'{m}'" for m in kind.members]
        case "text":
            options = [f"'{t}'" for t in TEXTS]
        case "id":
            options = [*(["actor"] if s.has_actor else []), *(f"'{i}'" for i in IDS)]
        case "ref" if kind.blueprint == s.blueprint:
            options = ["self"]
        case _:
            options = []
    return d.pick(options) if options and (not same or d.chance(60)) else d.pick(same)


def _same(left: Type, right: Type) -> bool:
    if left.kind != right.kind:
        return False
    match left.kind:
        case "enum":
            return set(left.members) == set(right.members)
        case "ref" | "state":
            return left.blueprint == right.blueprint
        case "set":
            assert left.element is not None and right.element is not None, "a set has an element type"
            return _same(left.element, right.element)
        case _:
            return True


def _membership(d: Dice, s: Sight) -> str:
    group = d.pick(_searchable(s))
    assert group.type.element is not None, "a set has an element type"
    return f"({_operand(d, s, group.type.element)} {d.pick(('in', 'not in'))} {group.text})"


def _searchable(s: Sight) -> list[Atom]:
    """The sets of which something that could be a member can be named."""
    return [a for a in s.of("set") if a.type.element is not None and _is_nameable(s, a.type.element)]


def _is_nameable(s: Sight, kind: Type) -> bool:
    return kind.kind != "ref" or kind.blueprint == s.blueprint or any(_same(a.type, kind) for a in s.atoms)


def number(d: Dice, s: Sight, depth: int = 2) -> str:
    """An expression whose value is an int."""
    ints = s.of("int")
    rules: list[tuple[int, Rule]] = [(4, lambda: str(d.number(-1, 3)))]
    if ints:
        rules.append((8, lambda: d.pick(ints).text))
    if s.of("set"):
        rules.append((2, lambda: f"len({d.pick(s.of('set')).text})"))
    if depth > 0:

        def inner() -> str:
            return number(d, s, depth - 1)

        rules += [
            (6, lambda: f"({inner()} {d.pick(('+', '-'))} {inner()})"),
            (2, lambda: _scaled(inner(), d.pick(("*", "//", "%")), inner())),
            (1, lambda: f"(-{inner()})"),
            (1, lambda: f"abs({inner()})"),
            (2, lambda: f"{d.pick(('min', 'max'))}({inner()}, {inner()})"),
            (2, lambda: _if_else(d, s, depth, inner)),
        ]
        if _loopable(s):
            rules.append((2, lambda: _quantifier(d, s, depth, "sum")))
    return d.weighed(rules)()


def _scaled(left: str, operator: str, right: str) -> str:
    """A product, or a division by something else than a written nought, which no app may have."""
    return f"({left} {operator} {right if operator == '*' or right != '0' else '1'})"


def _if_else(d: Dice, s: Sight, depth: int, side: Rule) -> str:
    return f"({side()} if {condition(d, s, depth - 1)} else {side()})"


def _loopable(s: Sight) -> bool:
    return len(s.variables) < 3 and bool(s.of("set") or s.populations)


def _quantifier(d: Dice, s: Sight, depth: int, function: str) -> str:
    inner, loops = s, ""
    for _ in range(2 if len(s.variables) < 2 and d.chance(30) else 1):
        inner, loop = _loop(d, inner, depth)
        loops += loop
    body = number(d, inner, depth - 1) if function == "sum" else condition(d, inner, depth - 1)
    return f"{function}({body}{loops})"


def _loop(d: Dice, s: Sight, depth: int) -> tuple[Sight, str]:
    sources = [(a.text, a.type.element) for a in s.of("set")]
    sources += [(b, Type("ref", blueprint=b)) for b in s.populations]
    source, element = d.pick(sources)
    assert element is not None, "a set has an element type"
    name = f"v{len(s.variables)}"
    inner = replace(s.seeing(Atom(name, element, False)), variables=(*s.variables, name))
    test = f" if {condition(d, inner, depth - 1)}" if d.chance(30) else ""
    return inner, f" for {name} in {source}{test}"


def value(d: Dice, s: Sight, kind: Type, *, is_stored: bool = True) -> str:
    """An expression whose value fits a field, ghost or argument of this type."""
    match kind.kind:
        case "bool":
            return condition(d, s, 1)
        case "int":
            return _int_value(d, s, kind)
        case "set":
            return _set_value(d, s, kind)
        case "time":
            return _time_value(d, s)
    same = [a.text for a in s.atoms if _same(a.type, kind)]
    options = [*same, *same]
    if kind.kind in NULLABLE and is_stored:
        options.append("None")
    match kind.kind:
        case "enum":
            options += [f"'{m}'" for m in kind.members]
        case "text":
            options += [f"'{t}'" for t in TEXTS[:2]]
        case "id":
            options += ["actor", "actor", "actor"] if s.has_actor else []
            options += [f"'{i}'" for i in IDS]
        case "ref" if kind.blueprint == s.blueprint:
            options.append("self")
    if d.chance(10):
        return f"({d.pick(options)} if {condition(d, s, 1)} else {d.pick(options)})"
    return d.pick(options)


def _int_value(d: Dice, s: Sight, kind: Type) -> str:
    assert kind.low is not None and kind.high is not None, "a declared int has a range"
    literal = d.number(max(kind.low, -9), min(kind.high, 9)) if kind.low < 10 else kind.low
    if d.chance(35):
        return str(literal)
    if d.chance(30):
        return f"min(max({number(d, s, 1)}, {kind.low}), {kind.high})"
    return number(d, s, 1)


def _set_value(d: Dice, s: Sight, kind: Type) -> str:
    element = kind.element
    assert element is not None, "a set has an element type"
    groups = [a.text for a in s.of("set") if _same(a.type, kind)]
    members = [a.text for a in s.atoms if _same(a.type, element)]
    if element.kind != "ref":
        members.append(_operand(d, s, element))
    elif element.blueprint == s.blueprint:
        members.append("self")
    options = ["set()", *groups]
    options += [f"{{{m}}}" for m in members]
    options += [f"({g} {d.pick(('+', '-'))} {o})" for g in groups for o in (*members, *groups)]
    return d.pick(options)


def _time_value(d: Dice, s: Sight) -> str:
    times = [a.text for a in s.of("time")]
    if s.has_now:
        times += ["now", f"now + {number(d, s, 1)}"]
    return d.pick([*times, *times, "None"])
