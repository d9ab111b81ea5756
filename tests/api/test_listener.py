"""A listening socket is closed after the last who was connected, and nobody is connected meanwhile."""

from __future__ import annotations

import errno
import select
import socket
import sys

import pytest

from lathe.api.wire.listener import connect_nobody, connected


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has the filter")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_nobody_is_connected_between_the_last_look_and_the_end(
    family: socket.AddressFamily, host: str
) -> None:
    plug = socket.create_server((host, 0), family=family)
    address = plug.getsockname()
    early = socket.create_connection(address[:2], timeout=30)
    early.sendall(b"asked")
    connect_nobody(plug)
    late = socket.socket(family)
    late.setblocking(False)
    assert late.connect_ex(address) == errno.EINPROGRESS
    (one,) = connected(plug)
    one.setblocking(True)
    assert select.select([], [late], [], 0.3)[1] == [], "it knocks, and nobody opens"
    assert connected(plug) == []
    plug.close()
    assert one.recv(5) == b"asked", "who was connected before is heard"
    one.sendall(b"answered")
    assert early.recv(8) == b"answered"
    assert select.select([], [late], [], 30)[1] == [late]
    assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    for each in (one, early, late):
        each.close()


def test_who_has_gone_again_hides_nobody() -> None:
    plug = socket.create_server(("127.0.0.1", 0))
    gone = socket.create_connection(plug.getsockname())
    gone.close()
    stays = socket.create_connection(plug.getsockname(), timeout=30)
    found = connected(plug)
    assert stays.getsockname() in [one.getpeername() for one in found if _is_there(one)]
    for each in (*found, stays, plug):
        each.close()


def _is_there(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True


def test_a_socket_that_is_none_of_tcp_is_left_as_it_is() -> None:
    one, other = socket.socketpair()
    connect_nobody(one)
    other.sendall(b"x")
    assert one.recv(1) == b"x"
    one.close()
    other.close()
