"""Run every bench and write its table, with command and date, into docs/reference/measurements.md."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

from common import ROOT, Row, table

NOT_BENCHES = {"common.py", "models.py", "tables.py", "tlc.py"}
PAGE = ROOT / "docs" / "reference" / "measurements.md"


def main() -> int:
    """Measure everything; the page is written even if a bound was not kept, and the exit code tells."""
    parts = [
        "# Measurements",
        "Written by `make bench`; medians of several runs, each a process of its own.",
    ]
    is_kept = True
    for path in sorted(set(ROOT.glob("bench/*.py"))):
        if path.name in NOT_BENCHES:
            continue
        done = subprocess.run(
            [sys.executable, str(path), *sys.argv[1:], "--json"], capture_output=True, text=True, check=False
        )
        is_kept &= done.returncode == 0
        if not done.stdout:
            sys.exit(f"{path.name} failed:\n{done.stderr}")
        parts += _part(path.name, json.loads(done.stdout))
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"), end="")
    return 0 if is_kept else 1


def _part(name: str, told: dict[str, object]) -> list[str]:
    machine, rows = told["machine"], told["rows"]
    assert isinstance(machine, dict) and isinstance(rows, list)
    where = ", ".join(f"{key} {value}" for key, value in machine.items())
    made = [Row(r["name"], r["value"], r["unit"], r["peer"], r["peer_value"]) for r in rows]
    date = datetime.now(UTC).date().isoformat()
    return [f"## `python bench/{name}`", f"{date}; {where}.", table(made)]


if __name__ == "__main__":
    sys.exit(main())
