"""Random tests: no deadlines, since a busy machine is no failure, and what failed can be run again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import settings
from tests import children, rewriting

settings.register_profile("lathe", deadline=None, print_blob=True)
settings.load_profile("lathe")

_CACHES = count()


def pytest_sessionstart(session: pytest.Session) -> None:
    rewriting.rewrite_share(session.config)


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: the collector need not look through them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_shared_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each test has a cache of verdicts of its own, empty, and never the user's."""
    folder = tmp_path_factory.getbasetemp() / f"cache-{next(_CACHES)}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))


@pytest.fixture(autouse=True)
def nothing_outlives_its_test() -> Iterator[None]:
    """What a test has started is killed after it; what was started for several is here already."""
    before = children.known()
    yield
    children.end(besides=before)


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check tries one simulated world and one plan of requests, unless it is told how many."""
    monkeypatch.setattr("lathe.gate.schedules.SEEDS", 1)
    monkeypatch.setattr("lathe.probe.level.PLANS", 1)
