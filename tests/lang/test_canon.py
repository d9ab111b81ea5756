"""The canonical form: what an app says, whatever its text looks like."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from lathe.lang import canonical, digest, read_app
from lathe.lang.format import format_text

from .reading import EXAMPLES, ORDER, ROLLOUT, SHOP, read_shop, told
from .test_resolve_bytes import dump, tomllib

APPS = sorted(path.parent for path in EXAMPLES.glob("*/app.toml"))


def digest_of(files: dict[str, str], modules: Mapping[str, bytes] = MappingProxyType({})) -> str:
    reading = read_app({**{path: text.encode() for path, text in files.items()}, **modules})
    assert reading.app is not None, told(reading)
    return digest(reading.app)


def rollout(text: str) -> str:
    return digest_of({"rollout.blueprint.toml": text})


def shop(**changed: str) -> str:
    reading = read_shop(**changed)
    assert reading.app is not None, told(reading)
    return digest(reading.app)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('when = "ready == replicas"', "when = ' ready  ==  (replicas) '"),
        ('"attempts += 1"', '"attempts = attempts + 1"'),
        ('do = ["attempts = 1"]', 'do = [\n  "attempts=1", # a comment\n]'),
        ('by = "role:operator", sets = ["replicas"]', 'sets = ["replicas"], by = ["role:operator"]'),
        ('["rolling", "verifying", "rolling_back"]', '["rolling_back", "rolling", "verifying"]'),
        ('run = "patch"', 'run = ["patch"]'),
        ('after = "10m"', 'after = "600s"'),
        ("range = [0, 5], default = 0", "default = 0x0, range = [-0, +5]"),
        ('by = ["effect:patch", "effect:restore"]', 'by = ["effect:restore", "effect:patch"]'),
        ('blueprint = "Rollout"', 'blueprint = "Rollout"\nplural = "rollouts"'),
        ("done = { final = true }", "done = { final = true, initial = false }"),
        ('with = { url = "{env.KAFKA}/isr" }', 'with.url = "{env.KAFKA}/isr"\nwith.method = "GET"'),
        ('"replicas - ready <= 1"', '{ that = "replicas - ready <= 1" }'),
        ("[action.drain] # the adapter asks before it takes a broker down", "\n\n[action.drain]"),
    ],
)  # fmt: skip
def test_what_only_looks_different_has_the_same_digest(old: str, new: str) -> None:
    assert old in ROLLOUT
    assert rollout(ROLLOUT.replace(old, new, 1)) == rollout(ROLLOUT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("replicas - ready <= 1", "replicas - ready <= 2"),
        ("ready < replicas", "ready <= replicas"),
        ('doc = "Replace', 'doc = "replace'),
        ('after = "10m"', 'after = "11m"'),
        ("max = 200", "max = 201"),
        ("idempotent = true", "idempotent = false"),
        ('"{image}"', '" {image}"'),
        ("an operator starts it", "an operator begins it"),
        ('"attempts += 1"', '"attempts += 2"'),
        ("state]\nplanned", "state]\nextra = { final = true }\nplanned"),
        ("one_broker_down", "two_brokers_down"),
    ],
)
def test_what_says_something_else_has_another_digest(old: str, new: str) -> None:
    assert old in ROLLOUT
    assert rollout(ROLLOUT.replace(old, new, 1)) != rollout(ROLLOUT)


def test_the_order_of_entries_and_keys_says_nothing() -> None:
    chance = random.Random(7)
    for path, text in SHOP.items():
        if not path.endswith(".toml"):
            continue
        data = tomllib.loads(text)
        shuffled = shuffle(data, chance)
        again = "\n".join(f"{key} = {dump(value)}" for key, value in shuffled.items())
        assert digest_of({**SHOP, path: again}) == digest_of(SHOP)


def shuffle(table: dict[str, object], chance: random.Random) -> dict[str, object]:
    """The table with its keys, and those of tables in it, in another order."""
    keys = list(table)
    chance.shuffle(keys)
    return {key: shuffle(part, chance) if isinstance(part := table[key], dict) else part for key in keys}


def test_the_names_of_blueprint_files_say_nothing() -> None:
    renamed = {path.replace("order.", "zz."): text for path, text in SHOP.items()}
    assert digest_of(renamed) == digest_of(SHOP)


def test_policies_and_modules_are_part_of_it_and_gauges_are_not() -> None:
    assert digest_of({**SHOP, "extra.cedar": "// nothing"}) != digest_of(SHOP)
    assert digest_of({**SHOP, "modules/weigh.wasm": "\0asm2"}) != digest_of(SHOP)
    assert digest_of({**SHOP, "modules/other.wat": "(module)"}) != digest_of(SHOP)
    assert digest_of({**SHOP, "gauges/one.json": "{}"}) == digest_of(SHOP)


def test_properties_of_the_app_are_part_of_it() -> None:
    assert shop(app=SHOP["app.toml"].replace("total_paid <= 99", "total_paid <= 98")) != shop()
    assert shop(order=ORDER.replace("old.cents // 100", "old.cents // 10")) != shop()


def test_it_is_json_with_sorted_keys_and_no_white_space() -> None:
    reading = read_shop()
    assert reading.app is not None
    raw = canonical(reading.app)
    data = json.loads(raw)
    assert json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() == raw
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest(reading.app))


def test_every_table_has_a_place_in_it() -> None:
    reading = read_shop()
    assert reading.app is not None
    text = canonical(reading.app).decode()
    for name in ("total_paid", "one_open", "overdue", "paid_outside", "by_note", "clerk_touches", "fresh"):
        assert f'"{name}"' in text


@pytest.mark.parametrize("text", [ROLLOUT, *(SHOP[path] for path in SHOP if path.endswith(".toml"))])
def test_formatting_never_changes_it(text: str) -> None:
    if text is ROLLOUT:
        assert rollout(format_text(text, file="x.toml")) == rollout(text)
        return
    path = next(path for path, other in SHOP.items() if other is text)
    assert digest_of({**SHOP, path: format_text(text, file=path)}) == digest_of(SHOP)


@pytest.mark.parametrize("folder", APPS, ids=lambda path: path.name)
def test_formatting_never_changes_an_example(folder: Path) -> None:
    files = {path.name: path.read_text() for path in folder.glob("*.toml")}
    modules = {f"modules/{path.name}": path.read_bytes() for path in folder.glob("modules/*")}
    formatted = {name: format_text(text, file=name) for name, text in files.items()}
    assert digest_of(formatted, modules) == digest_of(files, modules)


def test_the_digest_of_the_rollout_is_what_it_was() -> None:
    """If this fails, stored digests of live apps mean something else: raise `FORMAT`."""
    assert rollout(ROLLOUT) == "sha256:cf500e2906457e852e1b91fd80ecf7c705d48f64ab8e82ab81b2989a5e8a0072"
