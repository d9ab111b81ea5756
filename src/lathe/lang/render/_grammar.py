"""The grammar of phrases: clauses, which are true or not, and nouns, which have a value.

Each phrase knows how tightly it binds, and stands in parentheses where it would bind otherwise than
its expression does.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal,
    Loop,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Population,
    Quantifier,
    Read,
    SetChange,
    Special,
)
from lathe.lang.render.escape import code
from lathe.lang.render.words import duration, listing, number

_ORDER = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
_ARITHMETIC = {"+": "plus", "-": "minus", "*": "times"}
_SPECIALS = {
    "state": "its own state",
    "old_state": "its old state",
    "id": "its id",
    "actor": "the caller",
    "now": "now",
}


class Binding(IntEnum):
    """How tightly a phrase holds together."""

    LOOSE = 0  # several clauses
    CLAUSE = 1  # one statement
    SUM = 2  # a noun that is worked out
    WORD = 3  # a name or a literal


class Phrase(NamedTuple):
    text: str
    binding: Binding


def at_least(phrase: Phrase, binding: Binding) -> str:
    """The text, in parentheses if it binds more loosely than this."""
    return phrase.text if phrase.binding >= binding else f"({phrase.text})"


# Clauses: what is true or not.


def clause(node: Node) -> Phrase:
    """What a bool expression says."""
    match node:
        case And(operands=operands):
            return _joined(operands, "and")
        case Or(operands=(Not(operand=premise), *rest)) if rest:
            return _implication(premise, tuple(rest))
        case Or(operands=(Compare(op="!=", left=left, right=right), *rest)) if rest:
            return _implication(Compare("==", left, right), tuple(rest))
        case Or(operands=operands):
            return _joined(operands, "or")
        case Not(operand=operand):
            return _negated(operand)
        case Compare():
            return _compared(node, is_negated=False)
        case Quantifier(function="all" | "any"):
            every = "every" if node.function == "all" else "some"
            return Phrase(f"for {_loops(node, every)}: {clause(node.body).text}", Binding.LOOSE)
        case Literal(value=bool(truth)):
            return Phrase("always" if truth else "never", Binding.CLAUSE)
        case IfElse():
            return _choice(node, clause(node.then), clause(node.otherwise))
        case _:
            return Phrase(f"{at_least(noun(node), Binding.SUM)} is true", Binding.CLAUSE)


def _joined(operands: tuple[Node, ...], word: str) -> Phrase:
    return Phrase(listing((at_least(clause(o), Binding.CLAUSE) for o in operands), word), Binding.LOOSE)


def _implication(premise: Node, rest: tuple[Node, ...]) -> Phrase:
    conclusion = _joined(rest, "or") if len(rest) > 1 else clause(rest[0])
    is_list = isinstance(premise, And)
    when = clause(premise).text if is_list else at_least(clause(premise), Binding.CLAUSE)
    then = conclusion.text if len(rest) > 1 else at_least(conclusion, Binding.CLAUSE)
    return Phrase(f"if {when}, then {then}", Binding.LOOSE)


def _negated(operand: Node) -> Phrase:
    match operand:
        case Compare():
            return _compared(operand, is_negated=True)
        case Read() | Follow():
            return Phrase(f"{noun(operand).text} is false", Binding.CLAUSE)
        case _:
            return Phrase(f"it is not so that {at_least(clause(operand), Binding.CLAUSE)}", Binding.LOOSE)


def _compared(node: Compare, *, is_negated: bool) -> Phrase:
    negated = is_negated is not (node.op == "!=")
    if node.op in ("==", "!=") and isinstance(node.right, Literal) and isinstance(node.right.value, bool):
        is_true = node.right.value is not negated
        if node.left.type.kind == "bool":
            return clause(node.left) if is_true else _negated(node.left)
    subject = _subject(node.left)
    if node.op == "is" or (isinstance(node.right, Literal) and node.right.value is None):
        return Phrase(_unset(node.left, subject, is_set=negated), Binding.CLAUSE)
    if node.op == "in":
        is_list = isinstance(node.right, Members) and len(node.right.items) > 1
        binding = Binding.LOOSE if is_list else Binding.CLAUSE
        return Phrase(f"{subject} {_among(node, is_negated=negated)}", binding)
    return Phrase(f"{subject} {_relation(node, is_negated=negated)}", Binding.CLAUSE)


def _subject(node: Node) -> str:
    """The left side; of a state, the one that is in it: "it is in", "`lease` is in"."""
    match node:
        case Special(name="state" | "old_state"):
            return "it"
        case Follow(what="state", base=base):
            return at_least(noun(base), Binding.SUM)
        case _:
            return at_least(noun(node), Binding.SUM)


def _unset(node: Node, subject: str, *, is_set: bool) -> str:
    if isinstance(node, Special) and node.name == "actor":
        return "there is a caller" if is_set else "there is no caller"
    return f"{subject} is {'set' if is_set else 'unset'}"


def _relation(node: Compare, *, is_negated: bool) -> str:
    right = at_least(noun(node.right), Binding.SUM)
    if node.op in _ORDER:
        return f"is {'not ' if is_negated else ''}{_ORDER[node.op]} {right}"
    if _is_state(node.left):
        return f"{_was(node.left)} {'not ' if is_negated else ''}in {right}"
    if node.left.type.kind == "int" and not isinstance(node.right, Literal):
        return f"{'differs from' if is_negated else 'equals'} {right}"
    return f"is {'not ' if is_negated else ''}{right}"


def _among(node: Compare, *, is_negated: bool) -> str:
    place = "in " if _is_state(node.left) else ""
    verb = _was(node.left)
    if not isinstance(node.right, Members):
        where = at_least(noun(node.right), Binding.WORD)
        return f"is {'not ' if is_negated else ''}among {where}"
    items = [at_least(noun(item), Binding.WORD) for item in node.right.items]
    if not items:
        return f"{verb} {'anything' if is_negated else 'nothing'}"
    if not is_negated:
        return f"{verb} {place}{listing(items, 'or')}"
    if len(items) == 1:
        return f"{verb} not {place}{items[0]}"
    if len(items) == 2:
        return f"{verb} {place}neither {items[0]} nor {items[1]}"
    return f"{verb} {place}none of {listing(items)}"


def _is_state(node: Node) -> bool:
    return isinstance(node, Special | Follow) and node.type.kind == "state"


def _was(node: Node) -> str:
    return "was" if isinstance(node, Special) and node.name == "old_state" else "is"


# Nouns: what has a value.


def noun(node: Node) -> Phrase:
    """What an expression stands for."""
    match node:
        case Literal():
            return Phrase(_literal(node), Binding.WORD)
        case Read(scope="arg", name=name):
            return Phrase(f"the given {code(name)}", Binding.WORD)
        case Read(scope="old" | "old_ghost" | "old_app_ghost", name=name):
            return Phrase(f"the old {code(name)}", Binding.WORD)
        case Read(name=name):
            return Phrase(code(name), Binding.WORD)
        case Special():
            return _special(node)
        case Follow():
            return _followed(node)
        case Population(blueprint=name):
            return Phrase(f"every {name}", Binding.WORD)
        case Arithmetic():
            return _arithmetic(node)
        case Negate(operand=operand):
            return Phrase(f"minus {at_least(noun(operand), Binding.WORD)}", Binding.SUM)
        case IfElse():
            return _choice(node, noun(node.then), noun(node.otherwise))
        case Members() | SetChange():
            return _set(node)
        case Call():
            return _call(node)
        case Quantifier(function="sum"):
            has_condition = any(loop.condition for loop in node.loops)
            text = f"the sum of {at_least(noun(node.body), Binding.WORD)} over {_loops(node, 'every')}"
            return Phrase(text, Binding.LOOSE if has_condition else Binding.SUM)
        case _:
            return Phrase(f"whether {clause(node).text}", Binding.LOOSE)


def _literal(node: Literal) -> str:
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if isinstance(node.value, int):
        return number(node.value)
    return code(node.value) if node.type.kind == "state" else code(repr(node.value))


def _special(node: Special) -> Phrase:
    if node.name == "self":
        return Phrase(f"this {node.type.blueprint}", Binding.WORD)
    return Phrase(_SPECIALS[node.name], Binding.WORD)


def _followed(node: Follow) -> Phrase:
    match node.base:
        case Read(scope="field" | "ghost" | "variable" | "item", name=name):
            return Phrase(code(f"{name}.{node.name}"), Binding.WORD)
        case Read(scope="arg", name=name):
            return Phrase(f"the given {code(f'{name}.{node.name}')}", Binding.WORD)
        case _:
            return Phrase(f"{code(node.name)} of {at_least(noun(node.base), Binding.WORD)}", Binding.SUM)


def _arithmetic(node: Arithmetic) -> Phrase:
    left = at_least(noun(node.left), Binding.WORD)
    right = at_least(noun(node.right), Binding.WORD)
    if node.left.type.kind == "time":
        seconds = node.right.value if isinstance(node.right, Literal) else None
        wait = duration(seconds * 1000) if isinstance(seconds, int) else f"{right} seconds"
        return Phrase(f"{wait} {'from now' if left == 'now' else f'after {left}'}", Binding.SUM)
    if node.op == "//":
        return Phrase(f"{left} divided by {right} (rounded down)", Binding.SUM)
    if node.op == "%":
        return Phrase(f"the remainder of {left} divided by {right}", Binding.SUM)
    return Phrase(f"{left} {_ARITHMETIC[node.op]} {right}", Binding.SUM)


def _choice(node: IfElse, then: Phrase, otherwise: Phrase) -> Phrase:
    condition = clause(node.condition).text
    first, second = at_least(then, Binding.CLAUSE), at_least(otherwise, Binding.CLAUSE)
    return Phrase(f"{first} if {condition}, otherwise {second}", Binding.LOOSE)


def _set(node: Members | SetChange) -> Phrase:
    if isinstance(node, SetChange):
        word = "with" if node.op == "+" else "without"
        left = at_least(noun(node.left), Binding.WORD)
        return Phrase(f"{left} {word} {members(node.right)}", Binding.SUM)
    if not node.items:
        return Phrase("the empty set", Binding.WORD)
    return Phrase(f"the set of {listing(at_least(noun(i), Binding.WORD) for i in node.items)}", Binding.SUM)


def _call(node: Call) -> Phrase:
    arguments = [at_least(noun(a), Binding.WORD) for a in node.arguments]
    if node.function == "len":
        return Phrase(f"the number of {arguments[0]}", Binding.SUM)
    if node.function == "abs":
        return Phrase(f"the absolute value of {arguments[0]}", Binding.SUM)
    small = "small" if node.function == "min" else "larg"
    degree = "er" if len(arguments) == 2 else "est"
    return Phrase(f"the {small}{degree} of {listing(arguments)}", Binding.SUM)


def _loops(node: Quantifier, every: str) -> str:
    last = node.loops[-1]
    return " and ".join(_loop(loop, every, is_last=loop is last) for loop in node.loops)


def _loop(loop: Loop, every: str, *, is_last: bool) -> str:
    if isinstance(loop.source, Population):
        group = f"{every} {loop.source.blueprint} {code(loop.variable)}"
    else:
        group = f"{every} {code(loop.variable)} in {at_least(noun(loop.source), Binding.WORD)}"
    if loop.condition is None:
        return group
    where = clause(loop.condition)
    return f"{group} where {at_least(where, Binding.LOOSE if is_last else Binding.CLAUSE)}"


def members(node: Node) -> str:
    """The members that a set gains or loses."""
    if node.type.kind == "set" and not isinstance(node, Members):
        return f"the members of {at_least(noun(node), Binding.WORD)}"
    if isinstance(node, Members) and node.items:
        return listing(at_least(noun(item), Binding.WORD) for item in node.items)
    return noun(node).text
