"""Breadth first over sorted arrays: each level is expanded in chunks, deduplicated, and taken in.

A level begins with the states that committed steps lead to; what happens between steps costs nothing,
so it is followed within the level, wave by wave, as tier 0 does. Chunks may be expanded by several
threads (numpy lets go of the interpreter's lock); what they find is put together in their order, so
levels, verdicts and traces do not depend on how many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field

import numpy as np

from lathe.check.arrays.expand import Expand, Found, Model, evaluate, make_expand
from lathe.check.arrays.graph import CHUNK, ArrayGraph, Wave
from lathe.check.arrays.seating import Seating
from lathe.check.arrays.visited import Key, Recent, Visited, distinct, key_of
from lathe.check.arrays.words import Words, chosen, columns, joined
from lathe.check.graph import ALARM_AT, Ending, Limits
from lathe.frozen import mutable

Parts = list[Words]


@mutable
class _Search:
    """A search under way."""

    model: Model
    limits: Limits
    expand: Expand
    key: Key
    seating: Seating | None
    mapped: Callable[[Callable[[Words], _Chunk], Iterable[Words]], Iterator[_Chunk]]
    weights: list[bool]
    visited: Visited
    live: bytearray
    recent: list[tuple[Recent, Recent]] = field(default_factory=list)
    found: Parts = field(default_factory=list)
    waves: list[Wave] = field(default_factory=list)
    taken: Counter[int] = field(default_factory=Counter)
    count: int = 0
    hits: dict[int, int] = field(default_factory=dict)
    ended_by: Ending = ""


@mutable
class _Chunk:
    """What came of one chunk: distinct successors by weight, the steps of each command, what was met."""

    between: Words
    committed: Words
    taken: Counter[int]
    hits: tuple[tuple[int, int], ...]


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
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            return _explore(_begin(model, limits, key, seating, pool.map), initial)
    return _explore(_begin(model, limits, key, seating, map), initial)


def _begin(
    model: Model,
    limits: Limits,
    key: Key,
    seating: Seating | None,
    mapped: Callable[..., Iterator[_Chunk]],
) -> _Search:
    return _Search(
        model=model,
        limits=limits,
        expand=make_expand(model),
        key=key,
        seating=seating,
        mapped=mapped,
        weights=[c.is_committed for c in model.commands],
        visited=Visited(model.word_count, key),
        live=bytearray(b"\1" * len(model.watched)),
    )


def _explore(search: _Search, initial: Sequence[int]) -> ArrayGraph:
    alarm = _Alarm(search.model, search.limits)
    try:
        level, start = 0, columns(dict.fromkeys(initial), search.model.word_count)
        wave = _representatives(search, [start])
        while len(wave[0]) and not search.ended_by:
            pending: Parts = []
            is_first = True
            while len(wave[0]) and not search.ended_by:
                _take_in(search, wave, level, is_first=is_first)
                search.ended_by = "found" if alarm(search) else ""
                between = _expanded(search, wave, pending)
                wave = search.visited.fresh(_together(search, between))
                is_first = False
            wave = search.visited.fresh(_together(search, pending))
            level += 1
    except KeyboardInterrupt:
        search.ended_by = "interrupt"
    return _graph(search)


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
        return bool(search.hits) or any(c.any() for wave in search.found[since:] for c in self._look(wave))


def _take_in(search: _Search, wave: Words, level: int, *, is_first: bool) -> None:
    search.visited.add(wave)
    search.waves.append(Wave(search.count, search.count + len(wave[0]), level, is_first))
    search.found.append(wave)
    search.count += len(wave[0])


def _together(search: _Search, parts: Parts) -> Words:
    return distinct(joined(parts, search.model.word_count), search.key)


def _representatives(search: _Search, parts: Parts) -> Words:
    """Those of some states that stand for all of them."""
    words = joined(parts, search.model.word_count)
    return distinct(search.seating(words) if search.seating else words, search.key)


def _expanded(search: _Search, wave: Words, pending: Parts) -> Parts:
    """Expand a wave chunk by chunk; tells what follows within the level, adds what begins the next."""
    between: Parts = []
    begin = search.waves[-1].start
    chunks = [chosen(wave, slice(i, i + CHUNK)) for i in range(0, len(wave[0]), CHUNK)]
    for number, chunk in enumerate(search.mapped(lambda part: _one(search, part), chunks)):
        search.taken.update(chunk.taken)
        for watch, position in chunk.hits:
            if search.live[watch]:
                search.live[watch] = 0
                search.hits[watch] = begin + number * CHUNK + position
        between.append(chunk.between)
        pending.append(chunk.committed)
        search.ended_by = search.ended_by or _exceeded(search)
        if search.ended_by and search.ended_by != "found":
            break
    return between


def _exceeded(search: _Search) -> Ending:
    if search.limits.clock() > search.limits.stop_at:
        return "seconds"
    return "states" if search.count > search.limits.states else ""


def _one(search: _Search, part: Words) -> _Chunk:
    found: Found = search.expand(part, bytearray(search.live))
    recent = _borrowed(search)
    by_weight: tuple[Parts, Parts] = ([], [])
    for number, _, _, words in found.batches:
        weight = search.weights[number]
        by_weight[weight].append(recent[weight].fresh(words))
    search.recent.append(recent)
    taken: Counter[int] = Counter()
    for number, _, _, words in found.batches:
        taken[number] += len(words[0])
    between, committed = (_representatives(search, parts) for parts in by_weight)
    return _Chunk(between, committed, taken, found.hits)


def _borrowed(search: _Search) -> tuple[Recent, Recent]:
    """A pair of filters, one for each weight, that no other thread uses meanwhile."""
    try:
        return search.recent.pop()
    except IndexError:
        return Recent(search.model.word_count), Recent(search.model.word_count)


def _emptied(found: Parts, count: int, word_count: int) -> Words:
    """All waves as columns; each is let go as soon as it is copied, so that both are never there whole."""
    columns = tuple(np.empty(count, dtype=np.uint64) for _ in range(word_count))
    end = count
    while found:
        wave = found.pop()
        start = end - len(wave[0])
        for column, word in zip(columns, wave, strict=True):
            column[start:end] = word
        end = start
    return columns


def _graph(search: _Search) -> ArrayGraph:
    return ArrayGraph(
        words=_emptied(search.found, search.count, search.model.word_count),
        waves=search.waves,
        expand=search.expand,
        weights=np.array(search.weights, dtype=np.bool_),
        watch_count=len(search.model.watched),
        taken={label: count for label, count in sorted(search.taken.items()) if count},
        visited=search.visited.whole(),
        key=search.key,
        seating=search.seating,
        hits=search.hits,
        ended_by=search.ended_by,
    )
