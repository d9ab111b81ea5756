"""Questions about a large finished graph, asked of all its states at once.

Each answers as the function of the same name does for small graphs (`search`, `progress`, `liveness`,
`outlive`); the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.blocks import Seats
from lathe.check.arrays.formula import evaluate, is_small
from lathe.check.arrays.graph import CHUNK, ArrayGraph, Edges
from lathe.check.arrays.visited import mixed
from lathe.check.arrays.words import PackedStates, Words, chosen
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.layout import WORD_BITS, Layout, Variable
from lathe.check.search.graph import Graph, look

Masks = NDArray[np.uint64]


class Stepped(Protocol):
    """Nodes by number, and the steps between them."""

    @property
    def count(self) -> int: ...
    @property
    def edges(self) -> Edges: ...


Edge = tuple[int, int]

_ONE = np.uint64(1)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _chunks(words: Words, since: int = 0) -> Iterator[tuple[int, Words]]:
    for start in range(since, len(words[0]), CHUNK):
        yield start, chosen(words, slice(start, start + CHUNK))


def first_where(
    layout: Layout, states: PackedStates, conditions: Sequence[Formula], since: int = 0
) -> dict[int, int]:
    """For each condition that is ever true, the number of the first state in which it is."""
    left = {number: c for number, c in enumerate(conditions) if c != FALSE}
    assert all(map(is_small, left.values())), "what is asked of states fits 64 bits"
    found: dict[int, int] = {}
    look = evaluate(list(left.values()), layout.variables)
    names = list(left)
    for start, part in _chunks(states.words, since):
        for number, truth in zip(names, look(part), strict=True):
            if number not in found and truth.any():
                found[number] = start + int(truth.argmax())
        if len(found) == len(names):
            break
    return found


def masks_where(layout: Layout, states: PackedStates, conditions: Sequence[Formula]) -> Masks:
    """For each state, a mask of the conditions that are true in it: at most 64."""
    wanted = [(number, c) for number, c in enumerate(conditions) if c != FALSE]
    masks = np.zeros(len(states), dtype=np.uint64)
    look = evaluate([c for _, c in wanted], layout.variables)
    for start, part in _chunks(states.words):
        for (number, _), truth in zip(wanted, look(part), strict=True):
            masks[start : start + CHUNK] |= truth.astype(np.uint64) << np.uint64(number)
    return masks


def distinct(graph: Graph, mask: int) -> list[int]:
    """The states with nothing but some of their bits, each once, in order."""
    words = columns_of(graph)
    parts = [mask >> (WORD_BITS * i) & ((1 << WORD_BITS) - 1) for i in range(len(words))]
    kept = np.stack([word & np.uint64(part) for word, part in zip(words, parts, strict=True)], axis=1)
    return sorted(PackedStates(tuple(np.unique(kept, axis=0).T)))


def columns_of(graph: Graph) -> Words:
    """The states of a graph of this tier."""
    return arrays_of(graph).words


def arrays_of(graph: Graph) -> ArrayGraph:
    """The graph itself, which is one of this tier."""
    assert isinstance(graph, ArrayGraph), "small graphs are judged without arrays"
    return graph


def fingerprint(words: Words) -> int:
    """The sum of `coverage.fingerprint`, word by word; a state ends with its last word that is not 0."""
    total = 0
    for _, part in _chunks(words):
        value = np.full(len(part[0]), _GOLDEN)
        for number, word in enumerate(part):
            rest = np.zeros(len(word), dtype=np.bool_)
            for later in part[number:]:
                rest |= later != 0
            stirred = mixed(value ^ word)
            value = np.where(rest | (number == 0), stirred, value)
        total += int(value.sum(dtype=np.uint64))
    return total & (1 << 64) - 1


def or_all(graph: ArrayGraph, masks: Sequence[int]) -> Masks:
    """For each state, what the masks of its steps' commands make together."""
    return _gathered(graph, np.array(masks, dtype=np.uint64)[graph.edges.labels])


def _gathered(graph: ArrayGraph, values: Masks) -> Masks:
    """The union over each state's steps of a value for each step."""
    return union(values, graph.edges.first[:-1], graph.edges.first[1:])


def union(values: Masks, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Masks:
    """Unions over slices that follow one another; an empty one gives 0."""
    result = np.zeros(len(starts), dtype=np.uint64)
    some = ends > starts
    if some.any():
        offset = int(starts[0])
        result[some] = np.bitwise_or.reduceat(values, starts[some] - offset)
    return result


def spread(graph: ArrayGraph, good: Masks, allowed: Sequence[bool] | bytes | None) -> Masks:
    """Which bits can be reached from each state, along the allowed commands.

    Swept from the last states to the first, chunk by chunk, until a sweep changes nothing: most steps
    lead on, so a few sweeps do.
    """
    good = good.copy()
    first, targets, labels = graph.edges.first, graph.edges.targets, graph.edges.labels
    kept = None if allowed is None else np.frombuffer(bytes(allowed), dtype=np.uint8).astype(np.bool_)[labels]
    changed = True
    while changed:
        changed = False
        for start in reversed(range(0, graph.count, CHUNK)):
            look(graph)
            end = min(start + CHUNK, graph.count)
            span = slice(int(first[start]), int(first[end]))
            values = good[targets[span]]
            if graph.edges.seats is not None:
                values = followed(values, graph.edges.seats[:, span])
            if kept is not None:
                values = np.where(kept[span], values, np.uint64(0))
            reached = good[start:end] | union(values, first[start:end], first[start + 1 : end + 1])
            if not np.array_equal(reached, good[start:end]):
                good[start:end] = reached
                changed = True
    return good


def followed(masks: Masks, seats: Seats) -> Masks:
    """Masks of slots where steps lead to, as masks of the slots that they were in before."""
    found = np.zeros(len(masks), dtype=np.uint64)
    for number, row in enumerate(seats):
        found |= (masks >> row.astype(np.uint64) & _ONE) << np.uint64(number)
    return found


def along(graph: ArrayGraph, allowed: Sequence[bool] | bytes) -> dict[int, list[Edge]]:
    """The allowed steps that may be part of a round, by the state that they are taken in."""
    kept = np.frombuffer(bytes(allowed), dtype=np.uint8).astype(np.bool_)[graph.edges.labels]
    rows = np.flatnonzero(kept)
    origin, targets = origins(graph)[rows], graph.edges.targets[rows]
    while len(rows):
        has_way_in = np.zeros(graph.count, dtype=np.bool_)
        has_way_on = np.zeros(graph.count, dtype=np.bool_)
        has_way_in[targets] = True
        has_way_on[origin] = True
        inside = has_way_in[origin] & has_way_on[targets]
        if inside.all():
            break
        rows, origin, targets = rows[inside], origin[inside], targets[inside]
    found: dict[int, list[Edge]] = {}
    for here, label, there in zip(
        origin.tolist(), graph.edges.labels[rows].tolist(), targets.tolist(), strict=True
    ):
        found.setdefault(here, []).append((label, there))
        found.setdefault(there, [])
    return found


def origins(graph: Stepped) -> NDArray[np.int32]:
    """For each step, the state that it is taken in."""
    return np.repeat(np.arange(graph.count, dtype=np.int32), np.diff(graph.edges.first))


def first_steps(
    graph: ArrayGraph, layout: Layout, label: int, conditions: Sequence[Formula]
) -> list[Edge | None]:
    """For each condition, the first state in which it holds and a command is taken, and where to."""
    rows = np.flatnonzero(graph.edges.labels == label)
    origin = np.searchsorted(graph.edges.first, rows, side="right") - 1
    found: list[Edge | None] = []
    truths = evaluate(list(conditions), layout.variables)(chosen(graph.words, origin)) if len(rows) else []
    for truth in truths:
        at = int(truth.argmax())
        found.append((int(origin[at]), int(graph.edges.targets[rows[at]])) if truth.any() else None)
    return found or [None] * len(conditions)


def codes_of(graph: Graph, variable: Variable, where: tuple[Variable, set[int]]) -> set[int]:
    """The codes of a number in all states in which another variable has one of some codes."""
    seen: set[int] = set()
    state, wanted = where[0], np.array(sorted(where[1]), dtype=np.uint64)
    for _, part in _chunks(columns_of(graph)):
        here, there = (_codes(part, v) for v in (state, variable))
        seen.update(np.unique(there[np.isin(here, wanted)]).tolist())
    return seen


def _codes(words: Words, variable: Variable) -> Masks:
    """One variable of each state; it lies within a word."""
    word, bit = divmod(variable.offset, WORD_BITS)
    return words[word] >> np.uint64(bit) & np.uint64(variable.mask)
