"""Who is one address: a host of IPv4, or whoever was given a network of IPv6."""

from __future__ import annotations

import pytest

from lathe.govern.throttle import ADDRESS_BURST, Throttle


def test_a_network_of_ipv6_is_one_address() -> None:
    throttle = Throttle(lambda: 0.0)
    for number in range(ADDRESS_BURST):
        throttle.failed(f"2001:db8:1:2::{number:x}", "unknown token")
    assert throttle.wait_seconds("2001:db8:1:2:ffff::1") > 0
    assert throttle.wait_seconds("2001:db8:1:3::1") == 0
    account = throttle.account()
    assert account is not None
    assert account.counted == (("2001:db8:1:2::/64", "unknown token", ADDRESS_BURST),)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no address", "no address", True),
        ("no address", "another", False),
    ],
)
def test_addresses_of_one_host_are_counted_together(one: str, other: str, is_same: bool) -> None:
    throttle = Throttle(lambda: 0.0)
    for _ in range(ADDRESS_BURST):
        throttle.failed(one, "unknown token")
    assert (throttle.wait_seconds(other) > 0) is is_same
