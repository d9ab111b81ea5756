"""The gate of a server: one check at a time, each in a child process with bounded memory and time.

What a reviewer asks besides (descriptions, replays, survivors) waits in a line of its own, and so do
campaigns of simulated worlds, so that nobody who looks holds up somebody who loads.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from asyncio.subprocess import Process
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager

from lathe.errors import InternalError, QueueFullError
from lathe.frozen import frozen
from lathe.lang.model import Json

QUEUE_LIMIT = 8
"""Checks that may wait."""
MEMORY_BYTES = 8 * 1024**3
SECONDS_LIMIT = 120
"""Processor time of one check."""
PATIENCE_SECONDS = 300
"""How long it is waited for, on a machine that has other work."""
KILLED_AFTER = 5
"""Seconds of the processor after its limit, should it go on."""
_TOO_LONG = (
    f"the check did not end within the {SECONDS_LIMIT} seconds of the processor that a runtime gives it, "
    f"or the {PATIENCE_SECONDS} in all: ask less of it in `[scope]` of app.toml, fewer instances or a "
    "smaller `budget_seconds`"
)
SURVIVORS_SECONDS = 60.0
"""How long mutants are tried for whoever asks a server."""
CAMPAIGN_SECONDS_LIMIT = 600
"""How long a campaign of simulated worlds may go on."""
GRACE_SECONDS = 60
"""How much longer than it was asked for: the seeds that were begun are done."""
LINE_BYTES_LIMIT = 16 * 1024 * 1024
"""What a child may say at once."""
NICENESS = 10
"""What is asked only to be looked at gives way to what serves."""

Files = Mapping[str, bytes]


@frozen
class Judgement:
    """What a check said: see `lathe.runtime.swap.Judged`."""

    app: str
    digest: str
    verdict: str
    report: bytes


class _Line:
    """Who waits for a turn. Raises `QueueFullError`."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def is_taken(self) -> bool:
        """Whether somebody has a turn, or waits for one."""
        return self._waiting > 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One after another, and no more than may wait."""
        if self._waiting >= QUEUE_LIMIT:
            raise QueueFullError(f"{QUEUE_LIMIT} checks wait already")
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


class ChildGate:
    """Checks in child processes, one after another."""

    def __init__(self) -> None:
        self._checks = _Line()
        self._looks = _Line()
        self._campaigns = _Line()

    @property
    def is_looking(self) -> bool:
        """Whether somebody who only looks is being answered, or waits."""
        return self._looks.is_taken

    async def judge(self, files: Files, *, against: Files | None, accept_bounds: bool) -> Judgement:
        """Check these files, in place of `against` if that is given. Raises `QueueFullError`."""
        asked: dict[str, Json] = {
            "what": "check",
            "files": _text(files),
            "against": None if against is None else _text(against),
            "accept_bounds": accept_bounds,
        }
        async with self._checks.turn():
            out, why = await _asked(asked, niceness=0)
        if why:
            return _ended("", why)
        answer = _answer(out)
        report = json.dumps(answer["report"], ensure_ascii=False).encode()
        return Judgement(str(answer["app"]), str(answer["digest"]), str(answer["verdict"]), report)

    async def describe(self, files: Files, *, against: Files | None) -> bytes | None:
        """Graph, permissions and difference as JSON (`lathe.gate.review.describe`).

        None of what cannot be described within the limits. Raises `QueueFullError`.
        """
        old = None if against is None else _text(against)
        return await self._look({"what": "describe", "files": _text(files), "against": old})

    async def survivors(self, files: Files) -> bytes | None:
        """The single changes of an admitted app that nothing would notice. Raises `QueueFullError`."""
        return await self._look({"what": "survivors", "files": _text(files), "seconds": SURVIVORS_SECONDS})

    async def replay(self, files: Files, trace: Json) -> bytes | None:
        """A trace taken again by an admitted app, on the model alone. Raises `QueueFullError`."""
        return await self._look({"what": "replay", "files": _text(files), "trace": trace})

    async def fork(self, files: Files, trace: Json, at: int, take: Json) -> bytes | None:
        """A run that somebody goes on with by hand (`lathe.gate.forking`). Raises `QueueFullError`."""
        return await self._look(
            {"what": "fork", "files": _text(files), "trace": trace, "at": at, "take": take}
        )

    async def simulate(self, files: Files, asked: Mapping[str, Json]) -> AsyncGenerator[bytes]:
        """A campaign of simulated worlds: what is known of it, again and again, until it is over.

        `asked` are `seed`, `seeds`, `seconds` and `mix`. One campaign at a time; who stops reading ends it.
        Raises `QueueFullError`, `InternalError` if it ends otherwise than it should.
        """
        seconds = min(float(str(asked["seconds"] or CAMPAIGN_SECONDS_LIMIT)), CAMPAIGN_SECONDS_LIMIT)
        told: dict[str, Json] = {"what": "campaign", "files": _text(files), **asked, "seconds": seconds}
        patience = seconds + GRACE_SECONDS
        async with self._campaigns.turn(), _child("lathe.gate.simulating", int(patience)) as process:
            try:
                async with asyncio.timeout(patience):
                    await _give(process, told)
                    while line := await _line(process):
                        yield line
                    code = await process.wait()
            except TimeoutError:
                raise InternalError("the campaign took too long") from None
        if code != 0:
            raise InternalError(f"the campaign ended with {code}")

    async def simulated(self, files: Files, seed: int, mix: str) -> bytes | None:
        """One seed of a campaign, with its trace made small. Raises `QueueFullError`."""
        asked: dict[str, Json] = {"what": "run", "files": _text(files), "seed": seed, "mix": mix}
        async with self._looks.turn():
            out, why = await _asked(asked, niceness=NICENESS, module="lathe.gate.simulating")
        return None if why else out

    async def _look(self, asked: dict[str, Json]) -> bytes | None:
        async with self._looks.turn():
            out, why = await _asked(asked, niceness=NICENESS)
        return None if why else out


@asynccontextmanager
async def _child(
    module: str, seconds: int, *, niceness: int = NICENESS, errors: int = asyncio.subprocess.DEVNULL
) -> AsyncIterator[Process]:
    """A process of its own for a module, killed on the way out if it still runs."""

    def bounded() -> None:
        """Runs in the child before it becomes the check: bounds that it cannot raise. Ctrl-C at a terminal is
        for the server alone, which ends the check or waits for it.
        """
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + KILLED_AFTER))
        os.nice(niceness)

    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=pipe, stdout=pipe, stderr=errors,
        preexec_fn=bounded, limit=LINE_BYTES_LIMIT,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        # Pipes of which nobody reads the end would stay open, and nothing public closes them.
        process._transport.close()  # type: ignore[attr-defined]


async def _asked(
    asked: dict[str, Json], *, niceness: int, module: str = "lathe.gate.child"
) -> tuple[bytes, str]:
    """What a child answers, or why it does not."""
    errors = asyncio.subprocess.PIPE
    async with _child(module, SECONDS_LIMIT, niceness=niceness, errors=errors) as process:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                out, err = await process.communicate(json.dumps(asked).encode())
        except TimeoutError:
            return b"", _TOO_LONG
    if process.returncode == -signal.SIGXCPU:
        return b"", _TOO_LONG
    if process.returncode != 0:
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        return b"", f"the check ended with {process.returncode}: {''.join(last)[:300]}"
    return out, ""


async def _give(process: Process, asked: Mapping[str, Json]) -> None:
    """Write a request, and end the input."""
    assert process.stdin is not None, "the child was given a pipe"
    process.stdin.write(json.dumps(asked).encode())
    await process.stdin.drain()
    process.stdin.close()


async def _line(process: Process) -> bytes:
    """The next line of what it says; empty at its end."""
    assert process.stdout is not None, "the child was given a pipe"
    return await process.stdout.readline()


def _answer(out: bytes) -> dict[str, Json]:
    answer = json.loads(out)
    if not isinstance(answer, dict):
        raise InternalError("a check answers with an object")
    return answer


def _ended(app: str, why: str) -> Judgement:
    """A check that did not come to an end: what is not decided is not admitted."""
    report: dict[str, Json] = {"verdict": "unknown", "ok": False, "findings": [], "why": why}
    return Judgement(app, "", "unknown", json.dumps(report).encode())


def _text(files: Files) -> dict[str, Json]:
    return {path: b64encode(data).decode() for path, data in sorted(files.items())}
