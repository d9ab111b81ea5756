"""Bodies that hold files: what they may hold, and how many of them come at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest
import structlog
from hypothesis import given, strategies as st
from tests.api.client import serving
from tests.api.test_checks import broken
from tests.govern.house import code

from lathe.api.wire.uploads import OF_ONE_LIMIT, PLAIN_BYTES_LIMIT, STRINGS_LIMIT, UPLOADS_LIMIT, Strings
from lathe.gate.judge import ChildGate

PATH = "/v1/checks"
MORE = PLAIN_BYTES_LIMIT + 1

texts = st.text(alphabet='\\"a\u00e9\n:,{}[]', max_size=12)


@given(st.recursive(texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)), st.data())
def test_the_strings_of_any_json_are_counted_in_whatever_pieces_it_comes(
    value: object, data: st.DataObject
) -> None:
    body = json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    strings = Strings()
    for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        strings.feed(body[begin:end])
    assert strings.count == counted(value)


def counted(value: object) -> int:
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        return len(value) + sum(map(counted, value.values()))
    assert isinstance(value, list)
    return sum(map(counted, value))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"files":{' + b'"a":"",' * (MORE // 7) + b'"b":""}}', "LR400.body"),
        (b'{"x":[' + b"{}," * (MORE // 3) + b"{}]}", "LR413.body"),
        (b'{"files":[' + b"{}," * (MORE // 3) + b"{}]}", "LR400.body"),
        (b'{"files":{"a":' + b"[" * MORE + b"}}", "LR400.json"),
        (b"\\" * MORE, "LR400.json"),
        (b"[" + b" " * MORE + b"]", "LR400.body"),
        (b'{"files":{"a":"\xff' + b"x" * MORE + b'"}}', "LR400.json"),
        (b'{"files":{}}' + b" " * (32 * 1024 * 1024), "LR413.body"),
        (b'{"binary":{"a.wasm":"=AAA"}}', "LR400.body"),
        (b'{"binary":{"a.wasm":"AA A"}}', "LR400.body"),
        (b"", "LR400.body"),
    ],
    ids=range(11),
)
def test_a_large_body_holds_few_values(body: bytes, told: str) -> None:
    async def main() -> None:
        async with serving(gate=ChildGate()) as client:
            answer = await client.post(PATH, content=body)
            assert (answer.status_code // 100, code(answer)) == (4, told), answer.text[:200]

    asyncio.run(main())


def test_large_files_are_checked_as_ever() -> None:
    async def main() -> None:
        async with serving(gate=ChildGate()) as client:
            files = broken("rollout", "drain_too_early")
            files["NOTES.md"] = 'a "quote" and a \\ \n' * (MORE // 20)
            answer = await client.post(PATH, json={"files": files})
            assert answer.status_code == 200, answer.text[:200]
            assert answer.json()["verdict"] == "refused"
            assert len(answer.request.content) > MORE
            assert files["NOTES.md"].count('"') > STRINGS_LIMIT, "what is inside a text is no string"

    asyncio.run(main())


def test_who_goes_away_while_sending_is_no_defect() -> None:
    async def main() -> None:
        async with serving(gate=ChildGate()) as client:
            app = client._transport.app  # type: ignore[attr-defined]
            scope = {
                "type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "headers": [],
                "query_string": b"", "client": ("127.0.0.1", 1), "server": ("test", 80), "scheme": "http",
                "root_path": "", "http_version": "1.1",
            }  # fmt: skip

            async def receive() -> dict[str, object]:
                return {"type": "http.disconnect"}

            async def send(message: dict[str, object]) -> None:
                """Nobody hears it."""

            with structlog.testing.capture_logs() as logs:
                await app(scope, receive, send)
            assert logs == []

    asyncio.run(main())


def test_so_many_come_at_once_and_of_one_fewer() -> None:
    async def main() -> None:
        async with serving(gate=ChildGate()) as client:
            more = asyncio.Event()
            begun = 0

            async def slow() -> AsyncIterator[bytes]:
                nonlocal begun
                begun += 1
                yield b"{"
                await more.wait()
                yield b"}"

            def send(name: str) -> asyncio.Task[httpx2.Response]:
                headers = {"x-test": f"{name}=worker"}
                return asyncio.create_task(client.post(PATH, content=slow(), headers=headers))

            waiting = [send(f"p{n // OF_ONE_LIMIT}") for n in range(UPLOADS_LIMIT)]
            while begun < UPLOADS_LIMIT:
                await asyncio.sleep(0)
            for name in ("p0", "other"):
                refused = await client.post(PATH, json={}, headers={"x-test": f"{name}=worker"})
                assert (refused.status_code, code(refused)) == (503, "LR503.busy")
                assert refused.headers["retry-after"]
            more.set()
            assert {code(answer) for answer in await asyncio.gather(*waiting)} == {"LR400.body"}
            assert code(await client.post(PATH, json={}, headers={"x-test": "p0=worker"})) == "LR400.body"

    asyncio.run(main())
