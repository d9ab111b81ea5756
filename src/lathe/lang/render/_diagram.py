"""A blueprint as boxes and arrows, before anybody decides how to draw them.

An action from many states is no spider web: it is a chip on the state that it leads to. An action
that stays where it is belongs into the box.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lathe.frozen import frozen
from lathe.lang.expr import IfElse, Literal
from lathe.lang.model import Action, Blueprint, Principal, State
from lathe.lang.render.escape import one_line
from lathe.lang.render.facts import in_flight, takers, targets
from lathe.lang.units import show_duration
from lathe.lang.unparse import unparse

CHIP_SOURCES = 4
"""An action from this many states is drawn as a chip on its target."""

EDGES_MAX = 150
"""A diagram with more edges keeps one way to each state; the others become chips."""


@frozen
class Label:
    """One action on an edge, in a box or on a chip. `guard` is the author's text, on one line."""

    action: str
    who: str
    guard: str
    is_trouble: bool = False
    origin: str = ""


@frozen
class Edge:
    source: str
    target: str
    labels: tuple[Label, ...]

    @property
    def is_trouble(self) -> bool:
        """Whether it is taken only when a call ends badly or time is up."""
        return all(label.is_trouble for label in self.labels)


@frozen
class Box:
    """A state. `loops` begin a new visit of it, `stays` do not; `chips` arrive from many states."""

    state: State
    timer: str
    runs: str
    waits: str
    loops: tuple[Label, ...]
    stays: tuple[Label, ...]
    chips: tuple[Label, ...]


@frozen
class Diagram:
    """`create` is None if nothing creates one. `anywhere` stays, in every state that is not final."""

    name: str
    doc: str
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    create: Label | None
    anywhere: tuple[Label, ...]

    @property
    def initial(self) -> str:
        return next(b.state.name for b in self.boxes if b.state.initial)


def diagram(blueprint: Blueprint) -> Diagram:
    """The diagram of a blueprint, in the order in which its states and actions are written."""
    flight = in_flight(blueprint)
    edges: dict[tuple[str, str], list[Label]] = {}
    loops: dict[str, list[Label]] = {}
    stays: dict[str, list[Label]] = {}
    chips: dict[str, list[Label]] = {}
    anywhere: list[Label] = []
    for action in blueprint.actions.values():
        if action.name == "create":
            continue
        branches = _branches(action)
        if not branches and action.from_any:
            anywhere.append(_chip(blueprint, action, "", ""))
        elif branches and (action.from_any or len(action.from_states) >= CHIP_SOURCES):
            origin = "from any state" if action.from_any else f"from {', '.join(action.from_states)}"
            for target, extra in branches.items():
                chips.setdefault(target, []).append(_chip(blueprint, action, extra, origin))
        else:
            for state in action.from_states:
                label = _label(blueprint, action, state, flight)
                if not branches:
                    stays.setdefault(state, []).append(label)
                for target, extra in branches.items():
                    guarded = replace(label, guard=_both(extra, label.guard))
                    into = (
                        loops.setdefault(state, [])
                        if target == state
                        else edges.setdefault((state, target), [])
                    )
                    into.append(guarded)
    kept = _kept(blueprint.initial, edges)
    for (source, target), labels in edges.items():
        if (source, target) not in kept:
            chips.setdefault(target, []).extend(replace(x, origin=f"from {source}") for x in labels)
    boxes = (_box(s, _running(blueprint, s, flight), loops, stays, chips) for s in blueprint.states.values())
    return Diagram(
        blueprint.name,
        one_line(blueprint.doc),
        tuple(boxes),
        tuple(Edge(s, t, tuple(edges[s, t])) for s, t in edges if (s, t) in kept),
        _create(blueprint),
        tuple(anywhere),
    )


def _kept(initial: str, edges: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges to be drawn: all of them, or of too many the first way to each state."""
    every = list(edges)
    if len(every) <= EDGES_MAX:
        return set(every)
    after: dict[str, list[str]] = {}
    for source, target in every:
        after.setdefault(source, []).append(target)
    kept: set[tuple[str, str]] = set()
    seen = {initial}
    for root in dict.fromkeys([initial, *after]):
        seen.add(root)
        waiting = [root]
        for source in waiting:
            for target in after.get(source, ()):
                if target not in seen:
                    seen.add(target)
                    kept.add((source, target))
                    waiting.append(target)
    return kept


def _running(blueprint: Blueprint, state: State, flight: Mapping[str, frozenset[str]]) -> list[str]:
    """What it runs itself, then what actions asked for and may still be running there."""
    asked = [e.name for e in blueprint.effects.values() if e.name in flight[state.name] and not e.is_notice]
    return list(dict.fromkeys((*state.run, *asked)))


def _box(
    state: State,
    running: list[str],
    loops: Mapping[str, list[Label]],
    stays: Mapping[str, list[Label]],
    chips: Mapping[str, list[Label]],
) -> Box:
    has_timer = state.after_ms is not None and state.then is not None
    return Box(
        state,
        f"{show_duration(state.after_ms or 0)} → {state.then}" if has_timer else "",
        ", ".join(running),
        one_line(state.waits or ""),
        tuple(loops.get(state.name, ())),
        tuple(stays.get(state.name, ())),
        tuple(chips.get(state.name, ())),
    )


def _create(blueprint: Blueprint) -> Label | None:
    create = blueprint.actions.get("create")
    return _chip(blueprint, create, "", "") if create else None


def _label(blueprint: Blueprint, action: Action, state: str, flight: Mapping[str, frozenset[str]]) -> Label:
    who = takers(blueprint, action, state, flight)
    is_trouble = bool(who) and all(_is_trouble(blueprint, action, p) for p in who)
    return Label(action.name, _who(blueprint, action, who, state), _guard(action), is_trouble)


def _chip(blueprint: Blueprint, action: Action, extra: str, origin: str) -> Label:
    who = tuple(dict.fromkeys((*action.by, *action.admits)))
    guard = _both(extra, _guard(action))
    return Label(action.name, _who(blueprint, action, who, None), guard, origin=origin)


def _guard(action: Action) -> str:
    return one_line(action.when.text) if action.when else ""


def _both(extra: str, guard: str) -> str:
    """What tells one branch from the other comes first: the end of a long text may be cut."""
    return f"{extra}; {guard}" if guard and extra else guard or extra


def _is_trouble(blueprint: Blueprint, action: Action, who: Principal) -> bool:
    if who.kind != "effect":
        return who.kind == "timer"
    effect = blueprint.effects[who.name or ""]
    return effect.error == action.name and effect.ok != action.name


def _branches(action: Action) -> Mapping[str, str]:
    """Where it can lead, and under which condition of its `to_if`."""
    if action.to_if is None:
        return dict.fromkeys(targets(action), "")
    found: dict[str, str] = {}
    node = action.to_if.tree
    while isinstance(node, IfElse) and isinstance(node.then, Literal):
        name = str(node.then.value)
        text = unparse(node.condition)
        found[name] = f"{found[name]} or {text}" if name in found else text
        node = node.otherwise
    if isinstance(node, Literal):
        return {**found, str(node.value): "otherwise" if found else ""}
    return dict.fromkeys(targets(action), "as it chooses")


def _who(blueprint: Blueprint, action: Action, who: tuple[Principal, ...], state: str | None) -> str:
    words = (_word(blueprint, action, p, state) for p in who)
    return ", ".join(dict.fromkeys(w for w in words if w))


def _word(blueprint: Blueprint, action: Action, who: Principal, state: str | None) -> str:
    name = who.name or ""
    match who.kind:
        case "effect":
            effect = blueprint.effects[name]
            ends = [w for w, end in (("ok", effect.ok), ("error", effect.error)) if end == action.name]
            return f"{name} {'/'.join(ends)}" if ends else name
        case "timer":
            return _moments(blueprint, action, state)
        case "inbound":
            return f"event {name}"
        case "any":
            return "anybody"
        case _:
            return name


def _moments(blueprint: Blueprint, action: Action, state: str | None) -> str:
    own = blueprint.states[state] if state is not None else None
    moments = [f"at {d.at}" for d in blueprint.timers.values() if d.then == action.name]
    if own is not None and own.then == action.name and own.after_ms is not None:
        moments.insert(0, f"after {show_duration(own.after_ms)}")
    return ", ".join(moments) or "timer"
