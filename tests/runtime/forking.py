"""Processes that are forked from one that has everything loaded: a start costs a tenth, a kill is a kill.

For tests that start a server many times over; what a start from nothing does is tried elsewhere.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests import children

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.runtime.loaded"])


class Forked:
    """`lathe serve` in such a process, as `subprocess.Popen` would have it."""

    def __init__(self, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        self._process = _context.Process(target=_serve, args=(dict(environment), str(folder), str(log)))
        self._process.start()
        self._code: int | None = None
        self._pid = self._process.pid
        children.know(self)

    @property
    def pid(self) -> int:
        assert self._pid is not None, "it was started"
        return self._pid

    def poll(self) -> int | None:
        """Its exit code, once it has one."""
        if self._code is None:
            self._code = self._process.exitcode
        return self._code

    def send_signal(self, how: signal.Signals) -> None:
        """As from outside."""
        os.kill(self.pid, how)

    def wait(self, seconds: float) -> int:
        """Its exit code, which it has by then."""
        self._process.join(seconds)
        code = self.poll()
        assert code is not None, "it did not end"
        self._process.close()
        return code


def _serve(environment: dict[str, str], folder: str, log: str) -> None:
    children.lead()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(written, 1)
    os.dup2(written, 2)
    from lathe.cli.main import run

    sys.exit(run(["serve"]))
