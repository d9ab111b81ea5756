"""The language page and the recipes: every block of TOML and every expression in them is read and checked.

A block's fence says what it is:

- `toml app`: complete files, separated by `# --- NAME` lines; admitted by the checker;
- `toml fragment`: part of a blueprint; read within `HARNESS`;
- `toml change CODE [property]`: entries that replace those of the last app above; refused with this finding;
- `toml broken CODE`: a complete blueprint; refused with this finding;
- `cedar change CODE [property]`: policies that replace those of the same `@id` in the last app above, or
  stand beside them; refused with this finding. `cedar warn CODE`: admitted, with this warning.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lathe.check.reporting.report import Report
from lathe.gate import Options, check_files
from lathe.lang import read_app
from lathe.policy.scan import pieces

DOCS = Path(__file__).parent.parent / "docs"
LANGUAGE = DOCS / "reference" / "language.md"
PAGES = (LANGUAGE, DOCS / "explanation" / "why-blueprints.md", *sorted(DOCS.glob("howto/model-*.md")))
PAGES += (
    DOCS / "howto" / "receive-webhooks.md",
    DOCS / "howto" / "write-a-policy.md",
    DOCS / "reference" / "skill.md",
)

HARNESS = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "somebody takes it" }
busy = { after = "10m", then = "give_up" }
closed = { final = true }

[field]
urgent = { type = "bool", default = false }
tries = { type = "int", range = [0, 3], default = 0 }
channel = { type = "enum", of = ["mail", "phone"], default = "mail" }
title = { type = "text", max = 200 }
owner = { type = "id" }
parent = { type = "ref", to = "Thing" }
votes = { type = "set", of = { type = "id" }, max = 3 }
due = { type = "time" }

[ghost]
charged = { type = "int", range = [0, 2], default = 0 }
last_taker = { type = "id" }

[action]
create = { by = ["role:worker", "role:lead"] }
take = { from = "open", to = "busy", by = "role:worker" }
give_up = { from = "busy", to = "open" }
fetched = { from = "busy", to = "closed", by = "role:worker", sets = ["channel"] }
spare = { from = "open", by = "role:worker" }

[effect]
fetch = { uses = "http", with = { url = "https://example.org" }, ok = "fetched", error = "give_up" }
announce = { uses = "emit" }
"""

_FENCE = re.compile(r"^```(?:toml|(?=cedar))([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^# --- (\S+)\n", re.MULTILINE)
_EXPRESSION_ROW = re.compile(r"^\| `([^`]+)` \| (guard|to_if|do|invariant|step) \|", re.MULTILINE)
_ID = re.compile(r'@id\("([^"]+)"\)')
_CODE = re.compile(r"\bLT\d{3}\b")


@dataclass(frozen=True)
class Block:
    """One fenced block: what its fence says, and the files that it makes, by name."""

    page: str
    line: int
    what: str
    wanted: tuple[str, ...]
    files: dict[str, bytes]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def _blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found: list[Block] = []
    above: dict[str, bytes] = {}
    for match in _FENCE.finditer(text):
        what, *wanted = match[1].split() or [""]
        if what == "cedar":
            what, *wanted = (f"cedar {wanted[0]}", *wanted[1:])
        files = _made(what, match[2], above)
        if what == "app":
            above = files
        found.append(Block(page.name, text.count("\n", 0, match.start()) + 1, what, tuple(wanted), files))
    return found


def _made(what: str, body: str, above: dict[str, bytes]) -> dict[str, bytes]:
    if what == "fragment":
        return {"thing.blueprint.toml": _merged(HARNESS, body)}
    if what.startswith("cedar"):
        (name,) = (name for name in above if name.endswith(".cedar"))
        return {**above, name: _with_policies(above[name].decode(), body).encode()}
    if what == "change":
        (name,) = (name for name in above if name.endswith(".blueprint.toml"))
        return {**above, name: _merged(above[name].decode(), body)}
    parts = _FILE.split(body)
    if len(parts) == 1:
        return {"it.blueprint.toml": body.encode()}
    return {name: text.encode() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _with_policies(base: str, part: str) -> str:
    """Policies with those of a part in place of the ones with the same id, or after them."""
    kept = {_ID.findall(p.text)[0]: p.text for text in (base, part) for p in pieces("it.cedar", text)}
    return "\n".join(kept.values())


def _merged(base: str, part: str) -> bytes:
    """A blueprint with entries replaced and added; states that the part does not know stay as they are."""
    whole = tomllib.loads(base)
    for name, table in tomllib.loads(part).items():
        whole[name] = {**whole[name], **table} if name in whole else table
    lines = [f"{name} = {_toml(value)}" for name, value in whole.items() if not isinstance(value, dict)]
    for name, value in whole.items():
        if isinstance(value, dict):
            lines += [f"[{name}]", *(f"{key} = {_toml(entry)}" for key, entry in value.items())]
    return "\n".join(lines).encode()


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return f"{{ {', '.join(f'{key} = {_toml(entry)}' for key, entry in value.items())} }}"
    raise TypeError(value)


def _complaints(files: Mapping[str, bytes]) -> list[str]:
    return [f"{d.span} {d.code} {d.message}" for d in read_app(files).diagnostics]


def _checked(files: Mapping[str, bytes]) -> Report:
    return check_files(files, Options(), time.monotonic).report


def _told(report: Report) -> set[str]:
    found = (f for f in report.findings if f.diagnostic.severity != "note")
    return {f"{f.diagnostic.code} {f.property or ''}".strip() for f in found}


ALL = [block for page in PAGES for block in _blocks(page)]
EXPRESSIONS = _EXPRESSION_ROW.findall(LANGUAGE.read_text())


def _of(*kinds: str) -> list[Block]:
    return [block for block in ALL if block.what in kinds]


@pytest.mark.parametrize("block", ALL, ids=str)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.what in ("app", "fragment", "change", "broken", "cedar change", "cedar warn")


@pytest.mark.parametrize("block", _of("app", "fragment", "change", "cedar change", "cedar warn"), ids=str)
def test_a_block_reads_without_a_complaint(block: Block) -> None:
    assert _complaints(block.files) == []


@pytest.mark.parametrize("block", _of("app"), ids=str)
def test_a_complete_app_is_admitted_without_a_warning(block: Block) -> None:
    report = _checked(block.files)
    assert _told(report) == set()
    assert report.verdict == "admitted"


@pytest.mark.parametrize("block", _of("change", "broken", "cedar change"), ids=str)
def test_a_broken_block_is_refused_with_what_it_says(block: Block) -> None:
    report = _checked(block.files)
    assert " ".join(block.wanted) in _told(report)
    assert report.verdict == "refused"


@pytest.mark.parametrize("block", _of("cedar warn"), ids=str)
def test_a_block_that_is_warned_of_is_admitted(block: Block) -> None:
    report = _checked(block.files)
    assert " ".join(block.wanted) in _told(report)
    assert report.verdict == "admitted"


@pytest.mark.parametrize(("text", "where"), EXPRESSIONS)
def test_an_expression_of_the_table_reads_where_it_says(text: str, where: str) -> None:
    assert _complaints({"thing.blueprint.toml": _merged(HARNESS, _with_expression(text, where))}) == []


def test_the_table_of_expressions_has_every_function() -> None:
    text = " ".join(expression for expression, _ in EXPRESSIONS)
    for name in ("len", "min", "max", "abs", "all", "any", "sum", "set"):
        assert f"{name}(" in text


def test_an_expression_that_is_none_would_be_noticed() -> None:
    found = _complaints(
        {"thing.blueprint.toml": _merged(HARNESS, _with_expression("tries / 2 == 1", "guard"))}
    )
    assert any("LT103" in complaint for complaint in found)


def _with_expression(text: str, where: str) -> str:
    value = _toml(text)
    match where:
        case "guard":
            return f'[action]\nspare = {{ from = "open", by = "role:worker", when = {value} }}'
        case "do":
            return f'[action]\nspare = {{ from = "open", by = "role:worker", do = [{value}] }}'
        case "to_if":
            return f'[action]\nspare = {{ from = "open", by = "role:worker", to_if = {value} }}'
    return f"[{where}]\nit = {value}"


def test_every_key_of_the_language_is_on_the_page() -> None:
    from lathe.lang.schema.keys import KEYS

    text = LANGUAGE.read_text()
    missing = [
        f"{s}.{key}" for s, keys in KEYS.items() for key in keys if not re.search(rf"`[^`\n]*\b{key}\b", text)
    ]
    assert missing == []


def test_the_page_names_only_codes_that_are_explained() -> None:
    explained = {path.stem for path in (Path(__file__).parent.parent / "src/lathe/gate/codes").glob("LT*.md")}
    for page in PAGES:
        assert set(_CODE.findall(page.read_text())) - explained <= {"LT604"}
