"""The apps on which seeded bugs are looked for: the examples, the feature apps of the conformance vectors,
and random ones, of which every round has others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

from common import ROOT

from lathe.testing._apps import write_app
from lathe.testing._dice import Dice
from lathe.testing._toml import document

EXAMPLES = (
    "lease_queue", "rollout", "saga", "order", "wallet", "subscription", "incident", "approval",
)  # fmt: skip
FEATURES = ("odds", "chain", "post")
"""In `conformance/sources`: every kind of value, assignment and refusal; joint steps; notices."""
OWN = ("letter", "parcel", "cabinet", "notices")
"""In `bench/features`, what no other app has: reading by the row, secrets, results that may not fit; a timer
that has to wait; policies; events from outside by every scheme, in every place."""
RANDOM_AT_ONCE = 6
AT_ONCE = 5
"""Seeds of one round on each app."""
PROPERTIES = ("invariant", "step", "sometimes", "eventually", "cannot")
"""What a random app promises and nobody has proved."""

Files = dict[str, bytes]


def apps_at(first: int) -> Iterator[tuple[str, Files]]:
    """The apps of the round that begins with seed `first`, by name."""
    for name in EXAMPLES:
        yield name, files_of(ROOT / "examples" / name)
    for name in OWN:
        yield name, files_of(ROOT / "bench" / "features" / name)
    for name in FEATURES:
        yield name, files_of(ROOT / "conformance" / "sources" / name)
    for seed in range(first // AT_ONCE * RANDOM_AT_ONCE, (first // AT_ONCE + 1) * RANDOM_AT_ONCE):
        yield f"random app {seed}", random_app(seed)


@cache
def files_of(folder: Path) -> Files:
    """The files of an app in a folder."""
    paths = [p for p in sorted(folder.iterdir()) if p.suffix in (".toml", ".cedar")]
    return {p.name: p.read_bytes() for p in paths if p.name != "dev.toml"}


def random_app(seed: int) -> Files:
    """A random app without its properties: what it does is looked at, not what it promises."""
    found = write_app(Dice(Random(seed).randrange))
    return {path: _unpromised(content) for path, content in found.items()}


def _unpromised(content: bytes) -> bytes:
    data = tomllib.loads(content.decode())
    return document({name: value for name, value in data.items() if name not in PROPERTIES}).encode()
