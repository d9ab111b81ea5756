"""All steps from a column of states at once: the commands as one generated numpy function.

What `search` generates for one state stands here for many: states are sorted by the control state of a
slot, each command's guard picks some of them, and only for those the successor is made. Comparisons of
variables with constants become one masked comparison a word, the row `(mask, value)`; changes by
constants become one `(clear, add)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lathe.check import ir
from lathe.check.arrays.formula import is_small, number_text, truth_text
from lathe.check.arrays.words import Words
from lathe.check.command import Command, Param
from lathe.check.ir import FALSE, TRUE, Formula
from lathe.check.layout import WORD_BITS, Variable
from lathe.check.watch import Watch
from lathe.frozen import frozen

Rows = NDArray[np.intp]
Batch = tuple[int, Rows | None, Rows | None, Words]
"""A command's number, the states of its group, which of them take it (None: all), and where that leads."""

Group = tuple[Variable | None, int, tuple[Command, ...]]
"""A control state and the commands that need it; -1: any but empty; no variable: any at all."""

_WORD = (1 << WORD_BITS) - 1


@frozen
class Found:
    """What comes of expanding some states: steps, and for each watch that was met the first position."""

    batches: tuple[Batch, ...]
    hits: tuple[tuple[int, int], ...]


@frozen
class Model:
    """What a search needs, and no more: variables, guarded updates by number, and how they are grouped."""

    variables: Sequence[Variable]
    commands: Sequence[Command]
    groups: Sequence[Group]
    watched: Sequence[Watch]
    word_count: int


def sources(batch: Batch, size: int) -> Rows:
    """The positions of the states in which the steps of a batch are taken, of `size` that were expanded."""
    _, here, which, _ = batch
    if here is None:
        return np.arange(size) if which is None else which
    return here if which is None else here[which]


Expand = Callable[[Words, bytearray], Found]


def is_expandable(model: Model) -> bool:
    """Whether 64-bit arithmetic is enough for everything that the commands compute."""
    if any(v.width > WORD_BITS - 2 for v in model.variables):
        return False
    formulas = [f for c in model.commands for f in (c.guard, *c.updates.values())]
    return all(is_small(f) for f in (*formulas, *(w.condition for w in model.watched)))


def make_expand(model: Model) -> Expand:
    """The function that takes columns of states and tells every step from them.

    It is given, beside the states, a flag for each watch that is still looked out for.
    """
    lines = ["def expand(words, live, add, hit):", " size = len(words[0])"]
    for group in model.groups:
        lines += _group(model, group)
    scope: dict[str, object] = dict(_SCOPE)
    exec(compile("\n".join(lines), "<expand>", "exec"), scope)
    look = scope["expand"]
    assert callable(look), "a function was just defined"

    def expand(words: Words, live: bytearray) -> Found:
        batches: list[Batch] = []
        hits: list[tuple[int, int]] = []
        look(words, live, batches.append, hits.append)
        return Found(tuple(batches), tuple(hits))

    return expand


Truths = list[NDArray[np.bool_]]


def evaluate(formulas: Sequence[Formula], variables: Sequence[Variable]) -> Callable[[Words], Truths]:
    """A function that tells of each condition in which states it holds."""
    lines = ["def look(words, add):", " size = len(words[0])"]
    lines += [" " + _decoded(variables[i], "words") for i in sorted(ir.variables(*formulas))]
    lines += [f" add(everywhere({truth_text(f)}, size))" for f in formulas]
    scope: dict[str, object] = dict(_SCOPE)
    exec(compile("\n".join(lines), "<evaluate>", "exec"), scope)
    look = scope["look"]
    assert callable(look), "a function was just defined"

    def evaluated(words: Words) -> Truths:
        found: Truths = []
        look(words, found.append)
        return found

    return evaluated


def _natural(x: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return np.maximum(x, 0)


def _nonzero(x: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return np.where(np.equal(x, 0), 1, x)


def _members(x: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return np.asarray(np.bitwise_count(np.asarray(x, dtype=np.int64)).astype(np.int64))


def _everywhere(condition: NDArray[np.bool_] | bool, size: int) -> NDArray[np.bool_]:
    return np.broadcast_to(np.asarray(condition, dtype=np.bool_), (size,))


def _where(condition: NDArray[np.bool_] | bool, size: int) -> Rows:
    return np.flatnonzero(_everywhere(condition, size))


def _placed(value: NDArray[np.int64] | int, shift: int) -> NDArray[np.uint64]:
    return np.asarray(value, dtype=np.int64).astype(np.uint64) << np.uint64(shift)


_SCOPE = {
    "np": np,
    "U": np.uint64,
    "natural": _natural,
    "nonzero": _nonzero,
    "members": _members,
    "everywhere": _everywhere,
    "where": _where,
    "placed": _placed,
}


def _word(variable: Variable) -> int:
    return variable.offset // WORD_BITS


def _shift(variable: Variable) -> int:
    return variable.offset % WORD_BITS


def _decoded(variable: Variable, words: str, prefix: str = "v") -> str:
    """The line that reads a variable out of columns."""
    name = f"{prefix}{variable.index}"
    if not variable.width:
        return f"{name} = np.zeros(size, dtype=np.int64)"
    shifted = f"{words}[{_word(variable)}] >> U({_shift(variable)})"
    return f"{name} = ({shifted} & U({variable.mask})).astype(np.int64)"


def _group(model: Model, group: Group) -> Iterator[str]:
    """The commands that need one control state: they see only the states that are in it."""
    variable, code, commands = group
    watched: dict[int, list[tuple[int, Watch]]] = {}
    for number, watch in enumerate(model.watched):
        watched.setdefault(watch.command.index, []).append((number, watch))
    yield " size, here, part = len(words[0]), None, words"
    if variable is not None and variable.width:
        test = f"(words[{_word(variable)}] >> U({_shift(variable)})) & U({variable.mask})"
        yield f" here = np.flatnonzero({test}" + (f" == U({code}))" if code >= 0 else ")")
        yield " size = len(here)"
    yield " if size:"
    if variable is not None and variable.width:
        yield "  if size < len(words[0]): part = tuple(word[here] for word in words)"
        yield "  else: here = None"
    decoded: set[int] = set()
    for command in commands:
        for number, watch in watched.get(command.index, ()):
            yield from _watch(model, number, watch, decoded)
        if command.guard != FALSE:
            yield from _command(model, command, decoded)
    yield "  pass"


def _needed(model: Model, formulas: Iterable[Formula], decoded: set[int]) -> Iterator[str]:
    """Lines that read the variables that no earlier command of the group has read."""
    for index in sorted(ir.variables(*formulas) - decoded):
        decoded.add(index)
        yield "  " + _decoded(model.variables[index], "part")


def _watch(model: Model, number: int, watch: Watch, decoded: set[int]) -> Iterator[str]:
    yield from _needed(model, [watch.condition], decoded)
    yield f"  if live[{number}]:"
    lines, indent = _loops(watch.command.params, (watch.condition,), "   ")
    yield from lines
    yield f"{indent}k = where({truth_text(watch.condition)}, size)"
    yield f"{indent}if len(k): hit(({number}, int(k[0] if here is None else here[k[0]])))"


def _loops(params: tuple[Param, ...], formulas: Sequence[Formula], indent: str) -> tuple[list[str], str]:
    """Loops over the parameters that some formulas read."""
    names, lines = ir.parameters(*formulas), []
    for param in params:
        if param.name in names:
            low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
            values = ", ".join(str(code + low) for code in param.codes)
            lines.append(f"{indent}for p_{param.name} in ({values},):")
            indent += " "
    return lines, indent


def _command(model: Model, command: Command, decoded: set[int]) -> Iterator[str]:
    """Guard first, parameters after; the states that are left get their successors."""
    clauses = [c for c in ir.conjuncts(command.guard) if c != TRUE]
    free = [c for c in clauses if not ir.parameters(c)]
    bound = [c for c in clauses if ir.parameters(c)]
    rows, rest = _rows(model, free)
    moving = [f for f in command.updates.values() if not ir.is_const(f)]
    yield from _needed(model, (*rest, *bound, *moving), decoded)
    tests = [f"((part[{w}] & U({mask})) == U({value}))" for w, (mask, value) in sorted(rows.items())]
    tests += [truth_text(c) for c in rest]
    yield f"  j = where({' & '.join(tests)}, size)" if tests else "  j = None"
    yield "  if j is None or len(j):"
    used = sorted(ir.variables(*bound, *moving))
    picked = "   count = size if j is None else len(j)"
    yield picked
    for index in used:
        yield f"   u{index} = v{index} if j is None else v{index}[j]"
    lines, indent = _loops(command.params, (*bound, *moving), "   ")
    yield from lines
    if bound:
        yield f"{indent}k = where({' & '.join(truth_text(c, 'u') for c in bound)}, count)"
        yield f"{indent}if len(k):"
        indent += " "
        yield f"{indent}i = k if j is None else j[k]"
        for index in sorted(ir.variables(*moving)):
            yield f"{indent}t{index} = u{index}[k]"
    else:
        yield f"{indent}i = j"
    yield from _successors(model, command, "t" if bound else "u", indent)


def _rows(model: Model, clauses: list[Formula]) -> tuple[dict[int, tuple[int, int]], list[Formula]]:
    """Comparisons with constants as a mask and a value for each word, and what is left over."""
    rows: dict[int, tuple[int, int]] = {}
    rest = []
    for clause in clauses:
        known = _settles(clause)
        variable = model.variables[known[0]] if known else None
        if known is None or variable is None or not variable.width:
            rest.append(clause)
            continue
        mask, value = rows.get(_word(variable), (0, 0))
        bits = variable.mask << _shift(variable)
        if mask & bits:
            rest.append(clause)
            continue
        rows[_word(variable)] = (mask | bits, value | known[1] << _shift(variable))
    return rows, rest


def _settles(clause: Formula) -> tuple[int, int] | None:
    """The variable and the code that a clause demands of it, if it demands just that."""
    if clause.op == "==" and clause.args[0].op == "v" and ir.is_const(clause.args[1]):
        index, value = clause.args[0].value, clause.args[1].value
        return (index, value) if 0 <= value <= clause.args[0].high else None
    if clause.op == "v" and clause.high == 1:
        return (clause.value, 1)
    if clause.op == "not" and clause.args[0].op == "v":
        return (clause.args[0].value, 0)
    return None


def _successors(model: Model, command: Command, prefix: str, indent: str) -> Iterator[str]:
    """The columns after a command, for the positions `i` of the part (None: all of it)."""
    clear, add = [0] * model.word_count, [0] * model.word_count
    moving: list[list[str]] = [[] for _ in range(model.word_count)]
    for index, formula in sorted(command.updates.items()):
        variable = model.variables[index]
        if not variable.width:
            continue
        word, shift = _word(variable), _shift(variable)
        change = _change(formula, index)
        if change is not None:
            add[word] += change << shift
            continue
        clear[word] |= variable.mask << shift
        if ir.is_const(formula):
            add[word] += formula.value << shift
        else:
            moving[word].append(f"placed({number_text(formula, prefix)}, {shift})")
    parts = []
    for word in range(model.word_count):
        text = f"y{word}"
        yield f"{indent}{text} = part[{word}] if i is None else part[{word}][i]"
        if clear[word]:
            text = f"({text} & U({_WORD & ~clear[word]}))"
        for piece in moving[word]:
            text = f"({text} | {piece})"
        if add[word] & _WORD:
            text = f"({text} + U({add[word] & _WORD}))"
        parts.append(text)
    yield f"{indent}add(({command.index}, here, i, ({', '.join(parts)},)))"


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
