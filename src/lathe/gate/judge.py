"""The gate of a server: one check at a time, each in a child process with bounded memory and time."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from base64 import b64encode
from collections.abc import Mapping

from lathe.errors import InternalError, LatheError
from lathe.frozen import frozen
from lathe.lang.model import Json

QUEUE_LIMIT = 8
"""Checks that may wait."""
MEMORY_BYTES = 8 * 1024**3
SECONDS_LIMIT = 120
"""Processor time and patience for one check."""


class QueueFullError(LatheError):
    """More checks wait than the queue holds: try again."""


@frozen
class Judgement:
    """What a check said: see `lathe.runtime.swap.Judged`."""

    app: str
    digest: str
    verdict: str
    report: bytes


class ChildGate:
    """Checks in child processes, one after another."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def judge(
        self, files: Mapping[str, bytes], *, against: Mapping[str, bytes] | None, accept_bounds: bool
    ) -> Judgement:
        """Check these files, in place of `against` if that is given. Raises `QueueFullError`."""
        if self._waiting >= QUEUE_LIMIT:
            raise QueueFullError(f"{QUEUE_LIMIT} checks wait already")
        self._waiting += 1
        try:
            async with self._turn:
                return await _check(files, against, accept_bounds=accept_bounds)
        finally:
            self._waiting -= 1


async def _check(
    files: Mapping[str, bytes], against: Mapping[str, bytes] | None, *, accept_bounds: bool
) -> Judgement:
    asked: dict[str, Json] = {
        "files": _text(files),
        "against": None if against is None else _text(against),
        "accept_bounds": accept_bounds,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lathe.gate.child",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        preexec_fn=_bounded,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS_LIMIT):
            out, err = await process.communicate(json.dumps(asked).encode())
    except TimeoutError:
        return _ended("", "the check took too long")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        return _ended("", f"the check ended with {process.returncode}: {''.join(last)[:300]}")
    answer = json.loads(out)
    if not isinstance(answer, dict):
        raise InternalError("a check answers with an object")
    report = json.dumps(answer["report"], ensure_ascii=False).encode()
    return Judgement(answer["app"], answer["digest"], answer["verdict"], report)


def _ended(app: str, why: str) -> Judgement:
    """A check that did not come to an end: what is not decided is not admitted."""
    report: dict[str, Json] = {"verdict": "unknown", "ok": False, "findings": [], "why": why}
    return Judgement(app, "", "unknown", json.dumps(report).encode())


def _text(files: Mapping[str, bytes]) -> dict[str, Json]:
    return {path: b64encode(data).decode() for path, data in sorted(files.items())}


def _bounded() -> None:
    """Runs in the child before it becomes the check: bounds that it cannot raise."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
