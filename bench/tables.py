"""Run every bench and write its table, with command and date, into docs/reference/measurements.md.

    python bench/tables.py [NAME...] [--quick]

With names, `search liveness` say, only those are run; the other sections stay as they are. What is written by
hand below a table stays there. The page is written after each bench, so that one that fails costs no others.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from common import COLUMNS, ROOT, Row, refuse_other_options, table

NOT_BENCHES = {
    "common.py", "guarded.py", "kill_apps.py", "kill_bugs.py", "living.py", "models.py", "searched.py",
    "stateright.py", "tables.py", "tlc.py", "wire.py", "wrk.py",
}  # fmt: skip
PAGE = ROOT / "docs" / "reference" / "measurements.md"
TITLE = "# Measurements"
LEAD = "Written by `make bench`; medians of several runs, each a process of its own."
MISSED = "## Bounds that are missed"
MISSED_LEAD = "Each row of a table below says whether its bound is held. These are not:"


def main() -> int:
    """Measure everything; the page is written even if a bound was not kept, and the exit code tells."""
    refuse_other_options(__doc__)
    is_kept = True
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    options = [a for a in sys.argv[1:] if a.startswith("-")]
    for path in sorted(set(ROOT.glob("bench/*.py"))):
        if path.name in NOT_BENCHES or (names and path.stem not in names):
            continue
        done = subprocess.run(
            [sys.executable, str(path), *options, "--json"], capture_output=True, text=True, check=False
        )
        is_kept &= done.returncode == 0
        if done.stdout:
            _write(path.name, _part(path.name, json.loads(done.stdout), options))
        else:
            print(f"{path.name} failed:\n{done.stderr}", file=sys.stderr)
    print(PAGE.read_text(encoding="utf-8"), end="")
    return 0 if is_kept else 1


def _write(name: str, part: list[str]) -> None:
    """Put what is new of one bench into the page."""
    sections = _sections()
    sections[name] = part + sections.get(name, [])[len(part) :]
    below = [text for _, texts in sorted(sections.items()) for text in texts]
    parts = [TITLE, LEAD, *_missed(sections), *below]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _missed(sections: Mapping[str, list[str]]) -> list[str]:
    """A list of all figures whose bound is missed, so that nobody has to look for them."""
    found = []
    for name, texts in sorted(sections.items()):
        for line in "\n".join(texts).splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == COLUMNS and cells[-1].endswith("missed"):
                found.append(f"| `{name}` | {' | '.join(cells)} |")
    if not found:
        return []
    head = ["| bench | measured | value | against | value | ratio | bound |", f"|{' --- |' * (COLUMNS + 1)}"]
    return [MISSED, MISSED_LEAD, "\n".join(head + found)]


def _sections() -> dict[str, list[str]]:
    """What the page says of each bench, in paragraphs: title, date and machine, table, and what was added."""
    found = re.split(r"^(?=## `python bench/)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {re.split(r"[/ `]", text)[4]: text.strip().split("\n\n") for text in found}


def _by_hand(known: list[str]) -> list[str]:
    """What somebody wrote below the table of a section: it stays until somebody else takes it away."""
    blocks = [block for text in known for block in text.split("\n\n")]
    tables = [number for number, block in enumerate(blocks) if block.startswith("|")]
    return blocks[tables[0] + 1 :] if tables else []


def _part(name: str, told: dict[str, object], options: list[str]) -> list[str]:
    machine, rows = told["machine"], told["rows"]
    assert isinstance(machine, dict) and isinstance(rows, list)
    where = ", ".join(f"{key} {value}" for key, value in machine.items())
    made = [Row(**{key: value for key, value in row.items() if key != "ratio"}) for row in rows]
    date = datetime.now(UTC).date().isoformat()
    return [f"## `{' '.join(['python', f'bench/{name}', *options])}`", f"{date}; {where}.", table(made)]


if __name__ == "__main__":
    sys.exit(main())
