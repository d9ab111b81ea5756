"""What docs/howto/read-a-counterexample.md quotes is what `lathe check` prints."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from lathe.cli.text import View, report_text
from lathe.gate import Options, check_files

TEXT = (Path(__file__).parents[2] / "docs/howto/read-a-counterexample.md").read_text(encoding="utf-8")
_QUOTED = re.compile(
    r"^`(?P<file>\S+)`\n```toml\n(?P<toml>.*?)^```$.*?^```text\n(?P<said>.*?)^```$", re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("quoted", list(_QUOTED.finditer(TEXT)), ids=lambda match: match["file"])
def test_howto_quotes_what_check_prints(quoted: re.Match[str]) -> None:
    files = {quoted["file"]: quoted["toml"].encode()}
    report = check_files(files, Options(), time.monotonic).report
    printed = "\n".join(report_text(report, View(files, prefix=""))).partition("\n\n")[0] + "\n"
    assert _without_id(printed) == _without_id(quoted["said"])


def _without_id(text: str) -> str:
    """The id of a trace is of no interest to a reader, and changes with what it is a hash of."""
    return re.sub(r"trace [0-9a-f]+", "trace ID", text)


def test_howto_quotes_two_runs() -> None:
    assert len(_QUOTED.findall(TEXT)) == 2
