"""`make demo`: an app that is admitted, then a copy of it with one guard weakened, which is refused.

Exits with 0 only if it went that way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).parent
APP = "rollout"
FILE = "rollout.blueprint.toml"
ACTION = "[action.drain]"
GUARD = 'when = "ready == replicas"'
WEAKENED = 'when = "ready > 0"'
ADMITTED, REFUSED = 0, 1


def main() -> int:
    """Show both, and answer with the exit code."""
    say("1. An operator replaces the brokers of a cell, one at a time. Is that so, whatever happens?")
    admitted = check(EXAMPLES.parent, f"examples/{APP}")
    with tempfile.TemporaryDirectory() as folder:
        weaken(Path(folder) / APP)
        say(f"2. The same, but `drain` asks for `{WEAKENED}` instead of `{GUARD}`.")
        refused = check(Path(folder), APP)
    if (admitted, refused) != (ADMITTED, REFUSED):
        say(
            f"The demo went wrong: the exit codes are {admitted} and {refused}, not {ADMITTED} and {REFUSED}."
        )
        return 1
    say("Admitted as written. Weakened, refused: above stand the shortest run that breaks it, and the cure.")
    return 0


def weaken(folder: Path) -> None:
    """Copy the app and let its `drain` ask for less."""
    shutil.copytree(EXAMPLES / APP, folder, ignore=shutil.ignore_patterns("broken"))
    before, header, after = (folder / FILE).read_text(encoding="utf-8").partition(ACTION)
    assert header and GUARD in after, "the example has changed: tell the demo which guard to weaken"
    (folder / FILE).write_text(before + header + after.replace(GUARD, WEAKENED, 1), encoding="utf-8")


def check(folder: Path, app: str) -> int:
    """Run `lathe check` as a user would, and answer with its exit code."""
    say(f"$ lathe check {app}")
    paths = [str(EXAMPLES.parent / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "lathe.cli", "check", app]
    code = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
    say("")
    return code


def say(text: str) -> None:
    """Print at once, in order with what the commands print."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
