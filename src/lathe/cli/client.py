"""How commands reach a runtime: over HTTP, or in this process on a local data folder."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import click
import httpx2
from click.core import ParameterSource

from lathe.cli import exitcode
from lathe.cli.exitcode import Stop
from lathe.cli.findings import finding_lines
from lathe.lang.model import Json

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:7411"
TOKEN = "lathe.token"
TOKEN_CHARACTERS_LIMIT = 16_384
TIMEOUT_SECONDS = 75.0
"""Longer than any wait that a command may ask for."""
JUDGED_SECONDS = 660.0
"""For what is answered once an app was checked: two checks, and those that stand in line before them."""
_JUDGED = re.compile(r"/v1/(blueprints|checks|decisions/[^/]+/approve)")

Function = TypeVar("Function", bound=Callable[..., object])


def _keep_token(context: click.Context, parameter: click.Parameter, path: str | None) -> None:
    """The token of this command, where `run` finds it."""
    if path is None:
        return
    try:
        with open(path, encoding="utf-8") as file:
            context.meta[TOKEN] = file.read(TOKEN_CHARACTERS_LIMIT).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"`{path}` cannot be read: {error}") from None


def token() -> str | None:
    """The token to show: of `--token-file`, or of LATHE_TOKEN."""
    context = click.get_current_context(silent=True)
    kept: str | None = context.meta.get(TOKEN) if context is not None else None
    return kept or os.environ.get("LATHE_TOKEN", "").strip() or None


def token_option(function: Function) -> Function:
    """`--token-file`: what a command shows to a runtime."""
    return click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(),
        expose_value=False,
        callback=_keep_token,
        help="The file with the token to show (default: what LATHE_TOKEN holds).",
    )(function)


def where_option(function: Function) -> Function:
    """`--url` and `--data`: which runtime a command talks to; `--token-file`: what it shows there."""
    url = click.option(
        "--url", envvar="LATHE_URL", metavar="URL", help=f"The runtime's address (default: {DEFAULT_URL})."
    )
    data = click.option(
        "--data",
        metavar="DIR",
        help="A local data folder, opened by this command; no server may have it open.",
    )
    return url(token_option(data(function)))


def run(url: str | None, data: str | None, use: Callable[[httpx2.AsyncClient], Awaitable[T]]) -> T:
    """Use a runtime, and turn what goes wrong on the way into an exit code and a sentence."""

    async def main() -> T:
        async with connected(url, data) as client:
            return await use(client)

    try:
        return asyncio.run(main())
    except httpx2.ConnectError:
        where = url or DEFAULT_URL
        raise Stop(
            f"nobody answers at `{where}`: start `lathe dev` or `lathe serve`", code=exitcode.UNAVAILABLE
        ) from None
    except httpx2.TimeoutException:
        raise Stop("the runtime does not answer in time", code=exitcode.UNAVAILABLE) from None
    except httpx2.TransportError as error:
        said = str(error) or "the connection was lost"
        raise Stop(f"the runtime does not answer: {said}", code=exitcode.UNAVAILABLE) from None
    except httpx2.InvalidURL as error:
        raise Stop(f"`{url}` is no address: {error}", code=exitcode.USAGE) from None


async def be_patient(request: httpx2.Request) -> None:
    """Wait for as long as a check takes, where one comes before the answer."""
    timeout = request.extensions["timeout"]
    if request.method != "GET" and _JUDGED.match(request.url.path) and timeout["read"] == TIMEOUT_SECONDS:
        timeout["read"] = JUDGED_SECONDS


def _is_said(option: str) -> bool:
    """Whether it stands in the command, and not only in the environment, which is for every command."""
    context = click.get_current_context(silent=True)
    return context is None or context.get_parameter_source(option) is ParameterSource.COMMANDLINE


@asynccontextmanager
async def connected(url: str | None, data: str | None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the runtime at a URL, or of one put together here on a local data folder."""
    if data is None:
        shown = token()
        headers = {"authorization": f"Bearer {shown}"} if shown is not None else {}
        base = url or DEFAULT_URL
        async with httpx2.AsyncClient(
            base_url=base, timeout=TIMEOUT_SECONDS, headers=headers, event_hooks={"request": [be_patient]}
        ) as client:
            yield client
        return
    if url is not None and _is_said("url"):
        raise click.UsageError("give `--url` or `--data`, not both")
    from lathe.cli.assembly import local  # late: it loads the whole runtime

    async with local(data) as api:
        transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://local", timeout=TIMEOUT_SECONDS
        ) as client:
            yield client


def told(response: httpx2.Response) -> Json:
    """What a runtime answered. Raises `Stop` with the exit code of a problem."""
    if response.status_code == 204:
        return None
    try:
        document: Json = response.json()
    except ValueError:
        raise Stop(
            f"the runtime answers {response.status_code}, and no JSON", code=exitcode.UNAVAILABLE
        ) from None
    if response.is_success:
        return document
    raise Stop(problem_text(document, response.status_code), code=code_of(response.status_code))


def problem_text(document: Json, status: int) -> str:
    """A problem document as a sentence, with the members that help."""
    if not isinstance(document, dict):
        return f"the runtime answers {status}"
    said = str(document.get("detail") or document.get("title") or status)
    members = ["state", "guard", "entity", "help"]
    if document.get("false"):
        members.remove("guard")  # the part that is false is told already
    more = [f"{name}: {document[name]}" for name in members if document.get(name)]
    more += reasons(document)
    code = str(document.get("code", status))
    sentence = f"{code}: {said}" + (f" ({'; '.join(more)})" if more else "")
    if code == "LR401.token":
        sentence += "\nset LATHE_TOKEN, or name a file that holds a token with `--token-file`"
    ask = document.get("ask")
    if isinstance(ask, dict):
        sentence += f"; `{_asking(ask)}` asks a person"
    return "\n".join([sentence, *finding_lines(document.get("report"))])


def _asking(ask: Mapping[str, Json]) -> str:
    """The command that asks a person for what was denied."""
    place = "/".join(str(ask[part]) for part in ("app", "plural", "entity") if ask.get(part))
    args = ask.get("args")
    given = [
        shlex.quote(f"{name}={one if isinstance(one, str) else json.dumps(one)}")
        for name, one in (args.items() if isinstance(args, dict) else ())
    ]
    return " ".join(["lathe decisions ask", place, str(ask.get("action")), *given, "--reason …"])


def reasons(document: Mapping[str, Json]) -> list[str]:
    """Why something was denied: the nearest permit, and what forbids."""
    forbids = document.get("forbids")
    listed = [("nearest permit", "false", document.get("nearest"))]
    listed += [("forbidden by", "true", one) for one in (forbids if isinstance(forbids, list) else [])]
    found = []
    for how, name, one in listed:
        clauses = one.get(name) if isinstance(one, dict) else None
        if isinstance(one, dict) and isinstance(clauses, list):
            found.append(f"{how} {one.get('policy')}: {', '.join(map(str, clauses))}")
    return found


def code_of(status: int) -> int:
    """The exit code of an HTTP status."""
    match status:
        case 401 | 403:
            return exitcode.DENIED
        case 404 | 410:
            return exitcode.NOT_FOUND
        case 409 | 412 | 428:
            return exitcode.CONFLICT
        case 400 | 405 | 413 | 415 | 422:
            return exitcode.USAGE
        case _ if status >= 500 or status == 429:
            return exitcode.UNAVAILABLE
    return exitcode.FINDINGS


def given(words: tuple[str, ...], schema: Json) -> dict[str, Json]:
    """Arguments from `name=value` words, typed as the runtime's own document says. Raises UsageError."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    found: dict[str, Json] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise click.UsageError(f"`{word}` is no argument: write `name=value`")
        kind = properties.get(name, {}) if isinstance(properties, dict) else {}
        found[name] = _typed(name, text, kind)
    return found


def _typed(name: str, text: str, kind: Json) -> Json:
    wanted = kind.get("type") if isinstance(kind, dict) else None
    if wanted == "string" or (isinstance(kind, dict) and "enum" in kind):
        return text
    if wanted == "array":
        return (
            [part for part in text.split(",") if part]
            if not text.startswith("[")
            else _json(name, text, kind)
        )
    if (
        wanted is None
        and isinstance(kind, dict)
        and kind.get("anyOf") is None
        and text[:1] not in '{["-0123456789'
    ):
        return {"true": True, "false": False, "null": None}.get(text, text)
    return _json(name, text, kind)


def _json(name: str, text: str, kind: Json) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        said = f"`{name}`: `{text[:80]}` is no value that it takes"
        raise click.UsageError(f"{said}: {_wanted(kind)}" if _wanted(kind) else said) from None
    return value


def _wanted(kind: Json) -> str:
    """A type in words, as far as its schema is plain."""
    if not isinstance(kind, dict) or not isinstance(kind.get("type"), str):
        return ""
    if "minimum" in kind and "maximum" in kind:
        return f"{kind['type']}, {kind['minimum']} to {kind['maximum']}"
    return str(kind["type"])


def split(place: str, parts: int) -> list[str]:
    """`app/plural/id…` in its parts. Raises UsageError."""
    found = place.strip("/").removeprefix("v1/").split("/")
    if len(found) != parts or not all(found):
        shape = "/".join(("APP", "PLURAL", "ID")[:parts])
        raise click.UsageError(f"`{place}` is no `{shape}`")
    return found


def is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return os.isatty(1)
