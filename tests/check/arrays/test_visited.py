"""What was met is met exactly: over ranges that are cut, keys that are shared, a filter that grows."""

from __future__ import annotations

import numpy as np
import pytest

from lathe.check.arrays import visited
from lathe.check.arrays.directory import Directory
from lathe.check.arrays.visited import Key, Recent, Visited, as_run, distinct, first_word, key_of, ordered
from lathe.check.arrays.words import Column, Words

SEED = 7


def crowded(words: Words) -> Column:
    """A key that many states share."""
    return np.asarray(key_of(words) & np.uint64(7))


def batches(word_count: int) -> list[Words]:
    """Batches of states that repeat one another."""
    random = np.random.default_rng(SEED)
    return [
        tuple(random.integers(0, 40, 500, dtype=np.uint64) << np.uint64(20) for _ in range(word_count))
        for _ in range(12)
    ]


@pytest.mark.parametrize("key", [key_of, crowded])
@pytest.mark.parametrize("word_count", [1, 2, 3])
def test_each_state_is_fresh_once(word_count: int, key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visited, "RANGE_STATES", 64)
    met, known = Visited(), set[tuple[int, ...]]()
    for first, second in zip(batches(word_count)[::2], batches(word_count)[1::2], strict=True):
        fresh = met.take([distinct(as_run(words, key)) for words in (first, second)])
        states = {*zip(*(w.tolist() for w in first), strict=True)} | {
            *zip(*(w.tolist() for w in second), strict=True)
        }
        found = list(zip(*(w.tolist() for w in fresh), strict=True)) if fresh else []
        assert len(found) == len(set(found))
        assert set(found) == states - known
        assert fresh is None or (np.diff(key(fresh).astype(np.float64)) >= 0).all()
        known |= states


@pytest.mark.parametrize("key", [key_of, crowded])
@pytest.mark.parametrize("word_count", [1, 2, 3])
def test_what_was_put_by_comes_back_once_without_what_was_met_since(
    word_count: int, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visited, "RANGE_STATES", 64)
    met, known = Visited(), set[tuple[int, ...]]()
    listed = [distinct(as_run(words, key)) for words in batches(word_count)]
    states = [set(zip(*(w.tolist() for w in run.words), strict=True)) for run in listed]
    for i in range(0, len(listed), 3):
        met.put_by([listed[i]])
        met.put_by(listed[i + 1 : i + 2])
        between = met.take([listed[i + 2]])
        since = set(zip(*(w.tolist() for w in between), strict=True)) if between else set()
        assert since == states[i + 2] - known
        known |= since
        back = met.take_back()
        found = list(zip(*(w.tolist() for w in back), strict=True)) if back else []
        assert len(found) == len(set(found))
        assert set(found) == (states[i] | states[i + 1]) - known
        assert back is None or (np.diff(key(back).astype(np.float64)) >= 0).all()
        known |= set(found)
    assert met.take_back() is None


def test_what_waits_is_not_kept_twice() -> None:
    met = Visited()
    for _ in range(50):
        met.put_by([distinct(as_run(words)) for words in batches(2)])
    waiting = sum(len(run) for r in met._ranges for run in r.waiting)
    whole = tuple(np.concatenate(parts) for parts in zip(*batches(2), strict=True))
    assert waiting < 2 * len(distinct(as_run(whole)))


@pytest.mark.parametrize("word_count", [1, 2, 3])
def test_a_key_gives_the_first_word_again(word_count: int) -> None:
    random = np.random.default_rng(SEED)
    words = tuple(
        random.integers(0, 1 << 63, 500, dtype=np.uint64) << np.uint64(1) for _ in range(word_count)
    )
    assert np.array_equal(first_word(key_of(words), words[1:]), words[0])


def test_keys_that_differ_in_their_last_bits_alone_are_ordered_too() -> None:
    keys = np.random.default_rng(SEED).permutation(5_000).astype(np.uint64) | np.uint64(1 << 40)
    assert np.array_equal(keys[ordered(keys)], np.sort(keys))
    spread = keys << np.uint64(23)
    assert np.array_equal(spread[ordered(spread)], np.sort(spread))


@pytest.mark.parametrize("word_count", [1, 2])
def test_the_filter_drops_nothing_that_it_did_not_let_through(word_count: int) -> None:
    recent, known = Recent(word_count, 6), set[tuple[int, ...]]()
    for number, words in enumerate(batches(word_count)):
        if number == 6:
            recent = recent.grown(9)
        passed = set(zip(*(w.tolist() for w in recent.fresh(words)), strict=True))
        assert {*zip(*(w.tolist() for w in words), strict=True)} - passed <= known
        known |= passed
    zero = tuple(np.zeros(1, dtype=np.uint64) for _ in range(word_count))
    assert len(Recent(word_count, 6).fresh(zero)[0]) == 1


@pytest.mark.parametrize("key", [key_of, crowded])
@pytest.mark.parametrize("word_count", [1, 2])
def test_a_directory_finds_what_is_there_and_nothing_else(word_count: int, key: Key) -> None:
    first, *others = batches(word_count)
    run = distinct(as_run(first, key))
    directory = Directory(run)
    for words in (run.words, *others):
        keys = key(words)
        assert np.array_equal(directory.positions(words, keys), run.positions(run.rest_of(words), keys))
    lone = distinct(as_run(tuple(word[:0] for word in first), key))
    assert (Directory(lone).positions(first, key(first)) == -1).all()
