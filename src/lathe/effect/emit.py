"""The `emit` adapter: a CloudEvent (1.0), to whoever follows, or signed to a URL (Standard Webhooks).

Without `to` there is nothing to send: the journal entry of the notice carries the event, and every follower
of the app's events sees it.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from lathe.effect.base import Attempt, Ending
from lathe.effect.http import Http
from lathe.effect.render import MissingError
from lathe.lang.model import Json

SECRET_PREFIX = "whsec_"
_TOLD = Ending(ok=True)

Secrets = Callable[[str, str], str | None]
"""The signing secret of a tenant's app; None: it has none, and what it sends is not signed.

Raises `MissingError` if it should have one that cannot be read: then nothing is sent.
"""


class Emit:
    """Events to a URL, through the `http` adapter's bounds. `now_ms` stamps them."""

    def __init__(self, http: Http, secrets: Secrets, now_ms: Callable[[], int]) -> None:
        self._http = http
        self._secrets = secrets
        self._now_ms = now_ms

    async def close(self) -> None:
        """The connections are the `http` adapter's."""

    def at_once(self, request: Mapping[str, Json]) -> Ending | None:
        """Without `to` the event is only published on the stream, at once."""
        return None if request.get("to") else _TOLD

    async def perform(self, attempt: Attempt) -> Ending:
        """Send the event to its URL."""
        told = self.at_once(attempt.request)
        if told is not None:
            return told
        to = attempt.request["to"]
        event = cloud_event(attempt, self._now_ms())
        body = msgspec.json.encode(event)
        seconds = self._now_ms() // 1000
        headers: dict[str, Json] = {
            "content-type": "application/cloudevents+json",
            "webhook-id": attempt.id,
            "webhook-timestamp": str(seconds),
        }
        try:
            secret = self._secrets(attempt.tenant, attempt.app)
            if secret is not None:
                headers["webhook-signature"] = signature(secret, attempt.id, seconds, body)
        except MissingError as error:
            return Ending(ok=False, cause="invalid", message=str(error), again=True, log=str(error))
        request: dict[str, Json] = {"method": "POST", "url": to, "headers": headers, "body": event}
        return await self._http.perform(replace(attempt, request=request, takes=()))


def cloud_event(attempt: Attempt, now_ms: int) -> dict[str, Json]:
    """The event as CloudEvents 1.0 has it, in its structured form."""
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return {
        "specversion": "1.0",
        "id": attempt.id,
        "source": f"/lathe/{attempt.tenant}/{attempt.app}",
        "type": str(attempt.request.get("type") or attempt.effect),
        "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": attempt.request.get("data"),
    }


def signature(secret: str, identity: str, seconds: int, body: bytes) -> str:
    """`v1,…` over `id.timestamp.body`, as Standard Webhooks 1.0 signs. Raises `MissingError`."""
    key = secret.encode()
    if secret.startswith(SECRET_PREFIX):
        try:
            key = b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except ValueError:
            raise MissingError("the signing secret is no base64 behind `whsec_`") from None
    signed = hmac.new(key, f"{identity}.{seconds}.".encode() + body, sha256).digest()
    return f"v1,{b64encode(signed).decode()}"
