"""The scalable models of the benches, as guarded commands: what every tool is given alike.

They are the classics: two-phase commit (Gray and Lamport, 2006, without the disk), dining philosophers,
and a rollout of brokers over a channel that loses, repeats and reorders. Each is a list of variables and
guarded commands, in the checker's own formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lathe.check.arrays.expand import Model
from lathe.check.composed import ir
from lathe.check.composed.command import Command, Label
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Variable
from lathe.lang.model import Principal
from lathe.lang.types import BOOL


@dataclass
class Guarded:
    """A model in the making: variables with their first values, commands, what must never be."""

    name: str
    variables: list[Variable] = field(default_factory=list)
    first: list[int] = field(default_factory=list)
    commands: list[tuple[str, Formula, dict[int, Formula]]] = field(default_factory=list)
    wrong: Formula = ir.FALSE
    blocks: list[list[Variable]] = field(default_factory=list)

    def variable(self, name: str, size: int, first: int = 0) -> Variable:
        """A variable of `size` codes."""
        offset = self.variables[-1].offset + self.variables[-1].width if self.variables else 0
        made = Variable(len(self.variables), name, BOOL, size, offset)
        self.variables.append(made)
        self.first.append(first)
        return made

    def command(self, name: str, guard: list[Formula], changes: dict[Variable, Formula | int]) -> None:
        """A guarded command: conditions that must all hold, and what becomes of variables."""
        updates = {v.index: ir.const(x) if isinstance(x, int) else x for v, x in changes.items()}
        self.commands.append((name, ir.both(*guard), updates))

    @property
    def initial(self) -> int:
        return sum(code << v.offset for code, v in zip(self.first, self.variables, strict=True))

    def model(self) -> Model:
        """What the search is given."""
        made = []
        for index, (name, guard, updates) in enumerate(self.commands):
            label = Label("act", None, Principal("any"), name)  # type: ignore[arg-type]
            made.append(Step(label, None, guard, updates, index=index))
        words = max(1, -(-(self.variables[-1].offset + self.variables[-1].width) // 64))
        return Model(self.variables, made, [(None, -1, tuple(made))], (), words)


class Step(Command):
    """A command that always counts as a step."""

    @property
    def is_committed(self) -> bool:
        """Every guarded command of these models does."""
        return True


def has(variable: Variable, code: int) -> Formula:
    """That a variable has a value."""
    return ir.eq(variable.formula, ir.const(code))


def two_phase_commit(n: int) -> Guarded:
    """Lamport's TwoPhase: a manager and n participants; messages stay in the network."""
    m = Guarded(f"twophase:{n}")
    manager = m.variable("tm", 3)
    commit, abort = m.variable("commit", 2), m.variable("abort", 2)
    people = [
        (m.variable(f"rm{i}", 4), m.variable(f"heard{i}", 2), m.variable(f"sent{i}", 2)) for i in range(n)
    ]
    m.blocks = [list(p) for p in people]
    working, prepared, committed, aborted = range(4)
    for i, (state, heard, sent) in enumerate(people):
        m.command(f"receive{i}", [has(manager, 0), has(sent, 1)], {heard: 1})
        m.command(f"prepare{i}", [has(state, working)], {state: prepared, sent: 1})
        m.command(f"choose_abort{i}", [has(state, working)], {state: aborted})
        m.command(f"commit{i}", [has(commit, 1)], {state: committed})
        m.command(f"abort{i}", [has(abort, 1)], {state: aborted})
    m.command("tm_commit", [has(manager, 0), *(has(h, 1) for _, h, _ in people)], {manager: 1, commit: 1})
    m.command("tm_abort", [has(manager, 0)], {manager: 2, abort: 1})
    some = [ir.either(*(has(s, code) for s, _, _ in people)) for code in (committed, aborted)]
    m.wrong = ir.both(*some)
    return m


def philosophers(n: int) -> Guarded:
    """Each takes the left fork, then the right one, and puts them down in the same order."""
    m = Guarded(f"philosophers:{n}")
    people = [(m.variable(f"person{i}", 4), m.variable(f"fork{i}", 2)) for i in range(n)]
    thinking, one, eating, leaving = range(4)
    for i, (me, left) in enumerate(people):
        right = people[(i + 1) % n][1]
        m.command(f"take_left{i}", [has(me, thinking), has(left, 0)], {me: one, left: 1})
        m.command(f"take_right{i}", [has(me, one), has(right, 0)], {me: eating, right: 1})
        m.command(f"put_left{i}", [has(me, eating)], {me: leaving, left: 0})
        m.command(f"put_right{i}", [has(me, leaving)], {me: thinking, right: 0})
    near = [(people[i][0], people[(i + 1) % n][0]) for i in range(n)]
    m.wrong = ir.either(*(ir.both(has(a, eating), has(b, eating)) for a, b in near))
    return m


def rollout(brokers: int, versions: int = 1, capacity: int = 2) -> Guarded:
    """A controller rolls versions out; its channels lose, repeat and reorder, brokers crash and restart."""
    m = Guarded(f"rollout:{brokers}:{versions}:{capacity}")
    current = m.variable("current", versions + 1)
    every = []
    for i in range(brokers):
        known, runs, alive = (
            m.variable(f"{what}{i}", size)
            for what, size in (("known", versions + 1), ("runs", versions + 1), ("alive", 2))
        )
        m.first[alive.index] = 1
        down = [m.variable(f"down{i}_{x}", capacity + 1) for x in range(1, versions + 1)]
        up = [m.variable(f"up{i}_{x}", capacity + 1) for x in range(1, versions + 1)]
        every.append((known, runs, alive, down, up))
        m.blocks.append([known, runs, alive, *down, *up])
    agreed = [ir.eq(known.formula, current.formula) for known, *_ in every]
    can_go_on = ir.lt(current.formula, ir.const(versions))
    m.command("propose", [can_go_on, *agreed], {current: ir.plus(current.formula, ir.const(1))})
    for i, broker in enumerate(every):
        _broker(m, i, current, broker, capacity)
    behind = [
        ir.no(ir.both(ir.le(k.formula, r.formula), ir.le(r.formula, current.formula))) for k, r, *_ in every
    ]
    ahead = [
        ir.lt(ir.plus(b[1].formula, ir.const(1)), a[1].formula) for a in every for b in every if a is not b
    ]
    m.wrong = ir.either(*behind, *ahead)
    return m


Broker = tuple[Variable, Variable, Variable, list[Variable], list[Variable]]


def _broker(m: Guarded, i: int, current: Variable, broker: Broker, capacity: int) -> None:
    known, runs, alive, downs, ups = broker
    one, full = ir.const(1), ir.const(capacity)
    m.command(f"crash{i}", [has(alive, 1)], {alive: 0})
    m.command(f"restart{i}", [has(alive, 0)], {alive: 1})
    for version, (down, up) in enumerate(zip(downs, ups, strict=True), 1):
        some_down, some_up = (ir.lt(ir.FALSE, v.formula) for v in (down, up))
        less_down, less_up = (ir.plus(v.formula, ir.const(-1)) for v in (down, up))
        more_down, more_up = (ir.plus(v.formula, one) for v in (down, up))
        room_down, room_up = (ir.lt(v.formula, full) for v in (down, up))
        newest = ir.const(version)
        raised = [ir.choose(ir.lt(v.formula, newest), newest, v.formula) for v in (runs, known)]
        name = f"{i}_{version}"
        is_behind = ir.lt(known.formula, current.formula)
        m.command(f"send{name}", [has(current, version), is_behind, room_down], {down: more_down})
        answered = ir.choose(room_up, more_up, full)
        m.command(
            f"receive{name}", [has(alive, 1), some_down], {down: less_down, runs: raised[0], up: answered}
        )
        m.command(f"acknowledge{name}", [some_up], {up: less_up, known: raised[1]})
        m.command(f"lose_down{name}", [some_down], {down: less_down})
        m.command(f"lose_up{name}", [some_up], {up: less_up})
        if capacity > 1:
            m.command(f"repeat_down{name}", [some_down, room_down], {down: more_down})
            m.command(f"repeat_up{name}", [some_up, room_up], {up: more_up})


MODELS: dict[str, Callable[..., Guarded]] = {
    "twophase": two_phase_commit,
    "philosophers": philosophers,
    "rollout": rollout,
}


def model(name: str) -> Guarded:
    """The model of a name such as `twophase:8` or `rollout:4:1:2`."""
    kind, *sizes = name.split(":")
    return MODELS[kind](*map(int, sizes))
