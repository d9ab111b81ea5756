from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.store.server import Server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    made = Server(syncs=True)
    made.start()
    yield made
    made.remove()
