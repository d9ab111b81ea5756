"""Entry point of the child process in which a server runs a simulation campaign.

Reads one request from stdin (JSON: files in base64), writes a line of JSON after every few seeds, each with
all that is known by then; or, of one seed, a single line. Its memory and processor time are bounded by
whoever starts it, and it ends when nobody reads it any more.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from collections.abc import Mapping
from time import monotonic
from typing import cast

from lathe.lang import read_app
from lathe.lang.model import Json
from lathe.sim.campaign import campaign, chunks
from lathe.sim.menu import MIXES, Mix
from lathe.sim.prepared import prepare
from lathe.sim.report import Progress, run_json
from lathe.sim.run import setting_of, simulate
from lathe.sim.shrink import shrink

CHUNK_SEEDS = 4
"""Seeds between two lines: some tenths of a second."""

Request = Mapping[str, Json]


def main() -> int:
    """Answer the request on stdin."""
    asked: Request = json.load(sys.stdin)
    files = {path: b64decode(text) for path, text in cast(dict[str, str], asked["files"]).items()}
    if read_app(files).app is None:
        _tell({"problem": "the files cannot be read"})
    elif asked["what"] == "run":
        _run(files, int(str(asked["seed"])), _mix(asked["mix"]))
    else:
        _campaign(files, asked)
    return 0


def _campaign(files: Mapping[str, bytes], asked: Request) -> None:
    mixes = tuple(mix for mix in MIXES if asked["mix"] in ("all", mix))
    begun, progress = monotonic(), Progress()
    stop_at = begun + float(str(asked["seconds"]))
    count = None if asked["seeds"] is None else int(str(asked["seeds"]))
    planned = chunks(mixes, int(str(asked["seed"])), count, size=CHUNK_SEEDS)
    for _, tally in campaign(files, planned, jobs=1, is_over=lambda: monotonic() >= stop_at):
        progress.add(tally)
        _tell(progress.to_json(monotonic() - begun))


def _run(files: Mapping[str, bytes], seed: int, mix: Mix) -> None:
    prepared = prepare(files)
    found = simulate(prepared, setting_of(seed, mix))
    _tell(run_json(found, shrink(prepared, found) if found.violation is not None else found))


def _mix(given: Json) -> Mix:
    return next(mix for mix in MIXES if mix == given)


def _tell(data: Json) -> None:
    out = sys.__stdout__
    assert out is not None, "a process has an output"
    out.write(json.dumps(data, ensure_ascii=False) + "\n")
    out.flush()


if __name__ == "__main__":
    raise SystemExit(main())
