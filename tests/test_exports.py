"""What is public stays as it is until somebody means to change it.

`LATHE_UPDATE_GOLDEN=1 pytest tests/test_exports.py` writes the list anew; the difference is part of the
review, and of the changelog.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden" / "exports.txt"
PUBLIC = (
    "lathe",
    "lathe.check",
    "lathe.errors",
    "lathe.gate",
    "lathe.gate.codes",
    "lathe.lang",
    "lathe.lang.expr",
    "lathe.lang.model",
    "lathe.lang.render",
    "lathe.lang.schema",
    "lathe.lang.types",
    "lathe.machine",
    "lathe.machine.trace",
    "lathe.testing",
)


def exported(module: str) -> list[str]:
    """The names in `__all__`, or else the public ones that the module itself defines."""
    loaded = import_module(module)
    if hasattr(loaded, "__all__"):
        return sorted(loaded.__all__)
    own = {n for n, value in vars(loaded).items() if getattr(value, "__module__", None) == module}
    return sorted(n for n in own if not n.startswith("_"))


def test_the_exported_names_are_the_golden_ones() -> None:
    told = "".join(f"{module}: {' '.join(exported(module))}".rstrip() + "\n" for module in PUBLIC)
    if os.environ.get("LATHE_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(told, encoding="utf-8")
    assert told == GOLDEN.read_text(encoding="utf-8")


def test_every_exported_name_is_there() -> None:
    for module in PUBLIC:
        loaded = import_module(module)
        assert [name for name in exported(module) if not hasattr(loaded, name)] == [], module
