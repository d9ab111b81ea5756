"""The browser that the tests drive is found, or it is said what brings one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SET_UP = Path(__file__).parent / "browser.py"


def set_up(folder: Path, named: Path) -> subprocess.CompletedProcess[str]:
    """Set it up where nothing but what `LATHE_CHROMIUM` names can be found."""
    environment = {**os.environ, "PATH": str(folder), "LATHE_CHROMIUM": str(named)}
    return subprocess.run([sys.executable, str(SET_UP)], env=environment, capture_output=True, text=True)


def test_a_chromium_that_is_named_is_taken_and_one_that_is_none_is_told(tmp_path: Path) -> None:
    named = tmp_path / "chromium"
    told = set_up(tmp_path, named)
    assert told.returncode == 1
    assert f"LATHE_CHROMIUM names `{named}`" in told.stderr and "apt-get install chromium" in told.stderr
    named.write_text("#!/bin/sh\n")
    named.chmod(0o755)
    (tmp_path / "fc-list").write_text("#!/bin/sh\necho 'Inter\nJetBrains Mono'\n")
    (tmp_path / "fc-list").chmod(0o755)
    assert set_up(tmp_path, named).returncode == 0
