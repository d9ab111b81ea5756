"""Names that an app cannot have."""

from __future__ import annotations

from lathe.api.wire.unrouted import FIXED
from lathe.lang.resolve.naming import RESERVED_APPS


def test_every_path_of_the_api_itself_is_no_name_of_an_app() -> None:
    assert FIXED == RESERVED_APPS
