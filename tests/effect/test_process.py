"""The `process` adapter: commands that never end, flood, do not listen, or leave others behind."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path

import pytest
from tests.effect.test_servers import _runs, attempt

from lathe.effect.base import Ending
from lathe.effect.process import MESSAGE_BYTES_LIMIT, STDOUT_BYTES_LIMIT, Process

ALLOWED = ("sh", "cat", "nobody-has-this")


async def ran(script: str, seconds: float = 10.0, **more: object) -> Ending:
    process = Process({"a": ALLOWED})
    async with asyncio.timeout(seconds):
        return await process.perform(attempt(argv=["sh", "-c", script], **more))


async def gone(path: Path) -> None:
    """Until the process whose id is in the file runs no more."""
    async with asyncio.timeout(5):
        while not path.exists() or not path.read_text().strip():
            await asyncio.sleep(0.01)
        while _runs(int(path.read_text())):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "script", ["sleep 60", "trap '' TERM INT HUP; while :; do sleep 1; done", "cat /dev/zero"]
)
def test_what_never_ends_is_killed_at_its_time(script: str, tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await ran(f"echo $$ > {tmp_path}/pid; {script}", 0.5)
        await gone(tmp_path / "pid")

    asyncio.run(main())


def test_a_flood_of_output_is_read_and_dropped() -> None:
    async def main() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = await ran("head -c 100000000 /dev/zero; head -c 100000000 /dev/zero >&2")
        assert found.ok and len(str(found.results["stdout"])) == STDOUT_BYTES_LIMIT
        bad = await ran("head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 3")
        assert (bad.ok, bad.cause, bad.again) == (False, "crashed", True)
        assert len(bad.message) < MESSAGE_BYTES_LIMIT + 100
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024

    asyncio.run(main())


def test_input_that_nobody_reads_holds_nobody_up() -> None:
    async def main() -> None:
        found = await ran("exit 0", stdin="x" * 5_000_000)
        assert found.ok, found
        with pytest.raises(TimeoutError):
            await ran("sleep 60", 0.3, stdin="x" * 5_000_000)

    asyncio.run(main())


def test_who_leaves_the_session_with_our_pipes_holds_up_nothing_but_its_own_time(tmp_path: Path) -> None:
    """A daemon outlives its effect, which nobody can help; it costs neither a descriptor nor more time."""

    async def main() -> None:
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
        for _ in range(3):
            with pytest.raises(TimeoutError):
                leaves = f"setsid sh -c 'echo $$ >> {tmp_path}/pids; exec sleep 60'"
                await ran(f"{leaves} & sleep 0.1; exit 0", 0.4)
        if before:
            await asyncio.sleep(0.05)
            assert len(os.listdir("/proc/self/fd")) <= before + 3

    asyncio.run(main())
    for pid in (tmp_path / "pids").read_text().split():
        os.kill(int(pid), 9)


@pytest.mark.parametrize(
    ("argv", "cause"),
    [
        (None, "invalid"), ([], "invalid"), ("sh -c id", "invalid"), (["/bin/sh", "-c", "id"], "refused"),
        (["SH"], "refused"), (["nobody-has-this"], "crashed"), (["cat", "a\0b"], "crashed"),
        (["cat", "x" * 3_000_000], "crashed"),
    ],
)  # fmt: skip
def test_what_is_no_command_or_not_allowed_does_not_run(argv: object, cause: str) -> None:
    async def main() -> None:
        found = await Process({"a": ALLOWED}).perform(attempt(argv=argv))
        assert (found.ok, found.cause, found.again) == (False, cause, False), found

    asyncio.run(main())


def test_a_command_sees_neither_our_environment_nor_our_files() -> None:
    async def main() -> None:
        os.environ["LATHE_TEST_SECRET"] = "hidden"
        try:
            found = await ran("env; ls /proc/self/fd 2>/dev/null | wc -l")
        finally:
            del os.environ["LATHE_TEST_SECRET"]
        said = str(found.results["stdout"])
        assert "hidden" not in said and "LATHE_INVOCATION=e.1" in said

    asyncio.run(main())
