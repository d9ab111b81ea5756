"""All single-change mutants of all examples: killed by which level, equivalent, surviving.

python bench/mutants.py [--json] [--survivors]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from time import process_time

from common import ROOT, Row, at_least, report

from lathe.gate.mutation import EQUIVALENT, Score, score
from lathe.lang import read_app

LEAST_PERCENT = 95.0


def main() -> int:
    """Try them all; answers 1 if fewer than the bound were killed.

    Budgets are seconds of the processor, so that a busy machine decides nothing.
    """
    rows: list[Row] = []
    killed = others = 0
    for folder in _folders():
        app = read_app(
            {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".toml", ".cedar")}
        ).app
        assert app is not None, folder
        found = score(app, process_time)
        rows += _rows(folder.relative_to(ROOT / "examples").as_posix(), found)
        killed += found.killed
        others += len(found.tried) - found.equivalent
        if "--survivors" in sys.argv:
            for tried in found.tried:
                if tried.is_survivor:
                    print(f"{folder.name}:{tried.mutant.span.line}: {tried.mutant.told}", file=sys.stderr)
    percent = 100 * killed / others
    told = "all examples: killed of those that are not equivalent"
    rows.append(at_least(told, round(percent, 1), "%", LEAST_PERCENT))
    return report(rows, sys.argv[1:])


def _folders() -> list[Path]:
    """Every app of the examples, also in families (`protocols/`); no broken variant, no other version."""
    every = {p.parent for p in (ROOT / "examples").rglob("*.blueprint.toml")}
    return sorted(folder for folder in every if not {"broken", "versions"} & set(folder.parts))


def _rows(name: str, found: Score) -> list[Row]:
    levels = Counter(t.level for t in found.tried if t.level is not None)
    by = ", ".join(f"{count} by level {level}" for level, count in sorted(levels.items()))
    left = sum(t.is_survivor for t in found.tried)
    warned = sum(t.is_warning for t in found.tried)
    by += f" ({warned} by a warning alone)" if warned else ""
    same = sum(t.killed_by == EQUIVALENT for t in found.tried)
    told = f"{name}: {len(found.tried)} mutants, {same} equivalent, {left} survive; {by}"
    return [Row(told, round(found.percent, 1), "% killed")]


if __name__ == "__main__":
    sys.exit(main())
