from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.server import Server
from tests.store.stores import Opening


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    made = Server()
    made.start()
    yield made
    made.remove()


@pytest.fixture
def opening(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Opening]:
    made = Opening(tmp_path, lambda: request.getfixturevalue("server"))
    yield made
    made.loop.close()
