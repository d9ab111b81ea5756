"""Other Pythons of this machine, each with what a simulated world needs: `make minors`.

The same seed must give the same bytes under each. A Python is looked for as `python3.N` on the PATH and among
pyenv's versions; what it needs goes into `.venv-3.N` beside the project's own environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MINORS = range(11, 16)
NEEDS = ("msgspec", "cedarpy", "structlog")
"""What `lathe.sim` imports beside the standard library."""
ABSENT = (
    "no second Python from 3.11 on has what a simulated world needs: `make minors` makes one ready, "
    "where this machine has one"
)


def works(python: str, minor: int) -> bool:
    """Whether there is such a Python (a shim may stand for none)."""
    said = f"import sys; sys.exit(sys.version_info[:2] != (3, {minor}))"
    return subprocess.run([python, "-c", said], capture_output=True, check=False).returncode == 0


def found(minor: int) -> str | None:
    """A Python of this minor, if this machine has one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python3.{minor}"), *map(str, sorted(pyenv.glob(f"3.{minor}.*/bin/python")))]
    return next((one for one in candidates if one is not None and works(one, minor)), None)


def ready() -> Iterator[Path]:
    """The environments that are ready, of other minors than this one."""
    for minor in MINORS:
        python = ROOT / f".venv-3.{minor}" / "bin" / "python"
        if minor == sys.version_info.minor or not python.exists():
            continue
        needed = ", ".join(NEEDS)
        if (
            subprocess.run([python, "-c", f"import {needed}"], capture_output=True, check=False).returncode
            == 0
        ):
            yield python


def main() -> None:
    """Make ready whatever is there."""
    there = {minor: python for minor in MINORS if (python := found(minor)) is not None}
    there.pop(sys.version_info.minor, None)
    done = {python.parents[1].name for python in ready()}
    for minor, python in there.items():
        folder = ROOT / f".venv-3.{minor}"
        if folder.name in done:
            continue
        subprocess.run([python, "-m", "venv", folder], check=True)
        install = [
            folder / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*install, "--constraint", ROOT / "constraints.txt", *NEEDS], check=True)
    names = ", ".join(f"3.{minor}" for minor in there) or "none"
    sys.stdout.write(f"other Pythons: {names}\n")


if __name__ == "__main__":
    main()
