"""Two libraries of state machines: one guarded transition, in memory, nothing kept.

python in_memory.py transitions|statemachine SECONDS
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from time import perf_counter

LOT = 200


def of_transitions() -> Callable[[], object]:
    """`transitions`: a machine of three states; the trigger that goes round."""
    from transitions import Machine

    class Task:
        total = 0

        def is_small(self) -> bool:
            return self.total < 1_000_000_000

        def add(self) -> None:
            self.total += 1

    task = Task()
    machine = Machine(task, states=["open", "closed", "gone"], initial="open", auto_transitions=False)
    machine.add_transition("tell", "open", "open", conditions="is_small", after="add")
    machine.add_transition("close", "open", "closed")
    machine.add_transition("drop", "closed", "gone")
    return lambda: task.tell()  # type: ignore[attr-defined]


def of_statemachine() -> Callable[[], object]:
    """`python-statemachine`: the same."""
    from statemachine import State, StateMachine

    class Task(StateMachine):
        open = State(initial=True)
        closed = State()
        gone = State(final=True)
        tell = open.to.itself(cond="is_small", on="add")
        close = open.to(closed)
        drop = closed.to(gone)
        total = 0

        def is_small(self) -> bool:
            return self.total < 1_000_000_000

        def add(self) -> None:
            self.total += 1

    task = Task()
    return lambda: task.tell()


def main() -> None:
    """Count for so long, and print one line."""
    act = {"transitions": of_transitions, "statemachine": of_statemachine}[sys.argv[1]]()
    end, count = perf_counter() + float(sys.argv[2]), 0
    begun = perf_counter()
    while perf_counter() < end:
        for _ in range(LOT):
            act()
        count += LOT
    print(json.dumps({"rate": count / (perf_counter() - begun)}))


main()
