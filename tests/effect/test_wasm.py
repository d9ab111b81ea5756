"""The `wasm` adapter: modules that do as they should, and modules that try what they may not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.effect import modules
from tests.effect.test_servers import says as serves, served

from lathe.effect.addresses import Addresses
from lathe.effect.base import Attempt, Ending
from lathe.effect.http import Http
from lathe.effect.wasm import Ceiling, Wasm
from lathe.effect.wasmhost import Outside
from lathe.lang.model import Json
from lathe.wasm.interface import HTTP_CALLS_LIMIT, LOG_LINES_LIMIT

SMALL = 2_000_000
"""Fuel for modules that use all they get."""
Told = list[tuple[str, Mapping[str, Json]]]


class Bench:
    """The adapter with one module, what it told the audit, and what is granted."""

    def __init__(self, module: bytes, reach: tuple[str, ...] = (), ceiling: Ceiling | None = None) -> None:
        self.told: Told = []
        self.http = Http(lambda app: Addresses(reach))
        self.asked = 0

        async def found(tenant: str, app: str, digest: str, path: str) -> bytes | None:
            self.asked += 1
            return module if path == "modules/m.wat" else None

        outside = Outside(self.http, lambda: 1_000, lambda event, keys: self.told.append((event, keys)))
        every = Ceiling(hosts=frozenset(HOSTS))
        self.wasm = Wasm(found, {"a": ceiling or every}, outside, threads=2)

    async def call(self, *, seconds: float = 20.0, **request: Any) -> Ending:
        settings = {"module": "modules/m.wat", "fuel": SMALL, **request}
        attempt = Attempt("e.1", "main", "a", "x", 1, settings, (), int(seconds * 1_000), "sha256:1")
        return await self.wasm.perform(attempt)

    async def close(self) -> None:
        await self.wasm.close()
        await self.http.close()


HOSTS = (
    "example.com",
    "127.0.0.1",
    "localhost",
    "10.0.0.1",
    "2130706433",
    "0x7f.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "0177.0.0.1",
    "0.0.0.0",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::ffff:7f00:1]",
)


def called(module: bytes, *, ceiling: Ceiling | None = None, **request: Any) -> tuple[Ending, Told]:
    """One call of a module's `run`."""

    async def run() -> tuple[Ending, Told]:
        bench = Bench(module, ceiling=ceiling)
        try:
            return await bench.call(**request), bench.told
        finally:
            await bench.close()

    return asyncio.run(run())


def test_what_a_module_answers_is_the_end() -> None:
    ending, told = called(modules.ECHO, input={"price": 7, "name": "é"})
    assert ending.ok, ending.message
    assert ending.results == {"price": 7, "name": "é"}
    assert 0 < ending.spent["fuel"] < SMALL
    ((event, keys),) = told
    assert (event, keys["invocation"], keys["fuel"]) == ("wasm.call", "e.1", ending.spent["fuel"])


def test_a_bad_end_that_a_module_chooses_is_refused_with_its_words() -> None:
    ending, _ = called(modules.says('{"error": "no such country"}'))
    assert (ending.ok, ending.cause, ending.message, ending.again) == (
        False, "refused", "no such country", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("module", "cause", "code"),
    [
        (modules.LOOP, "crashed", "out_of_fuel"),
        (modules.STARTS_TO_LOOP, "crashed", "out_of_fuel"),
        (modules.GREEDY, "crashed", "trap"),
        (modules.LARGE_AT_ONCE, "crashed", "out_of_memory"),
        (modules.TABLES, "crashed", "trap"),
        (modules.RECURSIVE, "crashed", "trap"),
        (modules.TRAPS, "crashed", "trap"),
        (modules.ALLOCATES_OUTSIDE, "crashed", "bad_pointer"),
        (modules.module(modules.packed(65_530, 64)), "crashed", "bad_pointer"),
        (modules.module(modules.packed(0, 64)), "invalid", "bad_output"),
        (modules.module("(i64.const -1)"), "invalid", "too_large"),
        (modules.module(modules.packed(0, 2_000_000)), "invalid", "too_large"),
        (modules.says("nonsense"), "invalid", "bad_output"),
        (modules.says("[1]"), "invalid", "bad_output"),
        (modules.says('{"ok": 7}'), "invalid", "bad_output"),
        (modules.says('{"ok": {}, "error": "both"}'), "invalid", "bad_output"),
        (modules.says("[" * 5_000), "invalid", "bad_output"),
        (modules.says('{"ok": {"x": NaN}}'), "invalid", "bad_output"),
        (modules.FOREIGN, "refused", "not_granted"),
        (modules.LOGS, "refused", "not_granted"),
        (modules.asks("{}"), "refused", "not_granted"),
        (modules.WRONG_TYPE, "invalid", "no_export"),
        (b"(module)", "invalid", "no_export"),
        (b"(modul", "invalid", "bad_module"),
        (b"\0asm\1\0\0\0\xff", "invalid", "bad_module"),
        (b"\0asm\x0d\0\x01\0\xff", "invalid", "bad_module"),
        (b"", "invalid", "bad_module"),
    ],
)  # fmt: skip
def test_a_module_that_misbehaves_ends_badly_and_harms_nobody(module: bytes, cause: str, code: str) -> None:
    ending, told = called(module)
    assert (ending.ok, ending.cause, ending.again) == (False, cause, False)
    assert ending.message.startswith(f"wasm.{code}: "), ending.message
    assert told[-1][1]["ended"] == f"wasm.{code}"


@pytest.mark.parametrize(
    ("module", "code"),
    [
        (modules.LOGS_OUTSIDE, "bad_pointer"),
        (modules.RANDOM_OUTSIDE, "bad_pointer"),
        (modules.RANDOM_TOO_MUCH, "too_large"),
        (modules.READS_THE_CLOCK, "out_of_fuel"),
        (modules.FLOODS, "out_of_fuel"),
    ],
)
def test_a_host_function_takes_no_more_than_it_should(module: bytes, code: str) -> None:
    ending, told = called(module, grants=["log", "now", "random"], fuel=50_000_000)
    assert ending.message.startswith(f"wasm.{code}: "), ending.message
    lines = [keys["said"] for event, keys in told if event == "wasm.log"]
    assert len(lines) <= LOG_LINES_LIMIT + 1
    assert all(len(str(line)) <= 1_000 for line in lines)


def test_a_line_of_a_module_is_told_with_the_invocation() -> None:
    ending, told = called(modules.LOGS, grants=["log"])
    assert ending.ok, ending.message
    assert told[0] == (
        "wasm.log",
        {"invocation": "e.1", "app": "a", "effect": "x", "said_level": "warning", "said": "hello"},
    )


def test_a_component_is_called_as_a_core_module_is() -> None:
    ending, told = called(modules.COMPONENT, grants=["log", "now", "random"], input={"a": 1})
    assert ending.ok, ending.message
    assert ending.results == {"a": 1}
    assert told[0][1]["said"] == '{"a":1}'
    assert ending.spent["fuel"] > 30_000


def test_a_component_gets_no_more_than_it_was_granted() -> None:
    ending, _ = called(modules.COMPONENT, grants=["now"])
    assert ending.message.startswith("wasm.not_granted: ")
    ending, _ = called(modules.COMPONENT, grants=["log", "now", "random"], function="loop")
    assert ending.message.startswith("wasm.out_of_fuel: ")
    ending, _ = called(modules.COMPONENT, grants=["log", "now", "random"], function="walk")
    assert ending.message.startswith("wasm.no_export: ")


def test_the_operator_limits_what_a_blueprint_grants() -> None:
    low = Ceiling(grants=frozenset({"now"}), fuel=1_000, memory_mib=1)
    ending, _ = called(modules.LOGS, grants=["log"], ceiling=low)
    assert (ending.cause, ending.message.partition(":")[0]) == ("refused", "wasm.not_granted")
    ending, _ = called(modules.ECHO, hosts=["example.com"], ceiling=low)
    assert ending.message == "wasm.not_granted: the operator does not grant `example.com` to modules of `a`"
    ending, _ = called(modules.LOOP, ceiling=low)
    assert (ending.spent, "all of its 1000 units" in ending.message) == ({"fuel": 1_000}, True)


def test_a_module_that_loops_is_stopped_at_its_time_and_nothing_else_waits() -> None:
    async def run() -> Ending:
        bench = Bench(modules.LOOP, ceiling=Ceiling(fuel=10**15))
        looping = asyncio.create_task(bench.call(seconds=0.4, fuel=10**12))
        ticks = 0
        while not looping.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert ticks > 5
        await bench.close()
        return looping.result()

    ending = asyncio.run(run())
    assert (ending.cause, ending.again) == ("timeout", True)
    assert ending.message.startswith("wasm.interrupted: ")
    assert ending.spent == {}, "nobody knows what it had used"


def test_a_call_that_is_cancelled_stops() -> None:
    async def run() -> None:
        bench = Bench(modules.LOOP, ceiling=Ceiling(fuel=10**15))
        looping = [asyncio.create_task(bench.call(fuel=10**12)) for _ in range(3)]
        await asyncio.sleep(0.2)
        for task in looping:
            task.cancel()
        assert await asyncio.gather(*looping, return_exceptions=True)
        assert all(task.cancelled() for task in looping)
        assert [(event, keys["ended"]) for event, keys in bench.told] == [("wasm.call", "cancelled")] * 3
        again = await bench.call(fuel=1_000)  # the thread is free
        assert again.message.startswith("wasm.out_of_fuel")
        await bench.close()

    asyncio.run(run())


def test_calls_side_by_side_share_nothing() -> None:
    async def run() -> None:
        bench = Bench(modules.ECHO)
        endings = await asyncio.gather(*(bench.call(input={"n": n}) for n in range(50)))
        assert [ending.results["n"] for ending in endings] == list(range(50))
        assert bench.asked <= 2, "its bytes are read once, not for every call"
        await bench.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1/", "no public address"),
        ("http://localhost/", "no public address"),
        ("http://2130706433/", "no public address"),
        ("http://0x7f.1/", "no public address"),
        ("http://[::1]/", "no public address"),
        ("http://[::ffff:127.0.0.1]/", "no public address"),
        ("http://10.0.0.1/", "no public address"),
        ("http://0177.0.0.1/", "Invalid IPv4 address"),
        ("http://0.0.0.0/", "no public address"),
        ("http://[::]/", "no public address"),
        ("http://[fe80::1]/", "no public address"),
        ("http://[fc00::1]/", "no public address"),
        ("http://[64:ff9b::7f00:1]/", "no public address"),
        ("http://[2002:7f00:1::]/", "no public address"),
        ("http://[::ffff:7f00:1]/", "no public address"),
        ("http://169.254.169.254/", "was not granted"),
        ("http://example.com:8080/", "was not granted"),
        ("http://example.com.evil.test/", "was not granted"),
        ("http://example.com@127.0.0.2/", "was not granted"),
        ("http://EXAMPLE.com:22/", "was not granted"),
        ("file:///etc/passwd", ""),
    ],
)
def test_a_request_goes_nowhere_that_was_not_granted_or_is_private(url: str, why: str) -> None:
    ending, told = called(modules.asks(f'{{"url": "{url}"}}'), hosts=HOSTS)
    assert (ending.ok, ending.cause) == (False, "refused")
    assert why in ending.message
    assert "refused" in told[0][1]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("nonsense", "bad_output"),
        ("{}", "bad_output"),
        ('{"url": 7}', "bad_output"),
        ('{"url": "http://example.com/", "method": "CONNECT"}', "bad_output"),
        ('{"url": "http://example.com/", "proxy": "x"}', "bad_output"),
    ],
)
def test_a_request_that_is_none_ends_the_call(request_: str, code: str) -> None:
    ending, _ = called(modules.asks(request_), hosts=HOSTS)
    assert ending.message.startswith(f"wasm.{code}: ")


def test_requests_are_counted() -> None:
    ending, told = called(modules.ASKS_FOREVER, hosts=HOSTS, fuel=100_000_000)
    assert ending.message.startswith("wasm.too_large: a call sends at most")
    assert len([event for event, _ in told if event == "wasm.http"]) == HTTP_CALLS_LIMIT


def test_a_request_carries_what_the_module_never_sees() -> None:
    seen: list[bytes] = []

    async def handle(head: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nset-cookie: a=b\r\n\r\nhello")
        await writer.drain()

    async def run() -> Ending:
        async with served(handle) as port:
            request = f'{{"url": "http://127.0.0.1:{port}/x?q=1", "headers": {{"Authorization": "mine"}}}}'
            ceiling = Ceiling(hosts=frozenset({f"127.0.0.1:{port}"}))
            bench = Bench(modules.asks(request), ("127.0.0.1/32",), ceiling)
            headers = {"authorization": "Bearer abc"}
            ending = await bench.call(hosts=[f"127.0.0.1:{port}"], headers=headers)
            await bench.close()
            assert bench.told[0][1]["url"] == f"http://127.0.0.1:{port}/x"
            return ending

    ending = asyncio.run(run())
    assert ending.ok, ending.message
    assert (ending.results["status"], ending.results["body"]) == (200, "hello")
    assert "abc" not in str(ending.results) and "set-cookie" not in str(ending.results)
    assert b"authorization: Bearer abc" in seen[0] and b"mine" not in seen[0]
    assert b"lathe-invocation: e.1-1" in seen[0]


def test_a_redirect_goes_only_where_the_module_may_go() -> None:
    async def run() -> Ending:
        async with served(serves(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")) as other:
            to = f"http://127.0.0.1:{other}/".encode()
            moved = b"HTTP/1.1 302 F\r\nlocation: " + to + b"\r\ncontent-length: 0\r\n\r\n"
            async with served(serves(moved)) as port:
                only = f"127.0.0.1:{port}"
                bench = Bench(
                    modules.asks(f'{{"url": "http://{only}/"}}'),
                    ("127.0.0.1/32",),
                    Ceiling(hosts=frozenset({only})),
                )
                ending = await bench.call(hosts=[only])
                await bench.close()
                return ending

    ending = asyncio.run(run())
    assert (ending.ok, "was not granted" in ending.message) == (False, True)


def test_a_call_that_waits_for_an_answer_is_stopped_with_it() -> None:
    async def silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def run() -> Ending:
        async with served(silent) as port:
            only = f"127.0.0.1:{port}"
            request = f'{{"url": "http://{only}/"}}'
            bench = Bench(modules.asks(request), ("127.0.0.1/32",), Ceiling(hosts=frozenset({only})))
            ending = await bench.call(seconds=0.5, hosts=[only])
            await bench.close()
            return ending

    ending = asyncio.run(run())
    assert (ending.cause, ending.again) == ("timeout", True)
