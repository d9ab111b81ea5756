"""LT801: what the budget, a sample or a policy left undecided, and the ways out."""

from __future__ import annotations

from lathe.check.bounds import UndecidedError
from lathe.check.composed.system import System
from lathe.check.read import finding
from lathe.check.reporting.report import Finding
from lathe.lang.model import App

WIDEST_TOLD = 4


def _widest(system: System | None) -> str:
    """The fields whose values multiply the states most, as an aside."""
    sizes = {
        f"{slot.blueprint.name}.{name}": variable.size
        for slot in (system.layout.slots if system is not None else ())
        for name, variable in (*slot.fields.items(), *slot.ghosts.items())
        if variable.size > 2 and variable.kind.kind in ("int", "enum", "set")
    }
    widest = sorted(sizes, key=lambda name: (-sizes[name], name))[:WIDEST_TOLD]
    told = [f"`{name}` {sizes[name]:,}{' values' if name == widest[0] else ''}" for name in widest]
    return f" (of {', '.join(told)})" if told else ""


def undecided(app: App, message: str, system: System | None = None) -> Finding:
    """LT801: the budget ended first, or a sample did not settle it. `system` was searched last."""
    larger = "a larger `budget_states` there" if "budget of states" in message else "a larger `--budget`"
    cure = (
        f"give it smaller ranges{_widest(system)} or fewer instances (`[scope]` in app.toml), {larger}, "
        "or accept the bounds with `--accept-bounds`"
    )
    if "larger scope" in message:
        cure = f"say in `[scope]` of app.toml how many of each are enough, {cure}"
    if "was asked of" in message:
        cure = f"say in `[scope]` of app.toml how many show it, so that they are searched at once, {larger}, "
        cure += "or accept the bounds with `--accept-bounds`"
    if message.startswith("whether"):
        cure = f"look at what leads there, or {cure}"
    if "sample" in message:
        cure = "narrow the range to 64 values or fewer, or accept the bounds with `--accept-bounds`"
    return finding("LT801", message, app.span, cure)


def unsettled(error: UndecidedError) -> Finding:
    """LT801 for a policy that no search can decide, at its place."""
    cure = (
        "let it read what a search knows (state, ints, enums, ids, whether something is set), "
        "or say it in the guard of the action"
    )
    return finding("LT801", f"nothing can be decided: {error}", error.span, cure)
