"""What is wrong with a request is said so that whoever sent it knows what would be right."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import Any

import httpx2
import pytest
import structlog
from tests.api.test_intents import FILES, JOBS
from tests.govern.house import house

from lathe.api.wire.logs import configure

OTHERS = "it also takes `where`, `sort`, `args`"


async def asked(method: str, path: str, body: object, **headers: str) -> httpx2.Response:
    """One request in a house of jobs, of somebody who may do everything there; `ID` is a job's."""
    async with house(files=FILES) as one:
        scopes = {"kind": "person", "roles": ["clerk", "boss"], "scopes": ["operator"]}
        token = await one.made(one.operator, "ann", **scopes)
        made = (await one.ask(token, "POST", JOBS, {"key": "a"})).json()["id"]
        async with one.client(token, **headers) as client:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            answer = await client.request(method, path.replace("ID", made), content=content)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return answer


@pytest.mark.parametrize(
    ("path", "body", "detail", "cure"),
    [
        ("/v1/jobs/jobs:take", {}, "`action` is missing", f"it needs `action`; {OTHERS}"),
        (
            "/v1/jobs/jobs:take",
            [],
            "the body must be an object, and is a list",
            f"it needs `action`; {OTHERS}",
        ),
        (
            "/v1/jobs/jobs:take",
            {"action": "close", "wher": "n > 1"},
            "the body has no member `wher`",
            f"it needs `action`; {OTHERS}",
        ),
        (
            "/v1/jobs/jobs:take",
            {"action": 1},
            "`action` must be text, and is a whole number",
            f"it needs `action`; {OTHERS}",
        ),
        (JOBS, {"kex": "b"}, "`kex` is no argument of it", "`create` takes `key` (text)"),
        (JOBS, {"key": 1}, "`key` must be text", "`create` takes `key` (text)"),
        (f"{JOBS}/ID/add", {"by": 1}, "`by` is no argument of it", "`add` takes no arguments"),
        (
            f"{JOBS}/ID/clos",
            {},
            "`Job` has no action `clos`",
            "did you mean `close`? its actions are `create`, `add`, `hold`, `close`, `hand_on`; "
            "`create` makes a new entity, the others need the id of one",
        ),
        ("/v1/jobs/job", {}, "`jobs` has no `job`", "did you mean `jobs`? its collections are `jobs`"),
    ],
)
def test_what_a_body_must_be(path: str, body: object, detail: str, cure: str) -> None:
    found: dict[str, Any] = asyncio.run(asked("POST", path, body)).json()
    assert (found["detail"], found["help"]) == (detail, cure)


@pytest.mark.parametrize(
    ("path", "detail", "cure"),
    [
        (
            f"{JOBS}?state=opn",
            "`Job` has no state `opn`",
            "did you mean `open`? its states are `open`, `held`, `done`",
        ),
        (
            f"{JOBS}?where=zzz",
            "a filter knows no `zzz`",
            "a filter is a condition over `id`, `state`, `n`, `key`, `last`",
        ),
        (
            f"{JOBS}/ID/actions?explain=clos",
            "`Job` has no action `clos` on an entity",
            "did you mean `close`? there are `add`, `hold`, `close`, `hand_on`",
        ),
        (
            "/v1/blueprints/jobs/sha256:0",
            "`jobs` has no version `sha256:0`",
            "`GET /v1/blueprints/jobs` lists them; `current` is the one in force",
        ),
        ("/v1/jobs/job", "`jobs` has no `job`", "did you mean `jobs`? its collections are `jobs`"),
        ("/v1/jobs", "GET /v1/jobs", "`GET /openapi.json` has every address"),
        (f"{JOBS}/ID/", "GET /v1/jobs/jobs/ID/", "leave out the `/` at its end"),
        ("/v1/events?after=x", "`after` is a whole number", None),
        ("/v1/events?app=job", "there is no app `job`", "did you mean `jobs`? the apps here are `jobs`"),
        (
            "/v1/events?app=jobs&blueprint=Jab",
            "there is no blueprint `Jab`",
            "did you mean `Job`? there are `Job`",
        ),
        ("/v1/events?blueprint=order", "there is no blueprint `order`", "there are `Job`"),
    ],
)  # fmt: skip
def test_what_an_address_must_be(path: str, detail: str, cure: str | None) -> None:
    found: dict[str, Any] = asyncio.run(asked("GET", path, b"")).json()
    made = found["detail"].rstrip("/").rpartition("/")[2]
    assert found["detail"] == detail.replace("ID", made)
    assert found.get("help") == cure


def test_a_list_has_no_parameters_but_its_own() -> None:
    """A slip of the pen does not list everything."""
    lists = {
        JOBS: "stat", f"{JOBS}/ID/journal": "afte", f"{JOBS}/ID/actions": "explai",
        f"{JOBS}/ID/trace": "sinc",
        "/v1/events": "ap", "/v1/intents?app=jobs": "ap", "/v1/tokens": "tenan", "/v1/audit": "limi",
        "/v1/decisions": "stat", "/v1/apps": "app",
        "/v1/blueprints": "app", "/v1/blueprints/jobs": "limit",
    }  # fmt: skip

    async def main() -> None:
        async with house(files=FILES) as one:
            scopes = {"kind": "person", "roles": ["clerk", "boss"], "scopes": ["operator"]}
            token = await one.made(one.operator, "ann", **scopes)
            made = (await one.ask(token, "POST", JOBS, {"key": "a"})).json()["id"]
            for path, name in lists.items():
                joined = path.replace("ID", made) + ("&" if "?" in path else "?") + name
                answer = await one.ask(token, "GET", f"{joined}=x")
                told = answer.json()
                assert (answer.status_code, told["code"]) == (400, "LR400.query"), joined
                assert told["detail"] == f"there is no parameter `{name}`"
                assert "did you mean `" in told["help"] or told["help"] == "it takes none", told

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "allowed", "more"),
    [
        (JOBS, {"GET", "HEAD", "POST"}, ""),
        (f"{JOBS}/ID", {"GET", "HEAD"}, "; an action is taken by POST to "),
        (f"{JOBS}/ID/journal", {"GET", "HEAD"}, ""),
        ("/v1/blueprints/jobs", {"GET", "HEAD"}, ""),
        ("/v1/tokens/x", {"DELETE"}, ""),
    ],
)
def test_which_methods_an_address_takes(path: str, allowed: set[str], more: str) -> None:
    answer = asyncio.run(asked("PATCH", path, b""))
    assert (answer.status_code, answer.json()["code"]) == (405, "LR405.method")
    assert set(answer.headers["allow"].split(", ")) == allowed
    assert answer.json()["help"].startswith(f"it takes {answer.headers['allow']}{more}")


def test_a_body_that_is_no_json_says_how_to_send_one() -> None:
    answer = asyncio.run(asked("POST", JOBS, {"key": "b"}, **{"content-type": "text/plain"}))
    assert answer.json()["detail"] == "send `Content-Type: application/json`"


@pytest.mark.parametrize("path", ["/in/jobs/x", "/in/nosuch/x", "/in/other:jobs/x"])
def test_whoever_sends_from_outside_is_not_told_which_apps_there_are(path: str) -> None:
    found = asyncio.run(asked("POST", path, {})).json()
    assert found["code"] == "LR404.route" and "help" not in found and "detail" not in found


def test_what_a_stranger_causes_is_logged_once_in_a_while_and_as_an_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("lathe.api.wire.logs.monotonic", lambda: now[0])
    stream, below = io.StringIO(), logging.getLogger("uvicorn")
    told = logging.getLogger("uvicorn.error")
    before = below.handlers[:], below.propagate, told.level
    told.setLevel(logging.WARNING)
    try:
        configure(stream)
        for now[0] in (0.0, 1.0, 59.0, 60.0):
            told.warning("Invalid HTTP request received.")
        told.error("it fails")
        told.error("it fails")
    finally:
        structlog.reset_defaults()
        below.handlers[:], below.propagate = before[:2]
        told.setLevel(before[2])
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["said"], line["level"], line.get("times")) for line in lines] == [
        ("Invalid HTTP request received.", "warning", None),
        ("Invalid HTTP request received.", "warning", 3),
        ("it fails", "error", None),
        ("it fails", "error", None),
    ]
