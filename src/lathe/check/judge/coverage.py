"""Coverage of a search: actions taken, states entered, results of effects, and a fingerprint."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed.system import System
from lathe.check.search.graph import Graph
from lathe.check.search.plain import ListGraph
from lathe.frozen import frozen
from lathe.lang.model import App

_MASK = (1 << 64) - 1


@frozen
class Taken:
    """How often, by (blueprint, name): actions taken, states entered; effects by (blueprint, name, end)."""

    actions: dict[tuple[str, str], int]
    states: dict[tuple[str, str], int]
    effects: dict[tuple[str, str, str], int]


def taken_actions(system: System, graph: Graph) -> Taken:
    """Counts over all steps of the graph."""
    taken = Taken({}, {}, {})
    for number, count in sorted(graph.taken.items()):
        command = system.commands[number]
        for share in command.shares:
            blueprint = share.slot.blueprint.name
            _add(taken.actions, (blueprint, share.action), count)
            if share.target is not None:
                _add(taken.states, (blueprint, share.target), count)
        label = command.label
        if label.effect is not None and label.event in ("end", "deliver", "execute", "late", "notify"):
            end = {True: "ok", False: "error", None: label.event}[label.is_ok]
            key = (label.slot.blueprint.name, label.effect, end)
            taken.effects[key] = taken.effects.get(key, 0) + count
    return taken


def _add(counts: dict[tuple[str, str], int], key: tuple[str, str], count: int) -> None:
    counts[key] = counts.get(key, 0) + count


def fingerprint(graph: Graph) -> str:
    """An order-independent hash of the reachable states: 16 hex digits.

    Each state is mixed by the splitmix64 finaliser (Steele, Lea, Flood, OOPSLA 2014), word by word,
    and the results are added up, so the order of discovery does not matter.
    """
    if isinstance(graph, ListGraph):
        total = sum(map(_mixed, graph.states))
    else:
        from lathe.check.arrays import judge  # only where a search has grown: it loads numpy

        total = judge.fingerprint(judge.columns_of(graph))
    return f"{total & _MASK:016x}"


def _mixed(packed: int) -> int:
    value = 0x9E3779B97F4A7C15
    while True:
        value = (value ^ (packed & _MASK)) & _MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
        value ^= value >> 31
        packed >>= 64
        if not packed:
            return value


def all_actions(app: App) -> Iterator[tuple[str, str]]:
    """Every action, with its blueprint."""
    return ((b.name, a) for b in app.blueprints.values() for a in b.actions)


def all_states(app: App) -> Iterator[tuple[str, str]]:
    """Every state, with its blueprint."""
    return ((b.name, s) for b in app.blueprints.values() for s in b.states)
