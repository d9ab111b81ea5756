"""All steps from a chunk of states at once: guards on shared columns, successors by a few operations a word.

What `search` generates for one state stands here for many. Each command's guard is a conjunction of nodes
that commands share (`formula`); for the states that are left the successor is made, where changes by
constants become one `(clear, add)` a word and everything else is computed for those states alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.formula import NOTHING_PICKED, Columns, Frame, Node, Picked, Truth, is_small
from lathe.check.arrays.words import Column, Numbers, Words
from lathe.check.composed import ir
from lathe.check.composed.command import Command, Param
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import WORD_BITS, Variable
from lathe.check.search.watch import Watch
from lathe.frozen import frozen, mutable

Rows = NDArray[np.intp]
Batch = tuple[int, Rows, Words]
"""A command's number, the positions of the states that take it, and where that leads."""

Emit = Callable[[int, Rows, Words], None]
"""Takes a batch."""

Group = tuple[Variable | None, int, tuple[Command, ...]]
"""A control state and the commands that need it; -1: any but empty; no variable: any at all."""

_WORD = (1 << WORD_BITS) - 1


@frozen
class Model:
    """What a search needs, and no more: variables, guarded updates by number, and how they are grouped."""

    variables: Sequence[Variable]
    commands: Sequence[Command]
    groups: Sequence[Group]
    watched: Sequence[Watch]
    word_count: int


def is_expandable(model: Model) -> bool:
    """Whether 64-bit arithmetic is enough for everything that the commands compute."""
    if any(v.width > WORD_BITS - 2 for v in model.variables):
        return False
    formulas = [f for c in model.commands for f in (c.guard, *c.updates.values())]
    return all(is_small(f) for f in (*formulas, *(w.condition for w in model.watched)))


@mutable
class _Step:
    """A command made ready: its guard, what is left of it for each choice of parameters, its changes.

    `idle` tells where it changes nothing, if it ever may.
    """

    index: int
    free: tuple[Node[Truth], ...]
    bound: tuple[Node[Truth], ...]
    choices: tuple[Picked, ...]
    idle: Node[Truth] | None
    clear: tuple[np.uint64 | None, ...]
    add: tuple[np.uint64 | None, ...]
    moving: tuple[tuple[int, np.uint64, Node[Numbers]], ...]


@mutable
class _Lookout:
    """A watch made ready."""

    number: int
    parts: tuple[Node[Truth], ...]
    choices: tuple[Picked, ...]


class Expansion:
    """The steps of a model, ready to be taken from chunks of states."""

    def __init__(self, model: Model) -> None:
        self._columns = Columns(model.variables)
        self._model = model
        self._steps: list[_Step] = []
        self._lookouts: list[_Lookout] = []
        watched: dict[int, list[tuple[int, Watch]]] = {}
        for number, watch in enumerate(model.watched):
            watched.setdefault(watch.command.index, []).append((number, watch))
        for variable, code, commands in model.groups:
            premise = _premise(variable, code)
            for command in commands:
                self._lookouts += (
                    self._lookout(premise, number, watch) for number, watch in watched.get(command.index, ())
                )
                if command.guard != FALSE:
                    self._steps.append(self._step(premise, command))

    def batches(self, words: Words) -> list[Batch]:
        """Every step from some states, command by command."""
        found: list[Batch] = []
        self.take(Frame(words), lambda index, rows, made: found.append((index, rows, made)))
        return found

    def take(self, frame: Frame, emit: Emit, *, skips_idle: bool = False) -> dict[int, int]:
        """Hand over every step from some states; answers how many steps each command takes.

        `skips_idle`: steps that change nothing are counted, but not handed over.
        """
        taken: dict[int, int] = {}
        for step in self._steps:
            here = _all_of(step.free, frame)
            if here is None:
                continue
            if step.bound or len(step.choices) != 1:
                count = self._take_each(step, frame, np.flatnonzero(here), emit)
            else:
                count = int(np.count_nonzero(here))
                if skips_idle and step.idle is not None:
                    here = here & ~step.idle(frame)
                rows = np.flatnonzero(here)
                if len(rows):
                    emit(step.index, rows, _made(step, _part(frame, rows), step.choices[0]))
            if count:
                taken[step.index] = taken.get(step.index, 0) + count
        return taken

    def _take_each(self, step: _Step, frame: Frame, rows: Rows, emit: Emit) -> int:
        """The steps of a command for each choice of its parameters."""
        part = _part(frame, rows)
        count = 0
        for picked in step.choices:
            here = _all_of(step.bound, part, picked)
            if here is None:
                continue
            among = np.flatnonzero(here)
            count += len(among)
            emit(step.index, rows[among], _made(step, _part(part, among), picked))
        return count

    def hits(self, frame: Frame, live: bytearray) -> Iterator[tuple[int, int]]:
        """Each watch that is still looked out for and is met, with the first position where it is."""
        for lookout in self._lookouts:
            if not live[lookout.number]:
                continue
            for picked in lookout.choices:
                here = _all_of(lookout.parts, frame, picked)
                if here is not None:
                    yield lookout.number, int(here.argmax())

    def _lookout(self, premise: tuple[Formula, ...], number: int, watch: Watch) -> _Lookout:
        clauses, _ = _clauses(ir.both(*premise, watch.condition))
        parts = tuple(self._columns.truth(c) for c in clauses)
        return _Lookout(number, parts, _choices(watch.command.params, clauses))

    def _step(self, premise: tuple[Formula, ...], command: Command) -> _Step:
        clauses, codes = _clauses(ir.both(*premise, command.guard))
        updates = {index: ir.settled(f, codes) for index, f in command.updates.items()}
        bound = [c for c in clauses if ir.parameters(c)]
        free = [c for c in clauses if c not in bound]
        changed = self._changes(updates)
        read = (*bound, *(f for f in updates.values() if not ir.is_const(f)))
        return _Step(
            index=command.index,
            free=tuple(self._columns.truth(c) for c in free),
            bound=tuple(self._columns.truth(c) for c in bound),
            choices=_choices(command.params, read),
            idle=self._idle(updates, codes),
            clear=changed[0],
            add=changed[1],
            moving=changed[2],
        )

    def _idle(self, updates: Mapping[int, Formula], codes: Mapping[int, int]) -> Node[Truth] | None:
        """Where constant updates change nothing, given some codes; None if nowhere, or if it is not plain."""
        if not all(map(ir.is_const, updates.values())):
            return None
        same = (ir.eq(self._model.variables[index].formula, value) for index, value in updates.items())
        condition = ir.settled(ir.both(*same), codes)
        return None if condition == FALSE else self._columns.truth(condition)

    def _changes(
        self, updates: Mapping[int, Formula]
    ) -> tuple[
        tuple[np.uint64 | None, ...],
        tuple[np.uint64 | None, ...],
        tuple[tuple[int, np.uint64, Node[Numbers]], ...],
    ]:
        """What becomes of each word: bits that are cleared, what is added, and what is computed."""
        count = self._model.word_count
        clear, add = [0] * count, [0] * count
        moving: list[tuple[int, np.uint64, Node[Numbers]]] = []
        for index, formula in sorted(updates.items()):
            variable = self._model.variables[index]
            if not variable.width:
                continue
            word, shift = divmod(variable.offset, WORD_BITS)
            change = _change(formula, index)
            if change is not None:
                add[word] += change << shift
                continue
            clear[word] |= variable.mask << shift
            if ir.is_const(formula):
                add[word] += formula.value << shift
            else:
                moving.append((word, np.uint64(shift), self._columns.number(formula)))
        kept = tuple(np.uint64(_WORD & ~c) if c else None for c in clear)
        return kept, tuple(np.uint64(a & _WORD) if a & _WORD else None for a in add), tuple(moving)


def _clauses(condition: Formula) -> tuple[tuple[Formula, ...], dict[int, int]]:
    """The parts of a conjunction, each as plain as it is where the others hold; which codes they demand."""
    known: dict[Formula, int] = {}
    rest = ir.conjuncts(condition)
    while True:
        demands = {part: _demand(part) for part in rest}
        found = {d[0]: d[1] for d in demands.values() if d is not None}
        if not found:
            break
        left = [part for part, demand in demands.items() if demand is None or demand[1] != found[demand[0]]]
        known |= found
        codes = {leaf.value: code for leaf, code in known.items()}
        rest = ir.conjuncts(ir.both(*(ir.settled(part, codes) for part in left)))
    demanded = (ir.eq(leaf, ir.const(code)) for leaf, code in known.items())
    return tuple(p for p in (*demanded, *rest) if p != TRUE), {v.value: code for v, code in known.items()}


def _demand(clause: Formula) -> tuple[Formula, int] | None:
    """The variable and the code that a clause demands of it, if it demands just that."""
    if clause.op == "==" and clause.args[0].op == "v" and ir.is_const(clause.args[1]):
        return clause.args[0], clause.args[1].value
    if clause.op == "v" and clause.high == 1:
        return clause, 1
    if clause.op == "not" and clause.args[0].op == "v":
        return clause.args[0], 0
    return None


def _premise(variable: Variable | None, code: int) -> tuple[Formula, ...]:
    """That the control state is the one that a group of commands needs."""
    if variable is None or not variable.width:
        return ()
    if code >= 0:
        return (ir.eq(variable.formula, ir.const(code)),)
    return (ir.no(ir.eq(variable.formula, FALSE)),)


def _choices(params: Sequence[Param], formulas: Sequence[Formula]) -> tuple[Picked, ...]:
    """Every choice of the parameters that some formulas read."""
    names = ir.parameters(*formulas)
    ranges: dict[str, Sequence[int]] = {}
    for param in params:
        if param.name in names:
            low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
            ranges[param.name] = [code + low for code in param.codes]
    return tuple(dict(zip(ranges, values, strict=True)) for values in product(*ranges.values()))


def _all_of(nodes: Sequence[Node[Truth]], frame: Frame, picked: Picked = NOTHING_PICKED) -> Truth | None:
    """Where all conditions hold; None if it is nowhere."""
    found: Truth | None = None
    for node in nodes:
        truth = node(frame, picked)
        found = truth if found is None else np.logical_and(found, truth)
        if not found.any():
            return None
    return np.broadcast_to(np.True_, (frame.size,)) if found is None else found


def _part(frame: Frame, rows: Rows) -> Frame:
    if len(rows) == frame.size:
        return frame
    return Frame(tuple(word.take(rows) for word in frame.words))


def _made(step: _Step, frame: Frame, picked: Picked = NOTHING_PICKED) -> Words:
    """Where a step leads from each of the states of a frame."""
    made: list[Column] = []
    for word, clear, add in zip(frame.words, step.clear, step.add, strict=True):
        column = word
        if clear is not None:
            column = np.bitwise_and(word, clear)
        if add is not None:
            column = np.add(column, add) if column is word else np.add(column, add, out=column)
        made.append(column)
    for number, shift, node in step.moving:
        value = np.asarray(node(frame, picked), dtype=np.int64).astype(np.uint64) << shift
        made[number] = made[number] + value
    return tuple(made)


def _change(formula: Formula, index: int) -> int | None:
    """By how much an update changes its own variable, if it does no more than that."""
    if formula.op == "+" and formula.args[0].op == "v" and formula.args[0].value == index:
        return formula.args[1].value if ir.is_const(formula.args[1]) else None
    return None


def by_control_state(commands: Sequence[Command]) -> list[Group]:
    """Groups of commands that need the same state of the same slot; -1: any state but empty."""
    found: dict[tuple[int, int], list[Command]] = {}
    places: dict[int, Variable] = {}
    for command in commands:
        state = command.label.slot.state
        places[state.index] = state
        found.setdefault((state.index, -1 if command.state is None else command.state), []).append(command)
    return [(places[index], code, tuple(group)) for (index, code), group in sorted(found.items())]
