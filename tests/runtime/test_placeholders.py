"""A secret goes to the hosts that the operator named, and nowhere else."""

from __future__ import annotations

import pytest
from msgspec import json
from tests.support import app_of

from lathe.effect.render import MissingError
from lathe.runtime.clock import SystemClock
from lathe.runtime.config import AppSettings, Secret
from lathe.runtime.placeholders import lookups, wanting
from lathe.runtime.tokens import GRACE_MS, Tokens
from lathe.store.records import Outgoing

SETTINGS = AppSettings(
    env={"BANK": "https://bank.example"},
    secrets={"key": Secret(env="KEY", hosts=("bank.example",)), "any": Secret(env="ANY")},
)


PAYING = """
blueprint = "Bill"
[state]
paying = { initial = true, run = "pay" }
paid = { final = true }
[action]
create = { by = "role:clerk" }
ended = { from = "paying", to = "paid" }
[effect.pay]
uses = "http"
ok = "ended"
error = "ended"
[effect.pay.with]
method = "PUT"
url = "{env.BANK}/payments/{id}"
headers = { Authorization = "Bearer {secret.KEY}" }
"""


class Clock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 0

    def now_ms(self) -> int:
        return self.now


def calling(*hosts: str) -> Outgoing:
    request = {"module": "modules/m.wasm", "hosts": [*hosts]}
    return Outgoing("main", "a", "B", "e", 1, "pay", 1, "started", "", 0, json.encode(request))


def outgoing(url: object) -> Outgoing:
    return Outgoing("main", "a", "B", "e", 1, "pay", 1, "started", "", 0, json.encode({"url": url}))


@pytest.mark.parametrize("url", ["https://bank.example/pay", {"$lathe": [["env", "BANK"], "/pay"]}])
def test_a_secret_goes_to_its_host(url: object) -> None:
    look_up = lookups({"a": SETTINGS}, Tokens(b"k" * 32, SystemClock()), lambda secret: "hidden")
    assert look_up(outgoing(url), 1_000)("secret", "key") == "hidden"


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ("env", "`env = { SHOP = … }` under `[app.a]`"),
        ("secret", "`secrets.SHOP = { env = … }` under `[app.a]`"),
    ],
)
def test_what_was_not_given_says_where_to_give_it(scope: str, says: str) -> None:
    look_up = lookups({"a": SETTINGS}, Tokens(b"k" * 32, SystemClock()), lambda secret: "hidden")
    with pytest.raises(MissingError) as caught:
        look_up(outgoing("https://bank.example"), 1_000)(scope, "SHOP")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "https://bank.example@evil.example/", "https://bank.example.evil/", "http://["],
)
def test_a_secret_goes_nowhere_else(url: str) -> None:
    look_up = lookups({"a": SETTINGS}, Tokens(b"k" * 32, SystemClock()), lambda secret: "hidden")
    with pytest.raises(MissingError):
        look_up(outgoing(url), 1_000)("secret", "key")
    assert look_up(outgoing(url), 1_000)("secret", "any") == "hidden"


@pytest.mark.parametrize(
    "hosts", [(), ("evil.example",), ("bank.example", "evil.example"), ("bank.example.evil",)]
)
def test_a_secret_goes_to_a_module_only_if_all_its_hosts_may_have_it(hosts: tuple[str, ...]) -> None:
    look_up = lookups({"a": SETTINGS}, Tokens(b"k" * 32, SystemClock()), lambda secret: "hidden")
    with pytest.raises(MissingError):
        look_up(calling(*hosts), 1_000)("secret", "key")
    assert look_up(calling("bank.example", "bank.example:8443"), 1_000)("secret", "key") == "hidden"


def test_a_token_is_good_for_as_long_as_its_try_may_take() -> None:
    clock, day = Clock(), 86_400_000
    tokens = Tokens(b"k" * 32, clock)
    token = lookups({}, tokens, lambda secret: None)(outgoing("https://bank.example"), day)("token", "")
    clock.now = day + GRACE_MS - 1
    assert tokens.read(token) is not None
    clock.now += 1
    assert tokens.read(token) is None


def test_what_effects_name_and_nobody_gave_is_told_before_they_run() -> None:
    app = app_of(PAYING)
    told = wanting(app, AppSettings())
    assert [("{env.BANK}" in line, "{secret.KEY}" in line) for line in told] == [(True, False), (False, True)]
    given = AppSettings(env={"BANK": "x"}, secrets={"KEY": Secret(env="KEY")})
    assert wanting(app, given) == []
    assert wanting(app, given, read=lambda secret: "k") == []
    (empty,) = wanting(app, given, read=lambda secret: None)
    assert empty.endswith("is empty: the variable `KEY` is not set") and "`{secret.KEY}`" in empty


def test_a_secret_that_only_an_inbound_event_is_signed_with_is_missed_too() -> None:
    signed = PAYING + (
        '\n[inbound.told]\npath = "told/{of}"\nsigned = { scheme = "github", secret = "HOOK" }\n'
        'find = { id = "path.of" }\naction = "ended"\n'
    )
    told = wanting(app_of(signed), AppSettings(env={"BANK": "x"}, secrets={"KEY": Secret(env="KEY")}))
    assert len(told) == 1 and "`{secret.HOOK}`" in told[0]
