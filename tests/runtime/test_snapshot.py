"""What is written down is the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

from lathe.runtime.snapshot import encode_json

PROGRAM = """
from lathe.runtime.snapshot import encode_json
print(encode_json({"legs": (frozenset(), frozenset(f"id{n}" for n in range(9)))}).decode())
"""


def test_sets_in_the_journal_are_not_in_hash_order() -> None:
    told = set()
    for seed in "1", "2", "3":
        settings = {**os.environ, "PYTHONHASHSEED": seed}
        ran = subprocess.run([sys.executable, "-c", PROGRAM], env=settings, capture_output=True, check=True)
        told.add(ran.stdout)
    assert len(told) == 1
    assert encode_json(frozenset({"b", "a", "c"})) == b'["a","b","c"]'
