"""Adapters as data: what they declare is complete and consistent."""

from __future__ import annotations

from typing import get_args

import pytest

from lathe.lang.adapters import ADAPTERS, BAD_CAUSES, BAD_END, Adapter, SettingKind

EACH = sorted(ADAPTERS)


@pytest.mark.parametrize("name", EACH)
def test_an_adapter_is_named_by_its_key_and_says_what_it_is(name: str) -> None:
    adapter = ADAPTERS[name]
    assert adapter.name == name
    assert adapter.doc.endswith(".")
    for spec in adapter.settings.values():
        assert spec.doc and spec.kind in get_args(SettingKind)
        assert bool(spec.choices) == (spec.kind in ("choice", "choices"))
        assert bool(spec.most) == (spec.kind == "count")
        assert not (spec.required and spec.default is not None)


@pytest.mark.parametrize("name", EACH)
def test_idempotence_is_about_a_setting_that_exists(name: str) -> None:
    rule = ADAPTERS[name].idempotence
    assert rule.setting is None or rule.setting in ADAPTERS[name].settings
    if rule.setting is not None and ADAPTERS[name].settings[rule.setting].choices:
        assert set(rule.values) <= set(ADAPTERS[name].settings[rule.setting].choices)


def test_the_adapters_of_the_language_are_all_there() -> None:
    assert EACH == ["call", "create", "emit", "http", "process", "wasm"]
    settings = {name: list(adapter.settings) for name, adapter in ADAPTERS.items()}
    assert settings == {
        "http": ["method", "url", "headers", "body", "take"],
        "call": ["on", "action", "args", "each"],
        "create": ["blueprint", "args", "each"],
        "emit": ["type", "data", "to"],
        "process": ["argv", "stdin"],
        "wasm": ["module", "function", "input", "grants", "hosts", "headers", "fuel", "memory_mib"],
    }


def test_only_a_notice_has_no_end_and_only_calls_are_internal() -> None:
    def those(mark: str) -> set[str]:
        return {name for name, adapter in ADAPTERS.items() if getattr(adapter, mark)}

    assert those("is_notice") == {"emit"}
    assert those("is_internal") == {"call", "create"}
    assert those("open_results") == {"wasm"}


def test_every_bad_end_offers_a_cause_and_a_message() -> None:
    assert list(BAD_END) == ["cause", "message"]
    assert BAD_END["cause"].members == BAD_CAUSES


def test_the_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ADAPTERS["mine"] = Adapter("mine", "Mine.", {})  # type: ignore[index]
