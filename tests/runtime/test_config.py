"""The page of the configuration names every key, its default and its variable."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import msgspec
import pytest

from lathe.errors import UsageError
from lathe.runtime.config import (
    ApplySettings,
    AppSettings,
    Config,
    IssuerSettings,
    LimitSettings,
    MonitorSettings,
    Secret,
    Server,
    SignInSettings,
    StoreSettings,
    WasmProcess,
    WasmSettings,
    read_config,
    schema,
)

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
ROW = re.compile(r"^\| `([a-zN][\w.]*)` \| `([^`]*)` \| (?:`(LATHE_\w+)`)? ?\|", re.MULTILINE)
TABLES: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "store": StoreSettings,
    "limits": LimitSettings,
    "monitor": MonitorSettings,
    "wasm": WasmProcess,
    "app.NAME": AppSettings,
    "issuer.NAME": IssuerSettings,
    "issuer.NAME.sign_in": SignInSettings,
    "app.NAME.wasm": WasmSettings,
    "app.NAME.apply": ApplySettings,
    "app.NAME.secrets.NAME": Secret,
}

SWITCHES = {"server.open_metrics"}


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_every_key_is_on_its_page_with_its_default() -> None:
    wanted = {
        f"{table}.{key}": msgspec.json.encode(getattr(kind(), key)).decode()
        for table, kind in TABLES.items()
        for key in kind.__struct_fields__
        if not isinstance(getattr(kind(), key), msgspec.Struct)
    }
    assert {key: default for key, default, _ in rows()} == wanted
    assert {name.partition(".")[0] for name in wanted} == set(Config.__struct_fields__)


def test_every_variable_on_the_page_sets_its_key_and_no_other_key_has_one() -> None:
    for name, _, variable in rows():
        table, _, key = name.rpartition(".")
        guessed = f"LATHE_{table}_{key}".upper()
        given = "true" if name in SWITCHES else "7"
        changed = read_config(None, {variable or guessed: given})
        if variable:
            assert str(getattr(getattr(changed, table), key)) in ("7", "7.0", "True", "('7',)"), variable
        else:
            assert changed == Config(), name


def test_a_list_has_commas_in_its_variable() -> None:
    given = {"LATHE_SERVER_PROXIES": "10.0.0.1, fd00::/8,"}
    assert read_config(None, given).server.proxies == ("10.0.0.1", "fd00::/8")
    assert read_config(None, {"LATHE_SERVER_PROXIES": ""}).server.proxies == ()


def test_the_schema_takes_what_is_read_and_nothing_else() -> None:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    validator = jsonschema.Draft202012Validator(found)
    secrets = {"KEY": {"env": "X", "hosts": ["a.example"]}}
    assert validator.is_valid({"server": {"port": 1}, "app": {"shop": {"secrets": secrets}}})
    bad = {
        "[sever]": {"sever": {}},
        "[server]\nport = 'x'": {"server": {"port": "x"}},
        "[app.shop.secret]": {"app": {"shop": {"secret": {}}}},
    }
    for text, data in bad.items():
        assert not validator.is_valid(data)
        with pytest.raises(UsageError):
            read_config(text.encode(), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprot = 1", "`prot` is no key of `[server]`"),
        ("srv = 1", "`srv` is no key or table of it"),
        ("[app.shop.secrets]\nKEY = { evn = 'X' }", "`evn` is no key of `[app.NAME.secrets.NAME]`"),
        ("[server]\nport = 'x'", "`server.port`: expected `int`, got `str`"),
    ],
)
def test_what_does_not_fit_is_told_by_its_place_in_the_file(text: str, said: str) -> None:
    with pytest.raises(UsageError) as told:
        read_config(text.encode(), {})
    assert str(told.value) == f"`lathe.toml`: {said}"
