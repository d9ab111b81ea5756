"""The apps that are drawn here, read from texts beside the golden files or from a test's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lathe.lang import App, read_app

GOLDEN = Path(__file__).parents[2] / "golden" / "render"

HOSTILE = r"""
blueprint = "Evil"
doc = "</desc><script>alert(1)</script> & \" ' ]]> <!-- --> `x` [click](javascript:alert(1)) \u202e rtl"

[state]
end = { initial = true, waits = "<img src=x> \"]; a -> b [label=\"x\"] %% ; end note : } --> [*] 漢字 ﷽ WWW" }
note = { run = "go", after = "5s", then = "direction", waits = "```\n# x", doc = "# Heading\n- item" }
fork = { final = true, doc = "1. one" }

[field]
kind = { type = "text", max = 90 }

[action]
create = { by = "role:class", doc = "<b>" }
style = { from = "end", to = "note", by = "role:class", when = "kind != '<script>a</script>;-->{}|`'" }
click = { from = "note", to = "fork", when = "kind == '\"]; click s call alert(1) #quot;'" }
direction = { from = ["note"], to = "end", doc = "a ` b" }
subgraph = { from = "end", to = "end", by = "role:class", when = "kind == '<svg onload=a>'" }
stay = { from = "end", by = "role:class", when = "kind != '</text><script>a</script>'" }

[effect.go]
uses = "http"
with = { url = "{env.X}/`</script>|<img>" }
ok = "click"
error = "direction"

[invariant]
x = { that = "kind != '|` <b>' or kind is None", doc = "| <script>" }
"""


def read(files: dict[str, bytes]) -> App:
    """The app of these files, which must be without fault."""
    reading = read_app(files)
    assert reading.app is not None, [(str(d.span), d.message) for d in reading.diagnostics]
    return reading.app


@pytest.fixture
def load() -> Callable[[str], App]:
    """The app of one of the folders beside the golden files."""

    def load(name: str) -> App:
        return read({path.name: path.read_bytes() for path in sorted((GOLDEN / name).glob("*.toml"))})

    return load


@pytest.fixture
def app_of() -> Callable[[str], App]:
    """The app of a single blueprint's text."""
    return lambda text: read({"one.blueprint.toml": text.encode()})


@pytest.fixture
def hostile(app_of: Callable[[str], App]) -> App:
    """An app whose free texts try to be markup, and whose names are words of the notations."""
    return app_of(HOSTILE)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a golden file; `LATHE_UPDATE_GOLDEN=1` writes it anew."""

    def golden(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("LATHE_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return golden
