"""The observable transition system: steps labelled by name, caller and arguments; to compare two versions.

Two versions of an app whose labelled steps are the same, state for state, are the same to every client and to
every property, within the scope that was searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from lathe.check.bounds import TooLargeError
from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import FALSE
from lathe.check.composed.relevance import Key
from lathe.check.composed.system import System, is_sampled, make_system
from lathe.check.search.graph import Limits
from lathe.check.search.plain import read_text, search, successor_text
from lathe.check.search.scope import scopes
from lathe.lang.model import App

Step = tuple[int, int, tuple[int, ...], int]
"""The state before, what was done (a number), the parameters, the state after."""

Labelled = tuple[tuple[str, ...], frozenset[Step]]
"""How states are to be read, and every step."""


class Labeller:
    """Lists the steps of versions of one app, with one numbering of what is done."""

    def __init__(self, keys: frozenset[Key]) -> None:
        self._keys = keys
        self._numbers: dict[tuple[str, ...], int] = {}

    def steps(self, app: App, limits: Limits) -> Labelled | None:
        """All steps of the largest scope; None if that cannot be searched whole, or only for a sample."""
        try:
            system = make_system(app, scopes(app)[-1], spelled=self._keys)
        except TooLargeError:
            return None
        if is_sampled(system):
            return None
        graph = search(system, limits)
        if not graph.is_complete:
            return None
        found: set[Step] = set()
        names = [self._numbers.setdefault(_name(c), len(self._numbers)) for c in system.commands]
        listed = _compiled(system, names)
        for packed in graph.states:
            listed(packed, found.add)
        return tuple(_reading(system)), frozenset(found)


def _reading(system: System) -> Iterator[str]:
    """What the codes of a packed state stand for."""
    domains = system.layout.domains
    yield from (f"{v.name} {v.size} {v.offset}" for v in system.layout.variables)
    yield from (str(domains.principals), str(domains.ids), str(domains.texts))


def _name(command: Command) -> tuple[str, ...]:
    label = command.label
    shares = [f"{s.slot.name}.{s.action}" for s in command.shares]
    own = (label.event, label.slot.name, str(label.by), str(label.action), str(label.effect))
    params = [p.name for p in command.params]
    return (*own, str(label.deadline), str(label.is_ok), str(label.cause), *shares, *params)


def _compiled(system: System, names: list[int]) -> Callable[[int, Callable[[Step], None]], None]:
    lines = ["def listed(s, add):", *(f" {read_text(v)}" for v in system.layout.variables)]
    for command, name in zip(system.commands, names, strict=True):
        if command.guard != FALSE:
            lines += _lines(system, command, name)
    scope: dict[str, Callable[[int, Callable[[Step], None]], None]] = {}
    exec(compile("\n".join(lines), "<listed>", "exec"), scope)
    return scope["listed"]


def _lines(system: System, command: Command, name: int) -> Iterator[str]:
    """The lines that list the steps of one command: every choice of its parameters."""
    slot = command.label.slot
    here = f"v{slot.state.index} == {command.state}" if command.state is not None else f"v{slot.state.index}"
    free = [c for c in ir.conjuncts(command.guard) if not ir.parameters(c) and c != ir.TRUE]
    bound = [c for c in ir.conjuncts(command.guard) if ir.parameters(c)]
    yield f" if {' and '.join([here, *map(ir.source, free)])}:"
    names = [f"p_{p.name}" for p in command.params]
    choices = list(product(*(_values(command, i) for i in range(len(names)))))
    yield f"  for ({''.join(f'{n}, ' for n in names)}) in {choices}:" if names else "  if True:"
    yield f"   if {' and '.join(map(ir.source, bound)) or 'True'}:"
    chosen = "".join(f"{n}, " for n in names)
    yield f"    add((s, {name}, ({chosen}), {successor_text(system.layout, command)}))"


def _values(command: Command, index: int) -> list[int]:
    param = command.params[index]
    low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
    return [code + low for code in param.codes]
