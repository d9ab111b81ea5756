"""What `lathe show` prints of two apps, kept as golden files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lathe.lang import App, render

FORMS = {
    "english": "english.md",
    "mermaid": "diagram.mmd",
    "dot": "diagram.dot",
    "svg": "diagram.svg",
    "table": "table.md",
    "permissions": "permissions.md",
    "permission_matrix": "permissions.json",
    "graph": "graph.json",
}


def drawn(form: str, app: App) -> str:
    """What a form draws; data as JSON."""
    found = getattr(render, form)(app)
    return found if isinstance(found, str) else json.dumps(found, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["rollout", "payment"])
def test_what_is_drawn_is_the_golden_file(
    load: Callable[[str], App], golden: Callable[[str, str], None], name: str, form: str
) -> None:
    golden(f"{name}/{FORMS[form]}", drawn(form, load(name)))


def test_every_form_is_public_and_says_what_it_is() -> None:
    assert sorted(FORMS) == sorted(render.__all__)
    assert all(getattr(render, form).__doc__ for form in FORMS)


def test_importing_render_imports_none_of_its_parts() -> None:
    told = "import sys, lathe.lang.render; print([m for m in sys.modules if 'lathe.lang.render._' in m])"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_blueprint_is_drawn_as_an_app_of_one(load: Callable[[str], App]) -> None:
    app = load("rollout")
    blueprint = app.blueprints["Rollout"]
    assert render.mermaid(blueprint) == render.mermaid(app)
    assert "planned" in render.dot(blueprint)
    assert "planned" in render.svg(blueprint)


def test_the_order_of_hashing_does_not_show(load: Callable[[str], App]) -> None:
    """Sets are never iterated where it can be seen: two processes with other seeds draw the same."""
    script = (
        "import sys, hashlib, json, pathlib; from lathe.lang import read_app, render\n"
        "files = {p.name: p.read_bytes() for p in pathlib.Path(sys.argv[1]).glob('*.toml')}\n"
        "app = read_app(files).app\n"
        "for form in render.__all__:\n"
        "    drawn = json.dumps(getattr(render, form)(app))\n"
        "    print(form, hashlib.sha256(drawn.encode()).hexdigest())"
    )
    folder = Path(__file__).parents[2] / "golden" / "render" / "payment"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
