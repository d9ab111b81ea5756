"""Compiles a module and checks its exports and imports before anything of it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import wasmtime
from wasmtime import component

from lathe.frozen import frozen
from lathe.wasm.interface import (
    ALLOC,
    COMPONENT_FUNCTIONS,
    COMPONENT_RUN,
    HOST_FUNCTIONS,
    HTTP,
    MEMORY,
    NAMESPACE,
    STACK_BYTES,
    Fault,
    FaultCode,
)

MAGIC = b"\0asm"
COMPONENT_LAYER = b"\x0d\0\x01\0"
"""Version and layer of a component, behind the magic number."""
RUNS = (("i32", "i32"), ("i64",))
ALLOCATES = (("i32",), ("i32",))


@frozen
class Compiled:
    """A module as machine code, for engines made by `new_engine` in this process, and what it says of itself.

    `exports` and `imports` are signatures by name: `(i32, i32) -> i64` of a core module's function,
    `func(string) -> string` of a component's, `memory`, or another word for what is neither.
    """

    is_component: bool
    code: bytes
    exports: Mapping[str, str]
    imports: Mapping[str, str]


@frozen
class Misfit:
    """Why a module cannot be run as an effect says, and what would help."""

    code: FaultCode
    message: str
    cure: str


def new_engine() -> wasmtime.Engine:
    """An engine that counts fuel, can be interrupted, and has no feature that is shared or not repeatable."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.max_wasm_stack = STACK_BYTES
    config.cranelift_nan_canonicalization = True
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_multi_memory = False
    config.wasm_relaxed_simd = False
    config.wasm_gc = False
    return wasmtime.Engine(config)


def binary(data: bytes) -> bytes:
    """A module's file as binary: WebAssembly text is translated. Raises `Fault`."""
    if data.startswith(MAGIC):
        return data
    try:
        return bytes(wasmtime.wat2wasm(data))
    except (wasmtime.WasmtimeError, ValueError) as error:
        raise Fault("bad_module", f"it is no WebAssembly: {first_line(error)}") from None


def is_component(module: bytes) -> bool:
    """Whether a binary is a component, not a core module."""
    return module[4:8] == COMPONENT_LAYER


def compile_module(data: bytes) -> Compiled:
    """Compile a module's file. Raises `Fault`."""
    module = binary(data)
    engine = new_engine()
    try:
        if is_component(module):
            return _component(engine, component.Component(engine, module))
        return _core(wasmtime.Module(engine, module))
    except wasmtime.WasmtimeError as error:
        raise Fault("bad_module", f"it cannot be compiled: {first_line(error)}") from None


def _core(module: wasmtime.Module) -> Compiled:
    exports = {export.name: _core_kind(export.type) for export in module.exports}
    imports = {f"{one.module}.{one.name or ''}": _core_kind(one.type) for one in module.imports}
    return Compiled(False, bytes(module.serialize()), exports, imports)


def _core_kind(found: object) -> str:
    if isinstance(found, wasmtime.FuncType):
        return shown((tuple(map(str, found.params)), tuple(map(str, found.results))))
    return "memory" if isinstance(found, wasmtime.MemoryType) else type(found).__name__


def _component(engine: wasmtime.Engine, found: component.Component) -> Compiled:
    exports = {name: _component_kind(one.ty) for name, one in found.type.exports(engine).items()}
    imports = {name: _component_kind(one.ty) for name, one in found.type.imports(engine).items()}
    return Compiled(True, bytes(found.serialize()), exports, imports)


def _component_kind(found: object) -> str:
    if not isinstance(found, component.FuncType):
        return type(found).__name__
    params = ", ".join(_value_kind(kind) for _, kind in found.params)
    return f"func({params})" + (f" -> {_value_kind(found.result)}" if found.result is not None else "")


def _value_kind(found: object) -> str:
    """The name of a type in WIT, as deep as the interface goes."""
    if isinstance(found, component.ResultType):
        return f"result<{_value_kind(found.ok)}, {_value_kind(found.err)}>"
    if isinstance(found, component.ListType):
        return f"list<{type(found.element).__name__.lower()}>"
    return type(found).__name__.lower()


def misfits(compiled: Compiled, function: str, grants: Collection[str]) -> tuple[Misfit, ...]:
    """What keeps a module from being run: none if it has the exports, and imports only what is granted."""
    if compiled.is_component:
        wanted = {function: COMPONENT_RUN}
        known = COMPONENT_FUNCTIONS
    else:
        wanted = {MEMORY: MEMORY, ALLOC: shown(ALLOCATES), function: shown(RUNS)}
        known = {f"{NAMESPACE}.{name}": shown(signature) for name, signature in HOST_FUNCTIONS.items()}
    return (*_exported(compiled, wanted), *_imported(compiled, known, grants))


def _exported(compiled: Compiled, wanted: Mapping[str, str]) -> Iterator[Misfit]:
    for name, kind in wanted.items():
        found = compiled.exports.get(name)
        said = f"`{name}`" if name == kind else f"`{name}` as `{kind}`"
        if found is None:
            names = ", ".join(f"`{one[:40]}`" for one in sorted(compiled.exports)[:8])
            yield Misfit("no_export", f"it exports no {said}", f"it exports {names or 'nothing'}")
        elif found != kind:
            yield Misfit("no_export", f"its `{name}` is `{found[:80]}`", f"export {said}")


def _imported(compiled: Compiled, known: Mapping[str, str], grants: Collection[str]) -> Iterator[Misfit]:
    for name, kind in sorted(compiled.imports.items()):
        bare = name.removeprefix(f"{NAMESPACE}.")
        if name not in known:
            cure = f"there are {', '.join(f'`{one}`' for one in known)}"
            yield Misfit("not_granted", f"it imports `{name[:80]}`, which is no host function", cure)
        elif bare not in grants:
            cure = 'name the hosts in `hosts = ["…"]`' if bare == HTTP else f'add "{bare}" to `grants`'
            yield Misfit("not_granted", f"it imports `{name}`, which it was not granted", cure)
        elif kind != known[name]:
            yield Misfit("not_granted", f"it imports `{name}` as `{kind[:80]}`", f"it is `{known[name]}`")


def shown(signature: tuple[tuple[str, ...], tuple[str, ...]]) -> str:
    """A core function's type, as people write it."""
    params, results = signature
    return f"({', '.join(params)})" + (f" -> {', '.join(results)}" if results else "")


def first_line(error: Exception) -> str:
    """What wasmtime says, without where in its own code it says it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
