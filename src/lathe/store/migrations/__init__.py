"""The schemas, as numbered scripts for each database: `sqlite/0001.sql`, then `0002.sql` over it, and so on.

A script expands: it adds what the new release needs and leaves what the last one uses, so that processes are
replaced one by one. A later script contracts. Its first line says which release may still run on the result:
`-- oldest: 3` means one that knows scripts up to 0003.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

from lathe.frozen import frozen
from lathe.store.base import SchemaError

_OLDEST = re.compile(r"-- oldest: (\d+)\n")


@frozen
class Script:
    """One step of a schema. `oldest` is the least number that a release must know to run on it."""

    number: int
    oldest: int
    text: str


@cache
def scripts(database: Literal["sqlite", "postgres"]) -> tuple[Script, ...]:
    """All scripts of a database, in their order."""
    found = []
    folder = files(__name__).joinpath(database)
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        text = file.read_text(encoding="utf-8")
        head = _OLDEST.match(text)
        assert head is not None, f"{file.name} says on which releases it runs"
        found.append(Script(int(file.name.removesuffix(".sql")), int(head[1]), text))
    assert [s.number for s in found] == [*range(1, len(found) + 1)], "scripts are numbered without gaps"
    return tuple(found)


def missing(known: tuple[Script, ...], applied: int, oldest: int) -> tuple[Script, ...]:
    """The scripts that a store still needs, of which the last one `applied` wants releases from `oldest` on.

    Raises `SchemaError` if this release is too old for it.
    """
    if applied > len(known) < oldest:
        raise SchemaError(
            f"a newer release wrote the store: its schema is {applied}, this release knows {len(known)}"
        )
    return known[applied:]
