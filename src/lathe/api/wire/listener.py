"""Closing a listening socket without resetting connections that the kernel has accepted already.

The kernel completes handshakes by itself: a client that it accepts between our last `accept` and `close` is
reset, and may have sent a request by then. So on Linux a socket filter first drops every SYN, while
connections that are under way are still accepted. A client whose SYN is dropped retransmits it after a
second, and is then refused or reaches another process.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress

ROUND_TRIP_SECONDS = 0.1
"""How long a handshake that has begun may take."""
SO_ATTACH_FILTER = 26
FLAGS, SYN = 13, 0x02
"""Offset of the flags in a TCP header, and the SYN bit."""
PROGRAM = (
    (0x30, 0, 0, FLAGS),  # load the flags
    (0x45, 0, 1, SYN),  # does it open a connection?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # let it through
)
"""Classic BPF: code, jumps if true and false, operand."""


def connect_nobody(plug: socket.socket) -> None:
    """Drop new handshakes; connections that are complete or under way can still be accepted.

    Where the system has no such filter or forbids it, or the socket is none of TCP, it does nothing.
    """
    if sys.platform != "linux" or plug.family not in (socket.AF_INET, socket.AF_INET6):
        return
    code = b"".join(struct.pack("HBBI", *line) for line in PROGRAM)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(PROGRAM), ctypes.addressof(held))
    with suppress(OSError):
        plug.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def connected(plug: socket.socket) -> list[socket.socket]:
    """The connections that the kernel has completed and that were not accepted yet."""
    found: list[socket.socket] = []
    plug.setblocking(False)
    while True:
        try:
            found.append(plug.accept()[0])
        except ConnectionAbortedError:
            continue  # it has gone again: there may be others behind it
        except OSError:
            return found  # there is nobody more, or no room for more
