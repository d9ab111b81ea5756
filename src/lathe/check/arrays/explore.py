"""Breadth first over sorted arrays: each level is expanded in chunks, deduplicated, and taken in.

A level begins with the states that committed steps lead to; what happens between steps costs nothing,
so it is followed within the level, wave by wave, as tier 0 does. Chunks may be expanded by several
threads (numpy lets go of the interpreter's lock); what they find is put together in their order, so
levels, verdicts and traces do not depend on how many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field

import numpy as np

from lathe.check.arrays.expand import Expansion, Model, Rows
from lathe.check.arrays.formula import Frame, evaluate
from lathe.check.arrays.graph import CHUNK, ArrayGraph, Wave
from lathe.check.arrays.seating import Seating
from lathe.check.arrays.visited import (
    Key,
    Mapped,
    Recent,
    Run,
    Visited,
    as_run,
    distinct,
    key_of,
    one_by_one,
)
from lathe.check.arrays.words import Words, chosen, columns, joined
from lathe.check.search.graph import ALARM_AT, Ending, Limits
from lathe.frozen import mutable

Parts = list[Words]

SIFTED_STATES = 1 << 13
"""Successors that go through the filter at once, at the least."""

PENDING_STATES, PENDING_PART = 1 << 20, 2
"""So many successors, or such a part of what was found, wait as they came for the next level."""


@mutable
class _Search:
    """A search under way."""

    model: Model
    limits: Limits
    expansion: Expansion
    key: Key
    seating: Seating | None
    mapped: Mapped
    weights: list[bool]
    visited: Visited
    live: bytearray
    recent: list[tuple[_Sieve, _Sieve]] = field(default_factory=list)
    found: Parts = field(default_factory=list)
    waves: list[Wave] = field(default_factory=list)
    taken: Counter[int] = field(default_factory=Counter)
    count: int = 0
    hits: dict[int, int] = field(default_factory=dict)
    ended_by: Ending = ""


@mutable
class _Chunk:
    """What came of one chunk: distinct successors by weight, the steps of each command, what was met."""

    between: Run
    committed: Run
    taken: dict[int, int]
    hits: list[tuple[int, int]]


class _Sieve:
    """Gathers successors, and lets those through the filter that it does not remember."""

    LEAST_BITS, MOST_BITS = 18, 21  # of a state of one word; longer ones are fewer in as much memory

    def __init__(self, word_count: int) -> None:
        self._word_count = word_count
        self._recent: Recent | None = None
        self._bits = self.LEAST_BITS
        self._waiting: Parts = []
        self._waiting_count = 0
        self._passed: Parts = []

    def fit(self, count: int) -> None:
        """Remember as many states as were found, within bounds."""
        bits = min(count.bit_length(), self.MOST_BITS - (self._word_count - 1).bit_length())
        if bits > self._bits:
            self._bits = bits
            self._recent = self._recent.grown(bits) if self._recent else None

    def add(self, words: Words) -> None:
        """Take some successors."""
        self._waiting.append(words)
        self._waiting_count += len(words[0])
        if self._waiting_count >= SIFTED_STATES:
            self._sift()

    def emptied(self) -> Words:
        """What was let through since the last time."""
        if self._waiting:
            self._sift()
        passed, self._passed = self._passed, []
        return joined(passed, self._word_count)

    def _sift(self) -> None:
        words = joined(self._waiting, self._word_count)
        self._waiting, self._waiting_count = [], 0
        if self._recent is None:
            self._recent = Recent(self._word_count, self._bits)
        self._passed.append(self._recent.fresh(words) if self._recent.is_useful else words)


def explore(
    model: Model,
    initial: Sequence[int],
    limits: Limits,
    *,
    threads: int = 1,
    key: Key = key_of,
    seating: Seating | None = None,
) -> ArrayGraph:
    """Every state of a model that can be reached, as far as the limits let it."""
    with _mapping(threads) as mapped:
        search = _Search(
            model=model,
            limits=limits,
            expansion=Expansion(model),
            key=key,
            seating=seating,
            mapped=mapped,
            weights=[c.is_committed for c in model.commands],
            visited=Visited(mapped),
            live=bytearray(b"\1" * len(model.watched)),
        )
        try:
            _explore(search, initial)
        except KeyboardInterrupt:
            search.ended_by = "interrupt"
        return _graph(search)


@contextmanager
def _mapping(threads: int) -> Iterator[Mapped]:
    if threads < 2:
        yield one_by_one
        return
    from concurrent.futures import ThreadPoolExecutor  # only here: one thread starts without it

    with ThreadPoolExecutor(threads) as pool:
        yield pool.map


def _explore(search: _Search, initial: Sequence[int]) -> None:
    """Level after level, until nothing is new or a limit is reached."""
    alarm = _Alarm(search.model, search.limits)
    level, start = 0, columns(dict.fromkeys(initial), search.model.word_count)
    start = search.seating(start) if search.seating else start
    search.visited.put_by([distinct(as_run(start, search.key))])
    while (wave := search.visited.take_back()) is not None:
        pending: list[Run] = []
        is_first = True
        while wave is not None:
            _take_in(search, wave, level, is_first=is_first)
            search.ended_by = "found" if alarm(search) else ""
            between = _expanded(search, wave, pending)
            if search.ended_by:
                return
            wave = search.visited.take(between)
            is_first = False
        search.visited.put_by(pending, mapped=search.mapped)
        level += 1


class _Alarm:
    """Tells of a large search whether something is wrong already, so that it can end with it."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._is_on = limits.alarm is not None
        self._look = evaluate(list(limits.alarm or ()), model.variables)
        self._seen = 0

    def __call__(self, search: _Search) -> bool:
        if not self._is_on or search.count < ALARM_AT:
            return False
        since, self._seen = self._seen, len(search.found)
        if search.hits:
            return True
        parts = (part for wave in search.found[since:] for part in _chunks(wave))
        return any(condition.any() for part in parts for condition in self._look(part))


def _take_in(search: _Search, wave: Words, level: int, *, is_first: bool) -> None:
    search.waves.append(Wave(search.count, search.count + len(wave[0]), level, is_first))
    search.found.append(wave)
    search.count += len(wave[0])


def _chunks(wave: Words) -> Iterator[Words]:
    return (chosen(wave, slice(start, start + CHUNK)) for start in range(0, len(wave[0]), CHUNK))


def _expanded(search: _Search, wave: Words, pending: list[Run]) -> list[Run]:
    """Expand a wave chunk by chunk; tells what follows within the level, adds what begins the next."""
    between: list[Run] = []
    begin = search.waves[-1].start
    for number, chunk in enumerate(search.mapped(lambda part: _one(search, part), _chunks(wave))):
        search.taken.update(chunk.taken)
        for watch, position in chunk.hits:
            if search.live[watch]:
                search.live[watch] = 0
                search.hits[watch] = begin + number * CHUNK + position
        between.append(chunk.between)
        pending.append(chunk.committed)
        if sum(map(len, pending)) > max(PENDING_STATES, search.count // PENDING_PART):
            search.visited.put_by(pending)  # by this thread alone: the others are at work on more
            pending.clear()
        search.ended_by = search.ended_by or _exceeded(search)
        if search.ended_by and search.ended_by != "found":
            break
    return between


def _exceeded(search: _Search) -> Ending:
    if search.limits.clock() > search.limits.stop_at:
        return "seconds"
    return "states" if search.count > search.limits.states else ""


def _one(search: _Search, part: Words) -> _Chunk:
    frame = Frame(part)
    hits = list(search.expansion.hits(frame, bytearray(search.live)))
    sieves = _borrowed(search)
    weights = search.weights

    for sieve in sieves:
        sieve.fit(search.count)

    def emit(index: int, rows: Rows, words: Words) -> None:
        sieves[weights[index]].add(words)

    taken = search.expansion.take(frame, emit, skips_idle=True)
    between, committed = (_distinct(search, sieve.emptied()) for sieve in sieves)
    search.recent.append(sieves)
    return _Chunk(between, committed, taken, hits)


def _borrowed(search: _Search) -> tuple[_Sieve, _Sieve]:
    """A pair of sieves, one for each weight, that no other thread uses meanwhile."""
    try:
        return search.recent.pop()
    except IndexError:
        return _Sieve(search.model.word_count), _Sieve(search.model.word_count)


def _distinct(search: _Search, words: Words) -> Run:
    run = distinct(as_run(words, search.key))
    return distinct(as_run(search.seating(run.words), search.key)) if search.seating else run


def _emptied(found: Parts, count: int, word_count: int) -> Words:
    """All waves as columns; each part is let go as soon as it is copied: never is much there twice."""
    parts = [[wave[i] for wave in found] for i in range(word_count)]
    found.clear()
    columns = []
    while parts:
        column, end = np.empty(count, dtype=np.uint64), count
        last = parts.pop()
        while last:
            part = last.pop()
            start = end - len(part)
            column[start:end] = part
            end = start
        columns.append(column)
    return tuple(columns[::-1])


def _graph(search: _Search) -> ArrayGraph:
    search.visited = Visited()  # what it held is not needed any more
    search.recent.clear()
    return ArrayGraph(
        words=_emptied(search.found, search.count, search.model.word_count),
        waves=search.waves,
        expansion=search.expansion,
        weights=np.array(search.weights, dtype=np.bool_),
        taken={label: count for label, count in sorted(search.taken.items()) if count},
        key=search.key,
        seating=search.seating,
        hits=search.hits,
        ended_by=search.ended_by,
    )
