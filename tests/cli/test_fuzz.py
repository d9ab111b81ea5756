"""Any bytes in any file: a code and a place, never a traceback."""

from __future__ import annotations

import json
import re
import tempfile
from functools import reduce
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lathe.cli.main import run
from lathe.gate import Options, check_files
from lathe.machine import tracejson

from .conftest import ROOT

EXAMPLE = (ROOT / "examples" / "rollout" / "rollout.blueprint.toml").read_bytes()
APP = (ROOT / "examples" / "rollout" / "app.toml").read_bytes()
BROKEN = ROOT / "examples" / "rollout" / "broken" / "lost_end"
PLACE = re.compile(r":\d+:\d+: (?:error|warning|note) LT\d{3}\b")
FEW = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def check(files: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code and the lines of `lathe check --line` on these files."""
    capsys.readouterr()
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_bytes(data)
        code = run(["check", "--line", "--budget", "2s", folder])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "LT901" not in out + err
    return code, out.splitlines()


@FEW
@given(data=st.binary(max_size=300))
def test_random_bytes_cannot_be_read(capsys: pytest.CaptureFixture[str], data: bytes) -> None:
    for name in ("app.toml", "a.blueprint.toml"):
        code, lines = check({"app.toml": APP, "rollout.blueprint.toml": EXAMPLE, name: data}, capsys)
        assert code == 3 or (name == "app.toml" and code in (0, 1))
        assert all(PLACE.search(line) for line in lines[:-1])


@FEW
@given(data=st.data())
def test_a_mutated_blueprint_is_checked_or_said_to_be_wrong(
    capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(EXAMPLE) - 1))
    end = data.draw(st.integers(start, min(start + 40, len(EXAMPLE))))
    middle = data.draw(
        st.one_of(
            st.binary(max_size=8), st.sampled_from([b'"', b"[", b"99999999999999999999", b"not ", b"\n"])
        )
    )
    code, lines = check(
        {"app.toml": APP, "rollout.blueprint.toml": EXAMPLE[:start] + middle + EXAMPLE[end:]}, capsys
    )
    assert code in (0, 1, 3)
    assert all(PLACE.search(line) for line in lines[:-1])


@FEW
@given(data=st.binary(max_size=100), name=st.sampled_from(["a.cedar", "modules/a.wasm", "gauges/a.json"]))
def test_random_bytes_beside_an_app_are_taken_or_said_to_be_wrong(
    capsys: pytest.CaptureFixture[str], data: bytes, name: str
) -> None:
    code, lines = check({"app.toml": APP, "rollout.blueprint.toml": EXAMPLE, name: data}, capsys)
    assert code in (0, 1, 3)
    assert all(PLACE.search(line) for line in lines[:-1])


HOSTILE = {
    "deep arrays": b"a = " + b"[" * 50_000,
    "deep tables": b"a = " + b"{a=" * 20_000,
    "long keys": b".".join([b"a"] * 30_000) + b" = 1",
    "huge int": EXAMPLE.replace(b"range = [1, 5]", b"range = [1, " + b"9" * 30_000 + b"]"),
    "deep expression": EXAMPLE.replace(b"attempts < 3", b"(" * 20_000),
    "many nodes": EXAMPLE.replace(b"attempts < 3", b" and ".join([b"ready == 1"] * 3_000)),
    "many signs": EXAMPLE.replace(b"attempts < 3", b"-" * 20_000 + b"1 < 3"),
    "null byte": EXAMPLE.replace(b"attempts < 3", b"attempts \\u0000 < 3"),
    "line separators": EXAMPLE.replace(b"attempts < 3", "attempts \u2028 < 3".encode()),
    "escapes": EXAMPLE.replace(b"planned", b"\\u001b[31m"),
    "surrogates": EXAMPLE.replace(b"attempts < 3", b"attempts == '\xed\xa0\x80'"),
    "byte order mark": b"\xef\xbb\xbf" + EXAMPLE,
    "too large": EXAMPLE + b"#" * 70_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_place(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, lines = check({"app.toml": APP, "rollout.blueprint.toml": HOSTILE[name]}, capsys)
    assert code == 3
    assert all(PLACE.search(line) for line in lines[:-1])
    assert "\x1b" not in "".join(lines)


JUNK = [
    None,
    True,
    -1,
    10**30,
    "x",
    "",
    [],
    [1],
    {},
    {"a": 1},
    1.5,
    "Rollout#9",
    "2030-01-01T00:00:00Z",
    "end",
    "late",
]


def saved_trace() -> dict[str, object]:
    """A run of a broken example, as JSON."""
    files = {p.name: p.read_bytes() for p in BROKEN.glob("*.toml") if p.name != "expect.toml"}
    report = check_files(files, Options(), lambda: 0.0).report
    trace = next(finding.trace for finding in report.findings if finding.trace is not None)
    return tracejson.to_json(trace)


def places(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of every member and element."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [p for key, value in items for p in ((*path, key), *places(value, (*path, key)))]


@FEW
@given(data=st.data())
def test_a_mutated_trace_is_replayed_or_said_to_be_wrong(
    capsys: pytest.CaptureFixture[str], data: st.DataObject
) -> None:
    trace = saved_trace()
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(trace)))
        reduce(lambda at, key: at[key], way, trace)[last] = data.draw(st.sampled_from(JUNK))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        path.write_text(json.dumps(trace), encoding="utf-8")
        code = run(["replay", str(path), str(BROKEN)])
    out, err = capsys.readouterr()
    assert code in (0, 1, 3), out + err
