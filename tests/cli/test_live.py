"""Commands and a runtime: what it runs, and who lives in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtime.processes import free_port, serving

ROOT = Path(__file__).parents[2]


def lathe(*words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lathe.cli", *words]
    shown = {**os.environ, "LATHE_TOKEN": token}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=shown)


def test_a_check_against_a_runtime_sees_who_lives_there(tmp_path: Path) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for path in (ROOT / "examples" / "rollout").glob("*.toml"):
        shutil.copy(path, app)
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        process.apply({p.name: p.read_bytes() for p in app.iterdir()})
        made = process.post("/v1/rollout/rollouts", {"replicas": 5})
        assert made.status_code == 201
        blueprint = app / "rollout.blueprint.toml"
        narrow = blueprint.read_text().replace("range = [1, 5]", "range = [1, 3]")
        blueprint.write_text(narrow)
        refused = lathe(
            "check", str(app), "--against", process.url, "--line", "--no-cache", token=process.token
        )
        assert (refused.returncode, "LT702" in refused.stdout) == (1, True), refused.stdout + refused.stderr
        blueprint.write_text(
            narrow
            + '\n[migrate]\nfield = { replicas = "min(old.replicas, 3)", ready = "min(old.ready, 3)" }\n'
        )
        admitted = lathe(
            "check", str(app), "--against", process.url, "--json", "--no-cache", token=process.token
        )
        assert admitted.returncode == 0, admitted.stdout + admitted.stderr
        assert "1 lived when it was made" in admitted.stdout
        assert process.get("/v1/rollout/rollouts").json()["items"][0]["fields"]["replicas"] == 5


def test_nobody_answers(tmp_path: Path) -> None:
    done = lathe("list", "rollout/rollouts", "--url", "http://127.0.0.1:1")
    assert (done.returncode, "nobody answers" in done.stderr) == (7, True)


def test_an_application_that_is_refused_says_what_was_found(tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(ROOT / "examples" / "rollout", app, ignore=shutil.ignore_patterns("broken"))
    blueprint = app / "rollout.blueprint.toml"
    weak = blueprint.read_text().replace('when = "ready == replicas"\ndo', 'when = "ready > 0"\ndo')
    assert weak != blueprint.read_text()
    blueprint.write_text(weak)
    data = tmp_path / "data"
    data.mkdir()
    for words, code in (((), 1), (("--yes",), 5)):
        done = lathe("apply", str(app), "--data", str(data), *words)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "LT401" in said and "rollout.blueprint.toml:" in said, said


def test_a_version_that_cannot_be_gone_back_to_says_why(tmp_path: Path) -> None:
    """Not that `--yes` would do it."""
    app = tmp_path / "app"
    shutil.copytree(ROOT / "examples" / "rollout", app, ignore=shutil.ignore_patterns("broken"))
    blueprint = app / "rollout.blueprint.toml"
    data = tmp_path / "data"
    data.mkdir()
    first = lathe("apply", str(app), "--yes", "--data", str(data))
    digest = re.search(r"applied (\S+),", first.stdout)
    assert digest is not None, first.stdout + first.stderr
    renamed = re.sub(r"\bfailed\b", "broken", blueprint.read_text())
    blueprint.write_text(renamed + '\n[migrate]\nstate = { failed = "broken" }\n')
    second = lathe("apply", str(app), "--yes", "--breaking", "--data", str(data))
    assert "0 entities rewritten" in second.stdout, second.stdout + second.stderr
    back = lathe("rollback", "rollout", digest[1], "--data", str(data))
    assert (back.returncode, "LT701" in back.stdout, "--yes" in back.stdout) == (1, True, False), back.stdout
    assert "apply its files as a new one" in back.stdout


def test_development_says_what_it_does_with_what_stands_there(tmp_path: Path) -> None:
    """A version that is refused at first, one that is admitted, and one that is refused beside it.

    It listens where the configuration says.
    """
    app = tmp_path / "app"
    shutil.copytree(ROOT / "examples" / "approval", app, ignore=shutil.ignore_patterns("broken"))
    blueprint = next(app.glob("*.blueprint.toml"))
    good = blueprint.read_text()
    blueprint.write_text(good + "\n[state.nowhere]\n")
    command = [sys.executable, "-m", "lathe.cli", "dev", str(app), "--data", str(tmp_path / "d")]
    port = str(free_port())
    environment = {**os.environ, "LATHE_SERVER_PORT": port}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None

        def said(*words: str) -> str:
            assert process.stderr is not None
            return next(line for line in process.stderr if all(word in line for word in words))

        assert f"http://127.0.0.1:{port}," in said("serving at")
        assert "there is no version of it to be served" in said("not loaded")
        blueprint.write_text(good)
        assert said("in force")
        blueprint.write_text(good + "\n[state.nowhere]\n")
        assert "the version before runs on" in said("not loaded")
        process.terminate()


def test_what_was_held_is_looked_at_approved_and_applied(tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(ROOT / "examples" / "expense", app, ignore=shutil.ignore_patterns("broken"))
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        operator = process.token
        process.apply({p.name: p.read_bytes() for p in app.iterdir() if p.suffix in (".toml", ".cedar")})
        blueprint = app / "expense.blueprint.toml"
        weaker = blueprint.read_text().replace("in_cash or amount <= 2", "in_cash or amount <= 3")
        assert weaker != blueprint.read_text()
        blueprint.write_text(weaker)
        token = {}
        for name, scope in (("maker", "apply"), ("bob", "decide")):
            words = ("token", "create", name, "--kind", "person", "--scope", scope, "--json")
            made = lathe(*words, "--url", process.url, token=operator)
            token[name] = json.loads(made.stdout)["token"]
        held = lathe("apply", str(app), "--yes", "--breaking", "--url", process.url, token=token["maker"])
        name = re.search(r"decision (\w+)", held.stdout)
        assert name is not None, held.stdout + held.stderr
        shown = lathe("decisions", "show", name[1], "--url", process.url, token=token["bob"])
        assert f"{blueprint.name}  {len(weaker.encode())} bytes" in shown.stdout, shown.stdout + shown.stderr
        place = str(tmp_path / "asked")
        lathe("decisions", "show", name[1], "--files", place, "--url", process.url, token=token["bob"])
        assert (tmp_path / "asked" / blueprint.name).read_text() == weaker
        digest = re.search(r"--digest (\S+)", shown.stdout)
        assert digest is not None
        words = ("decisions", "approve", name[1], "--digest", digest[1], "--url", process.url)
        approved = lathe(*words, token=token["bob"])
        assert f"lathe apply --decision {name[1]} --yes" in approved.stdout, approved.stdout
        blueprint.write_text("edited since")  # what was approved is applied, whatever stands here now
        words = ("apply", "--decision", name[1], "--yes", "--breaking", "--url", process.url)
        applied = lathe(*words, token=token["maker"])
        assert (applied.returncode, "applied sha256:" in applied.stdout) == (0, True), applied.stderr


def test_what_an_app_uses_and_nobody_gave_is_warned_of(tmp_path: Path) -> None:
    app = ROOT / "examples" / "rollout"
    said = "`rollout` was given no `{env.K8S}`: say `env = { K8S = … }` under `[app.rollout]` in lathe.toml"
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        planned = lathe("apply", str(app), "--url", process.url, token=process.token)
        assert f"warning: {said}" in planned.stderr, planned.stderr
        applied = lathe("apply", str(app), "--yes", "--url", process.url, token=process.token)
        assert f"warning: {said}" in applied.stderr and "applied sha256:" in applied.stdout
        assert "not given" not in process.log
        process.stop()
        process.start()
        assert "not given" in process.log and "{env.K8S}" in process.log
        process.stop()
        given = '[app.rollout]\nenv = { K8S = "http://127.0.0.1:1", KAFKA = "http://127.0.0.1:2" }\n'
        (tmp_path / "lathe.toml").write_text(given, encoding="utf-8")
        (tmp_path / "server.log").unlink()
        process.start()
        assert "not given" not in process.log
        again = lathe("apply", str(app), "--yes", "--url", process.url, token=process.token)
        assert "warning" not in again.stderr, again.stderr


@contextmanager
def following(*words: str, token: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "lathe.cli", "events", *words]
    shown = {**os.environ, "LATHE_TOKEN": token}
    with subprocess.Popen(command, env=shown, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def test_across_a_restart_events_go_on_refusals_are_counted_and_a_journal_names_its_entity_once(
    tmp_path: Path,
) -> None:
    with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
        nothing = lathe("intents", "--url", process.url, token=process.token)
        assert (nothing.returncode, nothing.stdout) == (0, "nothing was refused\n"), nothing.stderr
        folder = ROOT / "examples" / "rollout"
        process.apply({path.name: path.read_bytes() for path in folder.glob("*.toml")})
        with following("--after", "0", "--count", "2", "--url", process.url, token=process.token) as followed:
            made = process.post("/v1/rollout/rollouts", {"replicas": 2}).json()["id"]
            for _ in range(3):
                assert process.post(f"/v1/rollout/rollouts/{made}/retry", {}).status_code == 409
            assert followed.stdout is not None and made in followed.stdout.readline()
            process.stop()  # counts are written down from time to time, and at the end
            process.start()
            other = process.post("/v1/rollout/rollouts", {"replicas": 2}).json()["id"]
            assert other in followed.communicate(timeout=60)[0] and followed.returncode == 0
        told = lathe("intents", "rollout", "--url", process.url, token=process.token).stdout
        assert "     3  rollout: retry of Rollout in planned  not possible in this state\n" in told
        assert 'from = ["failed", "planned"]' in told and f", of {made}\n" in told
        found = json.loads(lathe("intents", "--json", "--url", process.url, token=process.token).stdout)
        assert found["rollout"][0]["count"] == 3
        missing = lathe("intents", "rolout", "--url", process.url, token=process.token)
        assert missing.returncode == 6 and "did you mean `rollout`?" in missing.stderr
        journal = lathe("journal", f"rollout/rollouts/{made}", "--url", process.url, token=process.token)
        assert "  create  by " in journal.stdout and made not in journal.stdout, journal.stdout
