"""The arrows of ARCHITECTURE.md, read from the imports of every module."""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src"

MAY_IMPORT = {
    "frozen": set(),
    "errors": {"frozen"},
    "lang": {"frozen", "errors"},
    "machine": {"frozen", "errors", "lang"},
    "policy": {"frozen", "errors", "lang", "machine"},
    "check": {"frozen", "errors", "lang", "machine", "policy"},
    "store": {"frozen", "errors", "lang", "machine"},
    "wasm": {"frozen", "errors"},
    "effect": {"frozen", "errors", "lang", "machine", "wasm"},
    "runtime": {"frozen", "errors", "lang", "machine", "policy", "store", "effect"},
    "govern": {"frozen", "errors", "lang", "machine", "policy", "store", "effect", "runtime"},
    "api": {"frozen", "errors", "lang", "machine", "policy", "store", "effect", "runtime", "govern"},
    "console": {
        "frozen",
        "errors",
        "lang",
        "machine",
        "policy",
        "store",
        "effect",
        "runtime",
        "govern",
        "api",
    },
    "sim": {"frozen", "errors", "lang", "machine", "policy", "store", "effect", "runtime", "govern", "api"},
    "reader": {"frozen", "errors", "lang"},
    "probe": {
        "frozen",
        "errors",
        "lang",
        "reader",
        "machine",
        "policy",
        "store",
        "effect",
        "runtime",
        "api",
        "sim",
    },
    "testing": {"frozen", "errors", "lang", "machine"},
    "gate": {"frozen", "errors", "lang", "machine", "policy", "check", "testing", "sim", "probe", "wasm"},
    "agents": {"frozen", "errors", "lang", "api", "gate"},
    "cli": {
        "agents",
        "frozen",
        "errors",
        "lang",
        "machine",
        "policy",
        "check",
        "testing",
        "gate",
        "store",
        "effect",
        "runtime",
        "govern",
        "api",
        "console",
        "sim",
    },
}
WITHIN = {
    "store": {
        "": {"migrations"},
        "migrations": {""},
        "sqlite": {"", "migrations"},
        "postgres": {"", "migrations"},
    },
    "api": {
        "wire": set(),
        "access": {"wire"},
        "entities": {"wire", "access"},
        "review": {"wire", "access", "entities"},
        "identity": {"wire", "access", "entities"},
    },
    "check": {
        "composed": {""},
        "search": {"", "composed"},
        "judge": {"", "composed", "search"},
        "arrays": {"", "composed", "search", "judge"},
        "reporting": {"", "composed", "search", "judge"},
        "widening": {"", "composed", "search", "judge", "reporting"},
        "migration": {"", "composed", "search", "judge", "reporting", "widening"},
        "skeleton": {"", "composed", "search", "judge", "arrays", "reporting", "widening", "migration"},
        "algebra": {"", "composed", "search", "judge", "reporting", "widening", "migration", "skeleton"},
        "mutation": set(),
        "export": {"", "composed", "search", "judge"},
    },
}
"""What parts of a room may import of the room; "" are the modules in no part. Others may all."""
LATER = {
    "check": {
        "search": {"arrays"},
        "judge": {"arrays"},
        "reporting": {"arrays"},
        "widening": {"arrays", "algebra"},
        "migration": {"arrays", "algebra", "skeleton"},
    },
}
"""What they may import within functions besides: loaded only where a search has grown, or did not end."""
PURE = {"lang", "machine", "policy", "check"}
IMPURE = {
    "asyncio", "os", "socket", "time", "random", "logging", "subprocess", "threading", "multiprocessing",
    "pathlib", "shutil", "tempfile", "urllib", "http", "secrets", "uuid", "io",
}  # fmt: skip
THIRD_PARTY = {
    "policy": {"cedarpy"},
    "check": {"numpy", "scipy", "z3"},
    "frozen": {"msgspec"},
    "store": {"msgspec", "apsw", "asyncpg"},
    "wasm": {"msgspec", "wasmtime"},
    "effect": {"msgspec", "httpx2"},
    "runtime": {"msgspec", "structlog", "prometheus_client", "opentelemetry"},
    "govern": {"msgspec", "joserfc"},
    "api": {"msgspec", "starlette", "uvicorn", "uvloop", "structlog", "prometheus_client"},
    "console": {"msgspec", "starlette"},
    "sim": {"msgspec", "ray"},
    "probe": {"msgspec"},
    "agents": {"httpx2", "mcp", "mcp_types"},
    "cli": {"click", "httpx2", "msgspec"},
    "testing": {"hypothesis"},
}
HEAVY = {"numpy", "scipy", "z3", "cedarpy", "wasmtime", "joserfc"}
LAZY = (
    "lathe.check.arrays",
    "lathe.check.algebra",
    "lathe.check.skeleton",
    "lathe.check.composed.columns",
    "lathe.check.judge.decisions",
    "lathe.check.reporting.permissions",
    "lathe.check.composed.policies",
    "lathe.check.reporting.policy_findings",
    "lathe.policy.engine",
    "lathe.policy.permit",
    "lathe.policy.clauses",
    "lathe.policy.policies",
    "lathe.gate.modules",
    "lathe.gate.proofs",
    "lathe.gate.schedules",
    "lathe.govern.issuers",
    "lathe.govern.signin",
    "lathe.govern.jwt",
    "lathe.wasm.call",
    "lathe.wasm.inspect",
)
"""The modules that load something heavy as they are imported; others import them only where needed."""

MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}


def none(offences: list[str]) -> None:
    """Fail with the whole list, if there is any."""
    assert not offences, "\n".join(["", *offences])


def room(module: str) -> str:
    """The part of `lathe` that a module stands in; empty for `lathe` itself."""
    return [*module.split("."), ""][1]


@cache
def imports(module: str) -> tuple[tuple[str, int, bool], ...]:
    """Every module that one imports, on which line, and whether at the top of the file."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found: list[tuple[str, int, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{module}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.append((inner if inner in MODULES else node.module, node.lineno, id(node) in top))
    return tuple(found)


def may(module: str, imported: str, *, is_top: bool) -> bool:
    """Whether an arrow, or the rules about the standard library and other packages, allow an import."""
    root = imported.partition(".")[0]
    if root == "lathe":
        if is_top and imported.startswith(LAZY) and not module.startswith(LAZY):
            return False
        return room(imported) in {"", "frozen", room(module), *MAY_IMPORT.get(room(module), set())}
    if root in sys.stdlib_module_names:
        return room(module) not in PURE or root not in IMPURE
    is_lazy = module.startswith(LAZY)
    return root in THIRD_PARTY.get(room(module), set()) and (is_lazy or not (root in HEAVY and is_top))


def test_imports_follow_the_arrows() -> None:
    against = [
        f"{module}:{line} imports {imported}"
        for module in MODULES
        for imported, line, is_top in imports(module)
        if not may(module, imported, is_top=is_top)
    ]
    none(against)


def part(module: str) -> str:
    """The package of its room that a module stands in; empty for one that stands in the room itself."""
    inner = module.split(".")[2:]
    is_package = MODULES[module].name == "__init__.py"
    return inner[0] if len(inner) > 1 or (inner and is_package) else ""


def within(module: str, *, is_top: bool) -> set[str]:
    """The parts of its room that a module may import."""
    later = set() if is_top else LATER.get(room(module), {}).get(part(module), set())
    return WITHIN[room(module)][part(module)] | later


def test_parts_of_a_room_follow_the_arrows_within_it() -> None:
    against = [
        f"{module}:{line} imports {imported}"
        for module in MODULES
        if part(module) in WITHIN.get(room(module), {})
        for imported, line, is_top in imports(module)
        if imported in MODULES and room(imported) == room(module) and part(imported) != part(module)
        if part(imported) not in within(module, is_top=is_top)
    ]
    none(against)


def test_every_room_has_its_arrows() -> None:
    assert {room(module) for module in MODULES} - {""} == set(MAY_IMPORT)


def test_nothing_imports_the_command_line() -> None:
    for module in MODULES:
        if room(module) != "cli":
            assert not [i for i, _, _ in imports(module) if room(i) == "cli" and i.startswith("lathe")], (
                module
            )


def test_no_modules_import_each_other_in_a_circle() -> None:
    edges = {m: sorted({i for i, _, _ in imports(m) if i in MODULES and i != m}) for m in MODULES}
    waiting = dict(edges)
    while waiting:
        free = [module for module, needs in waiting.items() if not set(needs) & set(waiting)]
        assert free, f"a circle among {_circle(waiting)}"
        for module in free:
            del waiting[module]


def _circle(edges: dict[str, list[str]]) -> list[str]:
    path = [next(iter(edges))]
    while path[-1] not in path[:-1]:
        path.append(next(needed for needed in edges[path[-1]] if needed in edges))
    return path[path.index(path[-1]) :]
