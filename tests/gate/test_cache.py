import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lathe.check.reporting.report import Coverage, Finding, LevelReport, Report
from lathe.errors import Diagnostic, Edit, Span
from lathe.gate import Options, cache, check_files
from lathe.gate.stored import from_bytes, to_bytes

ROOT = Path(__file__).parents[2]
WEAK = ROOT / "examples" / "rollout" / "broken"
SPAN = Span("a.blueprint.toml", 1, 2, 1, 5)
REPORT = Report(
    "a",
    "sha256:00",
    "admitted",
    (LevelReport(2, "reach", "passes", 0.012345, 3, 4, 5),),
    (Finding(Diagnostic("LT802", "note", "ä \ud800", SPAN, "h", ((SPAN, "s"),), Edit(SPAN, "t"))),),
    Coverage({"A": 1}),
    ("more than 1 A",),
)
OPTIONS = Options()
FILES = {"app.toml": b"app = 'a'", "a.blueprint.toml": b"x"}


def asked(files: Mapping[str, bytes] = FILES, options: Options = OPTIONS) -> cache.Question:
    found = cache.question(files, options)
    assert found is not None
    return found


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "lathe" / "verdicts")


@pytest.mark.parametrize(
    "place", sorted(p.parent for p in WEAK.glob("*/app.toml")), ids=lambda place: str(place.name)
)
def test_a_report_is_stored_without_loss(place: Path) -> None:
    files = {p.name: p.read_bytes() for p in place.glob("*.toml") if p.name != "expect.toml"}
    report = check_files(files).report
    assert from_bytes(to_bytes(report)) == report
    assert from_bytes(to_bytes(REPORT)) == REPORT


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b'["Report"]', b'["Span",1]', b'["exit"]', b"\xff", b"[" * 100_000, b'[["x"]]']
)
def test_what_is_no_report_is_none(raw: bytes) -> None:
    assert from_bytes(raw) is None


def test_an_answer_is_recalled_with_its_time(folder: str) -> None:
    assert cache.recall(folder, asked()) is None
    assert cache.keep(folder, asked(), REPORT, now_seconds=0.0)
    assert cache.recall(folder, asked()) == replace(REPORT, cached="1970-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({**FILES, "a.blueprint.toml": b"y"}, OPTIONS),
        ({**FILES, "gauges/g.json": b"{}"}, OPTIONS),
        ({**FILES, "more.cedar": b""}, OPTIONS),
        ({"app.toml": b"app = 'a'", "b.blueprint.toml": b"x"}, OPTIONS),
        ({"app.toml": b"app = 'a'\0", "a.blueprint.toml": b"x"}, OPTIONS),
        (FILES, Options(level=1)),
        (FILES, Options(budget_seconds=9.0)),
        (FILES, Options(accept_bounds=True)),
    ],
)
def test_another_question_has_another_answer(
    folder: str, files: Mapping[str, bytes], options: Options
) -> None:
    cache.keep(folder, asked(), REPORT)
    assert asked(files, options).name != asked().name
    assert cache.recall(folder, asked(files, options)) is None


def test_the_order_of_the_files_is_no_part_of_the_question() -> None:
    assert asked(dict(reversed(FILES.items()))) == asked()


def test_another_verifier_answers_anew_and_takes_the_place(folder: str) -> None:
    cache.keep(folder, asked(), REPORT)
    assert cache.recall(folder, replace(asked(), verifier="0" * 64)) is None
    cache.keep(folder, asked(), replace(REPORT, verdict="unknown"))
    found = cache.recall(folder, asked())
    assert found is not None and found.verdict == "unknown"


def test_a_verifier_that_is_edited_is_another_one(tmp_path: Path) -> None:
    room = tmp_path / "check"
    room.mkdir()
    module = room / "reach.py"
    module.write_text("a = 1")
    before = cache.verifier(str(tmp_path))
    assert cache.verifier(str(tmp_path)) == before
    (room / "__pycache__").mkdir()
    (room / "__pycache__" / "reach.pyc").write_bytes(b"compiled")
    assert cache.verifier(str(tmp_path)) == before
    os.utime(module, ns=(0, 1))
    touched = cache.verifier(str(tmp_path))
    (room / "more.py").write_text("")
    assert len({before, touched, cache.verifier(str(tmp_path))}) == 3


def test_another_version_of_a_package_makes_another_verifier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cache.verifier()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cache.verifier() == before
    (tmp_path / "z3_solver-9.9.dist-info").mkdir()
    assert cache.verifier() != before


def test_an_answer_of_a_verifier_that_was_edited_meanwhile_is_not_kept(folder: str) -> None:
    assert not cache.keep(folder, replace(asked(), verifier="0" * 64), REPORT)
    assert not os.path.exists(folder)


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, levels=(LevelReport(2, "reach", "passes", is_timed=True),)),
        replace(REPORT, findings=(Finding(Diagnostic("LT901", "error", "m", SPAN)),)),
        replace(REPORT, digest=""),
        replace(REPORT, not_covered=("x" * cache.ENTRY_LIMIT_BYTES,)),
    ],
    ids=["timed", "our defect", "unreadable", "too long"],
)
def test_not_every_answer_is_kept(folder: str, report: Report) -> None:
    assert not cache.keep(folder, asked(), report)
    assert cache.recall(folder, asked()) is None


def test_seconds_that_end_a_search_are_not_kept(folder: str) -> None:
    place = ROOT / "examples" / "order"
    files = {p.name: p.read_bytes() for p in place.glob("*.toml")}
    readings = iter(range(1_000_000))
    report = check_files(files, Options(budget_seconds=0.5), lambda: float(next(readings))).report
    assert report.is_timed
    assert not cache.keep(folder, asked(), report)


@pytest.mark.parametrize("at", [0, 20, 100, 200, -1])
def test_a_damaged_entry_is_passed_over_and_written_anew(folder: str, at: int) -> None:
    cache.keep(folder, asked(), REPORT)
    place = Path(folder, asked().name)
    raw = bytearray(place.read_bytes())
    raw[at] ^= 1
    place.write_bytes(raw)
    assert cache.recall(folder, asked()) is None
    place.write_bytes(bytes(raw[: len(raw) // 2]))
    assert cache.recall(folder, asked()) is None
    assert cache.keep(folder, asked(), REPORT)
    assert cache.recall(folder, asked()) is not None


@pytest.mark.skipif(os.name == "nt", reason="modes and links of POSIX")
def test_an_entry_that_others_may_write_or_that_is_a_link_is_passed_over(folder: str, tmp_path: Path) -> None:
    cache.keep(folder, asked(), REPORT)
    place = Path(folder, asked().name)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700
    place.chmod(0o666)
    assert cache.recall(folder, asked()) is None
    place.chmod(0o600)
    elsewhere = tmp_path / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert cache.recall(folder, asked()) is None
    place.unlink()
    os.mkfifo(place)
    assert cache.recall(folder, asked()) is None
    place.unlink()
    place.mkdir()
    assert cache.recall(folder, asked()) is None
    assert not cache.keep(folder, asked(), REPORT)


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not cache.keep(str(tmp_path / "file" / "verdicts"), asked(), REPORT)


def test_the_longest_unasked_go_when_there_are_too_many(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ENTRIES_LIMIT", 8)
    questions = [asked({"app.toml": bytes([number])}) for number in range(8)]
    for number, question in enumerate(questions):
        cache.keep(folder, question, REPORT)
        os.utime(Path(folder, question.name), (number, number))
    assert cache.recall(folder, questions[0]) is not None  # asked for again: kept
    cache.keep(folder, asked(), REPORT)
    assert len(os.listdir(folder)) == 6
    assert cache.recall(folder, questions[0]) is not None
    assert cache.recall(folder, questions[1]) is None
    assert cache.recall(folder, asked()) is not None


def test_what_a_dead_process_left_half_written_goes_and_a_living_one_keeps_its_own(folder: str) -> None:
    cache.keep(folder, asked(), REPORT)
    old, new = Path(folder, "old.part"), Path(folder, "new.part")
    old.write_text("")
    new.write_text("")
    os.utime(old, (0, 0))
    cache.keep(folder, asked(), REPORT)
    assert not old.exists() and new.exists()


WRITER = """
import sys
from lathe.gate import Options, cache
from lathe.gate.stored import from_bytes
folder, who = sys.argv[1:]
asked = cache.question({"app.toml": b"shared"}, Options())
from lathe.check.reporting.report import Coverage, Report
report = Report(who * 20000, "sha256:00", "admitted", (), (), Coverage(), ())
for _ in range(200):
    assert cache.keep(folder, asked, report)
    found = cache.recall(folder, asked)
    assert found is not None and len(set(found.app)) == 1, "torn"
"""


def test_two_processes_at_once_never_read_half_an_answer(folder: str) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, who]) for who in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(os.listdir(folder)) == 1


def test_the_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.default_folder({"XDG_CACHE_HOME": "/c"}) == os.path.join("/c", "lathe", "verdicts")
    monkeypatch.setenv("HOME", str(tmp_path))
    home = os.path.join(str(tmp_path), ".cache", "lathe", "verdicts")
    assert cache.default_folder({}) == cache.default_folder({"XDG_CACHE_HOME": "relative"}) == home
