"""How a serving process logs: events with keys on stderr, as JSON lines, or for a person at a terminal."""

from __future__ import annotations

import logging
from typing import TextIO

import structlog


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
