"""Formulas on columns: what `ir.source` is for one state, for all states of a chunk at once.

Each formula becomes a node of a graph that is shared: what several commands ask is computed once a chunk.
A variable is read as the narrowest unsigned column that holds it, so that a comparison costs a byte a state;
sums and the like are 16-bit integers where their bounds allow it, else 64-bit. What a short circuit keeps
Python from evaluating is evaluated here and thrown away, so nothing may fault: divisors are never 0, shifts
never negative, and a formula whose values could leave 61 bits is refused beforehand (`is_small`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.words import Numbers, Words, byte_of, narrow
from lathe.check.composed import ir
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Variable

Truth = NDArray[np.bool_]
Picked = Mapping[str, int]
"""A value for each parameter of a command."""
NOTHING_PICKED: Picked = {}

_CONDITIONS = frozenset({"==", "<", "<=", "and", "or", "not"})
_LIMIT = 1 << 61
_SHORT_LIMIT = 1 << 15

T = TypeVar("T")


class Frame:
    """Some states, with what was computed of them so far."""

    __slots__ = ("known", "size", "words")

    def __init__(self, words: Words) -> None:
        self.words = words
        self.size = len(words[0])
        self.known: dict[object, object] = {}


class Node(Generic[T]):
    """A formula on columns, computed once a frame if it is `shared`."""

    __slots__ = ("is_shared", "make")

    def __init__(self, make: Callable[[Frame, Picked], T]) -> None:
        self.make = make
        self.is_shared = False

    def __call__(self, frame: Frame, picked: Picked = NOTHING_PICKED) -> T:
        """The values in the states of a frame."""
        if not self.is_shared:
            return self.make(frame, picked)
        found = frame.known.get(self)
        if found is None:
            found = frame.known[self] = self.make(frame, picked)
        return found  # type: ignore[return-value]  # made by this very node


_COMPARED: dict[str, Callable[..., Truth]] = {"==": np.equal, "<": np.less, "<=": np.less_equal}


def _natural(x: Numbers) -> Numbers:
    return np.maximum(x, 0)


def _divided(a: Numbers, b: Numbers) -> Numbers:
    return np.floor_divide(a, np.where(np.equal(b, 0), 1, b))


def _remainder(a: Numbers, b: Numbers) -> Numbers:
    return np.mod(a, np.where(np.equal(b, 0), 1, b))


def _members(x: Numbers) -> Numbers:
    return np.asarray(np.bitwise_count(np.asarray(x, dtype=np.int64)).astype(np.int64))


_COMPUTED: dict[str, Callable[..., Numbers]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "//": _divided,
    "%": _remainder,
    "bit": lambda mask, index: np.right_shift(mask, _natural(index)) & 1,
    "1<<": lambda index: np.left_shift(1, _natural(index)),
    "|": np.bitwise_or,
    "&~": lambda a, b: np.bitwise_and(a, np.invert(b)),
    "#": _members,
    "abs": np.abs,
}


class Columns:
    """Makes nodes of formulas; what is asked for twice is shared, unless it reads a parameter."""

    def __init__(self, variables: Sequence[Variable]) -> None:
        self._variables = variables
        self._bytes: dict[int, Node[NDArray[np.uint8]]] = {}
        self._narrow: dict[int, Node[NDArray[np.unsignedinteger]]] = {}
        self._truths: dict[Formula, Node[Truth]] = {}
        self._numbers: dict[tuple[Formula, bool], Node[Numbers]] = {}

    def truth(self, x: Formula) -> Node[Truth]:
        """The node of a condition."""
        return _once(self._truths, x, x, lambda: Node(self._truth(x)))

    def number(self, x: Formula, *, is_short: bool | None = None) -> Node[Numbers]:
        """The node of a formula's values."""
        short = _is_short(x) if is_short is None else is_short
        return _once(self._numbers, (x, short), x, lambda: Node(self._number(x, is_short=short)))

    def _column(self, index: int) -> Node[NDArray[np.unsignedinteger]]:
        if index not in self._narrow:
            made = self._narrow[index] = Node(self._read(self._variables[index]))
            made.is_shared = True
        return self._narrow[index]

    def _read(self, variable: Variable) -> Callable[[Frame, Picked], NDArray[np.unsignedinteger]]:
        """The codes of a variable; one that lies within a byte is read out of that, which others share."""
        shift = variable.offset % 8
        if not variable.width or shift + variable.width > 8:
            return lambda frame, _: narrow(frame.words, variable)
        byte = self._byte(variable.offset // 8)
        mask, move = np.uint8(variable.mask), np.uint8(shift)
        if not shift:
            return lambda frame, _: np.bitwise_and(byte(frame), mask)
        if shift + variable.width == 8:
            return lambda frame, _: np.right_shift(byte(frame), move)
        return lambda frame, _: np.bitwise_and(np.right_shift(byte(frame), move), mask)

    def _byte(self, index: int) -> Node[NDArray[np.uint8]]:
        if index not in self._bytes:
            made = self._bytes[index] = Node(lambda frame, _: byte_of(frame.words, index))
            made.is_shared = True
        return self._bytes[index]

    def _truth(self, x: Formula) -> Callable[[Frame, Picked], Truth]:
        match x.op:
            case "c":
                return lambda frame, _: np.broadcast_to(np.bool_(x.value), (frame.size,))
            case "v":
                column = self._column(x.value)
                return lambda frame, picked: np.not_equal(column(frame, picked), 0)
            case "not":
                inner = self.truth(x.args[0])
                return lambda frame, picked: np.logical_not(inner(frame, picked))
            case "and" | "or":
                return _folded(np.logical_and if x.op == "and" else np.logical_or, [*map(self.truth, x.args)])
            case "?":
                test, yes, no = map(self.truth, x.args)
                return lambda frame, picked: np.where(
                    test(frame, picked), yes(frame, picked), no(frame, picked)
                )
        if x.op in _COMPARED:
            return self._comparison(x)
        value = self.number(x)
        return lambda frame, picked: _everywhere(np.not_equal(value(frame, picked), 0), frame)

    def _comparison(self, x: Formula) -> Callable[[Frame, Picked], Truth]:
        compare, (a, b) = _COMPARED[x.op], x.args
        if a.op == "v" and ir.is_const(b) and 0 <= b.value <= a.high:
            column, value = self._column(a.value), b.value
            return lambda frame, picked: compare(column(frame, picked), value)
        if ir.is_const(a) and b.op == "v" and 0 <= a.value <= b.high:
            column, value = self._column(b.value), a.value
            return lambda frame, picked: compare(value, column(frame, picked))
        if a.op == "v" and b.op == "v":
            left, right = self._column(a.value), self._column(b.value)
            return lambda frame, picked: compare(left(frame, picked), right(frame, picked))
        short = _is_short(a) and _is_short(b)
        first, second = self.number(a, is_short=short), self.number(b, is_short=short)
        return lambda frame, picked: _everywhere(
            np.asarray(compare(first(frame, picked), second(frame, picked))), frame
        )

    def _number(self, x: Formula, *, is_short: bool) -> Callable[[Frame, Picked], Numbers]:
        kind: type[np.int16 | np.int64] = np.int16 if is_short else np.int64
        match x.op:
            case "c":
                fixed: Numbers = np.asarray(x.value).astype(kind)
                return lambda frame, picked: fixed
            case "p":
                return lambda frame, picked: np.asarray(picked[x.name], dtype=kind)
            case "v":
                column = self._column(x.value)
                return lambda frame, picked: np.asarray(column(frame, picked), dtype=kind)
            case "?":
                test = self.truth(x.args[0])
                yes, no = (self.number(y, is_short=is_short) for y in x.args[1:])
                return lambda frame, picked: np.asarray(
                    np.where(test(frame, picked), yes(frame, picked), no(frame, picked)), dtype=kind
                )
        if x.op in _CONDITIONS:
            condition = self.truth(x)
            return lambda frame, picked: np.asarray(condition(frame, picked), dtype=kind)
        parts = [self.number(y, is_short=is_short) for y in x.args]
        if x.op in ("min", "max"):
            return _folded(np.minimum if x.op == "min" else np.maximum, parts)
        compute = _COMPUTED[x.op]
        return lambda frame, picked: compute(*(part(frame, picked) for part in parts))


K = TypeVar("K")


def _once(known: dict[K, Node[T]], key: K, x: Formula, make: Callable[[], Node[T]]) -> Node[T]:
    found = known.get(key)
    if found is None:
        known[key] = made = make()
        return made
    if not found.is_shared and not ir.parameters(x):
        found.is_shared = True
    return found


def _folded(combine: Callable[..., T], parts: Sequence[Node[T]]) -> Callable[[Frame, Picked], T]:
    first, *others = parts

    def fold(frame: Frame, picked: Picked) -> T:
        result = first(frame, picked)
        for other in others:
            result = combine(result, other(frame, picked))
        return result

    return fold


def _everywhere(truth: Truth, frame: Frame) -> Truth:
    return truth if truth.ndim else np.broadcast_to(truth, (frame.size,))


def evaluate(formulas: Sequence[Formula], variables: Sequence[Variable]) -> Callable[[Words], list[Truth]]:
    """A function that tells of each condition in which states it holds."""
    columns = Columns(variables)
    nodes = [columns.truth(f) for f in formulas]

    def evaluated(words: Words) -> list[Truth]:
        frame = Frame(words)
        return [node(frame) for node in nodes]

    return evaluated


def _is_short(x: Formula) -> bool:
    """Whether 16-bit arithmetic is enough for every value that turns up on the way."""
    return _reach(x, _SHORT_LIMIT) is not None


def is_small(x: Formula) -> bool:
    """Whether every value that turns up on the way fits a 64-bit integer, with room to spare."""
    return _reach(x, _LIMIT) is not None


def _reach(x: Formula, limit: int) -> tuple[int, int] | None:
    """The least and the largest value; None if it, or anything below it, may be too large."""
    match x.op:
        case "c":
            found: tuple[int, int] = (x.value, x.value)
        case "v":
            found = (0, x.high)
        case "p":
            found = (x.value, x.high)
        case _:
            below = [_reach(y, limit) for y in x.args]
            parts = [b for b in below if b is not None]
            if len(parts) < len(below):
                return None
            found = _combined(x.op, parts)
    return found if found[0] > -limit and found[1] < limit else None


def _combined(op: str, parts: list[tuple[int, int]]) -> tuple[int, int]:
    first, last = parts[0], parts[-1]
    hull = (min(low for low, _ in parts), max(high for _, high in parts))
    match op:
        case "+":
            return (first[0] + last[0], first[1] + last[1])
        case "-":
            return (first[0] - last[1], first[1] - last[0])
        case "*":
            corners = [a * b for a in first for b in last]
            return (min(corners), max(corners))
        case "//" | "%" | "abs" | "min" | "max" | "&~":
            largest = max(abs(hull[0]), abs(hull[1]))
            return (-largest, largest)
        case "?":
            return (min(first[0], last[0], parts[1][0]), max(parts[1][1], last[1]))
        case "|":
            return (0, (1 << max(hull[1], 0).bit_length()) - 1)
        case "1<<":
            return (0, 1 << min(max(first[1], 0), 100))
        case "#":
            return (0, 64)
        case _:
            return (0, 1)
