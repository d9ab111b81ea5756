"""Everything that a request can get wrong: a problem with a code, nothing changed, nothing leaked.

The other halves stand elsewhere: values in `test_input.py`, signatures in `test_inbound.py`, what a document
describes in `test_schemathesis.py`, bytes that are no HTTP in `test_wire.py`, tokens in `tests/govern`.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from tests.api.client import serving
from tests.api.test_commands import QUEUE

from lathe.api.wire.problem import PROBLEMS

BASE = "/v1/task/tasks"
JSON = {"content-type": "application/json"}
LEAKS = ("Traceback", "site-packages", "/src/lathe", 'File "', "lathe.api", "0x7f")


class Kept:
    """A client of an app with three tasks, and what the app must look like afterwards."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.ids: list[str] = []
        self._before: list[object] = []

    async def _all(self) -> list[object]:
        found: list[object] = (await self.client.get(BASE)).json()["items"]
        for name in self.ids:
            found += (await self.client.get(f"{BASE}/{name}/journal")).json()["items"]
        return found

    async def begin(self) -> None:
        for rank in (1, 2, 3):
            self.ids.append((await self.client.post(BASE, json={"rank": rank})).json()["id"])
        self._before = await self._all()

    async def refused(self, answer: httpx2.Response, *codes: str) -> None:
        """A problem as it should be, after which everything is as it was."""
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        found = answer.json()
        assert found["code"] in PROBLEMS and found["status"] == answer.status_code, found
        assert int(found["code"][2:5]) == answer.status_code and answer.status_code < 500, found
        assert not codes or found["code"] in codes, (found, codes)
        assert not any(leak in answer.text for leak in LEAKS), answer.text
        assert len(answer.content) < 4_000, "it does not tell back what it was sent"
        assert await self._all() == self._before


@asynccontextmanager
async def kept() -> AsyncIterator[Kept]:
    async with serving(files=QUEUE) as client:
        found = Kept(client)
        await found.begin()
        yield found


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"", b"null", b"[]", b'"x"', b"1", b"{'rank': 1}", b'{"rank": 1', b'{"rank": 1}}',
        b"\xef\xbb\xbf{}",
        b'{"rank": NaN}', b'{"rank": Infinity}', b'{"rank": 0x10}', b'{"rank": 01}', b'{"rank": 1,}',
        b'{"rank": "1"}', b'{"rank": 1.5}', b'{"rank": true}', b'{"rank": null}', b'{"rank": []}',
        b'{"rank": {}}', b'{"rank": 1e400}', b'{"rank": 99999999999999999999999999}', b'{"rank": -1}',
        b'{"rank": 1, "nobody": 1}', b'{"Rank": 1}', b'{"rank": 1, "id": "x"}',
        b'{"rank": 1, "state": "taken"}',
        b'{"rank": 1, "\\u0000": 1}', b'{"rank": 1, "__proto__": {}}', b'{"rank": 1, "": 1}',
        b"[" * 100_000, b'{"a":' * 50_000, b'{"rank": ' + b"9" * 100_000 + b"}", b"\xff\xfe{\x00}\x00",
        b'{"rank": "\\ud800"}', b'{"\\ud800": 1}', b"\x00", b'{"rank": 1}\x00',
    ],
)  # fmt: skip
def test_a_body_that_does_not_do_is_a_problem(body: bytes) -> None:
    async def main() -> None:
        async with kept() as one:
            await one.refused(
                await one.client.post(BASE, content=body, headers=JSON),
                "LR400.json",
                "LR400.body",
                "LR422.type",
            )
            if body:
                taking = b'{"action": "take", "args": ' + body + b"}"
                await one.refused(await one.client.post(f"{BASE}:take", content=taking, headers=JSON))

    asyncio.run(main())


def test_a_name_that_stands_twice_counts_as_the_last_one_as_json_has_it() -> None:
    async def main() -> None:
        async with kept() as one:
            made = await one.client.post(BASE, content=b'{"rank": 1, "rank": 2}', headers=JSON)
            assert made.status_code == 201 and made.json()["fields"]["rank"] == 2

    asyncio.run(main())


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "",
    ],
)
def test_a_body_of_another_type_is_refused(kind: str) -> None:
    async def main() -> None:
        async with kept() as one:
            for path in (BASE, f"{BASE}/{one.ids[0]}/take", f"{BASE}:take"):
                answer = await one.client.post(path, content=b'{"rank": 1}', headers={"content-type": kind})
                await one.refused(answer, "LR415.type")

    asyncio.run(main())


def test_a_body_beyond_the_limit_is_refused() -> None:
    async def main() -> None:
        async with kept() as one:
            for path in (BASE, f"{BASE}:take", f"{BASE}/{one.ids[0]}/take"):
                await one.refused(
                    await one.client.post(path, content=b" " * 2_000_000, headers=JSON), "LR413.body"
                )

    asyncio.run(main())


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/v1", "/v1/", "/v1//", "/v1/task", "/v1/task/", "/v1/task//", "/v1/task/tasks/",
        "/v1/task/tasks//", "/v1/task/tasks/%00", "/v1/task/tasks/%2e%2e", "/v1/task/tasks/..%2f..",
        "/v1/task/tasks/{id}%2ftake", "/v1/task/tasks/{id}%2Ftake", "/v1/task/tasks%2f{id}%2ftake",
        "/v1/task/tasks/{id}%5ctake", "/v1/task/tasks/{id}/take%00", "/v1/task/tasks/{id}/take/",
        "/v1/task/tasks/{id}/take/take", "/v1/task/tasks/{id}//take", "/v1/TASK/tasks/{id}/take",
        "/v1/task/Tasks/{id}/take", "/v1/task/task/{id}/take", "/V1/task/tasks/{id}/take",
        "/v1/task/tasks/{id}/TAKE", "/v1/task/tasks/{id}/__class__", "/v1/task/tasks/{id}/create",
        "/v1/task/tasks/" + "x" * 5_000 + "/take", "/v1/" + "x" * 5_000 + "/tasks",
        "/v1/task/tasks/%ff/take",
        "/v1/task/tasks/%e2%98%83/take", "/v1/task/tasks/%0d%0aset-cookie:x/take", "/v1/task/tasks;x=1",
        "/v1/task/tasks:take:take", "/v1/task/tasks:", "/v1/task/tasks:steal", "/v1/events",
        "/v1/apps", "/v1/me",
        "/v1/%2e%2e/task/tasks", "/openapi.json/", "/metrics/x", "/healthz/..;/v1", "/in/",
        "/in/task", "/in/nobody/x",
        "/in/%2e%2e/x", "/in/a:b:c/x", "/in/:task/x", "/.git/config",
    ],
)  # fmt: skip
def test_an_odd_path_is_a_problem_and_takes_nothing(path: str) -> None:
    async def main() -> None:
        async with kept() as one:
            given = path.replace("{id}", one.ids[0])
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                await one.refused(await one.client.request(method, f"http://test{given}", content=b""))

    asyncio.run(main())


@pytest.mark.parametrize(
    "where",
    [
        "rank ==", "rank = 1", "1 == 1; drop table entity", "rank == 1 or 1 == 1 --",
        "rank == '1'", "nobody == 1",
        "state == 'nowhere'", "rank == 1)) or ((1", "__import__('os')", "rank.__class__ is None", "id in",
        "rank == 1 and " * 200 + "rank == 1", "(" * 500 + "rank == 1" + ")" * 500,
        "not " * 1_000 + "rank == 1",
        "-" * 1_000 + "rank == 1", "rank == " + "9" * 1_000, "rank == 1e999", "rank / 0 == 1",
        "rank == '\x00'",
        "rank == '\ud7ff\ue000' and x", "rank\u200b == 1", "\uff52ank == 1", "rank == 1 # x",
        "any(rank)", "all(x for x in y)",
        "lambda: 1", "rank if rank else rank", "[rank]", "rank == {}", "actor == 'x'", "now > 1",
        "arg.x == 1",
        "old.rank == 1", "self.rank == 1", "rank == 1\n\nor rank == 2", "x" * 10_000,
        "`rank` == 1", '"rank" == 1',
        "rank like '%'", "rank == ?", "rank == :p", "rank == $1", "rank is rank", "rank == rank.rank",
    ],
)  # fmt: skip
def test_a_hostile_filter_is_refused_or_finds_only_what_is_there(where: str) -> None:
    async def main() -> None:
        async with kept() as one:
            found = await one.client.get(BASE, params={"where": where})
            if found.status_code == 200:
                assert {item["id"] for item in found.json()["items"]} <= set(one.ids)
            else:
                await one.refused(found, "LR422.where", "LR400.query")
            taking = {"action": "take", "where": f"rank > 5 and ({where})"}
            tried = await one.client.post(f"{BASE}:take", json=taking)
            if tried.status_code != 204:
                await one.refused(tried, "LR422.where")

    asyncio.run(main())


def test_a_filter_is_read_to_its_end() -> None:
    """What stands behind a `#` is no comment: it would be passed over unseen."""

    async def main() -> None:
        async with kept() as one:
            for where in ("rank > 0 # and rank < 0", "#", "rank > 0\n# 1"):
                listed = await one.client.get(BASE, params={"where": where})
                await one.refused(listed, "LR422.where")
                assert listed.json()["column"] == where.rpartition("\n")[2].index("#") + 1, listed.text
                taking = {"action": "take", "where": where}
                await one.refused(await one.client.post(f"{BASE}:take", json=taking), "LR422.where")
            quoted = await one.client.get(BASE, params={"where": "id != '#'"})
            assert len(quoted.json()["items"]) == len(one.ids)

    asyncio.run(main())


@pytest.mark.parametrize(
    "query",
    [
        {"limit": ""}, {"limit": "0"}, {"limit": "²"}, {"sort": "rank; drop"}, {"sort": "--id"},
        {"sort": ""},
        {"state": "nowhere"}, {"state": "open'--"}, {"nobody": "1"}, {"cursor": ""},
        {"cursor": "x" * 20_000},
        {"cursor": "é"}, {"cursor": "AAAA"}, {"cursor": "../../etc/passwd"}, {"cursor": "\x00"},
    ],
)  # fmt: skip
def test_an_odd_parameter_is_a_problem(query: dict[str, str]) -> None:
    async def main() -> None:
        async with kept() as one:
            await one.refused(await one.client.get(BASE, params=query), "LR400.query", "LR400.cursor")

    asyncio.run(main())


def test_a_cursor_is_good_for_the_list_that_gave_it_and_nothing_else() -> None:
    async def main() -> None:
        async with kept() as one:
            page = (await one.client.get(BASE, params={"limit": "1"})).json()
            good = page["next"]
            data = urlsafe_b64decode(good + "=" * (-len(good) % 4))
            forged = [
                urlsafe_b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode(),
                urlsafe_b64encode(bytes([data[0] ^ 1]) + data[1:]).decode(),
                urlsafe_b64encode(data[:12]).decode(),
                urlsafe_b64encode(data[:12] + b'["\\u0000", "x"]').decode(),
                urlsafe_b64encode(b"\0" * 12 + json.dumps(["z", "z"]).encode()).decode(),
                good[:-2],
            ]
            for cursor in forged:
                await one.refused(await one.client.get(BASE, params={"cursor": cursor}), "LR400.cursor")
            for other in ({"sort": "-id"}, {"where": "rank > 1"}, {"state": "taken"}):
                asked = {"cursor": good, **other}
                await one.refused(await one.client.get(BASE, params=asked), "LR400.cursor")
            rest = (await one.client.get(BASE, params={"cursor": good})).json()["items"]
            assert [item["id"] for item in rest] == sorted(one.ids)[1:]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"if-match": '"7"'}, "LR412.version"), ({"if-match": '"0"'}, "LR412.version"),
        ({"if-match": "W/\"1\""}, None), ({"if-match": '"x"'}, None), ({"if-match": ""}, None),
        ({"if-match": '"' + "9" * 5_000 + '"'}, None), ({"if-match": '"²"'}, None),
        ({"if-match": '"-1"'}, None),
        ({"if-visit": "99"}, "LR412.visit"), ({"if-visit": "x"}, None), ({"if-visit": "²"}, None),
        ({"if-visit": "9" * 5_000}, None), ({"if-visit": "-1"}, None),
        ({"idempotency-key": ""}, "LR400.query"), ({"idempotency-key": "x" * 5_000}, "LR400.query"),
        ({"idempotency-key": " \t "}, "LR400.query"),
    ],
)  # fmt: skip
def test_a_stale_or_odd_precondition_takes_nothing(headers: dict[str, str], code: str | None) -> None:
    async def main() -> None:
        async with kept() as one:
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            answer = await one.client.post(f"{BASE}/{one.ids[0]}/take", headers=encoded)
            await one.refused(answer, *([code] if code else []))

    asyncio.run(main())


def test_an_idempotency_key_means_one_request_and_no_other() -> None:
    async def main() -> None:
        async with kept() as one:
            first, second = one.ids[:2]
            headers = {"idempotency-key": "k"}
            taken = await one.client.post(f"{BASE}/{first}/take", headers=headers)
            assert taken.status_code == 200
            one._before = await one._all()
            for path, body in (
                (f"{BASE}/{second}/take", b""), (BASE, b'{"rank": 4}'), (f"{BASE}/{first}/take",
        b'{"x": 1}'),
                (f"{BASE}:take", b'{"action": "take"}'),
            ):  # fmt: skip
                again = await one.client.post(path, content=body, headers={**headers, **JSON})
                await one.refused(again, "LR422.key", "LR422.type")
            again = await one.client.post(f"{BASE}/{first}/take", headers=headers)
            assert (again.status_code, again.content) == (200, taken.content)
            assert await one._all() == one._before

    asyncio.run(main())


@pytest.mark.parametrize(
    "value", ["wait=²", "wait=1e9", "wait=-1", "wait=", "wait", "wait=" + "9" * 99, ",,=;", "\xff"]
)
def test_an_odd_wish_to_wait_is_passed_over(value: str) -> None:
    async def main() -> None:
        async with kept() as one:
            headers = {"prefer": value.encode("latin-1")}
            taking = {"action": "take", "where": "rank > 5"}
            answer = await one.client.post(f"{BASE}:take", json=taking, headers=headers)
            assert answer.status_code == 204, answer.text
            events = await one.client.get("/v1/events", headers={**headers, "accept": "application/json"})
            assert events.status_code == 200, events.text

    asyncio.run(main())


@pytest.mark.parametrize("last", ["x", "-1", "²", "9" * 100, "1e3", "\x00", " "])
def test_an_odd_place_among_the_events_is_a_problem(last: str) -> None:
    async def main() -> None:
        async with kept() as one:
            json_please = {"accept": "application/json"}
            await one.refused(
                await one.client.get("/v1/events", params={"after": last}, headers=json_please), "LR400.query"
            )

    asyncio.run(main())
