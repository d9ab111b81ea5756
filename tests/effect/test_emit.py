"""What `emit` signs is what another implementation of Standard Webhooks verifies."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode

import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from tests.effect.test_servers import served

from lathe.api.server import performers
from lathe.effect.base import Attempt, Ending, Performer
from lathe.runtime.clock import SystemClock
from lathe.runtime.config import AppSettings, Config, Secret
from lathe.store.memory import MemoryStore

SECRET = "whsec_" + b64encode(b"s" * 24).decode()


def emitting(**settings: object) -> Performer:
    app = AppSettings(reach=("127.0.0.1/32",), **settings)  # type: ignore[arg-type]
    return performers(Config(app={"shop": app}), SystemClock(), MemoryStore(lambda: 0))["emit"]


async def emitted(performer: Performer, to: str, app: str = "shop") -> Ending:
    request = {"to": to, "type": "order.paid", "data": {"name": "Zoë", "cents": 7}}
    try:
        async with asyncio.timeout(10):
            return await performer.perform(Attempt("01abc.3", "main", app, "tell", 1, request, (), 5_000))
    finally:
        await performer.close()


def exchange(performer: Performer) -> tuple[Ending, list[tuple[dict[str, str], bytes]]]:
    """The ending of one event, and what arrived."""
    seen: list[tuple[dict[str, str], bytes]] = []

    async def main() -> Ending:
        async def handle(head: bytes, writer: asyncio.StreamWriter) -> None:
            lines = head.decode().split("\r\n")[1:-2]
            headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}
            reader = writer.transport.get_protocol()._stream_reader  # type: ignore[attr-defined]
            seen.append((headers, await reader.readexactly(int(headers["content-length"]))))
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
            await writer.drain()

        async with served(handle) as port:
            return await emitted(performer, f"http://127.0.0.1:{port}/hook")

    return asyncio.run(main()), seen


def test_another_implementation_verifies_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING", SECRET)
    ending, seen = exchange(emitting(secrets={"SIGN": Secret(env="SIGNING")}, webhook_secret="SIGN"))
    assert ending.ok, ending
    ((headers, body),) = seen
    assert Webhook(SECRET).verify(body, headers)["data"] == {"name": "Zoë", "cents": 7}
    assert headers["webhook-id"] == "01abc.3"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    for wrong in (body + b" ", body.replace(b"7", b"8")):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(wrong, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + b64encode(b"x" * 24).decode()).verify(body, headers)
    event = json.loads(body)
    assert headers["content-type"] == "application/cloudevents+json"
    assert {"specversion", "id", "source", "type", "time", "data"} <= set(event)


def test_without_a_configured_secret_it_is_sent_unsigned() -> None:
    ending, seen = exchange(emitting())
    assert ending.ok and "webhook-signature" not in seen[0][0]


@pytest.mark.parametrize(
    ("settings", "value", "said"),
    [
        ({"webhook_secret": "SIGN"}, None, "`SIGN`"),
        ({"webhook_secret": "SIGN", "secrets": {"SIGN": Secret(env="SIGNING")}}, None, "cannot be read"),
        ({"webhook_secret": "SIGN", "secrets": {"SIGN": Secret(file="/nowhere")}}, None, "cannot be read"),
        ({"webhook_secret": "SIGN", "secrets": {"SIGN": Secret(env="SIGNING")}}, "", "cannot be read"),
        ({"webhook_secret": "SIGN", "secrets": {"SIGN": Secret(env="SIGNING")}}, "whsec_%", "base64"),
    ],
)
def test_what_cannot_be_signed_is_not_sent(
    settings: dict[str, object], value: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("SIGNING", value)
    ending, seen = exchange(emitting(**settings))
    assert (ending.ok, ending.cause, ending.again) == (False, "invalid", True)
    assert said in ending.message and not seen
