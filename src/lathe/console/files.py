"""The console's static files: read once, compressed once, under an address that names what is in them.

Every file stands below `/console/-/DIGEST/`, where the digest is that of all of them together: a browser may
keep it for good, and asks for nothing twice. Only the page itself is asked for each time.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path

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
        if name == INDEX or name not in self._data:
            return None
        if name not in self._sent:
            self._sent[name] = asset(name, self._data[name])
        return self._sent[name]

    @cached_property
    def page(self) -> Asset:
        """The page of every view: it names the files by their addresses, and those needed first."""
        needed = [name for name in self._data if name.startswith(("js/", "lib/")) and self._is_early(name)]
        early = "".join(f'<link rel="modulepreload" href="{self.root}{name}">' for name in needed)
        text = self._data[INDEX].decode()
        return asset(INDEX, text.replace("<!-- early -->", early).replace("{root}", self.root).encode())

    def _is_early(self, name: str) -> bool:
        return name.endswith((".js", ".mjs")) and not name.startswith(("js/pages/", "lib/elk", "js/late/"))

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
