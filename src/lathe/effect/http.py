"""The `http` adapter: one request, bounded in size, redirects and addresses."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from socket import gaierror
from typing import cast
from urllib.parse import urlencode, urljoin

import httpx2
import msgspec

from lathe.effect.addresses import Addresses, ForbiddenError, name_of
from lathe.effect.base import Attempt, Ending
from lathe.effect.connections import Connections
from lathe.effect.resolver import Resolver, UnansweredError
from lathe.lang.dotted import at
from lathe.lang.model import Json

ANSWER_BYTES_LIMIT = 1_048_576
REDIRECTS_LIMIT = 5
MESSAGE_CHARACTERS_LIMIT = 500
UNSENDABLE = "its address or headers cannot be sent"
NO_JSON = "the answer is no JSON"
UNREACHED: tuple[tuple[type[Exception], str], ...] = (
    (httpx2.ConnectTimeout, "no connection in time"),
    (httpx2.ConnectError, "no connection"),
    (httpx2.ReadTimeout, "no answer in time"),
    (httpx2.RemoteProtocolError, "its answer is no HTTP, or breaks off"),
    (httpx2.ReadError, "the connection broke before the answer"),
    (httpx2.WriteError, "the connection broke before the request was sent"),
    (UnansweredError, "its name was not found in time"),
    (gaierror, "its name is not known"),
)
RETRIED = frozenset({408, 425, 429})
"""Status codes below 500 that are retried, as 5xx are."""
OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""Headers that a blueprint may not set."""
KEPT_ON_REDIRECT = frozenset(
    {"accept", "user-agent", "idempotency-key", "lathe-invocation", "accept-encoding"}
)
"""The headers kept on a redirect to another host: no credentials, nothing set by the author."""


Exchanged = tuple[int, Mapping[str, str], bytes]
"""An answer: status, headers and body."""


class Http:
    """The adapter, with shared connections. `addresses` restricts where an app's requests may go."""

    def __init__(
        self,
        addresses: Callable[[str], Addresses],
        *,
        user_agent: str = "lathe",
        tls: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self._connections = Connections(tls)
        self._resolver = resolver or Resolver()
        self._addresses = addresses
        self._user_agent = user_agent

    async def close(self) -> None:
        """Let go of connections."""
        await self._connections.close()

    async def perform(self, attempt: Attempt) -> Ending:
        """Send the request; 2xx ends well."""
        answer = await self.exchange(attempt)
        ending = answer if isinstance(answer, Ending) else _ending(attempt, *answer)
        return ending if ending.ok else replace(ending, place=_place(attempt.request))

    async def exchange(
        self, attempt: Attempt, *, only: Collection[str] | None = None, form: Mapping[str, str] | None = None
    ) -> Exchanged | Ending:
        """The answer, whatever its status, or the bad end of having none. `only` are `host` (on the scheme's
        own port) or `host:port`, beyond which neither the request nor a redirect goes. A `form` is sent in
        place of JSON, and to nobody whom a redirect names.
        """
        try:
            return await self._exchange(attempt, only, form)
        except ForbiddenError as error:
            return Ending(ok=False, cause="refused", message=str(error), log=str(error))
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, _TooMuchError) as error:
            said = str(error) if isinstance(error, _TooMuchError) else "its address is none"
            return Ending(ok=False, cause="invalid", message=str(error), log=said)
        except (httpx2.LocalProtocolError, ValueError):
            return Ending(ok=False, cause="invalid", message=UNSENDABLE, log=UNSENDABLE)
        except (httpx2.TransportError, OSError) as error:
            return Ending(
                ok=False, cause="unreachable", message=_said(error), again=True, log=_unreached(error)
            )

    async def _exchange(
        self, attempt: Attempt, only: Collection[str] | None, form: Mapping[str, str] | None
    ) -> Exchanged:
        """The response after all redirects."""
        request = attempt.request
        method = str(request.get("method") or "GET")
        url = str(request["url"])
        body = request.get("body")
        content = None if body is None else msgspec.json.encode(body)
        headers = self._headers(attempt, has_body=content is not None)
        if form is not None:
            content = urlencode(form).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        for _ in range(REDIRECTS_LIMIT + 1):
            _check_granted(url, only)
            status, got, answer = await self._send(attempt.settings_key, method, url, headers, content)
            if form is not None or status not in (301, 302, 303, 307, 308) or "location" not in got:
                return status, got, answer
            target = urljoin(url, got["location"])
            if status == 303 or (status in (301, 302) and method == "POST"):
                method, content = "GET", None
            if _origin(target) != _origin(url):
                if content is not None:
                    raise ForbiddenError(f"a redirect would take the body to `{httpx2.URL(target).host}`")
                headers = {k: v for k, v in headers.items() if k.lower() in KEPT_ON_REDIRECT}
            url = target
        raise _TooMuchError(f"more than {REDIRECTS_LIMIT} redirects")

    def _headers(self, attempt: Attempt, *, has_body: bool) -> dict[str, str]:
        headers = {
            "user-agent": self._user_agent,
            "accept": "application/json",
            "accept-encoding": "identity",
            "idempotency-key": attempt.id,
            "lathe-invocation": attempt.id,
            **attempt.headers,
        }
        if has_body:
            headers["content-type"] = "application/json"
        given = attempt.request.get("headers")
        if isinstance(given, dict):
            headers.update({n.lower(): str(v) for n, v in given.items() if n.lower() not in OWN_HEADERS})
        return headers

    async def _send(
        self, app: str, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One exchange, with exactly the address that was checked."""
        parsed = httpx2.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise httpx2.UnsupportedProtocol(f"`{parsed.scheme}` is neither http nor https")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        found = await self._resolver.look_up(app, name_of(parsed.host), port)
        address = self._addresses(app).chosen(parsed.host, port, found)
        place = parsed.copy_with(host=address)
        named = parsed.netloc.decode("ascii").rpartition("@")[2]
        async with self._connections.to(parsed) as client:
            request = client.build_request(
                method,
                place,
                headers={**headers, "host": named},
                content=content,
                extensions={"sni_hostname": parsed.host},
            )
            response = await client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > ANSWER_BYTES_LIMIT:
                        raise _TooMuchError(f"the answer is larger than {ANSWER_BYTES_LIMIT} bytes")
                return response.status_code, response.headers, bytes(body)
            finally:
                await response.aclose()


def _check_granted(url: str, only: Collection[str] | None) -> None:
    """Raise `ForbiddenError` for a host that was not granted."""
    if only is None:
        return
    scheme, host, port = _origin(url)
    name = f"[{host}]" if ":" in host else host
    is_usual = port == {"http": 80, "https": 443}.get(scheme)
    if f"{name}:{port}" not in only and not (is_usual and name in only):
        raise ForbiddenError(f"`{name[:200]}:{port}` was not granted")


def _origin(url: str) -> tuple[str, str, int | None]:
    """The origin of a URL: credentials for one are not sent to another."""
    parsed = httpx2.URL(url)
    return parsed.scheme, parsed.host, parsed.port or {"http": 80, "https": 443}.get(parsed.scheme)


class _TooMuchError(Exception):
    """The response exceeds the limit."""


def _ending(attempt: Attempt, status: int, headers: Mapping[str, str], body: bytes) -> Ending:
    if 200 <= status < 300:
        return _taken(attempt, status, body)
    message = f"{status}: {body[:MESSAGE_CHARACTERS_LIMIT].decode(errors='replace')}"
    said = f"it answered {status}"
    if status in RETRIED or status >= 500:
        wait = _retry_after_ms(headers.get("retry-after"), headers.get("date"))
        return Ending(ok=False, cause="unreachable", message=message, again=True, after_ms=wait, log=said)
    return Ending(ok=False, cause="refused", message=message, log=said)


def _taken(attempt: Attempt, status: int, body: bytes) -> Ending:
    """A good end, with the values that `take` extracts from the response."""
    results: dict[str, Json] = {"status": status}
    takes = attempt.request.get("take")
    if not isinstance(takes, dict) or not takes:
        return Ending(ok=True, results=results)
    try:
        document: Json = msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError):
        return Ending(ok=False, cause="invalid", message=NO_JSON, log=NO_JSON)
    for name, path in takes.items():
        results[name] = at({"body": document}, str(path))
    return Ending(ok=True, results=results)


def _retry_after_ms(wanted: str | None, now: str | None) -> int | None:
    """`Retry-After`, in seconds or as a date; at most an hour."""
    if wanted is None:
        return None
    if wanted.isascii() and wanted.isdigit():
        return min(int(wanted[:9]), 3_600) * 1_000
    try:
        moment = parsedate_to_datetime(wanted)
        since = parsedate_to_datetime(cast(str, now))
        return min(max(int((moment - since).total_seconds() * 1_000), 0), 3_600_000)
    except (TypeError, ValueError):
        return None


def _place(request: Mapping[str, Json]) -> str:
    """A request's method, host and port, for logs: nothing secret or personal."""
    try:
        url = httpx2.URL(str(request["url"]))
    except (httpx2.InvalidURL, ValueError):
        return ""
    port = f":{url.port}" if url.port is not None else ""
    return f"{request.get('method') or 'GET'} {url.host}{port}"


def _unreached(error: Exception) -> str:
    """Why there was no response, in our own words: an exception's text may quote the other side."""
    return next((said for kind, said in UNREACHED if isinstance(error, kind)), "the connection failed")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
