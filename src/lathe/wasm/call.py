"""One call of a module in a fresh instance, bounded in fuel, memory, stack, bytes and time.

A `Worker` belongs to one thread and has an engine of its own, so that whoever wants a call to end moves the
epoch of that engine alone. A host function never raises into wasmtime's binding, which would hand the
exception to whichever thread looks first: a fault is kept, the fuel is taken away, and the call ends at its
next step.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import msgspec
import wasmtime
from wasmtime import component

from lathe.wasm.inspect import Compiled, first_line
from lathe.wasm.interface import (
    ALLOC,
    COMPONENT_FUNCTIONS,
    HOST_CALL_FUEL,
    HOST_FUNCTIONS,
    HTTP,
    INPUT_BYTES_LIMIT,
    LOG_CHARACTERS_LIMIT,
    MEMORY,
    NAMESPACE,
    OUTPUT_BYTES_LIMIT,
    RANDOM_BYTES_LIMIT,
    TABLE_ELEMENTS_LIMIT,
    Answer,
    Bounds,
    Fault,
)

READY_LIMIT = 32
"""Modules that one worker keeps linked."""
U32 = 0xFFFF_FFFF

Ready = wasmtime.InstancePre | tuple[component.Component, component.Linker]


class Host(Protocol):
    """What the granted functions do. Only `http` and `random` raise `Fault`."""

    def log(self, level: int, text: str) -> None:
        """One line."""

    def now_ms(self) -> int:
        """Milliseconds since 1970."""

    def random(self, length: int) -> bytes:
        """Bytes that nobody can guess."""

    def http(self, request: bytes) -> Answer:
        """Send a request."""


class Running:
    """A call, for whoever may want it to end; `interrupt` may come from any thread and at any time.

    `fuel` is what it has used, once it has ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine: wasmtime.Engine | None = None
        self.is_interrupted = False
        self.fuel = 0

    def interrupt(self) -> None:
        """End the call, or keep it from beginning."""
        with self._lock:
            self.is_interrupted = True
            if self._engine is not None:
                self._engine.increment_epoch()

    def begin(self, store: wasmtime.Store) -> None:
        """From here on an interruption reaches the store. Raises `Fault` if one came before."""
        with self._lock:
            if self.is_interrupted:
                raise Fault("interrupted", "it was stopped before it began")
            store.set_epoch_deadline(1)
            self._engine = store.engine

    def end(self) -> None:
        """Nobody reaches the engine by this call any more."""
        with self._lock:
            self._engine = None


class _Call:
    """The call that a worker is at."""

    def __init__(self, store: wasmtime.Store, host: Host) -> None:
        self.store = store
        self.host = host
        self.fault: Fault | None = None

    def fail(self, fault: Fault) -> None:
        """Remember the first fault, and let nothing more run."""
        self.fault = self.fault or fault
        self.store.set_fuel(0)

    def charge(self, size_bytes: int = 0) -> bool:
        """Take what a host call costs; False: there is not enough, or a fault has been."""
        if self.fault is not None:
            return False
        cost = HOST_CALL_FUEL + size_bytes
        left = self.store.get_fuel()
        self.store.set_fuel(max(left - cost, 0))
        return left >= cost


class Worker:
    """Calls modules, one at a time, all from the thread that made it."""

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine = engine
        self._ready: OrderedDict[tuple[str, frozenset[str]], Ready] = OrderedDict()
        self._call: _Call | None = None

    def run(
        self,
        key: str,
        compiled: Compiled,
        function: str,
        data: bytes,
        *,
        grants: frozenset[str],
        bounds: Bounds,
        host: Host,
        running: Running,
    ) -> Answer:
        """Call `function` of the module that `key` names, in a fresh instance. Raises `Fault`."""
        if len(data) > INPUT_BYTES_LIMIT:
            raise Fault("too_large", f"the input is larger than {INPUT_BYTES_LIMIT} bytes")
        ready = self._linked(key, compiled, grants)
        store = wasmtime.Store(self._engine)
        store.set_limits(bounds.memory_bytes, TABLE_ELEMENTS_LIMIT, instances=32, tables=16, memories=1)
        store.set_fuel(bounds.fuel)
        call = self._call = _Call(store, host)
        try:
            running.begin(store)
            answer = self._answer(ready, call, function, data)
            if call.fault is not None:
                raise call.fault
            return answer
        except Fault as fault:
            raise call.fault or fault from None
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise _fault(error, call, running, bounds) from None
        finally:
            running.end()
            running.fuel = bounds.fuel - store.get_fuel()
            self._call = None
            store.close()

    def _answer(self, ready: Ready, call: _Call, function: str, data: bytes) -> Answer:
        if isinstance(ready, tuple):
            return _run_component(*ready, call.store, function, data)
        return _run_core(ready.instantiate(call.store), call.store, function, data)

    def _linked(self, key: str, compiled: Compiled, grants: frozenset[str]) -> Ready:
        """The module with its host functions, ready to be instantiated. Raises `Fault`."""
        found = self._ready.get((key, grants))
        if found is not None:
            self._ready.move_to_end((key, grants))
            return found
        try:
            ready = self._link(compiled, grants)
        except wasmtime.WasmtimeError as error:
            raise Fault("not_granted", f"it cannot be linked: {first_line(error)}") from None
        while len(self._ready) >= READY_LIMIT:
            self._ready.popitem(last=False)
        self._ready[key, grants] = ready
        return ready

    def _link(self, compiled: Compiled, grants: frozenset[str]) -> Ready:
        if compiled.is_component:
            linker = component.Linker(self._engine)
            with linker.root() as root:
                for name, function in self._for_components().items():
                    if name in grants:
                        root.add_func(name, self._guarded(function, _failed, wasmtime.WasmtimeError))
            return component.Component.deserialize(self._engine, compiled.code), linker
        core = wasmtime.Linker(self._engine)
        for name, host_function in self._for_core().items():
            if name in grants:
                given = None if not HOST_FUNCTIONS[name][1] else 0
                guarded = self._guarded(host_function, partial(_same, given), _NeverError)
                core.define_func(NAMESPACE, name, _type(name), guarded, access_caller=True)
        return core.instantiate_pre(wasmtime.Module.deserialize(self._engine, compiled.code))

    def _guarded(
        self, function: Callable[..., object], failed: Callable[[], object], kept: type[Exception]
    ) -> Callable[..., object]:
        """The function; where it would raise something else than `kept`, the call ends, with `failed`."""

        def guarded(*arguments: object) -> object:
            try:
                return function(*arguments)
            except kept:
                raise
            except Exception as error:  # noqa: BLE001  it would reach another thread's call
                self._current().fail(Fault("trap", f"a host function failed: {type(error).__name__}"))
            return failed()

        return guarded

    def _for_core(self) -> Mapping[str, Callable[..., int | None]]:
        functions: dict[str, Callable[..., int | None]] = {
            "log": self._log,
            "now": self._now,
            "random": self._random,
            HTTP: self._http,
        }
        assert functions.keys() == HOST_FUNCTIONS.keys()
        return functions

    def _current(self) -> _Call:
        assert self._call is not None, "a host function is called from a call"
        return self._call

    def _log(self, caller: wasmtime.Caller, level: int, pointer: int, length: int) -> None:
        call = self._current()
        if call.charge(length & U32):
            text = _read(caller, call, pointer, min(length & U32, 4 * LOG_CHARACTERS_LIMIT))
            if text is not None:
                call.host.log(level, text.decode(errors="replace")[:LOG_CHARACTERS_LIMIT])

    def _now(self, caller: wasmtime.Caller) -> int:
        call = self._current()
        return call.host.now_ms() if call.charge() else 0

    def _random(self, caller: wasmtime.Caller, pointer: int, length: int) -> None:
        call = self._current()
        if not call.charge(length & U32):
            return
        if length & U32 > RANDOM_BYTES_LIMIT:
            call.fail(Fault("too_large", f"`random` gives at most {RANDOM_BYTES_LIMIT} bytes"))
        else:
            _write(caller, call, pointer, call.host.random(length & U32))

    def _http(self, caller: wasmtime.Caller, pointer: int, length: int) -> int:
        call = self._current()
        if not call.charge(length & U32):
            return 0
        if length & U32 > OUTPUT_BYTES_LIMIT:
            call.fail(Fault("too_large", f"a request has at most {OUTPUT_BYTES_LIMIT} bytes"))
            return 0
        request = _read(caller, call, pointer, length & U32)
        if request is None:
            return 0
        try:
            answer = call.host.http(request)
            told = _enveloped(answer)
            place = _allocated(caller, len(told))
        except Fault as fault:
            call.fail(fault)
            return 0
        except (wasmtime.WasmtimeError, wasmtime.Trap):
            call.fail(Fault("trap", f"its `{ALLOC}` failed"))
            return 0
        return _packed(place, len(told)) if _write(caller, call, place, told) else 0

    def _for_components(self) -> Mapping[str, Callable[..., object]]:
        functions: dict[str, Callable[..., object]] = {
            "log": self._log_text,
            "now": self._now_component,
            "random": self._random_bytes,
            HTTP: self._http_text,
        }
        assert functions.keys() == COMPONENT_FUNCTIONS.keys()
        return functions

    def _charged(self, size_bytes: int = 0) -> _Call:
        """The call, once it has paid. Raises `WasmtimeError`, which ends it."""
        call = self._current()
        if not call.charge(size_bytes):
            raise wasmtime.WasmtimeError("out of fuel")
        return call

    def _log_text(self, store: wasmtime.StoreContext, level: int, message: str) -> None:
        self._charged(len(message)).host.log(level, message[:LOG_CHARACTERS_LIMIT])

    def _now_component(self, store: wasmtime.StoreContext) -> int:
        return self._charged().host.now_ms()

    def _random_bytes(self, store: wasmtime.StoreContext, length: int) -> bytes:
        call = self._charged(length)
        if length > RANDOM_BYTES_LIMIT:
            call.fail(Fault("too_large", f"`random` gives at most {RANDOM_BYTES_LIMIT} bytes"))
            raise wasmtime.WasmtimeError("too large")
        return call.host.random(length)

    def _http_text(self, store: wasmtime.StoreContext, request: str) -> component.Variant:
        call = self._charged(len(request))
        try:
            if len(request) > OUTPUT_BYTES_LIMIT:
                raise Fault("too_large", f"a request has at most {OUTPUT_BYTES_LIMIT} bytes")
            answer = call.host.http(request.encode())
        except Fault as fault:
            call.fail(fault)
            raise wasmtime.WasmtimeError("it was refused") from None
        return component.Variant("ok" if answer.is_ok else "err", answer.text.decode())


class _NeverError(Exception):
    """Nothing raises it: what a core module's host function raises ends the call another way."""


def _failed() -> None:
    raise wasmtime.WasmtimeError("a host function failed")


def _same(given: int | None) -> int | None:
    return given


def _type(name: str) -> wasmtime.FuncType:
    kinds = {"i32": wasmtime.ValType.i32, "i64": wasmtime.ValType.i64}
    params, results = HOST_FUNCTIONS[name]
    return wasmtime.FuncType([kinds[kind]() for kind in params], [kinds[kind]() for kind in results])


def _run_core(instance: wasmtime.Instance, store: wasmtime.Store, function: str, data: bytes) -> Answer:
    exports = instance.exports(store)
    memory, alloc, run = exports.get(MEMORY), exports.get(ALLOC), exports.get(function)
    if not isinstance(memory, wasmtime.Memory):
        raise Fault("no_export", f"it exports no `{MEMORY}`")
    if not isinstance(alloc, wasmtime.Func) or not isinstance(run, wasmtime.Func):
        raise Fault("no_export", f"it exports no `{ALLOC if run else function}`")
    try:
        place = alloc(store, wasmtime.Val.i32(len(data)))
        if not isinstance(place, int):
            raise Fault("no_export", f"its `{ALLOC}` gives no pointer")
        place &= U32
        if place + len(data) > memory.data_len(store):
            raise Fault("bad_pointer", f"`{ALLOC}` gives a place that is not in its memory")
        ctypes.memmove(_address(memory, store) + place, data, len(data))
        signed = place - (1 << 32) if place >> 31 else place
        packed = run(store, wasmtime.Val.i32(signed), wasmtime.Val.i32(len(data)))
    except (TypeError, OverflowError):
        raise Fault("no_export", f"its `{function}` or `{ALLOC}` has another type") from None
    if not isinstance(packed, int):
        raise Fault("no_export", f"its `{function}` gives no pointer and length")
    start, length = (packed >> 32) & U32, packed & U32
    if length > OUTPUT_BYTES_LIMIT:
        raise Fault("too_large", f"its answer is larger than {OUTPUT_BYTES_LIMIT} bytes")
    if start + length > memory.data_len(store):
        raise Fault("bad_pointer", "its answer does not lie in its memory")
    return _opened(ctypes.string_at(_address(memory, store) + start, length))


def _run_component(
    found: component.Component, linker: component.Linker, store: wasmtime.Store, function: str, data: bytes
) -> Answer:
    run = linker.instantiate(store, found).get_func(store, function)
    if run is None:
        raise Fault("no_export", f"it exports no `{function}`")
    try:
        answer = run(store, data.decode())
    except TypeError:
        raise Fault("no_export", f"its `{function}` has another type") from None
    if not isinstance(answer, component.Variant) or not isinstance(answer.payload, str):
        raise Fault("no_export", f"its `{function}` gives no `result<string, string>`")
    text = answer.payload.encode()
    if len(text) > OUTPUT_BYTES_LIMIT:
        raise Fault("too_large", f"its answer is larger than {OUTPUT_BYTES_LIMIT} bytes")
    return Answer(answer.tag == "ok", text)


def _opened(text: bytes) -> Answer:
    """A core module's answer without its envelope."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Fault("bad_output", "its answer is no JSON") from None
    match document:
        case {"ok": dict(results), **rest} if not rest:
            return Answer(True, text, results)
        case {"error": str(message), **rest} if not rest:
            return Answer(False, message.encode())
    raise Fault("bad_output", 'its answer is neither `{"ok": {…}}` nor `{"error": "…"}`')


def _enveloped(answer: Answer) -> bytes:
    """What a host function gives a core module: in the envelope that the module's own answer has."""
    if answer.is_ok:
        return b'{"ok":' + answer.text + b"}"
    return msgspec.json.encode({"error": answer.text.decode(errors="replace")})


def _packed(place: int, length: int) -> int:
    packed = (place << 32) | length
    return packed - (1 << 64) if packed >> 63 else packed


def _allocated(caller: wasmtime.Caller, length: int) -> int:
    """A place for an answer, from the module's own `alloc`. Raises `Fault`."""
    alloc = caller.get(ALLOC)
    place = alloc(caller, length) if isinstance(alloc, wasmtime.Func) else None
    if not isinstance(place, int):
        raise Fault("no_export", f"it exports no `{ALLOC}` that an answer could be written to")
    return place & U32


def _address(memory: wasmtime.Memory, store: wasmtime.Store | wasmtime.Caller) -> int:
    """Where a memory begins, until it grows. What is read or written there was compared with its length."""
    return ctypes.addressof(memory.data_ptr(store).contents)


def _memory(caller: wasmtime.Caller, call: _Call, pointer: int, length: int) -> wasmtime.Memory | None:
    """The module's memory, if it holds so many bytes there."""
    memory = caller.get(MEMORY)
    if isinstance(memory, wasmtime.Memory) and (pointer & U32) + length <= memory.data_len(caller):
        return memory
    call.fail(Fault("bad_pointer", "it gave a host function a place that is not in its memory"))
    return None


def _read(caller: wasmtime.Caller, call: _Call, pointer: int, length: int) -> bytes | None:
    memory = _memory(caller, call, pointer, length)
    return None if memory is None else ctypes.string_at(_address(memory, caller) + (pointer & U32), length)


def _write(caller: wasmtime.Caller, call: _Call, pointer: int, data: bytes) -> bool:
    memory = _memory(caller, call, pointer, len(data))
    if memory is None:
        return False
    ctypes.memmove(_address(memory, caller) + (pointer & U32), data, len(data))
    return True


def _fault(error: Exception, call: _Call, running: Running, bounds: Bounds) -> Fault:
    """Why a call ended before it answered."""
    if call.fault is not None:
        return call.fault
    if running.is_interrupted:
        return Fault("interrupted", "it was stopped")
    if call.store.get_fuel() == 0:
        return Fault("out_of_fuel", f"it used all of its {bounds.fuel} units of fuel")
    said = str(error)
    if "memory minimum size" in said or "memory limits" in said:
        return Fault("out_of_memory", f"it wants more memory than its {bounds.memory_bytes >> 20} MiB")
    trapped = [line.partition("wasm trap: ")[2] for line in said.splitlines() if "wasm trap: " in line]
    return Fault("trap", f"it trapped: {trapped[0] if trapped else first_line(error)}"[:300])
