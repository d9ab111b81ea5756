"""The interface between Lathe and a module, as data: names, signatures, limits, and what can go wrong.

A *core module* exports `memory`, `alloc(length) -> pointer` and `FUNCTION(pointer, length) -> i64`: the JSON
of `input` is written where `alloc` says, and the answer's pointer (upper 32 bits) and length (lower 32 bits)
come back. It answers `{"ok": {results}}` or `{"error": "message"}`. A *component* exports
`FUNCTION: func(request: string) -> result<string, string>`. Both import host functions only as granted.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from lathe.frozen import frozen

NAMESPACE = "lathe"
"""What a core module imports host functions from."""
MEMORY = "memory"
ALLOC = "alloc"
HTTP = "http"

HOST_FUNCTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "log": (("i32", "i32", "i32"), ()),
        "now": ((), ("i64",)),
        "random": (("i32", "i32"), ()),
        HTTP: (("i32", "i32"), ("i64",)),
    }
)
"""The host functions of a core module: parameters and results. `log(level, pointer, length)`, the level from
0 (debug) to 3 (error); `now()` in milliseconds since 1970; `random(pointer, length)` fills;
`http(pointer, length)` answers as a module does, in memory that it asks `alloc` for.
"""
COMPONENT_FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "log": "func(u32, string)",
        "now": "func() -> u64",
        "random": "func(u32) -> list<u8>",
        HTTP: "func(string) -> result<string, string>",
    }
)
"""The same for a component, as WIT has it."""
COMPONENT_RUN = "func(string) -> result<string, string>"
LEVELS = ("debug", "info", "warning", "error")

DEFAULT_FUEL = 100_000_000
DEFAULT_MEMORY_MIB = 16
HOST_CALL_FUEL = 10_000
"""What a call of a host function costs, beside one for each byte: it takes about as long as so many steps."""
STACK_BYTES = 256 * 1024
INPUT_BYTES_LIMIT = 1_048_576
OUTPUT_BYTES_LIMIT = 1_048_576
LOG_LINES_LIMIT = 100
LOG_CHARACTERS_LIMIT = 1_000
RANDOM_BYTES_LIMIT = 4_096
HTTP_CALLS_LIMIT = 16
MESSAGE_CHARACTERS_LIMIT = 500
TABLE_ELEMENTS_LIMIT = 100_000

FaultCode = Literal[
    "bad_module",  # it is no WebAssembly, or wants what is not supported
    "no_export",  # it lacks a function, or one has another type
    "not_granted",  # it imports what it was not granted, or asks a host for more than it may
    "trap",  # it did what no program may: `unreachable`, out of bounds, too deep
    "out_of_fuel",
    "out_of_memory",  # its memory is larger than the cap before it even runs
    "interrupted",  # its time was up, or nobody waits any more
    "bad_pointer",  # a pointer and length that do not lie in its memory
    "bad_output",  # it answers something else than the interface says
    "too_large",  # more bytes in or out than are taken
]


class Fault(Exception):
    """What a module did wrong, or what was done to it. `code` is for programs, the text for people."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code: FaultCode = code


@frozen
class Bounds:
    """What one call may use."""

    fuel: int = DEFAULT_FUEL
    memory_bytes: int = DEFAULT_MEMORY_MIB * 1_048_576


@frozen
class Answer:
    """A good answer, as the text of its JSON, or the message of a bad one.

    `results` are the same, where the answer had to be read to be told from the other.
    """

    is_ok: bool
    text: bytes
    results: Mapping[str, object] | None = None


def granted(functions: tuple[str, ...], *, has_hosts: bool) -> frozenset[str]:
    """The host functions that an effect grants: those it names, and `http` where it names hosts."""
    return frozenset(functions) | (frozenset({HTTP}) if has_hosts else frozenset())
