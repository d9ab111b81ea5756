"""The `process` adapter: a command that the operator allows, without a shell.

It runs in a session of its own with an empty environment but for `PATH`; when its time is up, or its visit
was left, the whole session is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Mapping

from lathe.effect.base import Attempt, Ending

STDOUT_BYTES_LIMIT = 65_536
MESSAGE_BYTES_LIMIT = 500
PATH = "/usr/local/bin:/usr/bin:/bin"


class Process:
    """The adapter. `allowed` are, by app, the exact texts permitted as `argv[0]`."""

    def __init__(self, allowed: Mapping[str, Collection[str]]) -> None:
        self._allowed = allowed

    async def close(self) -> None:
        """Nothing to close."""

    async def perform(self, attempt: Attempt) -> Ending:
        """Run the command; exit code 0 is a good end."""
        argv = attempt.request.get("argv")
        if not isinstance(argv, list) or not argv:
            return Ending(ok=False, cause="invalid", message="there is no command", log="there is no command")
        words = [str(word) for word in argv]
        if words[0] not in self._allowed.get(attempt.settings_key, ()):
            said = f"the operator does not allow `{words[0][:80]}`"
            return Ending(ok=False, cause="refused", message=said, log=said)
        stdin = str(attempt.request.get("stdin") or "").encode()
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": PATH, "LATHE_INVOCATION": attempt.id},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            said = os.strerror(error.errno or 0) if isinstance(error, OSError) else "its words are none"
            return Ending(ok=False, cause="crashed", message=str(error), log=f"it cannot be started: {said}")
        try:
            return await self._ended(process, stdin)
        finally:
            await _kill(process)

    async def _ended(self, process: asyncio.subprocess.Process, stdin: bytes) -> Ending:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        out, err, _ = await asyncio.gather(
            _read(process.stdout, STDOUT_BYTES_LIMIT),
            _read(process.stderr, MESSAGE_BYTES_LIMIT),
            _write(process.stdin, stdin),
        )
        code = await process.wait()
        if code != 0:
            said = err.decode(errors="replace").strip()
            return Ending(
                ok=False,
                cause="crashed",
                message=f"exit code {code}: {said}",
                again=True,
                log=f"exit code {code}",
            )
        return Ending(ok=True, results={"exit": 0, "stdout": out.decode(errors="replace")})


async def _write(stream: asyncio.StreamWriter, data: bytes) -> None:
    try:
        stream.write(data)
        await stream.drain()
        stream.close()
        await stream.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # it does not want to read: that is its own business


async def _read(stream: asyncio.StreamReader, limit: int) -> bytes:
    """The first bytes of a stream; the rest is read and dropped, so that the process never blocks."""
    kept = bytearray()
    while chunk := await stream.read(65_536):
        kept += chunk[: max(0, limit - len(kept))]
    return bytes(kept)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End the whole session of a process, also what it left behind. Who has left the session is let go, with
    our ends of its pipes: asyncio closes them by no other way than its transport.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process._transport.close()  # type: ignore[attr-defined]
    await process.wait()
