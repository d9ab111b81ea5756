"""A remark on traces that rely on timing: the search lets any armed timer fire first."""

from __future__ import annotations

from lathe.lang.model import App, Blueprint
from lathe.machine.trace import Trace, TracePart, TraceStep


def remark(trace: Trace, app: App) -> str:
    """A sentence if the timer of one state comes before a shorter one that was armed no later, else nothing.

    Deadlines are data and come whenever they were set to, so only the timers of states are compared.
    """
    states: dict[str, str] = {}
    armed: dict[str, tuple[int, int]] = {}
    for index, step in enumerate(trace.steps):
        if step.refused is not None:
            continue
        if step.event == "timer" and step.timer is None and step.entity in armed:
            since, after_ms = armed[step.entity]
            for other, (other_since, other_after_ms) in sorted(armed.items()):
                if other_since <= since and other_after_ms < after_ms:
                    return (
                        f"in this run the timer of {step.entity} in `{states[step.entity]}` comes before "
                        f"the shorter one of {other} in `{states[other]}`"
                    )
        for part in step.parts:
            _follow(app, step, part, index, states, armed)
    return ""


def _follow(
    app: App,
    step: TraceStep,
    part: TracePart,
    index: int,
    states: dict[str, str],
    armed: dict[str, tuple[int, int]],
) -> None:
    """Keep the state of an entity after its part in a step, and since when a timer is armed in it."""
    blueprint: Blueprint | None = app.blueprints.get(part.entity.partition("#")[0])
    action = blueprint.actions.get(part.action or "") if blueprint else None
    if blueprint is None or action is None:
        return
    state = part.changes.get("state", (None, None))[1]
    if isinstance(state, str):
        states[part.entity] = state
    is_own_timer = step.event == "timer" and step.timer is None and part.entity == step.entity
    if action.begins_visit or is_own_timer:
        after_ms = blueprint.states[states[part.entity]].after_ms
        armed.pop(part.entity, None)
        if after_ms is not None:
            armed[part.entity] = (index, after_ms)
