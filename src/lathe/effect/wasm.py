"""The `wasm` adapter: a function of an app's module, in a fresh instance, on a thread of its own.

A module is compiled once for its bytes, and found by the version of the app that asked, so that an invocation
goes on with the module that it began with. What the blueprint grants counts only as far as the operator does.
Every call, and every line and request of a module, is told to `audit` with the invocation's id.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from importlib import import_module
from threading import local
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from lathe.effect.base import Attempt, Ending
from lathe.effect.wasmhost import Calls, Outside
from lathe.frozen import frozen
from lathe.lang.model import Json
from lathe.machine.event import Cause
from lathe.wasm.interface import (
    DEFAULT_FUEL,
    DEFAULT_MEMORY_MIB,
    MESSAGE_CHARACTERS_LIMIT,
    Answer,
    Bounds,
    Fault,
    FaultCode,
    granted,
)

if TYPE_CHECKING:  # they load wasmtime, which an app without modules never needs
    from lathe.wasm.call import Running, Worker
    from lathe.wasm.inspect import Compiled

K = TypeVar("K")
V = TypeVar("V")

COMPILED_LIMIT = 64
"""Compiled modules that are cached."""
NAMED_LIMIT = 1_024
"""Versions' modules whose bytes are cached by name."""
LEAD_MS = 100
"""A call is stopped this long before its time-out, so that its usage can be recorded."""
STOP_SECONDS = 1.0
"""How long to wait for a cancelled call to stop; it checks its epoch far more often."""

Modules = Callable[[str, str, str, str], Awaitable[bytes | None]]
"""The bytes of a module: by tenant, app, digest of the version, and path."""

CAUSES: Mapping[FaultCode, Cause] = {
    "bad_module": "invalid",
    "no_export": "invalid",
    "not_granted": "refused",
    "trap": "crashed",
    "out_of_fuel": "crashed",
    "out_of_memory": "crashed",
    "interrupted": "timeout",
    "bad_pointer": "crashed",
    "bad_output": "invalid",
    "too_large": "invalid",
}


@frozen
class Ceiling:
    """The operator's limits for an app's modules."""

    hosts: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset({"log", "now", "random"})
    fuel: int = 1_000_000_000
    memory_mib: int = 64


@frozen
class _Asked:
    """One call, from its settings and the operator's limits."""

    function: str
    data: bytes
    grants: frozenset[str]
    hosts: frozenset[str]
    headers: Mapping[str, Json]
    bounds: Bounds


class Wasm:
    """The adapter. `ceilings` are by app; `threads` run side by side, half of them for one app."""

    def __init__(
        self, modules: Modules, ceilings: Mapping[str, Ceiling], outside: Outside, *, threads: int = 4
    ) -> None:
        self._modules = modules
        self._ceilings = ceilings
        self._outside = outside
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._local = local()
        self._shares: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._compiled: OrderedDict[str, Compiled] = OrderedDict()
        self._running: set[Running] = set()

    async def close(self) -> None:
        """Stop running calls."""
        for running in list(self._running):
            running.interrupt()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def perform(self, attempt: Attempt) -> Ending:
        """Call the function; its answer is the end."""
        share = self._shares.setdefault(
            (attempt.tenant, attempt.app), asyncio.Semaphore(max(1, self._threads // 2))
        )
        started = perf_counter()
        ended, spent = "cancelled", dict[str, int]()
        try:
            async with share:
                left_ms = attempt.timeout_ms - int((perf_counter() - started) * 1_000)
                ending, spent = await self._performed(replace(attempt, timeout_ms=max(left_ms, 1)))
            ended = "ok" if ending.ok else ending.message.partition(":")[0][:40]
        finally:
            self._told(attempt, ended, spent, perf_counter() - started)
        return replace(ending, spent=spent, message=ending.message[:MESSAGE_CHARACTERS_LIMIT])

    async def _performed(self, attempt: Attempt) -> tuple[Ending, dict[str, int]]:
        running = await self._fresh()
        try:
            asked = self._asked(attempt)
            key, compiled = await self._module(attempt, asked)
            calls = Calls(
                attempt, self._outside, asked.hosts, asked.headers, asyncio.get_running_loop(), running
            )
            answer = await self._called(attempt, asked, key, compiled, calls, running)
        except Fault as fault:
            has_hosts = bool(attempt.request.get("hosts"))
            return _bad(fault, is_repeatable=has_hosts), _spent(running)
        return _end(answer), _spent(running)

    async def _fresh(self) -> Running:
        """A new call. The first one of a process loads wasmtime, on a thread."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="lathe wasm")
            await asyncio.to_thread(import_module, "lathe.wasm.call")
        from lathe.wasm.call import Running  # late: it loads wasmtime

        return Running()

    def _asked(self, attempt: Attempt) -> _Asked:
        """Read a call from its settings. Raises `Fault`."""
        ceiling = self._ceilings.get(attempt.settings_key, Ceiling())
        request = attempt.request
        functions, hosts, headers = (request.get(name) or () for name in ("grants", "hosts", "headers"))
        assert isinstance(functions, (list, tuple)) and isinstance(hosts, (list, tuple)), "level 0 checked it"
        wanted, named = frozenset(map(str, functions)), frozenset(map(str, hosts))
        for one in sorted((wanted - ceiling.grants) | (named - ceiling.hosts)):
            raise Fault(
                "not_granted", f"the operator does not grant `{one[:80]}` to modules of `{attempt.app}`"
            )
        fuel, memory = request.get("fuel") or DEFAULT_FUEL, request.get("memory_mib") or DEFAULT_MEMORY_MIB
        assert isinstance(fuel, int) and isinstance(memory, int), "level 0 checked it"
        return _Asked(
            function=str(request.get("function") or "run"),
            data=msgspec.json.encode(request.get("input")),
            grants=granted(tuple(sorted(wanted)), has_hosts=bool(named)),
            hosts=named,
            headers=headers if isinstance(headers, dict) else {},
            bounds=Bounds(min(fuel, ceiling.fuel), min(memory, ceiling.memory_mib) * 1_048_576),
        )

    async def _module(self, attempt: Attempt, asked: _Asked) -> tuple[str, Compiled]:
        """The module in the version that requested the call, and its hash. Raises `Fault`."""
        from lathe.wasm.inspect import compile_module, misfits  # late: it loads wasmtime

        path = str(attempt.request["module"])
        name = self._names.get((attempt.digest, path), "")
        if name not in self._compiled:
            data = await self._modules(attempt.tenant, attempt.app, attempt.digest, path)
            if data is None:
                raise Fault("bad_module", f"the version has no `{path[:120]}`")
            name = sha256(data).hexdigest()
            _keep(self._names, (attempt.digest, path), name, NAMED_LIMIT)
            if name not in self._compiled:
                fresh = await asyncio.to_thread(compile_module, data)
                _keep(self._compiled, name, fresh, COMPILED_LIMIT)
        compiled = self._compiled[name]
        for misfit in misfits(compiled, asked.function, asked.grants):
            raise Fault(misfit.code, misfit.message)
        return name, compiled

    async def _called(
        self, attempt: Attempt, asked: _Asked, key: str, compiled: Compiled, calls: Calls, running: Running
    ) -> Answer:
        loop = asyncio.get_running_loop()

        def work() -> Answer:
            return self._worker().run(
                key, compiled, asked.function, asked.data,
                grants=asked.grants, bounds=asked.bounds, host=calls, running=running,
            )  # fmt: skip

        lead = min(LEAD_MS, attempt.timeout_ms // 5)
        timer = loop.call_later((attempt.timeout_ms - lead) / 1_000, calls.stop)
        self._running.add(running)
        future = loop.run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            calls.stop()
            await asyncio.wait([future], timeout=STOP_SECONDS)
            raise
        finally:
            timer.cancel()
            future.add_done_callback(_retrieved)
            self._running.discard(running)

    def _worker(self) -> Worker:
        """The worker of this thread."""
        found: Worker | None = getattr(self._local, "worker", None)
        if found is None:
            from lathe.wasm.call import Worker  # late: it loads wasmtime
            from lathe.wasm.inspect import new_engine

            found = self._local.worker = Worker(new_engine())
        return found

    def _told(self, attempt: Attempt, ended: str, spent: Mapping[str, int], seconds: float) -> None:
        self._outside.audit(
            "wasm.call",
            {
                "invocation": attempt.id,
                "app": attempt.app,
                "effect": attempt.effect,
                "module": attempt.request.get("module"),
                "fuel": spent.get("fuel"),
                "milliseconds": round(seconds * 1_000, 3),
                "ended": ended,
            },
        )


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)


def _retrieved(future: asyncio.Future[Answer]) -> None:
    """Ignore the result of a call that nobody waits for."""
    if not future.cancelled():
        future.exception()


def _spent(running: Running) -> dict[str, int]:
    """The usage of a call; unknown for one that was stopped."""
    return {} if running.is_interrupted else {"fuel": running.fuel}


def _bad(fault: Fault, *, is_repeatable: bool) -> Ending:
    """A bad end; retrying is pointless if the module made no outside request."""
    again = fault.code == "interrupted" or (is_repeatable and CAUSES[fault.code] == "crashed")
    return Ending(
        ok=False,
        cause=CAUSES[fault.code],
        message=f"wasm.{fault.code}: {fault}",
        again=again,
        log=f"wasm.{fault.code}",
    )


def _end(answer: Answer) -> Ending:
    """The end that the module itself returned."""
    if not answer.is_ok:
        return Ending(ok=False, cause="refused", message=answer.text.decode(errors="replace"))
    if answer.results is not None:
        return Ending(ok=True, results=cast(Mapping[str, Json], answer.results))
    try:
        results = msgspec.json.decode(answer.text)
    except (msgspec.DecodeError, RecursionError):
        return _bad(Fault("bad_output", "its answer is no JSON"), is_repeatable=False)
    if not isinstance(results, dict):
        return _bad(Fault("bad_output", "its results are no JSON object"), is_repeatable=False)
    return Ending(ok=True, results=results)
