"""The skeleton of a system: wide numbers are known by the region that they lie in, no closer.

The constants that guards compare a number with part its range into regions: within one, each such guard has
one truth. A step moves a number from a region to any that the new value may lie in, so what the system can
do, its skeleton can; and where a guard holds all over the regions, the step is possible wherever the number
lies in them. (Predicate abstraction: Graf and Saidi, 1997; may and must steps: Larsen and Thomsen, 1988.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod

from lathe.check.bounds import MAX_COMBINATIONS, MAX_COMMANDS, TooLargeError, require
from lathe.check.composed import ir
from lathe.check.composed.command import Command, Param
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import WORD_BITS, Variable
from lathe.check.composed.system import System
from lathe.frozen import frozen
from lathe.lang.types import BOOL

WIDE = 64
"""Values of a number up to which it is exact."""

MAX_REGIONS = 64
"""Regions of one number."""

MOST_CHOICES = 64
"""Choices of what is given that are told apart; of more, none can be relied upon."""

Span = tuple[int, int]
"""The least and the largest that something can be."""

Move = tuple[int | None, int | None]
"""By how much at least, and at most, a step changes a number; None: who knows."""


@frozen
class Step:
    """A command of the skeleton: which of the system's it is, whether it is sure, what it does to numbers."""

    origin: int
    is_sure: bool
    moves: Mapping[int, Move]


@frozen
class Skeleton:
    """Variables and commands; `starts` are where the regions of each wide number begin, by its index."""

    variables: tuple[Variable, ...]
    commands: tuple[Command, ...]
    steps: tuple[Step, ...]
    starts: Mapping[int, tuple[int, ...]]
    initial: tuple[int, ...]

    @property
    def word_count(self) -> int:
        return max(1, -(-max(v.offset + v.width for v in self.variables) // WORD_BITS))

    def state(self, variables: Iterable[Variable], packed: int) -> int:
        """What stands for a state of the system, as far as some of its variables go."""
        found = 0
        for variable in variables:
            code = variable.read(packed)
            if variable.index in self.starts:
                code = self.region(variable, code)
            found |= code << self.variables[variable.index].offset
        return found

    def region(self, variable: Variable, code: int) -> int:
        """The region of a wide number that a code lies in."""
        return bisect_right(self.starts[variable.index], code) - 1

    def span(self, variable: Variable, region: int) -> Span:
        """The first and the last code of a region of a wide number."""
        starts = self.starts[variable.index]
        return starts[region], (*starts, variable.size)[region + 1] - 1


def wide_numbers(system: System) -> frozenset[int]:
    """The numbers of a state that have too many values."""
    return frozenset(v.index for v in system.layout.variables if v.kind.kind == "int" and v.size > WIDE)


def make_skeleton(system: System) -> Skeleton:
    """The skeleton of a system; TooLargeError if it has too many regions or commands."""
    wide = wide_numbers(system)
    starts = {index: _starts(system, index) for index in wide}
    variables = _laid_out(system.layout.variables, starts)
    maker = _Maker(system, starts, variables)
    commands, steps = [], []
    for command in system.commands:
        for made, step in maker.commands(command):
            commands.append(made)
            steps.append(step)
            require(len(commands), MAX_COMMANDS, "the skeleton")
    for index, made in enumerate(commands):
        made.index = index
    skeleton = Skeleton(variables, tuple(commands), tuple(steps), starts, ())
    initial = tuple(skeleton.state(system.layout.variables, packed) for packed in system.initial)
    return replace(skeleton, initial=initial)


def _starts(system: System, index: int) -> tuple[int, ...]:
    """Where the regions of a number begin: at each constant that it is compared with, and after it."""
    size = system.layout.variables[index].size
    found = {0}
    asked = [c.guard for c in system.commands] + list(system.held)
    asked += [f for c in system.commands for f in c.updates.values()]
    for formula in asked:
        found |= {at for at in _cuts(formula, index) if 0 < at < size}
    require(len(found), MAX_REGIONS, "the regions of a number")
    return tuple(sorted(found))


def _cuts(formula: Formula, index: int) -> Iterator[int]:
    """The values of a number from which on a comparison with a constant has another truth."""
    waiting = [formula]
    while waiting:
        x = waiting.pop()
        waiting.extend(x.args)
        if x.op in ("==", "<", "<="):
            for mine, other, is_left in ((x.args[0], x.args[1], True), (x.args[1], x.args[0], False)):
                at = _shift(mine, index)
                if at is not None and ir.is_const(other):
                    value = other.value - at
                    is_after = x.op == "==" or (x.op == "<=") == is_left
                    yield from ((value, value + 1) if x.op == "==" else (value + is_after,))


def _shift(x: Formula, index: int) -> int | None:
    """What is added to a number, if that is all that a formula does with it."""
    if x.op == "v" and x.value == index:
        return 0
    is_sum = x.op == "+" and x.args[0].op == "v" and x.args[0].value == index
    return x.args[1].value if is_sum and ir.is_const(x.args[1]) else None


def _laid_out(variables: Sequence[Variable], starts: Mapping[int, tuple[int, ...]]) -> tuple[Variable, ...]:
    offset, found = 0, []
    for variable in variables:
        size = len(starts[variable.index]) if variable.index in starts else variable.size
        kind = BOOL if variable.index in starts else variable.kind
        made = replace(variable, kind=kind, size=size, offset=offset)
        if offset % WORD_BITS + made.width > WORD_BITS:
            made = replace(made, offset=offset + -offset % WORD_BITS)
        found.append(made)
        offset = made.offset + made.width
    return tuple(found)


class _Maker:
    """Makes the commands of a skeleton."""

    def __init__(
        self, system: System, starts: Mapping[int, tuple[int, ...]], variables: tuple[Variable, ...]
    ) -> None:
        self._system = system
        self._starts = starts
        self._variables = variables

    def commands(self, command: Command) -> Iterator[tuple[Command, Step]]:
        """What becomes of a command: for each combination of regions, where it is sure, where it may be."""
        loose = {p.name: self._whole(p) for p in command.params if p.sampled}
        for given in _given(command):
            yield from self._in_regions(given, loose)

    def _whole(self, param: Param) -> Span:
        """The least and the largest that is given for a parameter, beyond the sample too."""
        kind = param.kind
        if kind.kind == "int" and kind.low is not None and kind.high is not None:
            return kind.low, kind.high
        if kind.kind == "set":
            return 0, self._system.layout.domains.size(kind) - 1
        raise TooLargeError("an argument is sampled that is neither a number nor a set")

    def _in_regions(self, command: Command, loose: Mapping[str, Span]) -> Iterator[tuple[Command, Step]]:
        read = ir.variables(command.guard, *command.updates.values()) & self._starts.keys()
        ways = [[(index, region) for region in range(len(self._starts[index]))] for index in sorted(read)]
        require(prod(map(len, ways)), MAX_COMBINATIONS, "the regions of a command")
        for way in product(*ways):
            regions = dict(way)
            world = _World({i: self._span(i, region) for i, region in way}, loose)
            must, may = world.truth(command.guard)
            here = ir.both(*(self._is_in(i, region) for i, region in way))
            for guard, is_sure in ((must, True), (ir.both(may, ir.no(must)), False)):
                if guard != FALSE:
                    yield from self._made(command, world, ir.both(here, guard), regions, is_sure=is_sure)

    def _span(self, index: int, region: int) -> Span:
        starts = self._starts[index]
        last = starts[region + 1] if region + 1 < len(starts) else self._system.layout.variables[index].size
        return starts[region], last - 1

    def _is_in(self, index: int, region: int) -> Formula:
        return ir.eq(self._variables[index].formula, ir.const(region))

    def _made(
        self, command: Command, world: _World, guard: Formula, regions: Mapping[int, int], *, is_sure: bool
    ) -> Iterator[tuple[Command, Step]]:
        params = [p for p in command.params if not p.sampled]
        updates: dict[int, Formula] = {}
        moves: dict[int, Move] = {}
        for index, formula in command.updates.items():
            if index in self._starts:
                moves[index] = world.move(formula, index)
                codes = self._regions_of(world.span(formula), index)
            elif world.is_exact(formula):
                updates[index] = formula
                continue
            else:
                low, high = world.span(formula) or (0, self._variables[index].size - 1)
                codes = tuple(range(max(low, 0), min(high, self._variables[index].size - 1) + 1))
            if not codes:
                return  # it would leave the range of a number, so it is refused
            if len(codes) == 1:
                updates[index] = ir.const(codes[0])
            else:
                params.append(Param(f"into_{index}", codes, BOOL, None))
                updates[index] = ir.param(f"into_{index}", codes[0], codes[-1])
        require(prod(len(p.codes) for p in params), MAX_COMBINATIONS, "a command of the skeleton")
        same = {i: f for i, f in updates.items() if f != ir.const(regions.get(i, -1))}
        made = replace(command, guard=guard, updates=same, params=tuple(params), faults=(), checks=[])
        yield made, Step(command.index, is_sure, moves)

    def _regions_of(self, span: Span | None, index: int) -> tuple[int, ...]:
        """The regions that a value of some span may lie in."""
        every = range(len(self._starts[index]))
        if span is None:
            return tuple(every)
        spans = [self._span(index, region) for region in every]
        return tuple(
            r for r, (low, high) in zip(every, spans, strict=True) if low <= span[1] and span[0] <= high
        )


def _given(command: Command) -> Iterator[Command]:
    """A command for each choice of what is given, where these are few: who acts picks one of them."""
    picked = [p for p in command.params if not p.sampled]
    if not picked or prod(len(p.codes) for p in picked) > MOST_CHOICES:
        yield command
        return
    lows = [p.kind.low or 0 if p.kind.kind == "int" and p.argument else 0 for p in picked]
    for codes in product(*(p.codes for p in picked)):
        chosen = {p.name: code + low for p, code, low in zip(picked, codes, lows, strict=True)}
        guard = ir.chosen(command.guard, chosen)
        if guard != FALSE:
            updates = {index: ir.chosen(f, chosen) for index, f in command.updates.items()}
            left = tuple(p for p in command.params if p.sampled)
            yield replace(command, guard=guard, updates=updates, params=left)


class _World:
    """What is known while a step is taken: of some numbers and parameters, where they lie."""

    def __init__(self, spans: Mapping[int, Span], loose: Mapping[str, Span]) -> None:
        self._spans = spans
        self._loose = loose

    def is_exact(self, x: Formula) -> bool:
        """Whether a formula reads nothing of which only the region is known."""
        return not (ir.variables(x) & self._spans.keys() or ir.parameters(x) & self._loose.keys())

    def span(self, x: Formula) -> Span | None:
        """The least and the largest value of a formula; None if that is not seen."""
        match x.op:
            case "v":
                return self._spans.get(x.value, (0, x.high))
            case "p" if x.name in self._loose:
                return self._loose[x.name]
            case "+" | "-" | "min" | "max" | "*":
                return _combined(x.op, [self.span(y) for y in x.args])
            case "?":
                must, may = self.truth(x.args[0])
                if must == TRUE or may == FALSE:
                    return self.span(x.args[1 if must == TRUE else 2])
                return _hull([self.span(x.args[1]), self.span(x.args[2])])
            case _:
                return ir.bounds(x)

    def truth(self, x: Formula) -> tuple[Formula, Formula]:
        """When a condition surely holds, and when it may."""
        if self.is_exact(x):
            return x, x
        match x.op:
            case "not":
                must, may = self.truth(x.args[0])
                return ir.no(may), ir.no(must)
            case "and" | "or":
                pairs = [self.truth(y) for y in x.args]
                join = ir.both if x.op == "and" else ir.either
                return join(*(m for m, _ in pairs)), join(*(m for _, m in pairs))
            case "?":
                (sure, maybe), *ways = (self.truth(y) for y in x.args)
                must = ir.either(*(ir.both(c, w[0]) for c, w in zip((sure, ir.no(maybe)), ways, strict=True)))
                may = ir.either(*(ir.both(c, w[1]) for c, w in zip((maybe, ir.no(sure)), ways, strict=True)))
                return must, may
            case "==" | "<" | "<=":
                return self._compared(x)
        return FALSE, TRUE

    def _compared(self, x: Formula) -> tuple[Formula, Formula]:
        a, b = (self.span(y) for y in x.args)
        if a is None or b is None:
            return FALSE, TRUE
        strict = x.op == "<"
        if x.op == "==":
            is_true, is_false = a == b and a[0] == a[1], a[1] < b[0] or b[1] < a[0]
        else:
            is_true = a[1] < b[0] or (not strict and a[1] <= b[0])
            is_false = a[0] > b[1] or (strict and a[0] >= b[1])
        return (TRUE, TRUE) if is_true else (FALSE, FALSE) if is_false else (FALSE, TRUE)

    def move(self, x: Formula, index: int) -> Move:
        """By how much a formula is more than a number was."""
        if x.op in ("+", "-") and x.args[0].op == "v" and x.args[0].value == index:
            by = self.span(x.args[1])
            if by is None:
                return None, None
            return by if x.op == "+" else (-by[1], -by[0])
        after, before = self.span(x), self._spans.get(index)
        if after is None or before is None:
            return None, None
        return after[0] - before[1], after[1] - before[0]


def _combined(op: str, spans: list[Span | None]) -> Span | None:
    known = [s for s in spans if s is not None]
    if len(known) < len(spans):
        return None
    if op in ("min", "max"):
        pick = min if op == "min" else max
        return pick(s[0] for s in known), pick(s[1] for s in known)
    (a, b), (c, d) = known
    if op == "*":
        ends = [a * c, a * d, b * c, b * d]
        return min(ends), max(ends)
    return (a + c, b + d) if op == "+" else (a - d, b - c)


def _hull(spans: Iterable[Span | None]) -> Span | None:
    known = list(spans)
    found = [s for s in known if s is not None]
    if len(found) < len(known):
        return None
    return min(s[0] for s in found), max(s[1] for s in found)
