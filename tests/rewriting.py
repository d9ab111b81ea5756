"""What pytest makes of the test files is made once by all workers together, each a part, and kept.

Each worker collects every test, and would else rewrite the asserts of every file for itself at the same
moment as the others: half a minute of processor, where Python writes no bytecode each time anew.
"""

from __future__ import annotations

from pathlib import Path

from _pytest.assertion.rewrite import (
    PYC_TAIL,
    _read_pyc,
    _rewrite_test,
    _write_pyc,
    assertstate_key,
    get_cache_dir,
    try_makedirs,
)
from pytest import Config


def rewrite_share(config: Config) -> None:
    """In a worker of several: rewrite its part of the files that are asked for, where that is not done."""
    told: dict[str, object] | None = getattr(config, "workerinput", None)
    if told is None:
        return
    number, count = int(str(told["workerid"]).removeprefix("gw")), int(str(told["workercount"]))
    for source in _files(config)[number::count]:
        kept = get_cache_dir(source) / f"{source.stem}{PYC_TAIL}"
        if _read_pyc(source, kept) is None and try_makedirs(kept.parent):
            digest, code = _rewrite_test(source, config)
            _write_pyc(config.stash[assertstate_key], code, digest, kept)


def _files(config: Config) -> list[Path]:
    folders = [config.rootpath / arg for arg in config.args]
    return sorted({path for folder in folders for path in folder.rglob("test_*.py")})
