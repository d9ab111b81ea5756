"""The scheme and host under which a browser reaches this server, for redirects back from an issuer."""

from __future__ import annotations

import re

from starlette.requests import Request

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")


def origin_of(request: Request) -> str | None:
    """Scheme and host of a request's own address (behind a proxy: a named one's); None if it names none."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if _HOST.fullmatch(host) else None
