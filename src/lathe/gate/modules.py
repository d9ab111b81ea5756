"""Whether the modules that effects name can be run as those effects say (LT111); it loads wasmtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.check.read import finding
from lathe.check.reporting.report import Finding
from lathe.lang.model import App, Effect, Setting
from lathe.wasm.inspect import Compiled, compile_module, misfits
from lathe.wasm.interface import Fault, granted


def module_findings(app: App, files: Mapping[str, bytes]) -> Iterator[Finding]:
    """LT111 for each effect whose module does not compile, lacks an export or imports what is not granted."""
    compiled: dict[str, Compiled | Fault] = {}
    for blueprint in app.blueprints.values():
        for effect in blueprint.effects.values():
            if effect.uses != "wasm":
                continue
            path = str(effect.settings["module"])
            if path not in compiled:
                compiled[path] = _compiled(files[path])
            yield from _judged(effect, path, compiled[path])


def _compiled(data: bytes) -> Compiled | Fault:
    try:
        return compile_module(data)
    except Fault as fault:
        return fault


def _judged(effect: Effect, path: str, found: Compiled | Fault) -> Iterator[Finding]:
    if isinstance(found, Fault):
        yield finding("LT111", f"`{path}` cannot be run: {found}", effect.span, "build it again")
        return
    grants = granted(_words(effect.settings.get("grants")), has_hosts=bool(effect.settings.get("hosts")))
    for misfit in misfits(found, str(effect.settings["function"]), grants):
        yield finding("LT111", f"`{path}`: {misfit.message}", effect.span, misfit.cure)


def _words(setting: Setting) -> tuple[str, ...]:
    return tuple(str(word) for word in setting) if isinstance(setting, tuple) else ()
