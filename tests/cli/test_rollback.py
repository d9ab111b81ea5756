"""`lathe rollback`: versions by the beginning of their digests, and which one is in force."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from lathe.cli.commands.rollback import listed, whole
from lathe.errors import UsageError

DIGESTS = tuple("sha256:" + f"3f0c{last}".ljust(64, "0") for last in ("a", "b", "c"))


def answered(beginning: str) -> str:
    def answer(request: httpx2.Request) -> httpx2.Response:
        assert request.url.path == "/v1/blueprints/rollout"
        items = [{"digest": digest, "at": "", "by": "", "note": ""} for digest in DIGESTS]
        return httpx2.Response(200, json={"app": "rollout", "digest": DIGESTS[0], "items": items})

    async def main() -> str:
        transport = httpx2.MockTransport(answer)
        async with httpx2.AsyncClient(transport=transport, base_url="http://runtime") as client:
            return await whole(client, "rollout", beginning)

    return asyncio.run(main())


@pytest.mark.parametrize("beginning", ["3f0ca", "sha256:3f0ca", DIGESTS[0]])
def test_the_beginning_of_a_digest_names_it(beginning: str) -> None:
    assert answered(beginning) == DIGESTS[0]


def test_what_begins_several_names_none_and_what_begins_none_is_asked_for_as_it_is() -> None:
    with pytest.raises(UsageError, match="begins 3 versions of `rollout`"):
        answered("3f0c")
    assert answered("77") == "77"


def test_the_newest_row_of_the_version_in_force_says_so() -> None:
    rows = [{"digest": d, "at": "t", "by": "ann", "note": ""} for d in (DIGESTS[1], DIGESTS[0], DIGESTS[1])]
    lines = listed({"digest": DIGESTS[1], "items": rows}).splitlines()[1:]
    assert ["in force" in line for line in lines] == [True, False, False]
