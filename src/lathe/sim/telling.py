"""A simulated run as a trace: its committed steps, with readable names for entities."""

from __future__ import annotations

from lathe.machine.naming import name_all, renamed
from lathe.machine.swap import told_swap
from lathe.machine.trace import Trace, TraceStep, identity
from lathe.machine.trace_step import told
from lathe.sim.oracle import Swapped
from lathe.sim.run import Outcome


def trace_of(outcome: Outcome) -> Trace:
    """The run up to what was found, as `lathe.trace/1`. What was found is false at its last step, or is
    about something else than the steps: `Outcome.violation` says which.
    """
    names: dict[str, str] = {}
    steps: list[TraceStep] = []
    for one in outcome.history:
        if isinstance(one, Swapped):
            steps.append(told_swap(one.old.table, one.new.table, one.before, one.after))
        else:
            steps.append(told(one.loaded.table, one.world, one.event, one.outcome))
        name_all(names, one.after if isinstance(one, Swapped) else one.world)
    name_all(names, outcome.last_world)
    told_steps = tuple(renamed(step, names) for step in steps)
    found = outcome.violation
    clauses = found.broken.clauses if found is not None and found.broken is not None else ()
    return Trace(identity(told_steps), outcome.app, outcome.digest, told_steps, clauses)
