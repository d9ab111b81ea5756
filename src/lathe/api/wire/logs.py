"""Logging of a serving process: structured events on stderr, as JSON lines or for a terminal."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TextIO

import structlog

AGAIN_SECONDS = 60.0
"""How often the same is logged of what the server below warns of: a stranger causes it at will."""
SAID_LIMIT = 64
BELOW = "uvicorn"


class Below(logging.Handler):
    """Makes events of what uvicorn logs. A warning is told once in a while, with how often it came since."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record."""
        said, times = record.getMessage(), 1
        if record.levelno < logging.ERROR:
            now = monotonic()
            told, times = self._said.pop(said, (now - AGAIN_SECONDS, 0))
            times += 1
            is_due = now - told >= AGAIN_SECONDS
            while len(self._said) >= SAID_LIMIT:
                del self._said[next(iter(self._said))]
            self._said[said] = (now, 0) if is_due else (told, times)
            if not is_due:
                return
        more = {"times": times} if times > 1 else {}
        tell = structlog.get_logger("lathe.server")
        tell.log(record.levelno, "server", said=said, **more, exc_info=record.exc_info or None)


def configure(to: TextIO) -> None:
    """Log there from now on: for people at a terminal, else one JSON a line."""
    is_terminal = to.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=False)]
        if is_terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(to),
        cache_logger_on_first_use=False,
    )
    below = logging.getLogger(BELOW)
    below.handlers[:] = [Below()]
    below.propagate = False
