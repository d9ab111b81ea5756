"""Many faults at once: all are told in order, what follows from one of them is not."""

from __future__ import annotations

import re

from lathe.lang.resolve import limits, read_app

from .reading import APP, ORDER, PARCEL, ROLLOUT, SHOP, read_rollout, read_shop, told


def codes(text: str) -> list[str]:
    return [d.code for d in read_rollout(text).diagnostics]


def test_all_faults_of_all_files_come_at_once_in_order() -> None:
    reading = read_shop(
        app=APP.replace('"manager"]]', '"boss"]]'),
        order=ORDER.replace('from = "open"', 'from = "opn"', 1).replace("charged <= 1", "charged <= 'a'"),
        parcel=PARCEL.replace('type = "int"', 'type = "integer"', 1),
    )
    places = [(d.span.file, d.span.line) for d in reading.diagnostics]
    assert places == sorted(places)
    assert [d.code for d in reading.diagnostics] == ["LT107", "LT104", "LT102", "LT004"], told(reading)
    assert reading.app is None


def test_a_field_of_no_type_is_told_and_its_readers_are_not() -> None:
    assert codes(ROLLOUT.replace('ready = { type = "int"', 'ready = { type = "whole"')) == ["LT004"]
    assert codes(
        ROLLOUT.replace('replicas = { type = "int", range = [1, 5]', 'replicas = { type = "int"')
    ) == ["LT003"]


def test_a_ref_to_nowhere_is_told_and_its_followers_are_not() -> None:
    reading = read_shop(
        order=ORDER.replace('parcel = { type = "ref", to = "Parcel" }', 'parcel = { type = "ref" }')
    )
    assert [d.code for d in reading.diagnostics] == ["LT003"], told(reading)


def test_a_table_that_is_none_is_told_and_its_names_are_not() -> None:
    for table in ("state", "field", "action", "effect"):
        sections = re.split(r"(?m)^(?=\[)", ROLLOUT)
        kept = [part for part in sections if not part.startswith((f"[{table}]", f"[{table}."))]
        text = f"{table} = 3\n" + "".join(kept)
        assert codes(text) == ["LT004"], told(read_rollout(text))


def test_a_file_that_cannot_be_read_hides_nothing_else_and_nobody_misses_its_blueprint() -> None:
    reading = read_shop(parcel="blueprint = ", order=ORDER.replace("charged <= 1", "chargd <= 1"))
    assert [d.code for d in reading.diagnostics] == ["LT101", "LT001"], told(reading)
    assert set(reading.sources) == {"app.toml", "order.blueprint.toml"}


def test_an_app_file_that_cannot_be_read_makes_no_role_unknown() -> None:
    reading = read_shop(app="app = ")
    assert [d.code for d in reading.diagnostics if d.code != "LT101"] == ["LT001"], told(reading)
    assert not [d for d in reading.diagnostics if d.code == "LT107"]


def test_a_blueprint_that_is_missing_is_told_once() -> None:
    files = {path: text.encode() for path, text in SHOP.items() if not path.startswith("parcel")}
    files["app.toml"] = files["app.toml"].replace(b"Parcel = 2\n", b"")
    found = read_app(files).diagnostics
    assert [(d.code, d.message) for d in found if d.code == "LT101"] == [
        ("LT101", "there is no blueprint `Parcel`")
    ]
    assert [d.code for d in found] == ["LT101", "LT106"]


def test_a_role_that_is_missing_is_told_once_where_it_is_first_named() -> None:
    reading = read_shop(app=APP.replace('clerk = "takes orders"\n', ""))
    assert [(d.code, d.span.line) for d in reading.diagnostics] == [("LT107", 3)], told(reading)


def test_two_blueprints_of_one_name() -> None:
    reading = read_shop(parcel=PARCEL.replace('"Parcel"', '"Order"'))
    assert "LT006" in [d.code for d in reading.diagnostics]
    assert "LT101" not in [d.code for d in reading.diagnostics], told(reading)


def test_several_blueprints_need_an_app_file() -> None:
    files = {path: text.encode() for path, text in SHOP.items() if path != "app.toml"}
    found = read_app(files).diagnostics
    assert ("app.toml", "LT003") in {(d.span.file, d.code) for d in found}


def test_an_app_without_a_blueprint() -> None:
    for files in ({}, {"app.toml": b'app = "x"'}, {"x.cedar": b""}):
        found = read_app(files).diagnostics
        assert [d.code for d in found] == ["LT003"]
        assert "at least one blueprint" in found[0].message


def test_too_much_of_everything_is_over_a_limit() -> None:
    states = "\n".join(f"s{n} = {{}}" for n in range(limits.STATES))
    assert "LT005" in codes(ROLLOUT.replace("[state]\n", f"[state]\n{states}\n"))
    fields = "\n".join(f'f{n} = {{ type = "id" }}' for n in range(limits.FIELDS))
    assert codes(ROLLOUT.replace("[field]\n", f"[field]\n{fields}\n"))[0] == "LT005"
    actions = "\n".join(f'a{n} = {{ from = "done" }}' for n in range(limits.ACTIONS))
    assert codes(ROLLOUT.replace("[action]\n", f"[action]\n{actions}\n"))[0] == "LT005"
    properties = "\n".join(f'p{n} = "True"' for n in range(limits.PROPERTIES + 1))
    assert codes(ROLLOUT.replace("[invariant]\n", f"[invariant]\n{properties}\n")) == ["LT005"]
    assignments = ", ".join(['"attempts = 1"'] * (limits.ASSIGNMENTS + 1))
    assert codes(ROLLOUT.replace('do = ["attempts = 1"]', f"do = [{assignments}]"))[0] == "LT005"


def test_at_most_so_many_faults_are_told() -> None:
    unknown = "\n".join(f"x{n} = 1" for n in range(3 * limits.DIAGNOSTICS))
    assert len(codes(f"{unknown}\n{ROLLOUT}")) == limits.DIAGNOSTICS


def test_too_many_blueprints() -> None:
    files = {f"b{n}.blueprint.toml": ROLLOUT.replace('"Rollout"', f'"B{n}"').encode() for n in range(33)}
    found = read_app({**files, "app.toml": b'app = "many"'}).diagnostics
    assert [d.code for d in found] == ["LT005"]


def test_files_that_are_no_toml_have_limits_too() -> None:
    files = {
        "rollout.blueprint.toml": ROLLOUT.encode(),
        "a.cedar": b"\xff",
        "b.cedar": b"x" * (limits.POLICY_BYTES + 1),
        "gauges/a.json": b"[" * 100_000,
        "gauges/b.json": b'{"a": ',
        "gauges/c.json": b"[]",
        "gauges/d.json": b"\xff",
    }
    found = [(d.span.file, d.code) for d in read_app(files).diagnostics]
    assert found == [
        ("a.cedar", "LT001"),
        ("b.cedar", "LT005"),
        ("gauges/a.json", "LT001"),
        ("gauges/b.json", "LT001"),
        ("gauges/c.json", "LT004"),
        ("gauges/d.json", "LT001"),
    ]


def test_what_messages_repeat_is_safe_to_print() -> None:
    reading = read_rollout(ROLLOUT.replace('to = "verifying"', 'to = "\\u001b[2J\\u202e\\n`"'))
    (found,) = reading.diagnostics
    assert found.message.isprintable() and found.help.isprintable()


def test_a_table_that_is_missing_is_asked_for_as_a_table() -> None:
    found = read_app({"x.blueprint.toml": b'blueprint = "X"\n'}).diagnostics
    assert [d.help for d in found] == [
        "add `[action]`, and under it a line for each",
        "add `[state]`, and under it a line for each",
    ]
