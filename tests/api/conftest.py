"""Both ways by which a request reaches the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .client import is_wired


@pytest.fixture(params=["asgi", "connection"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    """By ASGI's messages, and through the protocol of a connection, where actions go a short way."""
    token = is_wired.set(request.param == "connection")
    yield
    is_wired.reset(token)
