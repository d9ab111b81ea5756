"""The JSON Schemas for editors: complete, published, and read by the tools that editors use."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from lathe.lang import schema
from lathe.lang.adapters import ADAPTERS, Adapter, SettingSpec
from lathe.lang.resolve import (
    application,
    blueprint,
    joint,
    outline,
    properties,
    read_app,
    triggers,
)
from lathe.lang.schema.keys import KEYS, TABLES

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "reference" / "schemas"
FILES = ("app.toml", "*.blueprint.toml")
EVERY = sorted(p for kind in FILES for p in ROOT.glob(f"examples/**/{kind}"))
EXAMPLES = [p for p in EVERY if "broken" not in p.parts]
VARIANTS = [p for p in EVERY if "broken" in p.parts]
ROLLOUT = ROOT / "examples" / "rollout" / "rollout.blueprint.toml"

BLUEPRINT = jsonschema.Draft7Validator(schema.blueprint_schema())
APP = jsonschema.Draft7Validator(schema.app_schema())


def label(path: Path) -> str:
    return path.relative_to(ROOT / "examples").as_posix()


def validator(path: Path) -> jsonschema.Draft7Validator:
    return APP if path.name == "app.toml" else BLUEPRINT


def parts(node: object) -> Iterator[dict[str, Any]]:
    """Every object inside a schema."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from parts(inner)


# --- published


@pytest.mark.parametrize("file", sorted(schema.PUBLISHED))
def test_the_published_schema_is_that_of_the_code(file: str) -> None:
    text = (SCHEMAS / file).read_text(encoding="utf-8")
    assert text == schema.render_schema(schema.PUBLISHED[file]()), "run `make docs`"


def test_nothing_else_is_published() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == set(schema.PUBLISHED)


@pytest.mark.parametrize("make", schema.PUBLISHED.values())
def test_a_schema_is_valid_draft_7_and_refers_to_what_it_has(make: Callable[[], schema.Schema]) -> None:
    made = make()
    jsonschema.Draft7Validator.check_schema(made)
    definitions = made["definitions"]
    assert isinstance(definitions, dict)
    refs = {part["$ref"].removeprefix("#/definitions/") for part in parts(made) if "$ref" in part}
    assert refs <= set(definitions)
    if made["title"] not in ("Lathe app",):
        assert set(definitions) <= refs


def test_schemas_share_nothing_that_could_be_changed() -> None:
    made = schema.blueprint_schema()
    for part in list(parts(made)):
        part.clear()
    assert schema.blueprint_schema() == BLUEPRINT.schema


# --- complete: the same keys as level 0 reads, each with its sentence

READ_BY_LEVEL_0: Mapping[str, Mapping[str, object]] = {
    "blueprint": outline.TOP,
    "state": outline.STATE,
    "action": outline.ACTION,
    "effect": outline.EFFECT,
    "timer": outline.TIMER,
    "inbound": outline.INBOUND,
    "also": joint.ALSO,
    "signed": triggers.SIGNED,
    "invariant": properties.PROPERTY,
    "step": properties.PROPERTY,
    "sometimes": properties.PROPERTY,
    "eventually": properties.EVENTUALLY,
    "unique": properties.UNIQUE,
    "cannot": properties.CANNOT,
    "migrate": properties.MIGRATE,
    "read": blueprint.READ,
    "app": application.APP,
}


@pytest.mark.parametrize("section", sorted(READ_BY_LEVEL_0))
def test_the_keys_are_those_of_level_0(section: str) -> None:
    assert set(KEYS[section]) == set(READ_BY_LEVEL_0[section])


def test_every_key_has_one_sentence_that_some_schema_shows() -> None:
    shown = {
        part["description"]
        for make in schema.PUBLISHED.values()
        for part in parts(make())
        if "description" in part
    }
    told = {text for section in KEYS.values() for text in section.values()}
    assert told <= shown
    assert set(TABLES.values()) <= shown
    for text in told:
        assert text[0].isupper() or text[0] == "`"
        assert text.endswith(".")


def test_an_adapter_of_an_installed_package_has_its_settings() -> None:
    pager = Adapter("pager", "Pages someone.", {"whom": SettingSpec("text", "Whom.", required=True)})
    known = jsonschema.Draft7Validator(schema.blueprint_schema({**ADAPTERS, "pager": pager}))
    data = tomllib.loads(ROLLOUT.read_text())
    data["effect"]["probe"] = {"uses": "pager", "with": {"whom": "me"}, "ok": "passed", "error": "fail"}
    assert known.is_valid(data)
    assert not BLUEPRINT.is_valid(data)
    data["effect"]["probe"]["with"] = {"who": "me"}
    assert not known.is_valid(data)


# --- right: it accepts what level 0 accepts, and refuses what it can see is wrong


@pytest.mark.parametrize("path", [*EXAMPLES, *VARIANTS], ids=label)
def test_every_example_fits(path: Path) -> None:
    """Broken variants too: what is wrong with them only a check can see."""
    assert [error.message for error in validator(path).iter_errors(tomllib.loads(path.read_text()))] == []


BROKEN: Mapping[str, tuple[str, str]] = {
    "unknown key": ("initial = true", "intial = true"),
    "unknown table": ("[invariant]", "[invariants]"),
    "int without range": ("range = [0, 3], ", ""),
    "key of another type": ('"int", range = [1, 5]', '"bool", range = [1, 5]'),
    "unknown type": ('type = "text"', 'type = "string"'),
    "unknown setting": ("url = ", "ulr = "),
    "unknown choice": ('"PUT"', '"PUTT"'),
    "unknown adapter": ('uses = "http"', 'uses = "htpp"'),
    "no principal": ('by = "role:operator"', 'by = "operator"'),
    "no create": ("create = {", "make = {"),
    "create with from": ("create = {", 'create = { from = "planned",'),
    "no duration": ('"15m"', '"15 minutes"'),
    "timer without action": (', then = "fail"', ""),
    "no assignment": ('"ready -= 1"', '"ready"'),
    "text for a number": ("max = 200", 'max = "200"'),
    "property without expression": ('one_broker_down = "', 'one_broker_down = { in = ["done"] }\nx = "'),
    "bad name": ("planned = {", "Planned = {"),
    "bad blueprint": ('"Rollout"', '"rollout"'),
    "range of three": ("range = [1, 5]", "range = [1, 5, 9]"),
    "list in a state": ('waits = "an operator starts it"', 'waits = ["an operator"]'),
}


def broken(change: str) -> str:
    old, new = BROKEN[change]
    text = ROLLOUT.read_text(encoding="utf-8")
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize("change", BROKEN)
def test_what_an_editor_can_see_is_refused(change: str) -> None:
    assert not BLUEPRINT.is_valid(tomllib.loads(broken(change)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        'app = "My App"',
        'app = "a"\nexclusive = ["clerk"]',
        'app = "a"\n[scope]\nrollout = 1',
        'app = "a"\n[scope]\nRollout = 9',
        'app = "a"\n[role]\nclerk = 1',
        'app = "a"\n[state]',
        'app = "a"\n[invariant]\nx = { that = "True", in = ["a"] }',
        'app = "a"\n[ghost]\nx = { type = "int", range = [0, 1] }',
    ],
)
def test_what_an_editor_can_see_in_an_app_is_refused(text: str) -> None:
    assert not APP.is_valid(tomllib.loads(text))


RICH = """
blueprint = "Thing"
plural = "things-of-ours"
read = { by = ["role:clerk"], when = "owner == actor" }
retain = "30d"
[state]
open = { initial = true, run = ["tell"], after = "1h", then = "close", doc = "d" }
closed = { final = true }
[field]
owner = { type = "id", default = "nobody" }
label = { type = "text", max = 9, secret = true, default = "" }
kind = { type = "enum", of = ["a b", "Ü"], default = "Ü" }
tags = { type = "set", of = { type = "enum", of = ["x", "y"] }, default = ["x"], max = 2 }
peers = { type = "set", of = { type = "ref", to = "Thing" } }
due = { type = "time", frozen = true }
more = { type = "json", max = 100 }
n = { type = "int", range = [0, 99], explore = [0, 3], default = 0 }
peer = { type = "ref", to = "Thing" }
[ghost]
seen = { type = "bool", default = false }
[action]
create = { by = "role:clerk" }
close = { from = "*", to_if = "'closed'", by = ["any", "timer"], fair = true, ghost = ["seen = True"] }
[action.stay]
from = "open"
by = ["role:clerk", "entity:Thing"]
args = { k = { type = "int", range = [0, 1], optional = true } }
fenced = true
[action.join]
from = ["open"]
by = ["role:clerk", "entity:Thing"]
also = [{ on = "peer", action = "stay", args = { k = 1 }, when = "peer is not None", doc = "d" }]
do = ["n += 1", " tags -= 'x'"]
run = "tell"
[timer]
late = { at = "due", then = "close" }
[effect]
tell = { uses = "emit", with = { data = { a = [1, { b = "{n}" }] } } }
[inbound.paid]
path = "paid/{thing}"
signed = { scheme = "stripe", secret = "S" }
once = "header.stripe-id"
find = { id = "path.thing" }
action = "stay"
args = { k = "body.k" }
[invariant]
fine = { that = "n >= 0", when = "n > 1", in = ["open"], doc = "d" }
[sometimes]
many = "n == 2"
ever = true
[unique]
one_label = { fields = ["owner", "kind"], in = ["open"] }
[cannot]
clerks_read = { role = "clerk", do = ["read"], when = "n > 50" }
[migrate]
state = { old = "open" }
field = { n = 0, kind = "'Ü'" }
"""


def test_everything_the_language_has_fits() -> None:
    assert [error.message for error in BLUEPRINT.iter_errors(tomllib.loads(RICH))] == []


def as_toml(value: object) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {as_toml(part)}' for key, part in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def as_file(data: Mapping[str, object]) -> bytes:
    return "".join(f"{json.dumps(key)} = {as_toml(value)}\n" for key, value in data.items()).encode()


def paths(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield from paths(value, (*path, key))


BASES = [tomllib.loads(RICH), tomllib.loads(ROLLOUT.read_text(encoding="utf-8"))]
ALL_KEYS = sorted({key for section in KEYS.values() for key in section})
VALUES = [
    True, False, 0, 1, 100, -1, 1.5, "", "a", "open", "15m", "role:operator", "any", "*", [], ["open"], ["*"],
    [0, 1], [1], {}, {"type": "bool", "default": True}, {"type": "time"}, {"that": "True"}, "True", ["n = 1"],
]  # fmt: skip


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    data = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from(list(paths(data))))
        parent: Any = data
        for key in way:
            parent = parent[key]
        match draw(st.sampled_from(["remove", "replace", "add"])):
            case "remove":
                del parent[last]
            case "replace":
                parent[last] = copy.deepcopy(draw(st.sampled_from(VALUES)))
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(ALL_KEYS))] = copy.deepcopy(draw(st.sampled_from(VALUES)))
    return data


@settings(max_examples=300)
@given(changed())
def test_what_level_0_accepts_is_never_underlined(data: dict[str, Any]) -> None:
    reading = read_app({"a.blueprint.toml": as_file(data)})
    if reading.app is not None:
        assert [error.message for error in BLUEPRINT.iter_errors(data)] == []


def test_the_files_of_these_tests_are_accepted_by_level_0() -> None:
    for data in BASES:
        assert [d.message for d in read_app({"a.blueprint.toml": as_file(data)}).diagnostics] == []


# --- the tools themselves, without the network


def tool(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / name), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def taplo(folder: Path) -> subprocess.CompletedProcess[str]:
    return tool("taplo", "lint", "--colors", "never", cwd=folder)


def tombi(folder: Path) -> subprocess.CompletedProcess[str]:
    return tool("tombi", "lint", "--offline", "--error-on-warnings", ".", cwd=folder)


LINTERS = {"taplo": taplo, "tombi": tombi}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the schemas and the configuration that the how-to shows."""
    page = (ROOT / "docs" / "howto" / "editor.md").read_text(encoding="utf-8")
    for name in ("tombi.toml", ".taplo.toml"):
        found = re.search(rf"```toml\n# {re.escape(name)}\n(.*?)```", page, re.DOTALL)
        assert found is not None
        (tmp_path / name).write_text(found[1], encoding="utf-8")
    for file in (schema.BLUEPRINT_FILE, schema.APP_FILE):
        (tmp_path / file).write_bytes((SCHEMAS / file).read_bytes())
    return tmp_path


def plain(path: Path) -> str:
    """A file without a schema line, so that the configuration counts."""
    return re.sub(r"^#:schema .*\n", "", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("linter", LINTERS)
def test_the_tools_accept_every_example(project: Path, linter: str) -> None:
    for path in EXAMPLES:
        folder = project / "apps" / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_text(plain(path), encoding="utf-8")
    (project / "rich.blueprint.toml").write_text(RICH.lstrip(), encoding="utf-8")
    result = LINTERS[linter](project)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("change", BROKEN)
@pytest.mark.parametrize("linter", LINTERS)
def test_the_tools_refuse_what_is_broken(project: Path, linter: str, change: str) -> None:
    (project / "a.blueprint.toml").write_text(re.sub(r"^#:schema .*\n", "", broken(change)), encoding="utf-8")
    assert LINTERS[linter](project).returncode != 0


@pytest.mark.parametrize("linter", LINTERS)
def test_the_tools_refuse_an_unknown_key_of_an_app(project: Path, linter: str) -> None:
    (project / "app.toml").write_text('app = "a"\n\n[roles]\nclerk = "x"\n', encoding="utf-8")
    assert LINTERS[linter](project).returncode != 0


@pytest.mark.parametrize("linter", LINTERS)
def test_a_schema_line_is_enough(tmp_path: Path, linter: str) -> None:
    (tmp_path / schema.BLUEPRINT_FILE).write_bytes((SCHEMAS / schema.BLUEPRINT_FILE).read_bytes())
    file = tmp_path / "a.blueprint.toml"
    file.write_text(f"#:schema {schema.BLUEPRINT_FILE}\n{plain(ROLLOUT)}", encoding="utf-8")
    assert LINTERS[linter](tmp_path).returncode == 0
    file.write_text(f"#:schema {schema.BLUEPRINT_FILE}\n{plain(ROLLOUT)}\n[invariants]\n", encoding="utf-8")
    assert LINTERS[linter](tmp_path).returncode != 0
