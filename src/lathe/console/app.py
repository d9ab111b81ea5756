"""The console in front of the API: `/console/…` is answered here, everything else by the API.

A view is one page for browsers and short markdown for who asks for `text/markdown`. The markdown is made of
what the API answers to the same caller, so that nobody is told here what the API would not tell.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lathe.api.wire.answers import Application, Receive, Scope, Send
from lathe.api.wire.problem import Problem
from lathe.console.ask import Ask
from lathe.console.files import ASSETS, Files
from lathe.console.markdown import written

HOME = "/console/"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
FOR_GOOD = "public, max-age=31536000, immutable"


class Console:
    """An ASGI application around another one."""

    def __init__(self, inner: Application, files: Files | None = None) -> None:
        self._inner = inner
        self._files = files or Files()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path in ("/", "/console") or path.startswith(HOME)):
            await self._inner(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self._answer(request, path)
        response.headers.update(HEADERS)
        await response(scope, receive, send)

    async def _answer(self, request: Request, path: str) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _refused(
                Problem("LR405.method", f"{request.method} {path[:200]}", headers={"allow": "GET"})
            )
        if not path.startswith(HOME):
            return RedirectResponse(HOME, 307)
        if path.startswith(ASSETS):
            return self._asset(request, path)
        if prefers_markdown(request.headers.get("accept", "")):
            return await self._markdown(request, path)
        return self._page(request, path.removeprefix(HOME))

    def _page(self, request: Request, path: str) -> Response:
        tag = f'"{self._files.digest}-{self._files.view_of(path)}"'
        headers = {
            "content-security-policy": self._files.policy,
            "cache-control": "no-cache",
            "etag": tag,
            "vary": "accept, accept-encoding",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        page, takes_gzip = self._files.page_of(path), _takes_gzip(request)
        if takes_gzip and page.compressed is not None:
            headers["content-encoding"] = "gzip"
        return Response(page.body(takes_gzip=takes_gzip), 200, headers, page.kind)

    def _asset(self, request: Request, path: str) -> Response:
        """A file. One of another digest belongs to a page that is older or newer than this process."""
        digest, _, name = path.removeprefix(ASSETS).partition("/")
        found = self._files.get(name) if digest == self._files.digest else None
        if found is None:
            return _refused(Problem("LR404.route", f"GET {path[:200]}"))
        takes_gzip = _takes_gzip(request)
        headers = {
            "cache-control": FOR_GOOD,
            "vary": "accept-encoding",
            # A worker has a policy of its own: this one's only needs to compute.
            "content-security-policy": "default-src 'none'",
        }
        if takes_gzip and found.compressed is not None:
            headers["content-encoding"] = "gzip"
        return Response(found.body(takes_gzip=takes_gzip), 200, headers, found.kind)

    async def _markdown(self, request: Request, path: str) -> Response:
        headers = {"cache-control": "no-store", "vary": "accept"}
        try:
            ask = Ask(self._inner, request.scope)
            text = await written(ask, path.removeprefix(HOME), dict(request.query_params))
        except Problem as problem:
            return _refused(problem)
        return Response(text, 200, headers, "text/markdown; charset=utf-8")


def prefers_markdown(accept: str) -> bool:
    """Whether an `Accept` header names markdown, and not HTML before it."""
    kinds = [part.partition(";")[0].strip() for part in accept.split(",")]
    if "text/markdown" not in kinds:
        return False
    return "text/html" not in kinds or kinds.index("text/markdown") < kinds.index("text/html")


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _refused(problem: Problem) -> Response:
    return Response(problem.body(), problem.status, problem.headers, "application/problem+json")
