"""Dotted places of a document."""

from __future__ import annotations

import pytest

from lathe.lang.dotted import at
from lathe.lang.model import Json

DOCUMENT: Json = {"a": {"b": [10, {"c": "x"}]}, "": 1, "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", DOCUMENT), ("a.b.0", 10), ("a.b.1.c", "x"), ("a.b.01.c", "x"), ("0", "zero"), ("a.b.2", None),
        ("a.b.-1", None), ("a.b.²", None), ("a.b." + "9" * 5_000, None), ("a.b.0.c", None), ("z.y", None),
        (".", None),
    ],
)  # fmt: skip
def test_a_place_leads_to_what_stands_there_or_to_nothing(path: str, found: Json) -> None:
    assert at(DOCUMENT, path) == found
