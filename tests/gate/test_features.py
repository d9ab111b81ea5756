"""Small apps of the benches: good ones are admitted, the classic bug is refused for its own reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from lathe.check.reporting.report import Report
from lathe.gate import Options, check_files

FEATURES = Path(__file__).parents[2] / "bench" / "features"


def checked(name: str) -> Report:
    files = {path.name: path.read_bytes() for path in sorted((FEATURES / name).iterdir())}
    return check_files(files, Options(level=2)).report


@pytest.mark.parametrize("name", ["letter", "parcel", "notices"])
def test_what_the_examples_lack_is_admitted(name: str) -> None:
    assert checked(name).verdict == "admitted"


def test_a_lost_update_is_refused() -> None:
    errors = [f for f in checked("lost_update").findings if f.diagnostic.severity == "error"]
    assert [(f.diagnostic.code, f.property) for f in errors] == [("LT401", "keeps_every_edit")]
