"""An app's files in the form in which a request carries them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping

from lathe.lang.model import Json

BINARY_SUFFIX = ".wasm"


def app_body(found: Mapping[str, bytes]) -> dict[str, Json]:
    """Texts as they are, modules in base64."""
    texts = {path: data.decode(errors="replace") for path, data in found.items() if not _is_binary(path)}
    binary = {path: b64encode(data).decode() for path, data in found.items() if _is_binary(path)}
    return {"files": dict(texts), "binary": dict(binary)}


def _is_binary(path: str) -> bool:
    return path.endswith(BINARY_SUFFIX)
