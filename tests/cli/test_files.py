"""From a path to bytes: what belongs to an app, and what is said of what does not fit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lathe.cli import files
from lathe.cli.files import load
from lathe.errors import NotFoundError, UnreadableError, UsageError

not_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")


def faults(path: Path) -> list[tuple[str, str, str]]:
    with pytest.raises(UnreadableError) as caught:
        load(str(path))
    return [(d.code, d.span.file, d.message) for d in caught.value.diagnostics]


def test_a_folder_is_the_files_that_belong_to_an_app_and_no_others(ticket: Path) -> None:
    for name in ("notes.txt", ".hidden.blueprint.toml", "more.cedar", "app.toml.orig"):
        (ticket / name).write_text("x")
    for folder, inside in (("modules", "m.wasm"), ("gauges", "g.json"), ("broken", "b.blueprint.toml")):
        (ticket / folder).mkdir()
        (ticket / folder / inside).write_text("x")
    (ticket / "modules" / "price.wat").write_text("x")
    (ticket / "gauges" / "readme.md").write_text("x")
    loaded = load(str(ticket))
    assert list(loaded.files) == [
        "app.toml", "more.cedar", "ticket.blueprint.toml", "modules/m.wasm", "modules/price.wat",
        "gauges/g.json",
    ]  # fmt: skip
    assert loaded.prefix == f"{ticket}/"


def test_an_app_file_is_its_folder(ticket: Path) -> None:
    assert load(str(ticket / "app.toml")).files == load(str(ticket)).files


def test_a_blueprint_is_an_app_of_one(ticket: Path) -> None:
    assert list(load(str(ticket / "ticket.blueprint.toml")).files) == ["ticket.blueprint.toml"]
    assert files.stands_in_app(str(ticket / "ticket.blueprint.toml"))


def test_paths_in_the_folder_we_stand_in_have_no_prefix(
    ticket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ticket)
    assert load(".").prefix == load("app.toml").prefix == load("ticket.blueprint.toml").prefix == ""
    monkeypatch.chdir(ticket.parent)
    assert load("ticket").prefix == load("./ticket/").prefix == load("ticket/app.toml").prefix == "ticket/"


@pytest.mark.parametrize("path", ["nowhere", "ticket/nowhere.blueprint.toml", "a\0b", "x" * 5000])
def test_what_does_not_exist_is_not_found(ticket: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(ticket.parent)
    with pytest.raises(NotFoundError):
        load(path)


def test_a_folder_without_an_app_names_the_apps_in_it(ticket: Path) -> None:
    with pytest.raises(NotFoundError, match=r"apps in it: .*ticket"):
        load(str(ticket.parent))


def test_a_file_of_another_kind_is_no_app(ticket: Path) -> None:
    (ticket / "notes.txt").write_text("x")
    with pytest.raises(NotFoundError, match="is no app"):
        load(str(ticket / "notes.txt"))


def test_a_folder_named_like_a_file_is_said(ticket: Path) -> None:
    (ticket / "b.blueprint.toml").mkdir()
    assert faults(ticket) == [("LT001", "b.blueprint.toml", "a folder stands where a file should")]
    assert faults(ticket / "b.blueprint.toml")[0][2] == "a folder stands where a file should"


def test_a_pipe_is_said_and_not_waited_for(ticket: Path) -> None:
    os.mkfifo(ticket / "b.blueprint.toml")
    assert faults(ticket) == [("LT001", "b.blueprint.toml", "no regular file stands where a file should")]


def test_a_link_out_of_the_folder_is_not_followed(ticket: Path) -> None:
    outside = ticket.parent / "secret"
    outside.write_text("x")
    (ticket / "b.blueprint.toml").symlink_to(outside)
    assert faults(ticket) == [
        ("LT001", "b.blueprint.toml", "the file is a link that leaves the app's folder")
    ]


def test_a_link_within_the_folder_is_followed(ticket: Path) -> None:
    (ticket / "x").write_text("y")
    (ticket / "b.cedar").symlink_to(ticket / "x")
    assert load(str(ticket)).files["b.cedar"] == b"y"


def test_a_link_that_was_named_is_followed(ticket: Path) -> None:
    link = ticket.parent / "linked.blueprint.toml"
    link.symlink_to(ticket / "ticket.blueprint.toml")
    assert list(load(str(link)).files) == ["linked.blueprint.toml"]


def test_links_in_a_circle_are_said(ticket: Path) -> None:
    (ticket / "b.cedar").symlink_to(ticket / "b.cedar")
    assert faults(ticket)[0][:2] == ("LT001", "b.cedar")


def test_a_file_over_its_limit_is_said(ticket: Path) -> None:
    (ticket / "b.cedar").write_bytes(b" " * (files.TEXT_LIMIT_BYTES + 1))
    assert faults(ticket)[0][:2] == ("LT005", "b.cedar")
    (ticket / "b.cedar").write_bytes(b" " * files.TEXT_LIMIT_BYTES)
    assert load(str(ticket))


def test_more_files_than_the_limit_are_said(ticket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILES_LIMIT", 1)
    assert faults(ticket) == [("LT005", ".", "the app has 2 files, and 1 are the limit")]


def test_more_names_than_the_limit_are_said(ticket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ENTRIES_LIMIT", 1)
    assert faults(ticket)[0][0] == "LT005"


def test_a_name_that_is_not_utf8_is_said(ticket: Path) -> None:
    with open(os.fsencode(ticket) + b"/caf\xe9.blueprint.toml", "w", encoding="utf-8"):
        assert faults(ticket) == [("LT001", "caf\\udce9.blueprint.toml", "the file's name is not UTF-8")]


@not_root
def test_what_may_not_be_read_is_said(ticket: Path) -> None:
    (ticket / "b.cedar").touch(mode=0o000)
    assert faults(ticket)[0] == ("LT001", "b.cedar", "the file cannot be read: permission denied")


def test_every_fault_is_said_at_once(ticket: Path) -> None:
    (ticket / "a.blueprint.toml").mkdir()
    (ticket / "b.blueprint.toml").mkdir()
    assert len(faults(ticket)) == 2


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/x", "a//b", "./x", "a\\b", "C:x", "x\n", "", "a/"]
)
def test_files_of_somebody_else_stay_within_their_folder(tmp_path: Path, path: str) -> None:
    place = tmp_path / "new"
    with pytest.raises(UsageError, match="nothing is written"):
        files.write_new(str(place), {"app.toml": b"x", path: b"x"})
    assert not place.exists() and [*tmp_path.iterdir()] == []


def test_files_of_somebody_else_replace_nothing(tmp_path: Path) -> None:
    place = tmp_path / "new"
    files.write_new(str(place), {"app.toml": b"x", "modules/m.wasm": b"\0"})
    assert (place / "modules" / "m.wasm").read_bytes() == b"\0"
    with pytest.raises(UsageError, match="exists"):
        files.write_new(str(place), {"app.toml": b"y"})
    assert (place / "app.toml").read_bytes() == b"x"
