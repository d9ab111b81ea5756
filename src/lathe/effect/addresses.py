"""Where an effect may connect to: public addresses, and what the operator has named.

A name is resolved once, every address is looked at, and the connection goes to the very address that passed:
a name that answers otherwise a moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

ADDRESSES_LIMIT = 16
"""Addresses of one name that are considered."""


class ForbiddenError(Exception):
    """Effects may not connect to this address."""


class Addresses:
    """The addresses that effects may reach: public ones, and those in `allowed` (`host`, `host:port`,
    networks).
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._networks = []
        self._names: set[str] = set()
        for one in allowed:
            try:
                self._networks.append(ip_network(one))
            except ValueError:
                self._names.add(one.lower())

    def chosen(self, host: str, port: int, found: Sequence[str]) -> str:
        """Look a host up, and choose a permitted address. Raises `ForbiddenError`, `OSError`."""
        name = name_of(host)
        addresses = found[:ADDRESSES_LIMIT]
        is_named = name in self._names or f"{name}:{port}" in self._names
        if not is_named:
            for text in addresses:
                if not self._may(ip_address(text.partition("%")[0])):
                    raise ForbiddenError(
                        f"`{host}` is at {text}, which is no public address: `reach` allows it"
                    )
        if not addresses:
            raise OSError(f"`{host}` has no address")
        return addresses[0]

    def _may(self, address: Address) -> bool:
        inner = _unwrapped(address)
        if any(inner.version == network.version and inner in network for network in self._networks):
            return True
        is_local = isinstance(inner, IPv6Address) and (inner.is_site_local or inner.is_reserved)
        return inner.is_global and not inner.is_multicast and not is_local


def name_of(host: str) -> str:
    """The name to look up for the host of a URL."""
    return host.lower().strip("[]")


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where there is one: mapped, 6to4, NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in ip_network("64:ff9b::/96"):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
