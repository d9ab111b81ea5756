"""All single-change mutants of all examples: killed by which level, equivalent, surviving.

python bench/mutants.py [--json] [--survivors]
"""

from __future__ import annotations

import sys
from collections import Counter
from time import monotonic

from common import ROOT, Row, report

from lathe.gate.mutation import EQUIVALENT, Score, score
from lathe.lang import read_app

LEAST_PERCENT = 95.0


def main() -> int:
    """Try them all; answers 1 if fewer than the bound were killed."""
    rows: list[Row] = []
    killed = others = 0
    for folder in sorted(p.parent for p in (ROOT / "examples").glob("*/app.toml")):
        app = read_app({p.name: p.read_bytes() for p in folder.glob("*.toml")}).app
        assert app is not None, folder
        found = score(app, monotonic)
        rows += _rows(folder.name, found)
        killed += found.killed
        others += len(found.tried) - found.equivalent
        if "--survivors" in sys.argv:
            for tried in found.tried:
                if tried.is_survivor:
                    print(f"{folder.name}:{tried.mutant.span.line}: {tried.mutant.told}", file=sys.stderr)
    percent = 100 * killed / others
    rows.append(Row("all examples: killed of those that are not equivalent", round(percent, 1), "%"))
    report(rows, sys.argv[1:])
    return int(percent < LEAST_PERCENT)


def _rows(name: str, found: Score) -> list[Row]:
    levels = Counter(t.level for t in found.tried if t.level is not None)
    by = ", ".join(f"{count} by level {level}" for level, count in sorted(levels.items()))
    left = sum(t.is_survivor for t in found.tried)
    same = sum(t.killed_by == EQUIVALENT for t in found.tried)
    told = f"{name}: {len(found.tried)} mutants, {same} equivalent, {left} survive; {by}"
    return [Row(told, round(found.percent, 1), "% killed")]


if __name__ == "__main__":
    sys.exit(main())
