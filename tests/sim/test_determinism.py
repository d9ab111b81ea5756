"""The same seed gives the same bytes: in another process, under another hash seed and another Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.sim.minors import ABSENT, ready

from lathe.sim.run import setting_of, simulate

from ..runtime.harness import EXAMPLES
from .test_worlds import prepared

SOURCE = Path(__file__).parents[2] / "src"
SEEDED = ("order", "rollout", "lease_queue", "expense")

CODE = """
import json, sys
from pathlib import Path
from lathe.sim.prepared import prepare
from lathe.sim.run import setting_of, simulate
said = []
for folder in sys.argv[1:]:
    paths = [path for path in sorted(Path(folder).iterdir()) if path.suffix in (".toml", ".cedar")]
    app = prepare({path.name: path.read_bytes() for path in paths})
    for seed in range(3):
        for mix in ("moderate", "chaos"):
            found = simulate(app, setting_of(seed, mix))
            said.append([found.journal, found.log, found.steps, found.virtual_seconds])
print(json.dumps(said))
"""


def elsewhere(hash_seed: str, python: str = sys.executable) -> list[object]:
    """The same seeds in a process of its own."""
    folders = [str(EXAMPLES / name) for name in SEEDED]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [python, "-c", CODE, *folders], env=environment, capture_output=True, text=True, check=True
    )
    found: list[object] = json.loads(done.stdout)
    return found


def test_the_same_seed_gives_the_same_bytes_under_another_hash_seed() -> None:
    first, second = elsewhere("1"), elsewhere("4242")
    assert first == second
    assert len({str(one) for one in first}) == len(first), "seeds differ"


@pytest.mark.parametrize(
    "python", [*ready()] or [None], ids=lambda one: one.parents[1].name if one else "none"
)
def test_the_same_seed_gives_the_same_bytes_under_another_python(python: Path | None) -> None:
    if python is None:
        pytest.skip(ABSENT)
    assert elsewhere("7", str(python)) == elsewhere("1")


@pytest.mark.parametrize("name", SEEDED)
def test_a_run_can_be_taken_again(name: str) -> None:
    setting = setting_of(5, "chaos")
    assert simulate(prepared(name), setting) == simulate(prepared(name), setting)
