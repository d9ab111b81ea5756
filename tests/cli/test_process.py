"""The command in a process of its own: pipes, Ctrl-C, colours, encodings, what it imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from .conftest import ROOT, Said

Process = Callable[..., Said]
GOOD = ROOT / "examples" / "rollout"
BAD = GOOD / "broken" / "drain_too_early"
COMMAND = [sys.executable, "-m", "lathe.cli"]


def test_a_pipe_gets_no_colours(process: Process) -> None:
    said = process("check", BAD)
    assert said.code == 1
    assert "\x1b" not in said.out
    assert "\x1b[1;31merror LT401" in process("check", BAD, "--color", "always").out


def test_a_reader_that_goes_away_is_no_error() -> None:
    child = subprocess.Popen(
        [*COMMAND, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 0


def test_a_terminal_that_knows_ascii_alone_gets_all_there_is(process: Process) -> None:
    said = process("check", BAD, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert said.code == 1
    assert "\\u2192 planned" in said.out


def test_a_name_that_is_not_utf8_is_told(process: Process, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    done = subprocess.run([*COMMAND, "check", folder], capture_output=True, check=False)
    assert done.returncode == 6
    assert b"caf\\udce9` is no app" in done.stderr


def test_completion_offers_commands_and_codes(process: Process) -> None:
    said = process(_LATHE_COMPLETE="bash_complete", COMP_WORDS="lathe che", COMP_CWORD="1")
    assert said.out == "plain,check\n"
    said = process(_LATHE_COMPLETE="bash_complete", COMP_WORDS="lathe explain LT40", COMP_CWORD="2")
    assert said.out.split() == [
        "plain,LT401",
        "plain,LT402",
        "plain,LT403",
        "plain,LT404",
        "plain,LT405",
        "plain,LT406",
    ]


def test_a_check_imports_click_alone_of_what_is_installed() -> None:
    code = (
        "import sys; from lathe.cli.main import run; run(sys.argv[1:]); "
        "print(*{m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", "--level", "2", str(GOOD)],
        capture_output=True,
        text=True,
        check=True,
    )
    of_python = {"sitecustomize", "usercustomize"}
    imported = {name for name in done.stderr.split() if not name.startswith("_")}
    assert imported - of_python == {"click", "lathe"}


LARGE = """\
blueprint = "Large"

[state]
open = { initial = true, waits = "somebody counts" }
done = { final = true }

[field]
a = { type = "int", range = [0, 60], default = 0 }
b = { type = "int", range = [0, 60], default = 0 }
c = { type = "int", range = [0, 60], default = 0 }
d = { type = "int", range = [0, 60], default = 0 }

[action]
create = { by = "role:user" }
end = { from = "open", to = "done", by = "role:user" }
count_a = { from = "open", by = "role:user", when = "a < 60", do = ["a += 1"] }
count_b = { from = "open", by = "role:user", when = "b < 60", do = ["b += 1"] }
count_c = { from = "open", by = "role:user", when = "c < 60", do = ["c += 1"] }
count_d = { from = "open", by = "role:user", when = "d < 60", do = ["d += 1"] }

[invariant]
few = "a + b + c + d <= 240"
"""


def _rest(terminal: int) -> bytes:
    """What else was said there, by whoever has gone."""
    told = b""
    with suppress(OSError):  # on Linux the end of a terminal is an error
        while more := os.read(terminal, 1024):
            told += more
    os.close(terminal)
    return told


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")
def test_ctrl_c_ends_a_search_and_tells_what_is_known(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "large.blueprint.toml").write_text(LARGE)
    top = 'app = "large"\n[role]\nuser = "counts"\n[scope]\nbudget_states = 1000000000\n'
    (folder / "app.toml").write_text(top)
    import pty  # there is none where the test is skipped

    terminal, its_end = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, "check", str(folder), "--budget", "60s"], stdout=subprocess.PIPE, stderr=its_end
    )
    os.close(its_end)
    told = b""
    while b"Ctrl-C stops" not in told:  # from then on it does, however long it took to start
        told += os.read(terminal, 1024)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    err = _rest(terminal)
    assert b"Traceback" not in err
    assert child.returncode == 130
    assert err.rstrip().endswith(b"lathe: interrupted: this is what was known by then")
    assert b"large: unknown" in out.splitlines()[-1]
    assert b"interrupt" in out
