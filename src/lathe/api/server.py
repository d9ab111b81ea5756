"""A serving process: builds store, node and API from the configuration, serves, and shuts down in order.

On SIGTERM it stops being ready, answers the requests that it has received, commits what is queued, and exits.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import random
from time import perf_counter
from types import FrameType
from typing import Literal, Protocol

import structlog
import uvicorn

from lathe.api.access.authentication import LOOPBACK, Authenticator, DevAuthenticator, TokenAuthenticator
from lathe.api.access.overrides import Overrides
from lathe.api.app import Api
from lathe.api.backup import Backups
from lathe.api.entities.inbound import Secrets
from lathe.api.identity.oidc import SignInRoutes
from lathe.api.identity.session import Sessions
from lathe.api.identity.tokens import TokenRoutes
from lathe.api.review.approvals import Approvals
from lathe.api.review.blueprints import Blueprints
from lathe.api.review.checks import CheckRoutes, Inspector
from lathe.api.review.decisions import DecisionRoutes
from lathe.api.review.recent_checks import Checks, summary
from lathe.api.review.simulations import Simulations, Simulator, notice
from lathe.api.wire.answers import Application
from lathe.api.wire.connection import Connection, close_slow
from lathe.api.wire.cursor import Cursors
from lathe.api.wire.forwarded import Proxied, networks_of
from lathe.api.wire.limits import Limits
from lathe.api.wire.listener import ROUND_TRIP_SECONDS, connect_nobody, connected
from lathe.api.wire.shutdown import AnswersCancelled
from lathe.effect.addresses import Addresses
from lathe.effect.base import Performer, settings_key
from lathe.effect.emit import Emit
from lathe.effect.http import Http
from lathe.effect.process import Process
from lathe.effect.render import MissingError
from lathe.effect.wasm import Ceiling, Wasm
from lathe.effect.wasmhost import Outside
from lathe.errors import NotFoundError, UsageError
from lathe.frozen import frozen
from lathe.govern.auditor import Auditor
from lathe.govern.decisions import Decisions
from lathe.govern.keyring import Keyring
from lathe.govern.verifier import SignIn, UnavailableError, Verifier
from lathe.lang import read_app
from lathe.lang.model import App, Json
from lathe.runtime import telemetry
from lathe.runtime.backoff import Failed
from lathe.runtime.clock import Clock, Ids, SystemClock
from lathe.runtime.config import (
    ApplySettings,
    AppSettings,
    Config,
    LimitSettings,
    Secret,
    aliases_of,
    new_key,
)
from lathe.runtime.housekeeping import Housekeeper
from lathe.runtime.metrics import Metrics
from lathe.runtime.monitor import Alert, Monitor
from lathe.runtime.node import Node
from lathe.runtime.outbox import Report, Settings
from lathe.runtime.placeholders import lookups, wanting
from lathe.runtime.swap import Gate, Swapper
from lathe.runtime.tokens import Tokens
from lathe.store.base import ReadOnlyError, Store, StoreError
from lathe.store.records import Outgoing

TOLD_EVERY_SECONDS = 60.0
"""How often a missing webhook secret is logged."""
GRACE_SECONDS = 20
"""How long running requests may take once the process is told to stop."""
CUT_OFF_SECONDS = 2.0
"""How long requests that are cancelled then have to send their 503."""
KEY_FILE = "key"
COLLECT_AFTER = 50_000
"""Allocations before the garbage collector runs: a request makes hundreds of objects, hardly any in cycles.
"""
SWITCH_SECONDS = 0.0005
"""Python's switch interval: how long the store's thread waits for a busy event loop; a tenth of the default.
"""
Mode = Literal["serve", "dev", "local"]

log = structlog.get_logger("lathe.server")


@frozen
class Assembly:
    """The parts of a process."""

    config: Config
    store: Store
    node: Node
    api: Api
    swapper: Swapper
    checks: Checks
    simulations: Simulations
    metrics: Metrics
    housekeeper: Housekeeper
    keyring: Keyring
    auditor: Auditor
    issuers: Verifier | None


class Gatekeeper(Gate, Inspector, Simulator, Protocol):
    """Checks apps, shows them for review, and simulates them."""


def assemble(config: Config, store: Store, gate: Gatekeeper, *, key: bytes, mode: Mode = "serve") -> Assembly:
    """Build a process; nothing is opened or started yet.

    Only in `dev`, and for a `local` command on a data folder, is somebody who shows nothing somebody.
    """
    if mode == "dev" and config.server.host not in LOOPBACK:
        said = "in development everybody who reaches it holds every role"
        raise UsageError(f"`{config.server.host}` is no loopback address: {said}")
    clock = SystemClock()
    tokens = Tokens(key, clock)
    metrics = Metrics()
    ids = Ids(clock)
    node = _node(config, store, clock, ids, tokens=tokens, metrics=metrics)
    keyring = Keyring(store, node.engine.catalog, clock, ids)
    issuers, sign_in = _issuers(config, clock, metrics, key)
    bearers = TokenAuthenticator(tokens, keyring, node.engine.catalog, clock, perf_counter, issuers)
    authenticator: Authenticator = bearers
    if mode != "serve":
        authenticator = DevAuthenticator(tokens, bearers, is_local=mode == "dev")
    swapper = Swapper(node.engine, gate)
    checks = Checks(clock.now_ms)
    simulations = Simulations(node.engine, gate, authenticator, checks)
    decisions = Decisions(store, node.engine.catalog, clock, ids, aliases=aliases_of(config.issuer))
    holder = Approvals(decisions, _applying(config.app, mode))
    wanted = _wanting(config.app if mode != "local" else None)
    blueprints = Blueprints(node.engine, swapper, authenticator, checks, holder, wanted)
    deciding = DecisionRoutes(node.engine, swapper, authenticator, decisions, blueprints)
    sessions = Sessions(authenticator, bearers, keyring, clock, sign_in)
    api = Api(
        node,
        authenticator,
        cursors=Cursors(key),
        metrics=metrics,
        seconds=perf_counter,
        limits=_limits(config.limits),
        secrets=_secrets(config.app),
        routes=(
            *blueprints.routes(),
            *deciding.routes(),
            *Backups(store, authenticator).routes(),
            *CheckRoutes(node.engine, swapper, gate, authenticator, checks).routes(),
            *simulations.routes(),
            *TokenRoutes(authenticator, keyring, store).routes(),
            *sessions.routes(),
            *SignInRoutes(sign_in, sessions, bearers).routes(),
        ),
        has_open_metrics=config.server.open_metrics,
        overrides=Overrides(node.engine, decisions),
    )
    deciding.commands = api.commands
    _announce(api, checks, simulations)
    monitor = _watching(api, config, metrics)
    failed = _failing(metrics)
    housekeeper = Housekeeper(node.engine, api.intents, monitor, key=key, failed=failed)
    auditor = Auditor(store, clock, bearers.throttle, key=key, failed=failed)
    metrics.overdue.set_function(lambda: housekeeper.overdue)
    return Assembly(
        config,
        store,
        node,
        api,
        swapper,
        checks,
        simulations,
        metrics,
        housekeeper,
        keyring,
        auditor,
        issuers,
    )


def _limits(given: LimitSettings) -> Limits:
    return Limits(
        given.in_flight, given.per_principal_per_second, given.burst, given.body_bytes, given.followers
    )


def _issuers(
    config: Config, clock: Clock, metrics: Metrics, key: bytes
) -> tuple[Verifier | None, SignIn | None]:
    """The configured issuers, and signing in by them. Raises `UsageError`."""
    if not config.issuer:
        return None, None
    from lathe.govern.issuers import Issuers  # late: they load cryptography
    from lathe.govern.signin import SignIns

    found = Issuers.of(config.issuer, clock, seconds=perf_counter, failed=_failing(metrics))
    return found, SignIns.of(found, config.issuer, key=key, clock=clock, read_secret=read_secret)


def _applying(apps: Mapping[str, AppSettings], mode: Mode) -> Callable[[str, str], ApplySettings]:
    """The settings of `apply` by app; in development nothing waits for an approval."""
    free = ApplySettings(held="never")

    def of_app(tenant: str, app: str) -> ApplySettings:
        settings = apps.get(settings_key(tenant, app))
        if settings is not None and (mode == "serve" or settings.apply != ApplySettings()):
            return settings.apply
        return ApplySettings() if mode == "serve" else free

    return of_app


def _node(
    config: Config, store: Store, clock: SystemClock, ids: Ids, *, tokens: Tokens, metrics: Metrics
) -> Node:
    """The runtime node, with its adapters and tracing."""
    node = Node(
        store,
        clock,
        ids,
        performers=performers(config, clock, store),
        lookups=lookups(config.app, tokens, read_secret),
        settings=Settings(worker=f"{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}"),
        report=_report(metrics),
        failed=_failing(metrics),
    )
    node.engine.traces = telemetry.from_environment(os.environ)
    return node


def _watching(api: Api, config: Config, metrics: Metrics) -> Monitor:
    """The monitor of live steps, for the configured share of them."""
    clock = api.node.engine.clock
    monitor = Monitor(_alerting(metrics), now_ms=clock.now_ms, sampled=_every(config.monitor.share))
    api.node.engine.watch(monitor)
    api.alerts = monitor.alerts
    return monitor


def _wanting(apps: Mapping[str, AppSettings] | None) -> Callable[[str, Mapping[str, bytes]], list[str]]:
    """Environment names and secrets that an app uses and the operator did not configure; nothing is missing
    where effects do not run.
    """

    def of_files(tenant: str, files: Mapping[str, bytes]) -> list[str]:
        app = read_app(files).app if apps is not None else None
        return [] if apps is None or app is None else _missed(apps, tenant, app)

    return of_files


def _missed(apps: Mapping[str, AppSettings], tenant: str, app: App) -> list[str]:
    return wanting(
        app, apps.get(settings_key(tenant, app.name), AppSettings()), tenant=tenant, read=read_secret
    )


def _announce(api: Api, checks: Checks, simulations: Simulations) -> None:
    """Publish checks and campaigns on the event stream."""
    tell = api.stream.announce
    checks.on_kept(lambda kept: tell("check", kept.tenant, kept.app, summary(kept)))
    simulations.on_change(lambda one: tell("simulation", one.tenant, one.subject.app, notice(one)))


def _every(share: float) -> Callable[[], bool]:
    """Decides whether a step is monitored, so that this share of them is."""
    if share >= 1:
        return lambda: True
    return lambda: random() < share


def _alerting(metrics: Metrics) -> Callable[[Alert], None]:
    def tell(alert: Alert) -> None:
        metrics.alerts.labels(alert.kind).inc()
        log.warning("alert", kind=alert.kind, app=alert.app, entity=alert.entity, said=alert.said)

    return tell


def _failing(metrics: Metrics) -> Failed:
    """Log and count exceptions of workers; unexpected ones are defects, logged with their traceback."""

    def failed(work: str, error: Exception) -> None:
        metrics.failures.labels(work).inc()
        if isinstance(error, (StoreError, NotFoundError, UnavailableError)):
            log.warning("housekeeping", work=work, error=str(error))
        else:
            log.error("defect", work=work, error=str(error), exc_info=error)

    return failed


def performers(config: Config, clock: SystemClock, store: Store) -> dict[str, Performer]:
    """The adapters of a process; each app can reach and run only what the operator configured."""
    apps = config.app
    public = Addresses()
    reach = {app: Addresses(settings.reach) for app, settings in apps.items()}
    commands = {app: settings.commands for app, settings in apps.items()}
    http = Http(lambda app: reach.get(app, public))

    secret_of = _secrets(apps)

    def signing(tenant: str, app: str) -> str | None:
        settings = apps.get(settings_key(tenant, app))
        name = settings.webhook_secret if settings is not None else ""
        if not name:
            return None
        secret = secret_of(tenant, app, name)
        if not secret:
            raise MissingError(f"the secret `{name}`, which signs what `{app}` sends, cannot be read")
        return secret

    async def module(tenant: str, app: str, digest: str, path: str) -> bytes | None:
        version = await store.version(tenant, app, digest)
        return version.files.get(path) if version is not None else None

    ceilings = {
        app: Ceiling(frozenset(s.wasm.hosts), frozenset(s.wasm.grants), s.wasm.fuel, s.wasm.memory_mib)
        for app, s in apps.items()
    }
    outside = Outside(http, clock.now_ms, _audit)
    return {
        "http": http,
        "emit": Emit(http, signing, clock.now_ms),
        "process": Process(commands),
        "wasm": Wasm(module, ceilings, outside, threads=config.wasm.threads),
    }


def _audit(event: str, keys: Mapping[str, Json]) -> None:
    log.info(event, **keys)


def _secrets(apps: Mapping[str, AppSettings]) -> Secrets:
    told: dict[tuple[str, str, str], float] = {}

    def secret_of(tenant: str, app: str, name: str) -> str | None:
        settings = apps.get(settings_key(tenant, app))
        secret = settings.secrets.get(name) if settings else None
        found = read_secret(secret) if secret is not None else None
        key = tenant, app, name
        if found is None and perf_counter() - told.get(key, -TOLD_EVERY_SECONDS) >= TOLD_EVERY_SECONDS:
            told[key] = perf_counter()  # whoever knocks is not told: it would be none of theirs
            log.warning("inbound", app=app, tenant=tenant, secret=name, said="no secret: nobody is let in")
        return found

    return secret_of


def read_secret(secret: Secret) -> str | None:
    """A secret's value, read from its configured source at every use."""
    if secret.env:
        return os.environ.get(secret.env)
    if secret.file:
        try:
            return Path(secret.file).read_text(encoding="utf-8").strip()
        except OSError:
            return None
    return None


def signing_key(config: Config, folder: str | None) -> bytes:
    """The key that signs tokens and cursors: configured, or generated in the data folder."""
    if config.server.key:
        key = config.server.key.encode()
        if len(key) < 32:
            raise UsageError("`[server] key` has 32 characters or more")
        return key
    if folder is None:
        raise UsageError("set `[server] key`: processes that share a store need the same one")
    path = Path(folder) / KEY_FILE
    if Path(folder).is_file():
        raise ReadOnlyError(f"`{folder}` is a file, where the data folder should be")
    try:
        return _kept_key(path)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise ReadOnlyError(f"the key `{path}` cannot be read or made: {said}") from error


def _kept_key(path: Path) -> bytes:
    """The key in a file, generated if there is none. Raises `OSError`."""
    if path.exists():
        return path.read_bytes().strip()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = new_key().encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key


def _report(metrics: Metrics) -> Report:
    def report(kind: str, outgoing: Outgoing, words: str) -> None:
        if kind == "ended":  # its `error` action is taken: the blueprint has foreseen it
            tell = log.info
        else:
            tell = log.warning
            metrics.alerts.labels(kind).inc()
        tell(
            "effect",
            kind=kind,
            app=outgoing.app,
            entity=outgoing.entity,
            effect=outgoing.effect,
            said=words[:300],
        )

    return report


class _Server(uvicorn.Server):
    """uvicorn's server with a graceful shutdown: requests that have reached this process are answered.

    Whoever was connected by the system, and not yet taken in, would be cut off when the socket is closed.
    """

    def __init__(self, config: uvicorn.Config, api: Api, plug: socket.socket) -> None:
        super().__init__(config)
        self._api = api
        self._plug = plug.dup()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, answer connected clients, and end."""
        connect_nobody(self._plug)
        for server in self.servers:
            server.close()
        for plug in sockets or ():
            plug.close()
        await self._take_in()
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        await self._take_in()
        self._plug.close()
        await super().shutdown()
        if left := [
            *self.server_state.tasks
        ]:  # cut off by uvicorn, unless somebody will not wait: each says so
            for task in left if self.force_exit else ():
                task.cancel()
            await asyncio.wait(left, timeout=CUT_OFF_SECONDS)

    async def _take_in(self) -> None:
        """Serve connections that the kernel has completed."""
        loop = asyncio.get_running_loop()
        for one in connected(self._plug):
            await loop.connect_accepted_socket(self._connection, one)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    def close(self) -> None:
        """Close the socket if it was never served."""
        self._plug.close()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As in uvicorn, but signals are not raised again afterwards: what is queued is still committed."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._api.leave()
        self._api.node.close()
        super().handle_exit(sig, frame)


def run(main: Coroutine[object, object, None]) -> None:
    """Run a process on uvloop if there is one. Objects loaded by now are exempt from garbage collection."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    sys.setswitchinterval(SWITCH_SECONDS)
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop  # late: Windows has none

    uvloop.run(main)


async def serve(
    assembly: Assembly,
    *,
    listening: asyncio.Event | None = None,
    application: Application | None = None,
    first_token: Callable[[str], None] | None = None,
    opened: Callable[[], None] = lambda: None,
) -> None:
    """Open the store, answer requests until SIGTERM or SIGINT, then drain.

    `application` stands before the API where it is more than that. `first_token` is told the operator's token
    that is made if there is none at all yet; `opened` that everything is there, just before requests are.
    """
    server = assembly.config.server
    proxies = networks_of(server.proxies)
    answering = AnswersCancelled(application or assembly.api)
    proxied = Proxied(answering, proxies) if proxies else None
    seen = proxied.seen if proxied is not None else None
    plug = bound(server.host, server.port)
    try:
        await assembly.store.open()
    except BaseException:
        plug.close()
        raise
    try:
        await assembly.node.start()
        for live in assembly.node.engine.catalog.everything():
            for said in _missed(assembly.config.app, live.tenant, live.app):
                log.warning("not given", app=live.app.name, said=said)
        assembly.housekeeper.start()
        assembly.auditor.start()
        made = await assembly.keyring.first() if first_token is not None else None
        if first_token is not None and made is not None:
            first_token(made.text)
        opened()
        config = uvicorn.Config(
            proxied or answering,
            host=server.host,
            port=server.port,
            http=partial(Connection, quick=assembly.api, seen=seen),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        serving = _Server(config, assembly.api, plug)
        if listening is not None:
            asyncio.get_running_loop().create_task(_tell(serving, listening))
        looking = asyncio.create_task(close_slow(serving.server_state.connections), name="slow clients")
        try:
            await serving.serve(sockets=[plug])
        finally:
            looking.cancel()
            serving.close()
            assembly.api.stop()
            await assembly.simulations.stop()
            await assembly.housekeeper.stop()
            await assembly.auditor.stop()
            await assembly.node.stop()
            if assembly.issuers is not None:
                await assembly.issuers.close()
    finally:
        plug.close()
        await assembly.store.close()


def bound(host: str, port: int) -> socket.socket:
    """Bind the address before anything else is opened. Raises `UsageError`."""
    plug = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if sys.platform != "win32":
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plug.bind((host, port))
    except OSError as error:
        plug.close()
        said = os.strerror(error.errno or 0).lower()
        cure = "choose another port (`--port`, or `[server] port` of lathe.toml)"
        raise UsageError(f"`{host}:{port}` cannot be listened at: {said}; {cure}") from None
    return plug


async def _tell(server: uvicorn.Server, listening: asyncio.Event) -> None:
    while not server.started and not server.should_exit:
        await asyncio.sleep(0.01)
    listening.set()
