"""Client address and host of a request behind proxies, from the headers of trusted proxies only.

`X-Forwarded-For`, `-Proto` and `-Host` are ignored unless a trusted proxy sends them. Everything behind this
middleware reads the request's own address, scheme and `Host`, and never these headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from lathe.api.wire.answers import Application, Receive, Scope, Send
from lathe.errors import UsageError

Network = IPv4Network | IPv6Network
HOPS_LIMIT = 32
"""Addresses of `X-Forwarded-For` that are looked at, from the last one on."""
FOR, PROTO, HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?"
)


def networks_of(proxies: Iterable[str]) -> tuple[Network, ...]:
    """The networks of `server.proxies`. Raises `UsageError` for what is no address and no network."""
    found = []
    for text in proxies:
        try:
            found.append(ip_network(text))
        except ValueError:
            said = "an address or a network is meant, such as `10.0.0.0/8`"
            raise UsageError(f"`[server] proxies`: `{text[:80]}`: {said}") from None
    return tuple(found)


class Proxied:
    """An ASGI application whose requests may come through these proxies."""

    def __init__(self, inner: Application, proxies: Sequence[Network]) -> None:
        self._inner = inner
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as of whoever stands before the proxies."""
        await self._inner(self.seen(scope), receive, send)

    def seen(self, scope: Scope) -> Scope:
        """A request, as of whoever stands before the proxies."""
        client = scope.get("client")
        if scope["type"] == "http" and client and self._is_proxy(str(client[0])):
            return self._before(scope, str(client[0]))
        return scope

    def _is_proxy(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(
            address.version == network.version and address in network for network in self._proxies
        )

    def _before(self, scope: Scope, peer: str) -> Scope:
        """The request as the first proxy met it. What a proxy does not say, or says badly, stays as it is."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        address = self._sender(peer, _words(headers, FOR))
        changed = {**scope, "client": (address, 0)}
        scheme = next(_words(headers, PROTO), "").lower()
        if scheme in ("http", "https"):
            changed["scheme"] = scheme
        host = next(_words(headers, HOST), "")
        if _HOST.fullmatch(host):
            headers = [(b"host", host.encode("ascii")), *(h for h in headers if h[0] != b"host")]
        changed["headers"] = [header for header in headers if header[0] not in (FOR, PROTO, HOST)]
        return changed

    def _sender(self, peer: str, hops: Iterator[str]) -> str:
        """The nearest address that is no proxy of ours: everything before it anybody may have written."""
        found = peer
        for _, text in zip(range(HOPS_LIMIT), hops, strict=False):
            address = _address(text)
            if address is None:
                return found
            found = str(address)
            if not self._is_proxy(found):
                return found
        return found


def _words(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> Iterator[str]:
    """What the lines of a header list, the last first: each proxy adds at the end."""
    for given, value in reversed(headers):
        if given == name:
            for word in reversed(value.decode("latin-1").split(",")):
                yield word.strip()


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4 one inside IPv6 as itself; None for what is none. A port after it is left out."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    inner = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return inner or found
