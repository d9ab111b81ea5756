"""404 and 405 for requests that match no route, with a hint at the right path or method."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lathe.api.wire.problem import Problem

FIXED = frozenset(
    ["apps", "audit", "blueprints", "checks", "decisions", "events", "intents", "me", "simulations", "tokens"]
)
"""First segments under `/v1` that are not apps; no app may have such a name."""
PATH_CHARACTERS_LIMIT = 200
COLLECTION = 4
"""Parts of `/v1/{app}/{plural}`, the empty one in front counted; behind it stand an entity and its action."""
ENTITY = 5


async def not_routed(request: Request, error: Exception) -> Response:
    """Answer a request for which Starlette has no route, or not with this method."""
    assert isinstance(error, HTTPException)
    path = unquote(request.url.path)[:PATH_CHARACTERS_LIMIT]
    said = f"{request.method} {path}"
    if error.status_code != 405:
        is_ended = path.endswith("/") and path != "/"
        cure = "leave out the `/` at its end" if is_ended else "`GET /openapi.json` has every address"
        problem = Problem("LR404.route", said, help=cure)
    else:
        allowed, cure = _allowed(path.split("/"), dict(error.headers or {}).get("Allow", ""))
        problem = Problem("LR405.method", said, headers={"Allow": allowed}, help=cure)
    return Response(problem.body(), problem.status, problem.headers, "application/problem+json")


def _allowed(parts: list[str], routed: str) -> tuple[str, str]:
    """The methods of a path, as `Allow` header and in words. Creations are answered before routing."""
    is_of_app = parts[1] == "v1" and len(parts) >= COLLECTION and parts[2] not in FIXED
    is_collection = is_of_app and len(parts) == COLLECTION and ":" not in parts[-1]
    allowed = f"{routed}, POST" if is_collection else routed
    if is_of_app and len(parts) == ENTITY:
        return allowed, f"it takes {allowed}; an action is taken by POST to {'/'.join(parts)}/ACTION"
    return allowed, f"it takes {allowed}"
