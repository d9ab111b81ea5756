"""Any bytes in any file: diagnostics with a place, never another exception, never long."""

from __future__ import annotations

import random
import time
import tomllib
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lathe.lang import canonical
from lathe.lang.resolve import Reading, read_app

from .reading import ROLLOUT, SHOP

FILES = {path: text.encode() for path, text in SHOP.items()}
TOML = [path for path in FILES if path.endswith(".toml")]
SECONDS_LIMIT = 5.0
ODD: list[Any] = [
    *(0, -1, 2**63 - 1, 1.5, float("nan"), True),
    *(
        "",
        " ",
        "*",
        "state",
        "arg.x",
        "{",
        "{{}}",
        "a = b",
        "\u202e\x00",
        "None",
        "((((",
        "role:",
        "role:x",
        ":",
    ),
    *(
        "x" * 300,
        "é",
        "\U0001d4b3",
        "🦀",
        [],
        [[]],
        [1],
        [""],
        ["a", 1],
        {},
        {"": {}},
        {"a": {"b": {"c": 1}}},
    ),
    *({"type": "int"}, {"type": "set", "of": {"type": "set"}}, {"type": "ref", "to": "Order"}),
]


def check(files: dict[str, bytes]) -> Reading:
    """Read; whatever comes, it has a place in a file and can be printed, or there is an app."""
    reading = read_app(files)
    assert (reading.app is None) == bool(reading.diagnostics)
    for found in reading.diagnostics:
        assert found.code.startswith(("LT00", "LT10", "LT11"))
        assert found.message and found.message.isprintable() and found.help.isprintable()
        assert found.span.line >= 1 and found.span.column >= 1
        assert (found.span.end_line, found.span.end_column) >= (found.span.line, found.span.column)
        assert len(found.message) < 1_000 and len(found.help) < 2_000
    if reading.app is not None:
        canonical(reading.app)
    return reading


def dump(value: Any) -> str:
    """A value as TOML, in one line."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return (
                '"'
                + "".join(f"\\U{ord(c):08X}" if c in '"\\' or not c.isprintable() else c for c in value)
                + '"'
            )
        case list():
            return f"[{', '.join(map(dump, value))}]"
        case dict():
            return "{" + ", ".join(f"{dump(str(k))} = {dump(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)


def whole(data: dict[str, Any]) -> bytes:
    return "\n".join(f"{dump(key)} = {dump(value)}" for key, value in data.items()).encode()


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        node = waiting.pop()
        keys = (
            list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        )
        found += [(node, key) for key in keys]
        waiting += [node[key] for key in keys]
    return found


def disturb(data: dict[str, Any], chance: random.Random) -> None:
    """One change somewhere: another value, another key, nothing, or a part of elsewhere."""
    if not data:
        return
    container, key = chance.choice(places(data))
    match chance.randrange(5):
        case 0:
            container[key] = deepcopy(chance.choice(ODD))
        case 1:
            other, name = chance.choice(places(data))
            container[key] = tomllib.loads(f"x = {dump(other[name])}")["x"]
        case 2:
            del container[key]
        case 3 if isinstance(container, dict):
            container[str(chance.choice(["x", "", "A", "state", "id", "é", "a.b", "in", "to"]))] = deepcopy(
                chance.choice(ODD)
            )
        case _:
            if isinstance(container[key], str):
                text = container[key]
                at = chance.randrange(len(text) + 1)
                container[key] = (
                    text[:at] + chance.choice(["", " ", "(", "'", "{", "}", ".", "9", "ä"]) + text[at + 1 :]
                )


@pytest.mark.parametrize("seed", range(150))
def test_a_disturbed_app_gets_diagnostics(seed: int) -> None:
    chance = random.Random(seed)
    path = chance.choice(TOML)
    data = tomllib.loads(SHOP[path])
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        disturb(data, chance)
    check({**FILES, path: whole(data)})


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(sorted(FILES)), raw=st.binary(max_size=200), at=st.integers(0, 5_000))
def test_any_bytes_anywhere_get_diagnostics(path: str, raw: bytes, at: int) -> None:
    text = FILES[path]
    at = min(at, len(text))
    check({**FILES, path: text[:at] + raw + text[at + len(raw) :]})


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*FILES, "b.blueprint.toml"]), st.binary(max_size=60), max_size=4))
def test_an_app_of_any_bytes_gets_diagnostics(files: dict[str, bytes]) -> None:
    check(files)


@pytest.mark.parametrize(
    "text",
    [
        "field = " + "[" * 30_000,
        "field." * 10_000 + "x = 1",
        "[field]\n" + "\n".join(f"f{n} = 1" for n in range(7_000)),
        "[action]\n" + "\n".join(f'a{n} = {{ from = "b{n}", to = "c" }}' for n in range(1_500)),
        '[invariant]\ni = "' + "(" * 30_000 + '"',
        '[invariant]\ni = "' + " and ".join(["replicas == ready"] * 3_000) + '"',
        '[invariant]\ni = "' + "9" * 30_000 + ' == 1"',
        "[field]\nx = { type = 'int', range = [0, 0x" + "f" * 30_000 + "] }",
        "[effect.x]\nuses = 'emit'\nwith = { data = '" + "{image}" * 8_000 + "' }",
        "[effect.x]\nuses = 'emit'\nwith = { data = [" + "1, " * 20_000 + "] }",
        "doc = '''" + "x" * 60_000 + "'''",
        "by = '\\ud800'",
        'doc2 = "\\ud800"',
        "﻿",
        "x" * (64 * 1024 + 1),
        "\n".join(f"[state.s{n}]\nrun = ['a', 'b', 'c']\nthen = 'x'" for n in range(900)),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_large_or_deep_takes_no_time(text: str) -> None:
    started = time.process_time()
    check({"rollout.blueprint.toml": text.encode("utf-8", "surrogatepass")})
    check({"rollout.blueprint.toml": f"{ROLLOUT}\n{text}".encode("utf-8", "surrogatepass")})
    assert time.process_time() - started < SECONDS_LIMIT
