"""Every command, on real apps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from lathe.lang.schema import report_schema

from .conftest import ROOT, Said

Lathe = Callable[..., Said]
GOOD = ROOT / "examples" / "rollout"
BAD = GOOD / "broken" / "drain_too_early"
UNREADABLE = GOOD / "broken" / "misspelt"


def test_a_new_app_is_admitted_and_in_the_format(lathe: Lathe, tmp_path: Path) -> None:
    folder = tmp_path / "night_shift"
    said = lathe("new", folder)
    assert (said.code, said.out) == (0, "")
    assert sorted(p.name for p in folder.iterdir()) == ["app.toml", "night_shift.blueprint.toml"]
    assert lathe("check", folder).code == 0
    assert lathe("fmt", "--check", folder) == Said(0, "", "")
    assert 'blueprint = "NightShift"' in (folder / "night_shift.blueprint.toml").read_text()


def test_new_overwrites_nothing(lathe: Lathe, ticket: Path) -> None:
    before = {path.name: path.read_bytes() for path in ticket.iterdir()}
    said = lathe("new", ticket)
    assert said.code == 5
    assert said.err == f"lathe: `{ticket}` is not empty: nothing was made\n"
    assert {path.name: path.read_bytes() for path in ticket.iterdir()} == before


@pytest.mark.parametrize("name", ["Ticket", "9lives", "a-b", "events", "x" * 60, "..", ""])
def test_new_refuses_what_is_no_name(
    lathe: Lathe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "Not A Name" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "Not A Name" / "here")
    assert lathe("new", name).code == 2
    assert list(Path.cwd().iterdir()) == []


def test_new_fills_the_empty_folder_in_which_one_is(
    lathe: Lathe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ticket").mkdir()
    monkeypatch.chdir(tmp_path / "ticket")
    said = lathe("new", ".")
    assert (said.code, said.err) == (0, "made app.toml, ticket.blueprint.toml\nnext: lathe check .\n")
    assert lathe("check", ".").code == 0


def test_new_makes_the_folders_around(lathe: Lathe, tmp_path: Path) -> None:
    """As its own help has it: `lathe new apps/ticket`."""
    assert lathe("new", tmp_path / "apps" / "ticket").code == 0
    assert lathe("check", tmp_path / "apps" / "ticket").code == 0


def test_new_says_that_a_file_is_in_the_way(lathe: Lathe, tmp_path: Path) -> None:
    (tmp_path / "ticket").write_text("mine")
    assert lathe("new", tmp_path / "ticket") == Said(
        5, "", f"lathe: `{tmp_path / 'ticket'}` cannot be made: file exists\n"
    )


@pytest.mark.parametrize(("word", "meant"), [("init", "new"), ("verify", "check"), ("chekc", "check")])
def test_what_other_tools_call_it_is_understood(lathe: Lathe, word: str, meant: str) -> None:
    said = lathe(word)
    assert (said.code, said.err) == (
        2,
        f"lathe: `{word}` is no command; did you mean `{meant}`?\n`lathe --help` shows how\n",
    )


def test_what_click_says_stands_on_one_line(lathe: Lathe) -> None:
    said = lathe("gauge")
    assert "Choose from: add, run\n" in said.err
    assert lathe("serve", "--prot", "1").err.splitlines()[0].startswith("lathe: no such option '--prot'")


def test_an_option_wins_over_the_environment_and_that_over_the_file(
    lathe: Lathe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lathe.toml"
    file.write_text('[server]\nhost = "127.0.0.2"\nport = 7001\n')

    def listens(*options: str) -> tuple[str, int]:
        said = lathe("serve", "--config", file, "--print-config", *options)
        server = json.loads(said.out)["server"]
        return server["host"], server["port"]

    assert listens() == ("127.0.0.2", 7001)
    monkeypatch.setenv("LATHE_SERVER_PORT", "7002")
    assert listens() == ("127.0.0.2", 7002)
    assert listens("--port", "7003") == ("127.0.0.2", 7003)
    assert listens("--host", "127.0.0.3", "--port", "7003") == ("127.0.0.3", 7003)


@pytest.mark.parametrize(
    ("path", "code", "verdict"),
    [
        (GOOD, 0, "rollout: admitted"),
        (BAD, 1, "rollout: refused, 1 error"),
        (UNREADABLE, 3, f"{UNREADABLE}: refused, 1 error"),
    ],
)
def test_the_verdict_is_the_last_line_and_the_exit_code(
    lathe: Lathe, path: Path, code: int, verdict: str
) -> None:
    for form in ((), ("--line",)):
        said = lathe("check", "--no-cache", path, *form)
        assert (said.code, said.out.splitlines()[-1], said.err) == (code, verdict, "")


@pytest.mark.parametrize("path", [GOOD, BAD, UNREADABLE], ids=lambda path: path.name)
def test_json_is_one_document_that_its_schema_accepts(lathe: Lathe, path: Path) -> None:
    said = lathe("check", path, "--json")
    assert said.out.count("\n") == 1
    report = json.loads(said.out)
    Draft7Validator(report_schema()).validate(report)
    assert report["ok"] is (said.code == 0)
    assert report["v"] == 1


def test_several_apps_are_several_reports_and_the_worst_code(lathe: Lathe) -> None:
    said = lathe("check", GOOD, BAD, "--json")
    assert [json.loads(line)["verdict"] for line in said.out.splitlines()] == ["admitted", "refused"]
    assert said.code == 1
    assert lathe("check", GOOD, UNREADABLE).code == 3


def test_a_blueprint_that_stands_in_an_app_says_so_when_it_is_refused(lathe: Lathe) -> None:
    said = lathe("check", BAD / "rollout.blueprint.toml")
    assert said.code == 1
    assert f"`lathe check {BAD}/`" in said.err


def test_level_0_alone_decides_nothing(lathe: Lathe) -> None:
    said = lathe("check", GOOD, "--level", "0")
    assert (said.code, said.out.splitlines()[-1]) == (1, "rollout: unknown")


def test_a_budget_that_does_not_suffice_is_unknown_unless_its_bounds_are_accepted(
    lathe: Lathe, tmp_path: Path
) -> None:
    text = (GOOD / "rollout.blueprint.toml").read_text()
    (tmp_path / "rollout.blueprint.toml").write_text(text)
    (tmp_path / "app.toml").write_text(
        'app = "rollout"\n\n[role]\noperator = "o"\n\n[scope]\nRollout = 3\nbudget_states = 1000\n'
    )
    said = lathe("check", tmp_path)
    assert (said.code, said.out.splitlines()[-1]) == (1, "rollout: unknown, 1 error")
    assert "LT801" in said.out
    said = lathe("check", tmp_path, "--accept-bounds")
    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("rollout: admitted, 1 error, accepted: ")


def test_a_trace_is_shown_whole_saved_and_replayed(lathe: Lathe, tmp_path: Path) -> None:
    shown = lathe("check", BAD, "--trace", "c762b584")
    assert shown.code == 1
    assert "starts" in shown.out
    saved = lathe("check", BAD, "--trace", "c7", "--json")
    path = tmp_path / "trace.json"
    path.write_text(saved.out)
    again = lathe("replay", path, BAD)
    assert (again.code, again.out.splitlines()[-1]) == (
        0,
        "rollout: goes as recorded; breaks one_broker_down",
    )
    assert "\x1b[1;32mrollout: goes as recorded" in lathe("replay", path, BAD, "--color", "always").out
    mended = lathe("replay", path, GOOD)
    assert mended.code == 1
    assert mended.out.splitlines()[-1].startswith("rollout: goes otherwise at event 5, `drain`")


def test_a_trace_that_is_not_there_is_not_found(lathe: Lathe) -> None:
    assert (
        lathe("check", BAD, "--trace", "zz").err == "lathe: no trace `zz` in this report; it has c762b584\n"
    )
    assert lathe("check", GOOD, "--trace", "").code == 6
    assert lathe("check", GOOD, BAD, "--trace", "c7").code == 2


@pytest.mark.parametrize(
    ("expect", "app", "code"),
    [
        ("refused: one_broker_down", BAD, 0),
        ("admitted", BAD, 1),
        ("admitted", GOOD, 0),
        ("refused: one_broker_down", GOOD, 1),
    ],
)
def test_a_gauge_keeps_its_verdict_or_not(
    lathe: Lathe, tmp_path: Path, expect: str, app: Path, code: int
) -> None:
    trace = json.loads(lathe("check", BAD, "--trace", "c7", "--json").out)
    path = tmp_path / "gauge.json"
    path.write_text(json.dumps({"trace": trace, "expect": expect}))
    assert lathe("replay", path, app).code == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "{}",
        "[" * 100_000,
        "1e999",
        '{"trace": {}, "expect": 1}',
        '{"trace": 1, "expect": "admitted"}',
        "\udce9",
    ],
)
def test_a_trace_that_cannot_be_read_is_three(lathe: Lathe, tmp_path: Path, text: str) -> None:
    path = tmp_path / "trace.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    said = lathe("replay", path, GOOD)
    assert said.code == 3
    assert f"{path}:1:1: error LT00" in said.err


@pytest.mark.parametrize("form", ["english", "mermaid", "dot", "svg", "table", "permissions", "json"])
def test_every_form_of_show_draws_the_app(lathe: Lathe, form: str) -> None:
    said = lathe("show", GOOD, "--as", form)
    assert (said.code, said.err) == (0, "")
    assert "Rollout" in said.out
    assert said.out == lathe("show", GOOD / "app.toml", "--as", form).out


def test_permissions_show_what_policies_change(lathe: Lathe) -> None:
    said = lathe("show", GOOD.parent / "expense", "--as", "permissions")
    assert (said.code, said.err) == (0, "")
    rows = {line.split("|")[1].strip(): line for line in said.out.splitlines() if line.startswith("| ")}
    approve = [cell.strip() for cell in rows["approve"].split("|")[2:7]]
    assert approve == ["–", "policy", "policy", "–", "–"], "employee, manager, director, accountant, auditor"
    assert [cell.strip() for cell in rows["read"].split("|")[2:7]] == [*["yes"] * 4, "policy"]
    assert "- `read`: `auditor_looks` (limits.cedar:24:1) permits." in said.out


def test_show_of_what_cannot_be_read_says_why(lathe: Lathe) -> None:
    said = lathe("show", UNREADABLE)
    assert (said.code, said.out) == (3, "")
    assert "did you mean `ready`?" in said.err


UNTIDY = 'blueprint="A"  # one\n[state]\na={initial=true,final=true}\n[action]\ncreate={by="role:x"}\n'


def test_fmt_prints_checks_and_writes(lathe: Lathe, tmp_path: Path) -> None:
    path = tmp_path / "a.blueprint.toml"
    path.write_text(UNTIDY)
    path.chmod(0o640)
    printed = lathe("fmt", path)
    assert printed.code == 0
    assert printed.out.startswith('blueprint = "A" # one\n')
    assert path.read_text() == UNTIDY
    assert lathe("fmt", "--check", path) == Said(1, f"{path}\n", "")
    assert lathe("fmt", "--write", tmp_path) == Said(0, "", f"formatted {path}\n")
    assert path.read_text() == printed.out
    assert path.stat().st_mode & 0o777 == 0o640
    assert lathe("fmt", "--write", path) == Said(0, "", "")
    assert lathe("fmt", "--check", path) == Said(0, "", "")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_fmt_writes_through_a_link(lathe: Lathe, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "a.blueprint.toml"
    path.write_text(UNTIDY)
    link = tmp_path / "a.blueprint.toml"
    link.symlink_to(path)
    assert lathe("fmt", "--write", link).code == 0
    assert link.is_symlink()
    assert path.read_text() != UNTIDY


def test_fmt_leaves_alone_what_is_not_toml(lathe: Lathe, tmp_path: Path) -> None:
    path = tmp_path / "a.blueprint.toml"
    path.write_bytes(b"a = \xff")
    said = lathe("fmt", "--write", path)
    assert said.code == 3
    assert f"{path}:1:5: error LT001" in said.err
    assert path.read_bytes() == b"a = \xff"


def test_fmt_of_several_files_needs_to_be_told_what_to_do(lathe: Lathe) -> None:
    assert lathe("fmt", GOOD).code == 2


@pytest.mark.parametrize("kind", ["blueprint", "app", "trace", "gauge", "report"])
def test_every_schema_is_one(lathe: Lathe, kind: str) -> None:
    said = lathe("schema", kind)
    assert said.code == 0
    Draft7Validator.check_schema(json.loads(said.out))


def test_the_schema_is_of_a_blueprint_unless_another_is_asked_for(lathe: Lathe) -> None:
    assert lathe("schema").out == lathe("schema", "blueprint").out


def test_explain_prints_a_page_whatever_the_case(lathe: Lathe) -> None:
    assert lathe("explain", "lt401").out == lathe("explain", "LT401").out
    assert lathe("explain", "LT401").out.startswith("# LT401: ")


@pytest.mark.parametrize("code", ["LR409.guard", "lr409.GUARD"])
def test_explain_knows_what_a_runtime_refuses_with(lathe: Lathe, code: str) -> None:
    found = lathe("explain", code)
    assert found.code == 0
    assert "LR409.guard: its guard is false" in found.out
    assert "--actions" in found.out


def test_explain_of_no_refusal_names_the_nearest(lathe: Lathe) -> None:
    found = lathe("explain", "LR409.gard")
    assert (found.code, "`LR409.guard`" in found.err) == (6, True)


def test_explain_lists_every_code(lathe: Lathe) -> None:
    listed = lathe("explain", "--list").out.splitlines()
    assert "LT401  error    an invariant fails" in listed


@pytest.mark.parametrize(("code", "hint"), [("LT4O1", "LT401"), ("nonsense", "--list")])
def test_explain_of_no_code_is_not_found(lathe: Lathe, code: str, hint: str) -> None:
    said = lathe("explain", code)
    assert said.code == 6
    assert hint in said.err


def test_version_says_what_a_report_needs(lathe: Lathe) -> None:
    assert lathe("version").out.startswith("lathe 0.1.0 (language 1, Python 3.")
    assert lathe("--version").out == lathe("version").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(lathe: Lathe, shell: str) -> None:
    said = lathe("completion", shell)
    assert said.code == 0
    assert f"_LATHE_COMPLETE={shell}_complete" in said.out
