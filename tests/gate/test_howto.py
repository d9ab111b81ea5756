"""What docs/howto/read-a-counterexample.md quotes is what `lathe check` prints.

`LATHE_UPDATE_GOLDEN=1 pytest tests/gate/test_howto.py` writes the quotes anew.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from lathe.cli.text import View, report_text
from lathe.gate import Options, check_files

PAGE = Path(__file__).parents[2] / "docs/howto/read-a-counterexample.md"
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"
_QUOTED = re.compile(
    r"(?P<before>^`(?P<file>\S+)`\n```toml\n(?P<toml>.*?)^```$.*?^```text\n)(?P<said>.*?)(?=^```$)",
    re.MULTILINE | re.DOTALL,
)


def _printed(quoted: re.Match[str]) -> str:
    """The first finding of the quoted blueprint, as it is printed."""
    files = {quoted["file"]: quoted["toml"].encode()}
    report = check_files(files, Options(), time.process_time).report
    return "\n".join(report_text(report, View(files, prefix=""))).partition("\n\n")[0] + "\n"


def _without_id(text: str) -> str:
    """The id of a trace is of no interest to a reader, and changes with what it is a hash of."""
    return re.sub(r"trace [0-9a-f]+", "trace ID", text)


def test_howto_quotes_what_check_prints() -> None:
    text = PAGE.read_text(encoding="utf-8")
    now, count = _QUOTED.subn(lambda quoted: quoted["before"] + _printed(quoted), text)
    if UPDATE and _without_id(now) != _without_id(text):
        PAGE.write_text(now, encoding="utf-8")
        text = now
    assert count == 2
    assert _without_id(now) == _without_id(text)
