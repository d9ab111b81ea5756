"""Events from outside: signatures of three schemes, limits, redeliveries, and what the sender is told."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256

import httpx2
import pytest
import structlog
from tests.api.client import serving

from lathe.api.entities.inbound import TOLERANCE_SECONDS
from lathe.api.wire.limits import Limits

SECRET = "whsec_" + b64encode(b"k" * 32).decode()
OTHER = "whsec_" + b64encode(b"o" * 32).decode()

APP = """
blueprint = "Payment"
[state]
due = {{ initial = true, waits = "the bank" }}
paid = {{ final = true }}
[field]
number = {{ type = "text", max = 20 }}
note = {{ type = "text", max = 20 }}
[action]
create = {{ by = "role:clerk", sets = ["number"] }}
pay = {{ from = "due", to = "paid", sets = ["note"] }}
[inbound.paid]
path = "bank/{{kind}}"
signed = {{ scheme = "{scheme}", secret = "BANK" }}
once = "body.delivery"
find = {{ number = "body.number" }}
action = "pay"
args = {{ note = "path.kind" }}
[unique]
number = {{ fields = ["number"], in = ["due", "paid"] }}
"""
UNSIGNED = APP.replace('signed = {{ scheme = "{scheme}", secret = "BANK" }}\n', "")


def app(text: str, scheme: str = "standard") -> dict[str, bytes]:
    return {"payment.blueprint.toml": text.format(scheme=scheme).encode()}


Sign = Callable[[str, bytes, int], dict[str, str]]


def standard(secret: str, body: bytes, moment: int) -> dict[str, str]:
    from base64 import b64decode

    key = b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, b"msg_1.%d." % moment + body, sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(moment),
        "webhook-signature": f"v1,{b64encode(signed).decode()}",
    }


def github(secret: str, body: bytes, moment: int) -> dict[str, str]:
    return {"x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()}


def stripe(secret: str, body: bytes, moment: int) -> dict[str, str]:
    signed = hmac.new(secret.encode(), b"%d." % moment + body, sha256).hexdigest()
    return {"stripe-signature": f"t={moment},v1={signed}"}


SCHEMES: Mapping[str, Sign] = {"standard": standard, "github": github, "stripe": stripe}


async def sent(client: httpx2.AsyncClient, body: bytes, headers: dict[str, str]) -> httpx2.Response:
    return await client.post("/in/payment/bank/wire", content=body, headers=headers)


@pytest.mark.parametrize("scheme", [*SCHEMES])
def test_a_signature_is_of_this_body_by_this_secret_and_recent(scheme: str) -> None:
    sign = SCHEMES[scheme]

    async def main() -> None:
        async with serving(files=app(APP, scheme), secrets={"BANK": SECRET}) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            body, now = b'{"number": "7", "delivery": "d1"}', int(time.time())
            good = sign(SECRET, body, now)
            bad = [
                {},
                sign(OTHER, body, now),
                sign(SECRET, body + b" ", now),
                {name: value[:-1] + "\u00e9" for name, value in good.items()},
                dict.fromkeys(good, ""),
            ]
            if scheme != "github":  # which carries no time
                bad += [
                    sign(SECRET, body, now - TOLERANCE_SECONDS - 60),
                    sign(SECRET, body, now + TOLERANCE_SECONDS + 60),
                ]
            if scheme == "standard":
                bad += [{**good, "webhook-timestamp": str(now - 1)}, {**good, "webhook-id": "msg_2"}]
                bad += [{**good, "webhook-signature": good["webhook-signature"].replace("v1,", "v1a,")}]
            for headers in bad:
                encoded = {n: v.encode("latin-1") for n, v in headers.items()}
                found = await client.post("/in/payment/bank/wire", content=body, headers=encoded)
                assert (found.status_code, found.json()["code"]) == (401, "LR401.signature"), headers
            assert (await client.get("/v1/payment/payments")).json()["items"][0]["state"] == "due"
            taken = await sent(client, body, good)
            assert taken.status_code == 200, taken.text
            assert (await client.get("/v1/payment/payments")).json()["items"][0]["state"] == "paid"

    asyncio.run(main())


def test_a_delivery_is_identified_by_a_text_or_a_number() -> None:
    """`true` would be the identity of every delivery that says so; a NUL no PostgreSQL keeps."""

    async def main() -> None:
        async with serving(files=app(UNSIGNED)) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            for identity in (True, False, None, 1.5, "", "a\0b", [], {"a": 1}, "x" * 256):
                body = json.dumps({"number": "7", "delivery": identity}).encode()
                found = await sent(client, body, {})
                assert (found.status_code, found.json()["code"]) == (422, "LR422.type"), identity
                assert "identifies the delivery, and" in found.json()["detail"]
            for _ in range(2):
                assert (await sent(client, b'{"number": "7", "delivery": 10}', {})).status_code == 200

    asyncio.run(main())


@pytest.mark.parametrize("scheme", ["standard", "stripe"])
def test_while_a_secret_is_rotated_one_of_several_signatures_is_enough(scheme: str) -> None:
    async def main() -> None:
        async with serving(files=app(APP, scheme), secrets={"BANK": SECRET}) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            body, now = b'{"number": "7", "delivery": "d1"}', int(time.time())
            old, new = SCHEMES[scheme](OTHER, body, now), SCHEMES[scheme](SECRET, body, now)
            if scheme == "standard":
                both = f"{old['webhook-signature']} {new['webhook-signature']}"
                headers = {**new, "webhook-signature": both}
            else:
                headers = {"stripe-signature": old["stripe-signature"] + ",v1=" + _v1(new)}
            assert (await sent(client, body, headers)).status_code == 200

    asyncio.run(main())


def _v1(headers: Mapping[str, str]) -> str:
    return headers["stripe-signature"].partition("v1=")[2]


def test_without_its_secret_nothing_is_let_in() -> None:
    async def main() -> None:
        async with serving(files=app(APP)) as client:
            body = b'{"number": "7", "delivery": "d1"}'
            found = await sent(client, body, standard(SECRET, body, int(time.time())))
            assert found.status_code == 401

    asyncio.run(main())


def test_what_is_delivered_again_is_answered_again_whatever_else_it_says() -> None:
    async def main() -> None:
        async with serving(files=app(UNSIGNED)) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            first = await sent(client, b'{"number": "7", "delivery": "d1"}', {})
            assert first.status_code == 200, first.text
            again = await sent(client, b'{"number": "7", "delivery": "d1", "attempt": 2}', {})
            assert (again.status_code, again.content) == (200, first.content)
            assert again.headers["idempotent-replayed"] == "true"
            other = await sent(client, b'{"number": "7", "delivery": "d2"}', {})
            assert (other.status_code, other.json()["code"]) == (409, "LR409.state")

    asyncio.run(main())


def test_the_sender_is_told_that_it_was_taken_unless_read_names_it() -> None:
    async def main() -> None:
        async with serving(files=app(UNSIGNED)) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            found = await sent(client, b'{"number": "7", "delivery": "d1"}', {})
            assert set(found.json()) == {"id", "version", "visit", "at", "event"}
        named = UNSIGNED.replace("[state]", 'read = ["role:clerk", "inbound:paid"]\n[state]')
        async with serving(files=app(named)) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            found = await sent(client, b'{"number": "7", "delivery": "d1"}', {})
            assert found.json()["fields"]["note"] == "wire"

    asyncio.run(main())


def test_events_keep_to_the_limits_and_to_stopping() -> None:
    async def main() -> None:
        limits = Limits(per_principal_per_second=0.001, burst=2)
        async with serving(files=app(UNSIGNED), limits=limits) as client:
            body = b'{"number": "7", "delivery": "d1"}'
            codes = [(await sent(client, body, {})).status_code for _ in range(3)]
            assert codes == [404, 404, 429]
        async with serving(files=app(UNSIGNED), limits=Limits(in_flight=0)) as client:
            found = await sent(client, body, {})
            assert (found.status_code, found.json()["code"]) == (503, "LR503.busy")
            client._transport.app.stop()  # type: ignore[attr-defined]
            found = await sent(client, body, {})
            assert (found.status_code, found.json()["code"]) == (503, "LR503.stopping")

    asyncio.run(main())


def test_a_delivery_is_known_again_though_its_step_changed_what_it_is_found_by() -> None:
    async def main() -> None:
        text = UNSIGNED.replace('["due", "paid"]', '["due"]')
        async with serving(files=app(text)) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            body = b'{"number": "7", "delivery": "d1"}'
            first, again = await sent(client, body, {}), await sent(client, body, {})
            assert (first.status_code, again.status_code) == (200, 200)
            assert again.headers["idempotent-replayed"] == "true" and again.json() == first.json()
            other = await sent(client, b'{"number": "7", "delivery": "d2"}', {})
            assert (other.status_code, other.json()["code"]) == (404, "LR404.entity")
            nameless = await sent(client, b'{"number": "8"}', {})
            assert (nameless.status_code, nameless.json()["code"]) == (422, "LR422.type")

    asyncio.run(main())


class Slow:
    """Requests whose body never comes, straight to the application."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._app = client._transport.app  # type: ignore[attr-defined]
        self.is_gone = asyncio.Event()

    async def post(self, path: str = "/in/payment/bank/wire") -> tuple[int, dict[bytes, bytes]]:
        """Status and headers of the answer; it takes as long as the application waits."""
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"host", b"test")], "client": ("127.0.0.1", 1), "server": ("test", 80),
            "scheme": "http", "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        told: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            await self.is_gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            told.append(message)

        await self._app(scope, receive, send)
        return int(str(told[0]["status"])), dict(told[0]["headers"])  # type: ignore[call-overload]


@pytest.mark.parametrize("text", [APP, UNSIGNED])
def test_bodies_that_do_not_come_hold_up_no_command(text: str) -> None:
    async def main() -> None:
        limits = Limits(in_flight=2)
        async with serving(files=app(text), secrets={"BANK": SECRET}, limits=limits) as client:
            slow = Slow(client)
            waiting = [asyncio.create_task(slow.post()) for _ in range(5)]
            await asyncio.sleep(0)
            made = await client.post("/v1/payment/payments", json={"number": "7"})
            assert made.status_code == 201, made.text
            slow.is_gone.set()
            await asyncio.gather(*waiting)

    asyncio.run(main())


def test_a_body_comes_in_time_or_its_sender_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.api.entities.inbound.READING_SECONDS", 0.02)

    async def main() -> None:
        async with serving(files=app(UNSIGNED)) as client:
            status, headers = await Slow(client).post()
            assert (status, headers[b"connection"]) == (408, b"close")

    asyncio.run(main())


def test_where_too_many_bodies_are_on_their_way_the_slowest_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lathe.api.entities.inbound.READING_LIMIT", 3)

    async def main() -> None:
        async with serving(files=app(UNSIGNED)) as client:
            await client.post("/v1/payment/payments", json={"number": "7"})
            slow = Slow(client)
            waiting = []
            for _ in range(4):
                waiting.append(asyncio.create_task(slow.post()))
                await asyncio.sleep(0)
            assert (await waiting[0])[0] == 408
            found = await sent(client, b'{"number": "7", "delivery": "d1"}', {})
            assert found.status_code == 200, found.text
            assert (await waiting[1])[0] == 408
            assert not waiting[2].done() and not waiting[3].done()
            slow.is_gone.set()
            await asyncio.gather(*waiting)

    asyncio.run(main())


def test_a_sender_that_goes_away_is_no_defect() -> None:
    async def main() -> None:
        async with serving(files=app(UNSIGNED)) as client:
            slow = Slow(client)
            slow.is_gone.set()
            with structlog.testing.capture_logs() as logs:
                await slow.post()
            assert logs == []

    asyncio.run(main())
