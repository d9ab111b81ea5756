"""What a process keeps in memory, and what it does not believe."""

from __future__ import annotations

import pytest

from lathe.machine.snapshot import Entity
from lathe.runtime.cache import Cache
from lathe.runtime.plan import Held, Planned
from lathe.store.records import Answer, Write

KEY = ("main", "shop", "Order#1")


def held(revision: int) -> Held:
    entity = Entity("Order#1", "Order", "open", {}, {}, 1, revision, (), 0)
    return Held(entity, revision, b"%d" % revision, 0, 0)


def a_write(revision: int) -> Planned:
    write = Write(
        tenant="main", app="shop", digest="", epoch=1, entities=(), entries=(),
        bases=(("Order#1", b"%d" % (revision - 1)),),
    )  # fmt: skip
    return Planned(write, {"Order#1": held(revision)})


def committed(cache: Cache, revision: int) -> None:
    """A write that is queued and accepted, decided on what came before it."""
    planned = a_write(revision)
    cache.queue(planned, {"Order#1": held(revision - 1) if revision > 1 else None})
    cache.settle(planned.write, Answer("accepted"))


def test_a_read_is_kept() -> None:
    cache = Cache()
    with cache.reading(KEY) as learn:
        learn(held(3))
    assert cache.committed(KEY) == held(3)


def test_a_read_that_began_before_a_commit_is_not_kept_after_it() -> None:
    cache = Cache()
    with cache.reading(KEY) as learn:
        committed(cache, 4)
        learn(held(3))
    assert cache.committed(KEY) == held(4)


def test_that_there_was_nobody_is_not_kept_once_there_is_somebody() -> None:
    cache = Cache()
    with cache.reading(KEY) as learn:
        committed(cache, 1)
        learn(None)
    assert cache.committed(KEY) == held(1)


def test_a_read_is_overtaken_though_nothing_is_known_any_more() -> None:
    cache = Cache()
    with cache.reading(KEY) as learn:
        committed(cache, 4)
        cache.forget([KEY])
        learn(held(3))
    assert KEY not in cache


def test_a_read_is_overtaken_by_a_write_of_which_nobody_knows() -> None:
    cache = Cache()
    planned = a_write(4)
    with cache.reading(KEY) as learn:
        cache.queue(planned, {"Order#1": held(3)})
        cache.settle(planned.write, None)
        learn(held(3))
    assert KEY not in cache


def test_a_read_is_overtaken_by_another_version_of_the_app() -> None:
    cache = Cache()
    with cache.reading(KEY) as learn:
        cache.forget_app("main", "shop")
        learn(held(3))
    assert KEY not in cache


def test_a_read_that_begins_later_is_kept() -> None:
    cache = Cache()
    with cache.reading(KEY) as old:
        cache.forget_app("main", "shop")
        with cache.reading(KEY) as new:
            new(held(5))
        old(held(4))
    assert cache.committed(KEY) == held(5)


def test_what_a_write_rests_on_is_not_told_as_committed_unless_it_was_kept() -> None:
    """Its row was overtaken while it was read: the write will be refused, and nobody is shown it."""
    cache = Cache()
    planned = a_write(4)
    cache.queue(planned, {"Order#1": held(3)})
    assert KEY not in cache
    assert cache.newest(KEY) == held(4)
    with pytest.raises(KeyError):
        cache.committed(KEY)
    cache.learn(KEY, held(9))
    assert cache.committed(KEY) == held(9)
    assert cache.newest(KEY) == held(4)


def test_what_is_settled_is_committed_whatever_it_rested_on() -> None:
    cache = Cache()
    planned = a_write(4)
    cache.queue(planned, {"Order#1": held(3)})
    cache.settle(planned.write, Answer("accepted"))
    assert cache.committed(KEY) == held(4)


def test_what_is_known_to_be_older_is_forgotten_and_told_if_it_was_used() -> None:
    cache = Cache()
    assert not cache.outdate(KEY, 2), "nothing is known"
    cache.learn(KEY, held(2), is_used=False)
    assert not cache.outdate(KEY, 2)
    assert KEY in cache, "it is no older"
    assert not cache.outdate(KEY, 3)
    assert KEY not in cache
    cache.learn(KEY, None)
    assert cache.outdate(KEY, 1), "there is somebody now"
    cache.learn(KEY, held(3), is_used=False)
    cache.newest(KEY)
    assert cache.outdate(KEY, 4)


def test_what_is_queued_is_not_forgotten_for_what_others_wrote() -> None:
    cache = Cache()
    planned = a_write(4)
    cache.queue(planned, {"Order#1": held(3)})
    assert not cache.outdate(KEY, 4)
    assert cache.newest(KEY) == held(4)
    cache.settle(planned.write, Answer("stale"))
    assert KEY not in cache
