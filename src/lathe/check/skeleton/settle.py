"""Decides on the skeleton (`regions`) what an unfinished search leaves open.

The skeleton can do all that the system can. So what it never does is never done, and an `eventually` that no
fair run of it fails holds. That an entity can go on is shown the other way: by steps that are sure, wherever
its numbers may land. A number that steps only ever raise, or only lower, stops somewhere in its range, so no
run goes on raising it for ever. What fails is told if a run of the system itself shows it; the rest stays
open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lathe.check.arrays.expand import Model, by_control_state, is_expandable
from lathe.check.arrays.explore import explore
from lathe.check.arrays.fairness import Debts, Lasso, Region, failure, waiting_in
from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.judge import Masks, masks_where, or_all, origins, spread
from lathe.check.arrays.standing import is_resting
from lathe.check.arrays.tier import model_of
from lathe.check.arrays.words import PackedStates, Words, read
from lathe.check.composed import ir
from lathe.check.composed.command import Share
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import WORD_BITS, Slot
from lathe.check.composed.system import System
from lathe.check.judge.liveness import Unfair, dues
from lathe.check.judge.progress import call_round
from lathe.check.judge.standing import Standstill, judged, left_as_it_should, standing_masks
from lathe.check.judge.suspects import Never, sometimes_holds
from lathe.check.search.graph import Limits
from lathe.check.search.regions import Skeleton, make_skeleton
from lathe.frozen import frozen
from lathe.lang.model import Action, Eventually, Property, State

NEAR_STATES = 200_000
"""States of the system among which a run is looked for that shows what the skeleton finds wrong."""

_ALL = ~np.uint64(0)


@frozen
class Settled:
    """What was found, on `near`, a part of the system itself, and who or what stays undecided.

    Of what had not been seen to happen, by position: what is `possible` after all, and what is `gone`.
    `doubtful` are the states of which it is open whether they can be left.
    """

    near: ArrayGraph | None
    standing: tuple[Standstill, ...]
    unfair: tuple[Unfair, ...]
    open: tuple[str, ...]
    possible: frozenset[int]
    gone: frozenset[int]
    goes_round: bool
    doubtful: tuple[State, ...] = ()


class Bones:
    """The searched skeleton of a system, beside a part of the system."""

    def __init__(self, system: System, skeleton: Skeleton, graph: ArrayGraph, limits: Limits) -> None:
        self.system = system
        self.skeleton = skeleton
        self.graph = graph
        self._limits = limits
        self.sure = np.array([step.is_sure for step in skeleton.steps], dtype=np.bool_)
        self.origin = [step.origin for step in skeleton.steps]
        steps = graph.edges
        key = origins(graph).astype(np.int64) * len(self.origin) + steps.labels
        self._order = np.argsort(key, kind="stable")
        key = key[self._order]
        self._begin = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1]))[: len(key)])
        self._state, self._label = np.divmod(key[self._begin], max(len(self.origin), 1))

    @property
    def has_near(self) -> bool:
        """Whether the system itself begins anywhere."""
        return bool(self.system.initial)

    @cached_property
    def near(self) -> ArrayGraph:
        """A part of the system itself, for runs that show what is wrong."""
        limits = replace(self._limits, states=min(self._limits.states, NEAR_STATES))
        return explore(model_of(self.system, ()), self.system.initial, limits)

    @cached_property
    def where(self) -> NDArray[np.int32]:
        """For each state of that part, the number of the one that stands for it."""
        return self.graph.numbers(self._pictures(self.near.words))

    def _pictures(self, words: Words) -> Words:
        """The states of the skeleton that stand for some of the system."""
        found = [np.zeros(len(words[0]), dtype=np.uint64) for _ in self.graph.words]
        pairs = zip(self.system.layout.variables, self.skeleton.variables, strict=True)
        for variable, made in pairs:
            codes = read(words, variable)
            if variable.index in self.skeleton.starts:
                starts = np.array(self.skeleton.starts[variable.index])
                codes = np.searchsorted(starts, codes, side="right") - 1
            word, shift = divmod(made.offset, WORD_BITS)
            found[word] |= codes.astype(np.uint64) << np.uint64(shift)
        return tuple(found)

    def where_is(self, conditions: Sequence[Formula], *, surely: bool) -> Masks:
        """For each state a mask of the conditions that surely hold there, or that may."""
        wide = self.skeleton.starts.keys()
        unknown = FALSE if surely else TRUE
        asked = [unknown if ir.variables(c) & wide else c for c in conditions]
        layout = replace(self.system.layout, variables=self.skeleton.variables)
        return masks_where(layout, PackedStates(self.graph.words), asked)

    def codes(self, slot: Slot) -> NDArray[np.int64]:
        """The codes of an entity's state."""
        return read(self.graph.words, self.skeleton.variables[slot.state.index])

    def assured(self, good: Masks, allowed: Sequence[bool] | bytes) -> Masks:
        """Which bits can surely be reached from each state, along the allowed commands."""
        usable = self.sure & np.array([bool(allowed[o]) for o in self.origin], dtype=np.bool_)
        rows = usable[self._label]
        found = self._grown(good, rows)
        while True:
            before = found
            for index in self.skeleton.starts:
                for sign in (1, -1):
                    found = self._by_counting(found, rows, self._moving(index, sign))
            found = self._grown(found, rows)
            if np.array_equal(before, found):
                return found

    def _moving(self, index: int, sign: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """The labels that surely move a number one way, and those that surely do not move it the other."""
        moves = [step.moves.get(index, (0, 0)) for step in self.skeleton.steps]
        least = [m[0] if sign > 0 else (None if m[1] is None else -m[1]) for m in moves]
        strict = np.array([x is not None and x > 0 for x in least], dtype=np.bool_)
        return strict, np.array([x is not None and x >= 0 for x in least], dtype=np.bool_)

    def _grown(self, good: Masks, rows: NDArray[np.bool_], beyond: Masks | None = None) -> Masks:
        """The least that holds what is good, `beyond`, and each state with a step that leads only there."""
        found = good if beyond is None else good | beyond
        while True:
            more = found | self._before(found, rows)
            if np.array_equal(more, found):
                return found
            found = more

    def _before(self, found: Masks, rows: NDArray[np.bool_]) -> Masks:
        """The states with a step, of some, that leads into what was found wherever it may lead."""
        result = np.zeros(self.graph.count, dtype=np.uint64)
        if len(self._begin):
            inside = np.bitwise_and.reduceat(found[self.graph.edges.targets[self._order]], self._begin)
            np.bitwise_or.at(result, self._state[rows], inside[rows])
        return result

    def _by_counting(
        self, good: Masks, rows: NDArray[np.bool_], moving: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    ) -> Masks:
        """With what is reached because a number cannot be moved one way for ever.

        The greatest set in which one can go on, by steps that never move it the other way, to what is good
        or to one that moves it and stays inside: a run that follows these comes to what is good.
        """
        strict, steady = rows & moving[0][self._label], rows & moving[1][self._label]
        if not strict.any():
            return good
        inside = np.full(self.graph.count, _ALL)
        while True:
            smaller = self._grown(good, steady, beyond=self._before(inside, strict))
            if np.array_equal(smaller, inside):
                return smaller
            inside = smaller

    def lasting(self, region: Region) -> tuple[NDArray[np.int32], tuple[NDArray[np.int32], ...], int]:
        """The components that a run can stay in, no number being moved one way alone."""
        steps = self.graph.edges
        begin, end = origins(self.graph), steps.targets
        rows = np.flatnonzero((region.level[begin] >= 0) & (region.level[end] >= 0))
        while True:
            shape = (self.graph.count, self.graph.count)
            matrix = csr_array((np.ones(len(rows), dtype=np.int8), (begin[rows], end[rows])), shape=shape)
            count, found = connected_components(matrix, directed=True, connection="strong")
            component = np.where(region.level >= 0, found, -1).astype(np.int32)
            rows = rows[component[begin[rows]] == component[end[rows]]]
            ending = self._ending(component[begin[rows]], steps.labels[rows], int(count))
            if not ending.any():
                return component, (component[begin[rows]], steps.labels[rows]), int(count)
            rows = rows[~ending]

    def _ending(
        self, component: NDArray[np.int32], labels: NDArray[np.int32], count: int
    ) -> NDArray[np.bool_]:
        """The steps that no run takes for ever: they move a number that its component never moves back."""
        found = np.zeros(len(labels), dtype=np.bool_)
        for index in self.skeleton.starts:
            for sign in (1, -1):
                strict, steady = self._moving(index, sign)
                goes_back = np.zeros(count, dtype=np.bool_)
                goes_back[component[~steady[labels]]] = True
                found |= strict[labels] & ~goes_back[component]
        return found


def settle(
    system: System,
    limits: Limits,
    unseen: Sequence[Never] = (),
    begun: Callable[[Skeleton], Iterable[int]] | None = None,
) -> Settled | None:
    """What the skeleton of a system settles; None if it has none that can be searched whole.

    `unseen` is what a search of the system did not see. `begun` gives states of the skeleton in which the
    system may begin beside its initial ones; without any of these, what fails stays open, as no run shows it.
    """
    skeleton = make_skeleton(system)
    if not is_expandable(model_of(system, ())):
        return None
    graph = searched(system, skeleton, limits, begun(skeleton) if begun is not None else ())
    if graph is None:
        return None
    bones = Bones(system, skeleton, graph, limits)
    standing, doubtful = _standing(bones)
    unfair, more = _unfair(bones)
    can_be = [_can_be(bones, suspect) for suspect in unseen]
    possible = frozenset(i for i, (surely, _) in enumerate(can_be) if surely)
    gone = frozenset(i for i, (_, perhaps) in enumerate(can_be) if not perhaps)
    goes_round = call_round(replace(system, commands=skeleton.commands), graph) is not None
    open_still = tuple(dict.fromkeys([*open_left(doubtful), *more]))
    near = bones.near if standing or unfair else None
    return Settled(
        near, tuple(standing), tuple(unfair), open_still, possible, gone, goes_round, tuple(doubtful)
    )


def searched(
    system: System, skeleton: Skeleton, limits: Limits, begun: Iterable[int] = ()
) -> ArrayGraph | None:
    """All that the skeleton of a system can do; None if that cannot be searched whole within the limits."""
    by_state = by_control_state(skeleton.commands)
    groups = [(v and skeleton.variables[v.index], code, commands) for v, code, commands in by_state]
    model = Model(skeleton.variables, skeleton.commands, groups, (), skeleton.word_count)
    if len(system.layout.slots) > WORD_BITS or not is_expandable(model):
        return None
    graph = explore(model, (*skeleton.initial, *begun), limits)
    return graph if graph.is_complete else None


def _standing(bones: Bones) -> tuple[list[Standstill], list[State]]:
    """Who cannot go on as it should, shown by a run; and of which states that is open."""
    masks, system = standing_masks(bones.system), bones.system
    everything = b"\1" * len(system.commands)
    resting = bones.where_is([is_resting(slot) for slot in system.layout.slots], surely=True)
    held, maybe = (bones.where_is(system.held, surely=surely) for surely in (True, False))
    moves, ends = (_by_label(bones, found) for found in (masks.moves, masks.ends))
    internal = bytes(masks.internal[o] for o in bones.origin)
    sure = [np.where(bones.sure, found, 0) for found in (moves, ends)]
    may = (
        spread(bones.graph, or_all(bones.graph, moves.tolist()) | maybe, None),
        spread(bones.graph, resting | maybe, None),
        spread(bones.graph, or_all(bones.graph, ends.tolist()) | maybe, internal),
    )
    must = (
        bones.assured(or_all(bones.graph, sure[0].tolist()) | held, everything),
        bones.assured(resting | held, everything),
        bones.assured(or_all(bones.graph, sure[1].tolist()) | held, masks.internal),
    )
    found: list[Standstill] = []
    doubts: list[State] = []
    for bit, slot in enumerate(system.layout.slots):
        at_most, at_least = (_together(part, bit) for part in (may, must))
        codes = bones.codes(slot)
        for code, state in enumerate(slot.blueprint.states.values(), 1):
            here = codes == code
            wrong = np.array([bool(judged(state, _bits(c))) for c in range(8)], dtype=np.bool_)
            kinds = [judged(state, _bits(c)) for c in range(8)]
            if not (here & wrong[at_least]).any():
                continue
            is_wrong = here & wrong[at_most]
            is_looked_for = bones.has_near and is_wrong.any()
            shown = np.flatnonzero(is_wrong[bones.where]) if is_looked_for else np.empty(0, dtype=np.intp)
            if len(shown):
                first = int(shown[0])
                found.append(Standstill(kinds[int(at_most[bones.where[first]])], slot, state.name, first))
            else:
                doubts.append(state)
    return found, doubts


def _can_be(bones: Bones, suspect: Never) -> tuple[bool, bool]:
    """Whether something surely happens on some run of the system, and whether it may."""
    subject, commands = suspect.subject, bones.system.commands
    if isinstance(subject, Property):
        asked = [sometimes_holds(bones.system, suspect.blueprint, subject)]
        surely, perhaps = (bones.where_is(asked, surely=is_sure) for is_sure in (True, False))
    else:
        owner = suspect.blueprint.name if suspect.blueprint else ""
        meant = [any(_is_meant(s, owner, subject) for s in commands[o].shares) for o in bones.origin]
        surely = or_all(bones.graph, [int(m and s) for m, s in zip(meant, bones.sure.tolist(), strict=True)])
        perhaps = or_all(bones.graph, [int(m) for m in meant])
    assured = bones.assured(surely, b"\1" * len(commands))
    starts = bones.graph.waves[0]
    return bool(assured[starts.start : starts.end].any()), bool(perhaps.any())


def _is_meant(share: Share, owner: str, subject: State | Action) -> bool:
    """Whether a part of a step takes an action, or enters a state."""
    name = share.target if isinstance(subject, State) else share.action
    return (share.slot.blueprint.name, name) == (owner, subject.name)


def _by_label(bones: Bones, masks: Sequence[int]) -> NDArray[np.uint64]:
    return np.array([masks[o] for o in bones.origin], dtype=np.uint64)


def _together(masks: Sequence[Masks], bit: int) -> NDArray[np.int64]:
    """Three answers for one entity as one number."""
    a, b, c = ((m >> np.uint64(bit) & np.uint64(1)).astype(np.int64) for m in masks)
    return np.asarray(a * 4 + b * 2 + c)


def _bits(number: int) -> tuple[int, int, int]:
    return number >> 2, number >> 1 & 1, number & 1


def _unfair(bones: Bones) -> tuple[list[Unfair], list[str]]:
    """Each `eventually` that fails, shown by a run, and those of which that is open."""
    names, owed, paid = dues(bones.system)
    pays = [paid[o] for o in bones.origin]
    every = [owed[o] for o in bones.origin]
    sure = [debt if is_sure else 0 for debt, is_sure in zip(every, bones.sure.tolist(), strict=True)]
    surely = _debts(bones, sure, pays, len(names), surely=True)
    perhaps = _debts(bones, every, pays, len(names), surely=False)
    found: dict[str, Unfair] = {}
    doubts: dict[str, str] = {}
    for slot in bones.system.layout.slots:
        for prop in slot.blueprint.eventually.values():
            name = f"{slot.blueprint.name}.{prop.name}"
            if name in found or _is_kept(bones, surely, slot, prop):
                continue
            lasso: Lasso | None = None
            if bones.has_near:
                near = Debts([column[bones.where] for column in perhaps.enabled], paid)
                lasso = failure(bones.near, near, slot, prop)
            if lasso is None:
                doubts[name] = open_said(prop)
            else:
                found[name] = Unfair(prop, slot, *lasso)
    return list(found.values()), [said for name, said in doubts.items() if name not in found]


def open_said(prop: Eventually) -> str:
    """How it is said that an `eventually` is open."""
    return f"whether `{prop.name}` holds"


def open_left(states: Iterable[State]) -> list[str]:
    """How it is said, at once, that it is open whether somebody can go on from some states."""
    names = [state.name for state in states]
    return [left_as_it_should(names)] if names else []


def _debts(bones: Bones, owed: Sequence[int], paid: Sequence[int], count: int, *, surely: bool) -> Debts:
    """What is owed in each state of the skeleton, as columns of so many bits in all."""
    words = range(0, max(count, 1), Debts.BITS)
    enabled = [or_all(bones.graph, [m >> low & (1 << Debts.BITS) - 1 for m in owed]) for low in words]
    return Debts([*enabled, bones.where_is(bones.system.held, surely=surely)], paid)


def _is_kept(bones: Bones, debts: Debts, slot: Slot, prop: Eventually) -> bool:
    """Whether no fair run of the skeleton fails an `eventually`."""
    region = Region(bones.graph, *waiting_in(bones.codes(slot), slot, prop))
    if region.nearest(debts.is_nothing()) is not None:
        return False
    component, inner, count = bones.lasting(region)
    return not debts.fair(component, (inner[0], inner[1]), count).any()
