"""The real API in process: its node and store, in a world with virtual time, called without a network."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import cast

import msgspec

from lathe.api.access.authentication import Authenticator, DevAuthenticator, Principal
from lathe.api.app import Api
from lathe.api.wire.answers import Message, Scope
from lathe.api.wire.cursor import Cursors
from lathe.effect.base import MAIN, Attempt, Ending
from lathe.frozen import frozen
from lathe.lang import digest
from lathe.lang.adapters import ADAPTERS
from lathe.lang.model import Json
from lathe.machine.event import Cause
from lathe.machine.table import Table
from lathe.probe.plan import Outcome, Person
from lathe.runtime.clock import Ids
from lathe.runtime.metrics import Metrics
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.runtime.tokens import Tokens
from lathe.sim.loop import SimLoop
from lathe.sim.world import OpenGate
from lathe.store.base import Apply, JournalQuery
from lathe.store.memory import MemoryStore
from lathe.store.records import Entry, Outgoing, Version

KEY = b"level 4: no secret, for no network"
PERSON = b"x-probe"
PERFORMED = ("http", "emit", "process", "wasm")


@frozen
class Answer:
    """What a request was answered."""

    status: int
    body: Json
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The problem's code; empty where there is none."""
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return code if isinstance(code, str) else ""


@frozen
class Said:
    """A request as it was sent, for a reader who wants to send it again."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class _Callers:
    """Who calls is whoever the request says; effects come with their token."""

    def __init__(self, others: Authenticator) -> None:
        self._others = others

    def known(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal | None:
        """Nobody is remembered."""
        return None

    async def principal(self, headers: Mapping[bytes, bytes], scope: Scope) -> Principal:
        given = headers.get(PERSON)
        if given is None:
            return await self._others.principal(headers, scope)
        name, _, roles = given.decode().partition("=")
        return Principal(name, frozenset(r for r in roles.split(",") if r), (name,))

    async def stands(self, principal: Principal) -> None:
        """Everybody who is named is known."""


def secret_of(name: str) -> str:
    """The secret that the operator of this world gave under a name."""
    return "whsec_" + b64encode(f"the secret {name}".encode()).decode()


Report = Callable[[str, int, str, int], Awaitable[None]]
"""Reports progress of an invocation: entity, number, effect, how often."""


class Adapter:
    """Does what the plan says, and remembers how each try went."""

    def __init__(self, outcomes: Mapping[str, tuple[Outcome, ...]]) -> None:
        self._outcomes = outcomes
        self._turns: dict[str, int] = {}
        self.tokens: dict[tuple[str, int], str] = {}
        self.ends: dict[tuple[str, int], Outcome] = {}
        """How the newest try of an invocation went, by entity and number, once it is over."""
        self.tries: dict[tuple[str, int], int] = {}
        self.asked: dict[tuple[str, int], Json] = {}
        """The settings of the newest try of an invocation."""
        self.in_flight = 0
        self.report: Report | None = None

    async def perform(self, attempt: Attempt) -> Ending:
        """One try."""
        self.in_flight += 1
        try:
            return await self._perform(attempt)
        finally:
            self.in_flight -= 1

    async def _perform(self, attempt: Attempt) -> Ending:
        entity, _, number = attempt.id.rpartition(".")
        key = entity, int(number)
        self.ends.pop(key, None)
        self.tries[key] = self.tries.get(key, 0) + 1
        self.asked[key] = dict(attempt.request)
        found = next((o for n, o in self._outcomes.items() if n.endswith(f".{attempt.effect}")), (Outcome(),))
        turn = self._turns.get(attempt.effect, 0)
        self._turns[attempt.effect] = turn + 1
        outcome = found[turn % len(found)]
        if outcome.reports and self.report is not None:
            await self.report(*key, attempt.effect, outcome.reports)
        if outcome.seconds:
            await asyncio.sleep(outcome.seconds)
        self.ends[key] = outcome
        if outcome.cause == "crashed":
            raise RuntimeError("the adapter gave up")
        if outcome.cause:
            return Ending(ok=False, cause=cast(Cause, outcome.cause), message="it went wrong", again=True)
        return Ending(ok=True, results=outcome.results)

    async def close(self) -> None:
        """There is nothing to let go of."""


@frozen
class Admitted:
    """What a gate would say of a version that is swapped to."""

    app: str
    digest: str
    verdict: str = "admitted"
    report: bytes = b"{}"


class Listening:
    """A stream of events that is open, with what came on it."""

    def __init__(self, loop: SimLoop, api: Api, said: Said) -> None:
        self._came = bytearray()
        self._is_open = loop.create_future()
        self._task = loop.create_task(api(_scope(said), self._receive, self._send))

    async def _receive(self) -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody goes on to speak")

    async def _send(self, message: Message) -> None:
        self._came += message.get("body", b"")
        if not self._is_open.done() and self._came:
            self._is_open.set_result(None)

    async def opened(self) -> None:
        """Wait until it is open: what is committed from then on is told."""
        await self._is_open

    def events(self) -> list[tuple[str, Mapping[str, Json]]]:
        """What has come since this was asked last: each event's id and data. Comments and notices, which have
        no id, are passed over.
        """
        whole, _, rest = bytes(self._came).rpartition(b"\n\n")
        self._came[:] = rest
        found = []
        for chunk in whole.split(b"\n\n"):
            lines = dict(line.split(b": ", 1) for line in chunk.splitlines() if line[:1] not in (b"", b":"))
            if b"id" in lines:
                found.append((lines[b"id"].decode(), msgspec.json.decode(lines[b"data"])))
        return found

    async def cut(self) -> None:
        """Go away."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Host:
    """A node with the app, and its API."""

    def __init__(self, loop: SimLoop, table: Table, files: Mapping[str, bytes], adapter: Adapter) -> None:
        self.app = table.app
        self._digest = digest(table.app)
        self._files = files
        self._loop = loop
        self.adapter = adapter
        self.store = MemoryStore(loop.now_ms)
        self.tokens = Tokens(sha256(KEY).digest(), loop)
        self.troubles: list[str] = []
        self.lived = 0.0
        self._read = 0
        self._asked: set[asyncio.Future[None]] = set()
        self.node = Node(
            self.store,
            loop,
            Ids(loop, loop.random.getrandbits),
            performers=dict.fromkeys(PERFORMED, adapter),
            lookups=self._lookups,
            settings=Settings("probe", jitter=lambda: 0.5),
            failed=lambda what, error: self.troubles.append(f"{what}: {error!r}"),
        )
        self.node.engine.catalog.know({self._digest: table})
        callers = _Callers(DevAuthenticator(self.tokens))
        self.api = Api(
            self.node,
            callers,
            cursors=Cursors(sha256(KEY).digest()),
            metrics=Metrics(),
            seconds=loop.time,
            secrets=lambda tenant, app, name: secret_of(name),
        )

    def _lookups(self, outgoing: Outgoing, timeout_ms: int) -> Callable[[str, str], str]:
        self.adapter.tokens[outgoing.entity, outgoing.number] = self.tokens.mint(outgoing, timeout_ms)
        return lambda scope, name: name

    async def start(self) -> None:
        """Make the app current and begin."""
        version = Version(MAIN, self.app.name, self._digest, dict(self._files), b"{}", 0, "probe")
        found = await self.store.apply(Apply(version, None))
        assert found.verdict == "accepted", "an empty store takes any app"
        await self.node.start()

    async def swap(self, table: Table, files: Mapping[str, bytes]) -> bool:
        """Have another version take over. False: not now, because others kept writing, or somebody is as the
        app promises that nobody is: an app need not be admitted to be tried.

        Raises `RefusedSwap` for any other cause.
        """
        judged = Admitted(self.app.name, digest(table.app))
        self.node.engine.catalog.know({judged.digest: table})
        swapper = Swapper(self.node.engine, OpenGate())
        try:
            await swapper.apply(MAIN, files, judged, confirm=None, by="probe", allow_breaking=True)
        except RefusedSwap as refused:
            unfit = refused.plan.unfit if refused.plan is not None else ()
            whys = [one.why for one in unfit] or [str(refused)]
            if refused.code != "plan" and not all(why.endswith("would be false") for why in whys):
                raise
            return False
        return True

    def in_force(self) -> str:
        """The digest of the version that is in force."""
        return self.node.engine.catalog.live(MAIN, self.app.name).digest

    async def stop(self) -> None:
        """End it."""
        self.api.stop()
        await self.node.stop()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass: second by second while something is tried, then the rest at once."""
        calm = 0
        while seconds > 3.0 and calm < 2:  # what has just ended is still to be committed
            seconds -= 0.5
            self.lived += 0.5
            await asyncio.sleep(0.5)
            calm = 0 if self.adapter.in_flight else calm + 1
        if seconds > 3.0:
            self._loop.jump(seconds - 2.0)
            seconds = 2.0
        self.lived += seconds
        await asyncio.sleep(seconds)

    def now_ms(self) -> int:
        return self._loop.now_ms()

    async def call(self, said: Said) -> Answer:
        """Send a request, and wait for its answer."""
        sent: list[Mapping[str, object]] = []
        is_read = False

        async def receive() -> Message:
            nonlocal is_read
            if is_read:
                await asyncio.get_running_loop().create_future()
            is_read = True
            return {"type": "http.request", "body": said.body, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        over = self._loop.create_future()
        self._asked.add(over)
        try:
            await self.api(_scope(said), receive, send)
        finally:
            self._asked.discard(over)
            over.set_result(None)
        return _answer(sent)

    async def answered(self) -> None:
        """Wait until whatever is being asked by now is answered: what it did may be committed already."""
        await asyncio.gather(*self._asked)

    def listen(self, said: Said) -> Listening:
        """Open a stream, which goes on until it is cut."""
        return Listening(self._loop, self.api, said)

    async def entries(self) -> list[Entry]:
        """What was committed since this was asked last, in the order of its positions."""
        every: list[Entry] = []
        while page := await self.store.entries(JournalQuery(MAIN, self._read)):
            self._read = page[-1].position
            every += page
        return every


def named(person: Person) -> dict[str, str]:
    """The header that says who calls."""
    return {PERSON.decode(): f"{person.name}={','.join(sorted(person.roles))}"}


def _scope(said: Said) -> Scope:
    path, _, query = said.path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": said.method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(n.lower().encode(), v.encode()) for n, v in said.headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("probe", 80),
        "client": ("probe", 1),
        "root_path": "",
    }


def _answer(sent: list[Mapping[str, object]]) -> Answer:
    status, headers = 0, {}
    body = b""
    for message in sent:
        if message["type"] == "http.response.start":
            status = int(str(message["status"]))
            pairs = cast("Iterable[tuple[bytes, bytes]]", message.get("headers", ()))
            headers = {name.decode().lower(): value.decode() for name, value in pairs}
        else:
            body += cast(bytes, message.get("body", b""))
    data: Json = msgspec.json.decode(body) if body else None
    return Answer(status, data, headers)


assert set(PERFORMED) <= set(ADAPTERS), "every adapter that performs is there"
