"""What can go wrong, and how it is said.

Three kinds of trouble, never mixed: an assertion is our own mistake, an exception is the caller's,
a `Diagnostic` is about the author's file.

    LatheError
    ├── UsageError(ValueError)        the command or call was put wrongly            exit 2
    ├── UnreadableError(ValueError)   the input cannot be read; carries diagnostics  exit 3
    ├── NotFoundError(LookupError)    what was named does not exist                  exit 6
    ├── QueueFullError(RuntimeError)  more is asked at once than waits: come again
    └── InternalError(RuntimeError)   two of our own parts disagree: a defect        exit 70
"""

from __future__ import annotations

from typing import Literal

from lathe.frozen import frozen, ordered

Severity = Literal["error", "warning", "note"]


@ordered
class Span:
    """A stretch of one file. Lines and columns count from 1; the end column is exclusive.

    Columns count characters (code points), not bytes.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@frozen
class Edit:
    """A change that cures a diagnostic: replace the text under `span` by `text`."""

    span: Span
    text: str


@frozen
class Diagnostic:
    """One finding about the author's file: a numbered code, a place, a sentence, a way out."""

    code: str
    severity: Severity
    message: str
    span: Span
    help: str = ""
    related: tuple[tuple[Span, str], ...] = ()
    edit: Edit | None = None


class LatheError(Exception):
    """Base of every exception that Lathe raises on purpose."""


class UsageError(LatheError, ValueError):
    """The command or call was put wrongly."""


class UnreadableError(LatheError, ValueError):
    """The input cannot be read; `diagnostics` says why, place by place."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(diagnostics[0].message if diagnostics else "unreadable input")
        self.diagnostics = diagnostics


class NotFoundError(LatheError, LookupError):
    """What was named does not exist."""


class QueueFullError(LatheError, RuntimeError):
    """More is asked at once than the queue holds: come again later."""


class InternalError(LatheError, RuntimeError):
    """Two of our own parts disagree (LT901): a defect of Lathe, never of the author's file."""
