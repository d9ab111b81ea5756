"""What `lathe dev` adds to serving: it watches the apps' folders, and runs stand-ins for their effects.

A stand-in is a small program that an app ships to play the world outside: `dev.toml` beside `app.toml` names
its command and the environment that the app's effects see.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import cast

import msgspec
from msgspec import Struct

from lathe.agents.mount import Agents
from lathe.api.review.blueprints import told
from lathe.api.server import Assembly, read_secret, serve
from lathe.check.reporting.reportjson import to_json
from lathe.cli import files, output
from lathe.cli.commands.apply import plan_text, rewritten
from lathe.cli.entities import Row
from lathe.cli.findings import finding_lines
from lathe.cli.verdict import unreadable
from lathe.console.app import Console
from lathe.errors import LatheError, UnreadableError, UsageError
from lathe.gate.judge import Judgement
from lathe.govern.principal import MAIN
from lathe.lang import read_app
from lathe.runtime.config import AppSettings
from lathe.runtime.placeholders import wanting
from lathe.runtime.swap import Judged, RefusedSwap

DEV_FILE = "dev.toml"
LOOK_EVERY_SECONDS = 0.5
QUIET_SECONDS = 1.0
"""How long a check may take before it is said that there is one."""
STOP_SECONDS = 5.0


class StandIn(Struct, forbid_unknown_fields=True, frozen=True):
    """`[stand_in]` of `dev.toml`: a command, run in the app's folder. `{port}` is a free port."""

    command: tuple[str, ...]


class Dev(Struct, forbid_unknown_fields=True, frozen=True):
    """`dev.toml`: what `{env.NAME}` is in development, with `{port}` and `{lathe}` filled in."""

    env: Mapping[str, str] = {}
    stand_in: StandIn | None = None


class StandIns:
    """The stand-ins of some apps, for as long as the block lasts."""

    def __init__(self, paths: Sequence[str], lathe: str) -> None:
        self._lathe = lathe
        self._folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in paths]
        self.devs = {folder: _dev_of(folder) for folder in self._folders}
        self.ports = {folder: _free_port() for folder in self._folders}
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> StandIns:
        for folder, dev in self.devs.items():
            if dev is not None and dev.stand_in is not None:
                self._start(folder, dev.stand_in)
        return self

    def filled(self, folder: str) -> dict[str, str]:
        """What placeholders of a `dev.toml` stand for."""
        return {"{port}": str(self.ports[folder]), "{lathe}": self._lathe}

    def _start(self, folder: str, stand_in: StandIn) -> None:
        filled = self.filled(folder)
        words = [_filled(word, filled) for word in stand_in.command]
        words = [sys.executable if word == "{python}" else word for word in words]
        output.talk(f"starting the stand-in of {folder}: {shlex.join(words)}")
        # In a session of its own: Ctrl-C on a terminal is ours to pass on, once nothing calls it any more.
        self._running.append(
            subprocess.Popen(words, cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True)
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def settings_of(paths: Sequence[str], stand_ins: StandIns) -> dict[str, AppSettings]:
    """What each app may use in development: its own environment, and the loopback interface."""
    found: dict[str, AppSettings] = {}
    for path in paths:
        app = read_app(files.load(path).files).app
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        dev = stand_ins.devs[folder]
        if app is not None:
            filled = stand_ins.filled(folder)
            env = {name: _filled(value, filled) for name, value in dev.env.items()} if dev else {}
            found[app.name] = AppSettings(env=env, reach=("127.0.0.0/8", "::1/128"))
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _dev_of(folder: str) -> Dev | None:
    path = os.path.join(folder, DEV_FILE)
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        text = file.read(files.TEXT_LIMIT_BYTES)
    try:
        return msgspec.toml.decode(text, type=Dev)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"`{path}`: {error}") from None


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Development:
    """A server whose apps follow their folders."""

    def __init__(
        self, assembly: Assembly, paths: Sequence[str], url: str, *, folder: str, accept_bounds: bool = False
    ) -> None:
        self._assembly = assembly
        self._paths = paths
        self._url = url
        self._folder = folder
        self._accept_bounds = accept_bounds
        self._seen: dict[str, object] = {}
        self._named: dict[str, str] = {}

    async def run(self) -> None:
        """Serve and watch until SIGTERM or Ctrl-C."""
        listening = asyncio.Event()
        watching = asyncio.create_task(self._watch(listening), name="watcher")
        try:
            api = self._assembly.api
            await serve(self._assembly, listening=listening, application=Agents(Console(api), api))
        finally:
            watching.cancel()

    async def _watch(self, listening: asyncio.Event) -> None:
        await listening.wait()
        output.talk(f"serving at {self._url}, everything kept in {self._folder}")
        output.talk(f"the console is at {self._url}/console/")
        while True:
            for path in self._paths:
                await self._look(path)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self, path: str) -> None:
        """Swap in what stands at a path, if it is not what was seen last."""
        try:
            found: Mapping[str, bytes] = files.load(path).files
        except (LatheError, OSError) as error:
            if self._seen.get(path) != str(error):
                self._seen[path] = str(error)
                output.talk(f"{path}: {_unreadable(error)}; {self._instead(path)}")
                self._keep_unreadable(path, error)
            return
        if self._seen.get(path) == found:
            return
        self._seen[path] = found
        await self._apply(path, found)

    def _keep_unreadable(self, path: str, error: Exception) -> None:
        """A folder of which not even the files could be read, as a check that was refused."""
        diagnostics = error.diagnostics if isinstance(error, UnreadableError) else ()
        report = {**to_json(unreadable(diagnostics)), "why": _unreadable(error)}
        judged = Judgement(self._named.get(path, ""), "", "refused", json.dumps(report).encode())
        kept = self._assembly.checks.keep({}, judged, tenant=MAIN, by="dev", source="dev", path=path)
        self._assembly.checks.ended(kept, "refused", _unreadable(error))

    async def _apply(self, path: str, found: Mapping[str, bytes]) -> None:
        """Judge what stands at a path and put it in force; what is in force already was judged then."""
        swapper, checks = self._assembly.swapper, self._assembly.checks
        known = await swapper.in_force(MAIN, found)
        if known is not None:
            judged: Judged = Judgement(known.app, known.digest, "admitted", known.report)
        else:
            checking = asyncio.get_running_loop().call_later(
                QUIET_SECONDS, output.talk, f"{path}: it is being checked"
            )
            try:
                judged = await swapper.judge(MAIN, found, accept_bounds=self._accept_bounds)
            finally:
                checking.cancel()
        name = self._named[path] = judged.app or self._named.get(path, "")
        named = Judgement(name, judged.digest, judged.verdict, judged.report)
        kept = checks.keep(found, named, tenant=MAIN, by="dev", source="dev", path=path)
        try:
            applied = await swapper.apply(
                MAIN, found, judged, confirm=None, by="dev", note="lathe dev", allow_breaking=True
            )
        except RefusedSwap as refused:
            checks.ended(kept, refused.code, str(refused))
            output.talk(_refusal(path, refused, judged.report, self._instead(path)))
            return
        checks.ended(kept, "applied")
        if applied.plan.old == applied.plan.new:
            output.talk(f"{applied.plan.app} runs as it was")
        else:
            plan = cast(Row, told(applied.plan))
            output.talk(f"{plan_text(plan)}\n  in force; {rewritten(applied.moved)}")
        for live in self._assembly.node.engine.catalog.all(MAIN):
            if live.app.name == applied.plan.app:
                for blueprint in live.app.blueprints.values():
                    output.talk(f"  {self._url}/v1/{live.app.name}/{blueprint.plural}")
                given = self._assembly.config.app.get(live.app.name, AppSettings())
                for missing in wanting(live.app, given, read=read_secret):
                    here = f", or in `{DEV_FILE}` beside app.toml" if "{env." in missing else ""
                    output.talk(f"  {missing}{here}")

    def _instead(self, path: str) -> str:
        """What is served in the place of a version that is not loaded."""
        name = self._named.get(path, "")
        lives = {live.app.name for live in self._assembly.node.engine.catalog.all(MAIN)}
        return "the version before runs on" if name in lives else "there is no version of it to be served"


def _unreadable(error: Exception) -> str:
    if isinstance(error, UnreadableError):
        return "; ".join(f"{d.span}: {d.code}: {d.message}" for d in error.diagnostics)
    return str(error)


def _refusal(path: str, refused: RefusedSwap, report: bytes, instead: str) -> str:
    """What a person sees of a version that was not loaded: the findings, one a line."""
    lines = [f"{path}: not loaded: {refused}; {instead}"]
    return output.clean("\n".join([*lines, *finding_lines(json.loads(report))]))
