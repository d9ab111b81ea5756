"""The console's files: vendored unchanged, compressed, kept for good under their digest, and in the wheel."""

from __future__ import annotations

import asyncio
import gzip
import posixpath
import re
import shutil
import subprocess
import tomllib
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import httpx2
import pytest
from tests.api.client import serving

from lathe.console.app import Console, prefers_markdown
from lathe.console.files import FOLDER, KINDS, Files

TRANSFER_LIMIT_BYTES = 700_000
LIB = FOLDER / "lib"
ROW = re.compile(r"^\| `([\w.-]+)` \| .* \| `([0-9a-f]{64})` \|$", re.MULTILINE)


def console() -> httpx2.AsyncClient:
    """A client of the console alone: whatever is not its own is an assertion."""

    async def nothing(scope: object, receive: object, send: object) -> None:
        raise AssertionError("this is not the console's")

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(Console(nothing)), base_url="http://test")


async def fetch(path: str, **headers: str) -> httpx2.Response:
    async with console() as client:
        return await client.get(path, headers={name.replace("_", "-"): headers[name] for name in headers})


def test_vendored_modules_are_those_that_were_published() -> None:
    told = dict(ROW.findall((LIB / "README.md").read_text()))
    scripts = {path.name for path in LIB.iterdir() if path.suffix in (".js", ".mjs")}
    assert set(told) == scripts
    assert {name: sha256((LIB / name).read_bytes()).hexdigest() for name in told} == told


def test_every_vendored_module_has_its_licence() -> None:
    page = (LIB / "README.md").read_text()
    licences = {path.name for path in LIB.iterdir() if "LICENSE" in path.name}
    assert licences == set(re.findall(r"`([\w-]+\.LICENSE(?:\.md)?)`", page))


def test_every_file_has_a_kind() -> None:
    assert {path.suffix for path in FOLDER.rglob("*") if path.is_file()} <= set(KINDS)


def test_modules_are_of_a_size_to_read() -> None:
    ours = [path for folder in ("js", "css") for path in (FOLDER / folder).rglob("*.*")]
    assert not [path.name for path in ours if len(path.read_text().splitlines()) > 400]


def test_the_page_asks_for_one_stylesheet_that_is_all_of_them() -> None:
    page = Files().page.plain.decode()
    assert page.count('rel="stylesheet"') == 1
    style = Files().get("css/all.css")
    assert style is not None and style.kind.startswith("text/css")
    for path in (FOLDER / "css").glob("*.css"):
        assert path.read_bytes() in style.plain, f"{path.name} is in the page"


@pytest.mark.parametrize(
    ("path", "view"),
    [
        ("", "overview"),
        ("apps/rollout", "app"),
        ("apps/rollout/entities/rollouts/01", "entity"),
        ("apps/rollout/versions/current/", "version"),
        ("checks/1/fork", "fork"),
        ("apps//entities/x", "nothing"),
        ("no/such/view", "nothing"),
    ],
)
def test_a_page_names_what_its_view_needs_and_nothing_else(path: str, view: str) -> None:
    files = Files()
    page = files.page_of(path).plain.decode()
    early = re.findall(rf'modulepreload" href="{files.root}([^"]+)"', page)
    assert early[0] == "js/main.js" and f"js/pages/{view}.js" in early
    assert [name for name in early if name.startswith("js/pages/")] == [f"js/pages/{view}.js"]
    assert "lib/preact.mjs" in early and len(set(early)) == len(early)
    for name in early:
        module = files.get(name)
        assert module is not None
        for spec in re.findall(r'from "(\.[^"]+)"', module.plain.decode()):
            beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), spec))
            assert beside in early, f"{name} imports {beside}"


def test_every_module_says_its_one_idea() -> None:
    modules = (FOLDER / "js").rglob("*.js")
    assert not [path.name for path in modules if not path.read_text().startswith("// ")]


def test_the_whole_console_is_small_on_the_wire() -> None:
    files = Files()
    sizes = [len(files.page.body(takes_gzip=True))]
    for path in sorted(p for p in FOLDER.rglob("*") if p.suffix in (".js", ".mjs", ".css", ".svg")):
        found = files.get(path.relative_to(FOLDER).as_posix())
        assert found is not None, path
        sizes.append(len(found.body(takes_gzip=True)))
    assert sum(sizes) <= TRANSFER_LIMIT_BYTES


def test_the_root_leads_to_the_console() -> None:
    answer = asyncio.run(fetch("/"))
    assert (answer.status_code, answer.headers["location"]) == (307, "/console/")


@pytest.mark.parametrize("path", ["/console/", "/console/apps/rollout", "/console/apps/%3Cscript%3E/intents"])
def test_every_address_is_the_page(path: str) -> None:
    answer = asyncio.run(fetch(path, accept="text/html"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>alert" not in answer.text
    assert answer.content == Files().page_of(unquote(path).removeprefix("/console/")).plain


def test_the_page_allows_nothing_but_its_own() -> None:
    policy = asyncio.run(fetch("/console/")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy


def test_files_are_kept_for_good_and_compressed() -> None:
    files = Files()
    answer = asyncio.run(fetch(f"{files.root}js/main.js", accept_encoding="gzip"))
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.text == (FOLDER / "js" / "main.js").read_text()
    whole = asyncio.run(fetch(f"{files.root}css/base.css", accept_encoding="identity"))
    assert "content-encoding" not in whole.headers
    found = files.get("css/base.css")
    assert found is not None and found.compressed is not None
    assert gzip.decompress(found.compressed) == whole.content


@pytest.mark.parametrize("name", ["index.html", "../app.py", "%2e%2e/app.py", "js/none.js", "lib", ""])
def test_what_is_no_file_is_not_there(name: str) -> None:
    answer = asyncio.run(fetch(f"{Files().root}{name}"))
    assert answer.status_code == 404
    assert answer.json()["code"] == "LR404.route"


def test_files_of_another_digest_are_not_there() -> None:
    assert asyncio.run(fetch("/console/-/0123456789abcdef/js/main.js")).status_code == 404


def test_the_page_is_asked_for_each_time_and_sent_once() -> None:
    first = asyncio.run(fetch("/console/"))
    again = asyncio.run(fetch("/console/", if_none_match=first.headers["etag"]))
    assert (again.status_code, again.content) == (304, b"")


def test_another_file_is_another_address(tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        (folder / "main.js").write_text(folder.name)
    assert Files(tmp_path / "one").digest != Files(tmp_path / "two").digest


def test_only_looking_is_answered() -> None:
    async def main() -> None:
        async with console() as client:
            answer = await client.post("/console/", json={})
            assert (answer.status_code, answer.json()["code"]) == (405, "LR405.method")

    asyncio.run(main())


def test_markdown_is_for_whoever_asks_for_it() -> None:
    assert prefers_markdown("text/markdown")
    assert prefers_markdown("text/markdown, text/html;q=0.5")
    assert not prefers_markdown("text/html,application/xhtml+xml,*/*;q=0.8")
    assert not prefers_markdown("text/html, text/markdown")
    assert not prefers_markdown("")


def test_everything_else_is_the_api() -> None:
    async def main() -> None:
        async with serving("rollout") as client:
            assert (await client.get("/v1/apps")).status_code == 200

    asyncio.run(main())


def test_the_wheel_leaves_no_file_out() -> None:
    """The build takes everything below the package but what git ignores."""
    root = FOLDER.parents[3]
    told = tomllib.loads((root / "pyproject.toml").read_text())
    assert told["tool"]["hatch"]["build"]["targets"]["wheel"] == {"packages": ["src/lathe"]}
    if not (root / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git repository")
    files = [path.relative_to(root).as_posix() for path in FOLDER.rglob("*") if path.is_file()]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *files], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
