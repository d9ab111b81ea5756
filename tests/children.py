"""Programs that tests start: none outlives the test that started it, nor the run, however these end.

A test that fails, or is stopped for taking too long, may not come to the end of its own `finally`; so each
program is known here, and killed after the test (`tests/conftest.py`). If the run is killed, so is it.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Protocol

_WITH_PARENT: tuple[str, ...] = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


class Child(Protocol):
    """A program that leads a session of its own."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...


_known: dict[int, Child] = {}


def begin(command: Sequence[str], *, before: Sequence[str] = (), **how: Any) -> subprocess.Popen[bytes]:
    """Start a program, behind the words of `before`, as `subprocess.Popen` does."""
    process = subprocess.Popen((*before, *with_parent(), *command), start_new_session=True, **how)
    know(process)
    return process


def with_parent() -> tuple[str, ...]:
    """What stands before a command that is to end with whoever starts it, where there is such a thing.

    That is a thread to the system, so of others than the main one nothing that they start ends with them.
    """
    return _WITH_PARENT if threading.current_thread() is threading.main_thread() else ()


def know(child: Child) -> None:
    """A program was started, which ends with its parent."""
    _known[child.pid] = child


def known() -> set[int]:
    """Those that have not been ended here."""
    return set(_known)


def end(besides: Collection[int] = ()) -> None:
    """Kill what runs, with all that it has started itself."""
    for pid in _known.keys() - set(besides):
        if _known.pop(pid).poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def lead() -> None:
    """Become such a program, of a process that `multiprocessing` began: it ends with whoever asked for it."""
    os.setsid()
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "somebody asked for it"
    parent.join()
    os.killpg(0, signal.SIGKILL)


atexit.register(end)
