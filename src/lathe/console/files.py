"""The console's static files: loaded and compressed once, served under content-addressed URLs.

Every file stands below `/console/-/DIGEST/`, where the digest is that of all of them together: a browser may
keep it for good, and asks for nothing twice. Only the page itself is asked for each time.
"""

from __future__ import annotations

import gzip
import posixpath
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import msgspec

from lathe.frozen import frozen

FOLDER = Path(__file__).parent / "static"
ASSETS = "/console/-/"
INDEX = "index.html"
KINDS: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/markdown; charset=utf-8",
    ".LICENSE": "text/plain; charset=utf-8",
}
COMPRESSED_FROM_BYTES = 512
"""Smaller files are sent as they are."""

MAIN = "js/main.js"
ROUTERS = ("js/router.js", "js/views.js")
NOTHING = "nothing"
"""The view of what is none."""
STYLE = "css/all.css"
"""Every stylesheet of the page in one file: nothing is painted before the last of them is there."""

_SHEET = re.compile(r'<link rel="stylesheet" href="\{root\}(css/[\w-]+\.css)">\n')
_VIEW = re.compile(r'\{ path: "([^"]*)", page: "(\w+)"')
_IMPORTED = re.compile(r'^(?:import|export \{)(?:[^;"=]*\sfrom)?\s+"([^"]+)"', re.MULTILINE)
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)


@frozen
class Asset:
    """One file as it is sent."""

    kind: str
    plain: bytes
    compressed: bytes | None

    def body(self, *, takes_gzip: bool) -> bytes:
        """The bytes for a client that does or does not take gzip."""
        return self.compressed if takes_gzip and self.compressed is not None else self.plain


def asset(name: str, data: bytes) -> Asset:
    """A file, compressed if that is worth it."""
    small = gzip.compress(data, 9, mtime=0) if len(data) >= COMPRESSED_FROM_BYTES else None
    return Asset(KINDS[Path(name).suffix], data, small if small and len(small) < len(data) else None)


class Files:
    """All files of the console, and the page that loads them. Nothing is read before it is asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._sent: dict[str, Asset] = {}
        self._pages: dict[str, Asset] = {}

    @cached_property
    def _data(self) -> Mapping[str, bytes]:
        paths = sorted(path for path in self._folder.rglob("*") if path.suffix in KINDS)
        return {path.relative_to(self._folder).as_posix(): path.read_bytes() for path in paths}

    @cached_property
    def digest(self) -> str:
        """A name for all files as they are."""
        whole = sha256()
        for name, data in self._data.items():
            whole.update(b"%s\0%d\0" % (name.encode(), len(data)))
            whole.update(data)
        return whole.hexdigest()[:16]

    @property
    def root(self) -> str:
        """The address below which the files stand."""
        return f"{ASSETS}{self.digest}/"

    def get(self, name: str) -> Asset | None:
        """The file of a name below the root; None if there is none."""
        if name not in self._sent:
            data = self._style if name == STYLE else self._data.get(name)
            if data is None or name == INDEX:
                return None
            self._sent[name] = asset(name, data)
        return self._sent[name]

    @cached_property
    def _style(self) -> bytes:
        """The stylesheets of the page, in its order."""
        return b"\n".join(self._data[name] for name in _SHEET.findall(self._data[INDEX].decode()))

    @property
    def page(self) -> Asset:
        """The page of the first view."""
        return self.page_of("")

    def page_of(self, path: str) -> Asset:
        """The page of a view (its path below `/console/`): it names the files that the view needs first."""
        name = f"pages/{self.view_of(path)}.js"
        if name not in self._pages:
            self._pages[name] = self._page(name)
        return self._pages[name]

    def view_of(self, path: str) -> str:
        """The module below `js/pages/` that shows a path, as the router says."""
        given = path.rstrip("/").split("/")
        for pattern, page in self._views:
            parts = pattern.split("/")
            if len(parts) == len(given) and all(
                a == b or (a.startswith(":") and b) for a, b in zip(parts, given, strict=True)
            ):
                return page
        return NOTHING

    @cached_property
    def _views(self) -> list[tuple[str, str]]:
        """Each view's path and module, in the router's order."""
        return [found for name in ROUTERS for found in _VIEW.findall(self._data[name].decode())]

    def _page(self, name: str) -> Asset:
        needed = self._needed(MAIN, f"js/{name}")
        early = "".join(f'<link rel="modulepreload" href="{self.root}{one}">' for one in needed)
        style = f'<link rel="stylesheet" href="{self.root}{STYLE}">\n'
        text = _SHEET.sub("", _SHEET.sub(style, self._data[INDEX].decode(), count=1))
        return asset(INDEX, text.replace("<!-- early -->", early).replace("{root}", self.root).encode())

    def _needed(self, *names: str) -> list[str]:
        """Modules with all that they import, and what those import, in the order in which it is met."""
        found, waiting = dict[str, None](), list(names)
        while waiting:
            name = waiting.pop(0)
            if name in found:
                continue
            found[name] = None
            for spec in _IMPORTED.findall(self._data[name].decode()):
                beside = posixpath.normpath(posixpath.join(posixpath.dirname(name), spec))
                waiting.append(beside if spec.startswith(".") else self._mapped[spec])
        return list(found)

    @cached_property
    def _mapped(self) -> Mapping[str, str]:
        """The vendored modules by the names that others import them by."""
        given = _IMPORT_MAP.search(self._data[INDEX].decode())
        assert given, "the page has an import map"
        imports: Mapping[str, str] = msgspec.json.decode(given[1])["imports"]
        return {name: address.removeprefix("{root}") for name, address in imports.items()}

    @cached_property
    def policy(self) -> str:
        """The content security policy of the page: its own files, its own server, nothing else.

        The import map must stand in the page; it is allowed by its hash.
        """
        found = _IMPORT_MAP.search(self.page.plain.decode())
        assert found, "the page has an import map"
        digest = b64encode(sha256(found[1].encode()).digest()).decode()
        return (
            f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; connect-src 'self'; "
            "img-src 'self' data:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; "
            "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
            "trusted-types lathe"
        )
