"""The house style, as far as a machine can see it. Each test names every offence at once."""

from __future__ import annotations

import ast
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODULE_LINES_LIMIT = 600
FUNCTION_LINES_LIMIT = 70
LINE_LIMIT = 110
AGENTS_LINES_LIMIT = 80

PRINTS = {"src/lathe/cli/output.py"}
EXECUTES = {
    "src/lathe/frozen.py",
    "src/lathe/check/search/plain.py",
    "src/lathe/check/judge/observable_steps.py",
    "src/lathe/check/search/picks.py",
    "src/lathe/machine/lower.py",
}
"""Code that we generate ourselves from checked trees; never the text of a file."""
TAKES_ANY = {
    "src/lathe/lang/source.py",
    "src/lathe/machine/tracejson.py",
    "src/lathe/store/tables.py",
    "src/lathe/check/algebra/build.py",  # z3 ships no types
    "src/lathe/api/wire/answers.py",  # ASGI's messages
    "src/lathe/api/entities/view.py",  # what the journal holds
    "src/lathe/runtime/config.py",
    "src/lathe/runtime/conformance.py",
    "src/lathe/runtime/snapshot.py",
    "src/lathe/sim/loop.py",  # what asyncio passes to a loop
    "src/lathe/sim/oracle.py",  # what the journal holds
}
"""The edges: where decoded TOML and JSON, and rows of databases, come in."""
NO_TEXT = {".pyc", ".png", ".wasm"}

ABSOLUTE = re.compile(r"(?<![\w.{}:/])/(?!opt/lathe\b)(?:home|root|Users|work|opt|mnt|private)/\w")
"""Of one machine alone; where the units of `deploy/` find Lathe is one that we choose ourselves."""
LOOKS_AROUND = re.compile(r"\(\?(?:[=!]|<[=!])[^()]*\)\)(?:[*+?]|\{[\d,]+\})\+")
OWNERLESS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b(?!\([a-z])")


def none(offences: list[str]) -> None:
    """Fail with the whole list, if there is any."""
    assert not offences, "\n".join(["", *offences])


def files(*folders: str) -> list[Path]:
    """The text files under the folders, caches left out."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    return sorted(
        p for p in found if p.is_file() and p.suffix not in NO_TEXT and "__pycache__" not in p.parts
    )


PYTHON = [
    path for path in files("src", "bench", "conformance", "tests", "examples", "docs") if path.suffix == ".py"
]
LIBRARY = [path for path in PYTHON if path.is_relative_to(ROOT / "src")]
TEXTS = [
    *(p for p in ROOT.iterdir() if p.is_file() and p.name != ".git"),
    *files(".ci", "src", "bench", "tests", "docs", "examples"),
]


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Every node of some kinds with where it stands."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, kinds):
            yield f"{name(path)}:{getattr(node, 'lineno', 1)}", node


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path, functions: set[str]) -> list[str]:
    return [
        f"{where} {node.func.id}"
        for where, node in nodes(path, ast.Call)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions
    ]


def test_modules_are_of_a_size_to_read() -> None:
    long = [name(path) for path in PYTHON if len(text_of(path).splitlines()) > MODULE_LINES_LIMIT]
    none(long)


def test_functions_are_of_a_size_to_read() -> None:
    long = [
        f"{where} {node.name}"
        for path in PYTHON
        for where, node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_LIMIT
    ]
    none(long)


def test_lines_are_of_a_length_to_read() -> None:
    long = [
        f"{name(path)}:{number}"
        for path in PYTHON
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if len(line) > LINE_LIMIT
    ]
    none(long)


def test_every_module_says_its_one_idea() -> None:
    none([name(path) for path in LIBRARY if not ast.get_docstring(tree_of(path))])


def test_public_functions_say_what_they_promise() -> None:
    silent = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in LIBRARY
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    none(silent)


def test_only_the_output_module_prints() -> None:
    quiet = [path for path in LIBRARY if name(path) not in PRINTS]
    printing = [call for path in quiet for call in calls(path, {"print", "input", "breakpoint"})]
    streams = [
        where
        for path in quiet
        for where, node in nodes(path, ast.Attribute)
        if isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"}
        if isinstance(node.value, ast.Name) and node.value.id == "sys"
    ]
    none(printing + streams)


def test_nothing_of_a_file_is_executed() -> None:
    executing = {"eval", "exec", "compile", "__import__"}
    none([c for path in LIBRARY if name(path) not in EXECUTES for c in calls(path, executing)])


def test_no_except_catches_everything_or_swallows() -> None:
    bad = [
        where
        for path in PYTHON
        for where, node in nodes(path, ast.ExceptHandler)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(statement, ast.Pass) for statement in node.body))
    ]
    none(bad)


def test_any_stands_only_where_bytes_come_in() -> None:
    loose = [
        where
        for path in LIBRARY
        if name(path) not in TAKES_ANY
        for where, node in nodes(path, ast.Name)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]
    none(loose)


def test_no_possessive_group_looks_around() -> None:
    """`(?:a(?!b))*+` matches wrongly in CPython before 3.11.5; without the `+` it means the same here."""
    bad = [
        f"{name(path)}:{number}"
        for path in LIBRARY
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if LOOKS_AROUND.search(line)
    ]
    none(bad)


def test_no_path_of_one_machine() -> None:
    none([name(path) for path in TEXTS if ABSOLUTE.search(text_of(path))])


def test_what_is_left_to_do_has_an_owner() -> None:
    none([name(path) for path in TEXTS if OWNERLESS.search(text_of(path))])


def test_the_page_for_agents_is_short() -> None:
    assert len(text_of(ROOT / "AGENTS.md").splitlines()) < AGENTS_LINES_LIMIT


def test_every_bug_of_the_benches_finds_its_line() -> None:
    """A bug whose line has moved would not be put in, and nobody would notice until the bench is run."""
    found = runpy.run_path(str(ROOT / "bench" / "kill_bugs.py"))["BUGS"]
    texts = {bug.file: (ROOT / "src" / "lathe" / bug.file).read_text(encoding="utf-8") for bug in found}
    none(
        [
            f"{bug.name}: {texts[bug.file].count(bug.old)} times"
            for bug in found
            if texts[bug.file].count(bug.old) != 1
        ]
    )
