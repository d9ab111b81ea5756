"""k-induction: what holds in the first k states of every run, and in each that k good ones lead to.

A property that one step can break from a state that no run reaches is often kept by that state having no
way into it (Sheeran, Singh and Stålmarck, *Checking safety properties using induction and a SAT-solver*,
2000). The steps are unrolled plainly; what is already proved is assumed in every state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import z3

from lathe.check.algebra import build
from lathe.check.algebra.build import Z3, both, either, equal, integer, negation
from lathe.check.algebra.moves import flat, move
from lathe.check.algebra.terms import Lowering, Mask, Term, constant, within
from lathe.check.composed.ir import Formula
from lathe.check.composed.system import System
from lathe.check.search.graph import Clock

MOST_STEPS = 3
"""The largest k: each more doubles what is asked, and Spacer finds what is deeper."""

Asked = tuple[str, tuple[Z3, ...]]
"""A name, and conditions that cannot hold together."""


class Unrolling:
    """Copies of a system's variables, one for each state of a run, and the steps between them."""

    def __init__(
        self, system: System, lemmas: Sequence[Formula], clock: Clock, stop_at: float, *, query_limit: int
    ) -> None:
        self._system = system
        self._lemmas = lemmas
        self._clock = clock
        self._stop_at = stop_at
        self._query_limit = query_limit
        self._copies: list[Mapping[int, Term]] = []
        self._known: list[Z3] = []
        self._steps: list[Z3] = []

    def proof(self, formula: Formula) -> list[Asked] | None:
        """What shows that a condition holds in every state of every run; None if that is not found."""
        asked: list[Asked] = [("first-0", (self._begin(), self._false(formula, 0)))]
        if not self._is_impossible(asked[0]):
            return None
        for k in range(2, MOST_STEPS + 1):
            first = (f"first-{k - 1}", (self._begin(), *self._run(k - 1), self._false(formula, k - 1)))
            if not self._is_impossible(first):
                return None
            asked.append(first)
            good = [negation(self._false(formula, i)) for i in range(k)]
            last = (f"after-{k}", (*self._run(k), *good, self._false(formula, k)))
            if self._is_impossible(last):
                return [*asked, last]
        return None

    def _is_impossible(self, asked: Asked) -> bool:
        if self._clock() >= self._stop_at:
            return False
        solver = z3.SimpleSolver()
        solver.set("rlimit", self._query_limit)
        solver.set("random_seed", 0)
        build.add(solver, asked[1])
        return bool(solver.check() == z3.unsat)

    def _copy(self, number: int) -> Mapping[int, Term]:
        """The variables of the state with this number; those before it are there too."""
        variables = self._system.layout.variables
        while len(self._copies) <= number:
            names = {v.index: constant(v, f"@{len(self._copies)}") for v in variables}
            lowering = Lowering(names, {})
            ranges = (within(v, names[v.index]) for v in variables)
            self._copies.append(names)
            self._known.append(both(*ranges, *map(lowering.truth, self._lemmas)))
        return self._copies[number]

    def _false(self, formula: Formula, number: int) -> Z3:
        """That the state with this number is one that may be, and the condition is false in it."""
        return negation(Lowering(self._copy(number), {}).truth(formula))

    def _begin(self) -> Z3:
        """That the first state is an initial one."""
        names = self._copy(0)
        variables = self._system.layout.variables
        return either(
            *(
                both(*(is_code(names[v.index], v.read(packed)) for v in variables))
                for packed in self._system.initial
            )
        )

    def _run(self, count: int) -> Iterator[Z3]:
        """That so many steps are taken, one after the other, from the first state on."""
        while len(self._steps) < count:
            self._steps.append(self._step(len(self._steps)))
        yield from self._steps[:count]
        yield from self._known[: count + 1]

    def _step(self, number: int) -> Z3:
        """That some command leads from the state with this number to the next."""
        before, after = self._copy(number), self._copy(number + 1)
        ways = []
        for command in self._system.commands:
            taken = move(command, before, f"@{number}")
            becomes = {**before, **taken.after}
            pairs = (
                zip(flat(after[i]), flat(becomes[i]), strict=True) for i in sorted(before) if i in becomes
            )
            ways.append(both(taken.guard, *(equal(p, q) for pair in pairs for p, q in pair)))
        return either(*ways)


def is_code(term: Term, code: int) -> Z3:
    """That a variable has a code."""
    if isinstance(term, Mask):
        return both(*(bit if code >> i & 1 else negation(bit) for i, bit in enumerate(term.bits)))
    return equal(term, integer(code))
