"""Every rule of reading that one edit can break: the code, the place, the sentence, the way out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lathe.errors import Diagnostic
from lathe.lang.resolve import Reading, read_app

from .reading import ROLLOUT, SHOP, mend, told

VARIANTS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "variants.toml").read_text(encoding="utf-8")
)["variant"]
CAPITALS = {"Order", "Parcel", "Rollout", "JSON", "Packet"}
"""Words of messages that begin with a capital: names, and what is always written so."""
FILES = {"app": "app.toml", "order": "order.blueprint.toml", "parcel": "parcel.blueprint.toml"}


def files_of(variant: dict[str, Any]) -> dict[str, str]:
    """The files of the app with the variant's edit made."""
    base, name = (SHOP, FILES[variant["of"]]) if variant["of"] in FILES else ({}, "rollout.blueprint.toml")
    text = base.get(name, ROLLOUT)
    assert variant["old"] in text
    return {**base, name: text.replace(variant["old"], variant["new"], 1)}


def read(files: dict[str, str]) -> Reading:
    return read_app({path: text.encode() for path, text in files.items()})


def at(files: dict[str, str], diagnostic: Diagnostic) -> str:
    """The text at the diagnostic's span, as far as its line goes."""
    span = diagnostic.span
    line = files[span.file].split("\n")[span.line - 1]
    return line[span.column - 1 : span.end_column - 1 if span.end_line == span.line else None][:40]


def by_name(variant: dict[str, Any]) -> str:
    return str(variant["name"])


@pytest.mark.parametrize("variant", VARIANTS, ids=by_name)
def test_a_fault_is_told_once_where_it_is(variant: dict[str, Any]) -> None:
    files = files_of(variant)
    reading = read(files)
    assert reading.app is None
    assert len(reading.diagnostics) == 1, told(reading)
    (found,) = reading.diagnostics
    assert (found.code, found.span.file, found.span.line) == (
        variant["code"],
        variant["file"],
        variant["line"],
    )
    assert at(files, found) == variant["at"]
    assert (found.message, found.help) == (variant["message"], variant.get("help", ""))
    assert found.severity == "error"


@pytest.mark.parametrize("variant", VARIANTS, ids=by_name)
def test_an_edit_cures_what_it_is_about(variant: dict[str, Any]) -> None:
    files = files_of(variant)
    (found,) = read(files).diagnostics
    if found.edit is None:
        return
    name = found.edit.span.file
    mended = read({**files, name: mend(files[name], found)})
    assert found.message not in {d.message for d in mended.diagnostics}, told(mended)
    assert len(mended.diagnostics) <= 1, told(mended)


def test_every_code_of_reading_has_a_variant() -> None:
    codes = {variant["code"] for variant in VARIANTS}
    assert codes >= {f"LT00{n}" for n in range(1, 7)} | {f"LT10{n}" for n in range(1, 10)} | {"LT110"}


def test_messages_are_one_sentence_in_lower_case() -> None:
    for variant in VARIANTS:
        message = str(variant["message"])
        assert not message.endswith("."), message
        assert message[0] in "`'\"" or not message[0].isupper() or message.split()[0] in CAPITALS, message


CHAIN = {
    "app.toml": 'app = "small"\n[role]\nclerk = "c"\n[invariant]\np = "PROPERTY"\n',
    "a.blueprint.toml": 'blueprint = "Area"\n[state]\nopen = { initial = true, waits = "x" }\n'
    '[field]\nplan = { type = "ref", to = "Plan" }\n[action]\ncreate = { by = "role:clerk" }\n',
    "p.blueprint.toml": 'blueprint = "Plan"\n[state]\nopen = { initial = true, waits = "x" }\n'
    '[field]\nn = { type = "int", range = [0, 4], default = 0 }\n'
    '[action]\ncreate = { by = "role:clerk" }\ngo = { from = "open", by = "role:clerk", when = "GUARD" }\n',
}


def faults(prop: str, guard: str = "n < 3") -> list[tuple[str, str]]:
    files = {name: text.replace("PROPERTY", prop).replace("GUARD", guard) for name, text in CHAIN.items()}
    return [(d.code, d.help) for d in read(files).diagnostics]


def test_a_property_that_reads_two_refs_away_is_told_how_to_go_through_all() -> None:
    cure = "go through them all: `for p in Plan if a.plan == p`, and read `p.state`"
    assert faults("all(a.plan.state == 'open' for a in Area)") == [("LT103", cure)]
    assert faults("all(p.state == 'open' for a in Area for p in Plan if a.plan == p)") == []


def test_a_division_by_a_zero_that_is_written_down_is_refused_at_its_place() -> None:
    for guard in ("n // 0 == 0", "n % 0 == 0"):
        assert faults("True or all(True for a in Area)", guard)[0][0] == "LT103"
    assert faults("all(a.state == 'open' for a in Area)", "n // 2 == 0") == []


def test_a_role_of_an_app_of_one_has_a_name() -> None:
    text = ROLLOUT.replace('by = "role:operator"', 'by = "role:Shift Lead"', 1)
    (found,) = read({"rollout.blueprint.toml": text}).diagnostics
    assert (found.code, found.help) == ("LT107", "write `role:shift_lead`")
    assert found.message == "`Shift Lead` is no name: a role's is lower case letters, digits and `_`"


def test_a_list_of_tables_is_no_read_and_the_way_is_a_policy() -> None:
    rule = 'read = ["role:operator", { by = "role:operator", when = "actor is not None" }]\n[state]'
    (found,) = read({"rollout.blueprint.toml": ROLLOUT.replace("[state]", rule, 1)}).diagnostics
    assert (found.code, found.message) == (
        "LT004", "`read` is one table or a list of principals, not a list with tables",
    )  # fmt: skip
    assert "permit the others in a policy" in found.help


def test_a_word_where_a_text_is_wanted_is_quoted() -> None:
    files = dict(SHOP)
    name = next(n for n, text in files.items() if 'by_whom = "customer"' in text)
    word = files[name].replace('by_whom = "customer"', 'by_whom = "nobody"')
    (found,) = read({**files, name: word}).diagnostics
    assert found.code == "LT101" and found.help.startswith("a text is quoted: `'nobody'`; it can read `"), (
        found
    )


def test_a_target_names_every_state_and_is_told_so() -> None:
    old = "to_if = \"'packing' if arg.status < 300 else"
    name = next(n for n, text in SHOP.items() if old in text)
    text = SHOP[name].replace(old + " 'failed'", old + " state")
    (found,) = read({**SHOP, name: text}).diagnostics
    assert found.code == "LT102" and "with every state by its name" in found.help, found
