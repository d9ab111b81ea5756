"""`lathe store verify` names the exact row at which runtime and blueprint part."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from lathe.store.journal import payload_hash, sealed
from lathe.store.records import Entry
from lathe.store.rows import ENTRY, entries
from lathe.store.sqlite.file import NAME


@pytest.fixture
def data(lathe: Callable[..., Any], ticket: Path, tmp_path: Path) -> Path:
    """A data folder with one finished ticket."""
    folder = tmp_path / "data"
    folder.mkdir()
    assert lathe("apply", ticket, "--data", folder, "--yes").code == 0
    made = lathe("create", "ticket/tickets", "--data", folder, "--json")
    entity = json.loads(made.out)["id"]
    assert lathe("act", f"ticket/tickets/{entity}", "finish", "--data", folder).code == 0
    assert lathe("store", "verify", "--data", folder).code == 0
    return folder


def test_a_row_that_is_not_what_its_journal_adds_up_to(lathe: Callable[..., Any], data: Path) -> None:
    with apsw.Connection(str(data / NAME)) as file:
        (entity, body), *_ = file.execute("select id, body from entity")
        wrong = body.replace('"left":1', '"left":3')
        assert wrong != body
        file.execute("update entity set body = ?", (wrong,))
    said = lathe("store", "verify", "--data", data)
    assert said.code == 1
    assert said.out.splitlines() == [
        f"LT811: ticket {entity} revision 2, the entity's row: the row has `3` for `left`, its steps come "
        f"to `1`",
        "2 entries: 1 places are wrong",
    ]


def test_an_entry_that_says_what_the_machine_does_not(lathe: Callable[..., Any], data: Path) -> None:
    """Forged with all its hashes, so that the chain holds: only taking the step again shows it."""
    with apsw.Connection(str(data / NAME)) as file:
        rows = list(file.execute(f"select {ENTRY} from journal order by revision"))
        wrote = entries(rows)[1]
        payload = json.loads(wrote.payload or b"")
        payload["changes"]["left"] = [1, 0]
        forged = forge(wrote, json.dumps(payload).encode())
        file.execute(
            "update journal set payload = ?, payload_hash = ?, hash = ? where revision = 2",
            (forged.payload, forged.payload_hash, forged.hash),
        )
        file.execute("update entity set head = ?", (forged.hash,))
    said = lathe("store", "verify", "--data", data)
    assert said.code == 1
    place = f"ticket {forged.entity} revision 2, position {forged.position}"
    assert said.out.splitlines() == [
        f"LT811: {place}: it says `left` goes from `1` to `0`, the machine that it stays as it is",
        "2 entries: 1 places are wrong",
    ]


def forge(entry: Entry, payload: bytes) -> Entry:
    draft = replace(entry, payload=payload, payload_hash=payload_hash(payload))
    return replace(draft, hash=sealed(draft))


def test_what_was_erased_is_left_out_and_the_rest_is_taken_again(
    lathe: Callable[..., Any], data: Path
) -> None:
    other = json.loads(lathe("create", "ticket/tickets", "--data", data, "--json").out)["id"]
    assert lathe("store", "erase", other, "--app", "ticket", "--data", data).code == 0
    assert lathe("act", f"ticket/tickets/{other}", "finish", "--data", data).code == 0
    said = lathe("store", "verify", "--data", data)
    assert (said.code, said.out.splitlines()) == (
        0,
        [
            "2 steps were not taken again: something of their entities was erased",
            "4 entries: verified",
        ],
    )


@pytest.mark.parametrize(
    "words", [("verify",), ("backup", "copy"), ("export", "rows"), ("erase", "some", "--app", "ticket")]
)
def test_a_store_that_is_not_there_is_not_made_and_then_found_to_be_in_order(
    lathe: Callable[..., Any], tmp_path: Path, words: tuple[str, ...]
) -> None:
    """A drill of a mistyped path must not say `verified`."""
    for folder in (tmp_path / "nothing", tmp_path):
        said = lathe("store", *words, "--data", folder)
        assert (said.code, said.out) == (6, "")
        assert f"there is no store in `{folder}`" in said.err
        assert lathe("audit", "verify", "--data", folder).code == 6
    assert not (tmp_path / "nothing").exists() and not (tmp_path / NAME).exists()


def test_an_address_in_the_environment_gives_way_to_a_folder_in_the_command(
    lathe: Callable[..., Any], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATHE_URL", "http://127.0.0.1:1")
    assert lathe("list", "ticket/tickets", "--data", data).code == 0
    both = lathe("list", "ticket/tickets", "--data", data, "--url", "http://127.0.0.1:1")
    assert (both.code, "not both" in both.err) == (2, True)
