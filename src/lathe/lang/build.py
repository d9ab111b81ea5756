"""Python's syntax tree of an expression becomes ours: whitelisted, names resolved, typed.

Its size is bounded before anything descends into it, so the recursion here is at most `MAX_DEPTH` deep.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import NoReturn

from lathe.lang.expr import (
    And,
    Call,
    Expression,
    Follow,
    Literal,
    Loop,
    Members,
    Node,
    Not,
    Or,
    Quantifier,
    Special,
    walk,
)
from lathe.lang.lookup import FUNCTIONS, RESERVED, Context, Part, closest, read_name, read_path
from lathe.lang.names import Names
from lathe.lang.operators import adapt, arithmetic, compare, if_else, members, negate, settle
from lathe.lang.tokens import ExpressionError, Text, check_words, refuse_foreign_operator, shown
from lathe.lang.types import BOOL, INT, NONE, UNKNOWN, Type
from lathe.lang.typing_rules import EMPTY_SET, LOOSE, described, element_of, fits, is_loose

MAX_NODES = 200
MAX_DEPTH = 16
MAX_LOOPS = 3
"""How many variables of comprehensions may be in force at once."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_VARIABLE = r"[a-z][a-z0-9_]{0,47}\Z"
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "not in", ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip
_PRINCIPAL = r"\b(role|effect|timer|entity|inbound):\w"
_TEXT_SIZE = "a text has no length here: its `max` bounds it, `is not None` says that there is one"
_OFFERED = "there are `len min max abs all any sum`"


def build(
    source: Text, names: Names, *, expect: Type | None, subject: str, settled: bool = True
) -> Expression:
    """The typed tree of a text. `subject` is what messages say must have the expected type.

    Without `settled`, quoted text may keep its undecided type. Raises ExpressionError.
    """
    check_words(source)
    builder = _Builder(Context(source, names))
    tree = builder.expression(_parse(source))
    if expect is not None:
        tree = conform(builder.context, tree, expect, subject=subject)
    elif settled and is_loose(tree.type):
        tree = settle(builder.context, tree)
    return Expression(tree, source.text.strip(), source.span(*_trimmed(source.text)))


def conform(context: Context, tree: Node, expect: Type, *, subject: str) -> Node:
    """The tree as a value of the expected type. Raises ExpressionError (LT102, LT103, LT104)."""
    if expect.kind == "state":
        _only_quoted(context, tree, subject)
    adapted = adapt(context, tree, expect)
    if is_loose(adapted.type) and adapted.type != EMPTY_SET:
        adapted = settle(context, adapted)
    if fits(adapted.type, expect):
        return adapted
    wanted = f"{subject} must be {described(expect)}"
    if adapted.type.kind == "none":
        context.fail("LT102", f"{wanted}, which is never unset", adapted)
    cure = f"write `{{{context.text(tree)}}}`" if expect.kind == "set" and adapted.type.kind != "set" else ""
    context.fail("LT102", f"{wanted}, and {context.told(adapted)}", adapted, cure=cure)


def _only_quoted(context: Context, tree: Node, subject: str) -> None:
    if tree.type != LOOSE:
        cure = "write `'a' if condition else 'b'`"
        if any(isinstance(node, Special | Follow) and node.type.kind == "state" for node in walk(tree)):
            cure += ", with every state by its name: where it is now is not read as where it goes"
        context.fail(
            "LT102", f"{subject} must be a quoted state, and {context.words(tree)} is none", tree, cure=cure
        )


def _trimmed(text: str) -> tuple[int, int]:
    return len(text) - len(text.lstrip()), len(text.rstrip())


def _parse(source: Text) -> ast.expr:
    """Python's tree. The text stands in brackets, so that it may go over several lines."""
    try:
        return ast.parse(f"({source.text}\n)", mode="eval").body
    except SyntaxError as error:
        offsets = _Offsets(source.text)
        start = offsets.of_character(error.lineno or 1, error.offset or 1)
        end = offsets.of_character(error.end_lineno or error.lineno or 1, error.end_offset or 0)
        _refuse_syntax(source, start, end)
    except (RecursionError, MemoryError, ValueError):
        source.fail("LT005", "the expression is too deep to read", 0, len(source.text))


def _refuse_syntax(source: Text, start: int, end: int) -> NoReturn:
    refuse_foreign_operator(source)
    text = source.text
    end = max(end, start + 1)
    if start >= len(text.rstrip()):
        last = len(text.rstrip())
        source.fail("LT103", "the expression ends too early", max(last - 1, 0), last)
    source.fail(
        "LT103",
        f"{shown(text[start:end])} cannot be read as an expression",
        start,
        min(end, len(text)),
        cure="who may take an action stands in its `by`" if re.search(_PRINCIPAL, text) else "",
    )


class _Offsets:
    """From Python's lines and columns (of the text in brackets) to offsets in the text."""

    def __init__(self, text: str) -> None:
        wrapped = f"({text}\n)"
        self._length = len(text)
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(wrapped))]
        self._lines = [
            wrapped[a:b] for a, b in zip(self._starts, [*self._starts[1:], len(wrapped)], strict=True)
        ]
        self._is_ascii = text.isascii()

    def of_byte(self, line: int, column: int) -> int:
        """`column` counts bytes of UTF-8 from 0, as in `ast`."""
        if not self._is_ascii:
            column = len(self._lines[line - 1].encode()[:column].decode(errors="replace"))
        return self._bounded(line, column)

    def of_character(self, line: int, column: int) -> int:
        """`column` counts characters from 1, as in syntax errors."""
        return self._bounded(line, column - 1)

    def _bounded(self, line: int, column: int) -> int:
        start = self._starts[min(line, len(self._starts)) - 1]
        return min(max(start + column - 1, 0), self._length)


def _bound(builder: _Builder, root: ast.expr) -> None:
    """Refuse a tree that is too large or too deep, before anything descends into it."""
    total = 0
    waiting: list[tuple[ast.AST, int, int]] = [(root, 1, 1)]
    while waiting:
        node, depth, weight = waiting.pop()
        if not isinstance(node, ast.comprehension):
            total += weight
        if depth > MAX_DEPTH or total > MAX_NODES:
            limit = f"{MAX_DEPTH} deep" if depth > MAX_DEPTH else f"{MAX_NODES} nodes"
            builder.source.fail(
                "LT005", f"the expression is larger than {limit}", 0, len(builder.source.text)
            )
        waiting.extend(_below(node, depth, weight))


def _below(node: ast.AST, depth: int, weight: int) -> Iterable[tuple[ast.AST, int, int]]:
    """What counts below a node; the middle of a chained comparison is in two comparisons."""
    match node:
        case ast.Attribute(value=ast.Name()) | ast.Constant() | ast.Name():
            return ()
        case ast.comprehension():
            return [(child, depth, weight) for child in (node.iter, *node.ifs)]
        case ast.Call(func=ast.Name()):
            return [(child, depth + 1, weight) for child in (*node.args, *(k.value for k in node.keywords))]
        case ast.Compare():
            ends = [(node.left, depth + 1, weight), (node.comparators[-1], depth + 1, weight)]
            return ends + [(child, depth + 1, 2 * weight) for child in node.comparators[:-1]]
    return [
        (child, depth + 1, weight)
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.expr | ast.comprehension)
    ]


class _Builder:
    def __init__(self, context: Context) -> None:
        self.context = context
        self.source = context.source
        self.offsets = _Offsets(context.source.text)

    def expression(self, root: ast.expr) -> Node:
        """The whole tree, once its size is known."""
        _bound(self, root)
        return self.node(root)

    def node(self, node: ast.expr) -> Node:
        rule = _RULES.get(type(node))
        if rule is None:
            what, cure = _FORBIDDEN.get(type(node), ("this", ""))
            self.fail("LT103", f"{what} is not in the expression language", node, cure=cure)
        return rule(self, node)

    def each(self, nodes: list[ast.expr]) -> list[Node]:
        """Several at once, so that the troubles of all of them are told."""
        found: list[Node] = []
        troubles: list[ExpressionError] = []
        for node in nodes:
            try:
                found.append(self.node(node))
            except ExpressionError as error:
                troubles.append(error)
        if troubles:
            raise ExpressionError(tuple(d for error in troubles for d in error.diagnostics))
        return found

    def stretch(self, node: ast.expr) -> tuple[int, int]:
        """Where a node of Python's stands in the text."""
        start = self.offsets.of_byte(node.lineno, node.col_offset)
        return start, self.offsets.of_byte(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def fail(self, code: str, message: str, node: ast.expr, *, cure: str = "") -> NoReturn:
        """Raise ExpressionError about a node of Python's."""
        self.source.fail(code, message, *self.stretch(node), cure=cure)

    def condition(self, node: Node, where: str) -> Node:
        """The node, if it is a condition."""
        if node.type.kind not in ("bool", "unknown"):
            cure = "write `is not None`" if node.type.kind in ("ref", "id", "text", "time") else ""
            cure = f"write `len({self.context.text(node)}) > 0`" if node.type.kind == "set" else cure
            cure = f"write `{self.context.text(node)} != 0`" if node.type.kind == "int" else cure
            message = f"{where} takes conditions, and {self.context.told(node)}"
            self.context.fail("LT102", message, node, cure=cure)
        return node


def _constant(builder: _Builder, node: ast.Constant) -> Node:
    span = builder.context.span(*builder.stretch(node))
    match node.value:
        case bool() as value:
            return Literal(value, BOOL, span)
        case int() as value:
            return Literal(value, INT, span)
        case None:
            return Literal(None, NONE, span)
        case str() as value:
            if any("\ud800" <= c <= "\udfff" or c == "\0" for c in value):
                builder.fail("LT103", "quoted text holds what is no character", node)
            return Literal(value, LOOSE, span)
    builder.fail("LT103", "this is neither a whole number nor quoted text", node)


def _name(builder: _Builder, node: ast.Name) -> Node:
    return read_name(builder.context, (node.id, *builder.stretch(node)))


def _attribute(builder: _Builder, node: ast.Attribute) -> Node:
    parts: list[Part] = []
    current: ast.expr = node
    while isinstance(current, ast.Attribute):
        end = builder.stretch(current)[1]
        parts.append((current.attr, end - len(current.attr), end))
        current = current.value
    if not isinstance(current, ast.Name):
        builder.fail("LT103", f"only names of refs have a `.{parts[-1][0]}`", node)
    parts.append((current.id, *builder.stretch(current)))
    parts.reverse()
    return read_path(builder.context, parts)


def _bool_op(builder: _Builder, node: ast.BoolOp) -> Node:
    word = "and" if isinstance(node.op, ast.And) else "or"
    operands = tuple(builder.condition(x, f"`{word}`") for x in builder.each(node.values))
    span = builder.context.span(*builder.stretch(node))
    return And(operands, span) if word == "and" else Or(operands, span)


def _unary(builder: _Builder, node: ast.UnaryOp) -> Node:
    if not isinstance(node.op, ast.Not | ast.USub):
        builder.fail("LT103", "of signs there are `-` and `not`", node)
    operand = builder.node(node.operand)
    span = builder.context.span(*builder.stretch(node))
    if isinstance(node.op, ast.Not):
        return Not(builder.condition(operand, "`not`"), span)
    return negate(builder.context, operand, span)


def _binary(builder: _Builder, node: ast.BinOp) -> Node:
    left, right = builder.each([node.left, node.right])
    span = builder.context.span(*builder.stretch(node))
    context = builder.context
    match node.op:
        case ast.Add():
            return arithmetic(context, "+", left, right, span=span)
        case ast.Sub():
            return arithmetic(context, "-", left, right, span=span)
        case ast.Mult():
            return arithmetic(context, "*", left, right, span=span)
        case ast.FloorDiv():
            return arithmetic(context, "//", left, right, span=span)
        case ast.Mod() if left.type.kind != "text":
            return arithmetic(context, "%", left, right, span=span)
    builder.fail("LT103", "this operator is not in the expression language", node)


def _compare(builder: _Builder, node: ast.Compare) -> Node:
    operands = builder.each([node.left, *node.comparators])
    places = [builder.stretch(x) for x in (node.left, *node.comparators)]
    found: list[Node] = []
    for index, op in enumerate(node.ops):
        whole = builder.context.span(places[index][0], places[index + 1][1])
        if len(node.ops) == 1:
            whole = builder.context.span(*builder.stretch(node))
        found.append(
            compare(builder.context, _COMPARISONS[type(op)], operands[index], operands[index + 1], span=whole)
        )
    if len(found) == 1:
        return found[0]
    return And(tuple(found), builder.context.span(*builder.stretch(node)))


def _if_else(builder: _Builder, node: ast.IfExp) -> Node:
    then, condition, otherwise = builder.each([node.body, node.test, node.orelse])
    span = builder.context.span(*builder.stretch(node))
    builder.condition(condition, "`if`")
    return if_else(builder.context, condition, then, otherwise, span=span)


def _display(builder: _Builder, node: ast.Tuple | ast.Set) -> Node:
    items = builder.each(node.elts)
    return members(builder.context, items, builder.context.span(*builder.stretch(node)))


def _call(builder: _Builder, node: ast.Call) -> Node:
    if not isinstance(node.func, ast.Name):
        cure = _OFFERED
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("add", "append", "remove", "discard"):
            cure = "in `do`, write `field += member` or `field -= member`"
        builder.fail(
            "LT103",
            f"there are no methods in the expression language: {_text(builder, node.func)}",
            node,
            cure=cure,
        )
    name = node.func.id
    if name not in FUNCTIONS:
        guess = closest(name, FUNCTIONS)
        cure = f"did you mean `{guess}`? {_OFFERED}" if guess is not None else _OFFERED
        builder.fail("LT103", f"there is no function `{name}`", node.func, cure=cure)
    if node.keywords or any(isinstance(x, ast.Starred) for x in node.args):
        builder.fail("LT103", f"`{name}` takes plain values", node)
    if name in ("all", "any", "sum"):
        return _quantifier(builder, node, name)
    return _function(builder, node, name)


def _text(builder: _Builder, node: ast.expr) -> str:
    start, end = builder.stretch(node)
    return shown(builder.source.text[start:end])


def _function(builder: _Builder, node: ast.Call, name: str) -> Node:
    span = builder.context.span(*builder.stretch(node))
    least, most = {"set": (0, 0), "len": (1, 1), "abs": (1, 1)}.get(name, (2, MAX_NODES))
    if not least <= len(node.args) <= most:
        wanted = {"set": "nothing", "len": "one set", "abs": "one int"}
        cure = "write `{a, b}` for a set of some" if name == "set" else ""
        builder.fail("LT103", f"`{name}` takes {wanted.get(name, 'two ints or more')}", node, cure=cure)
    arguments = tuple(builder.each(node.args))
    if name == "set":
        return Members((), EMPTY_SET, span)
    kind = "set" if name == "len" else "int"
    for argument in arguments:
        if argument.type.kind not in (kind, "unknown"):
            what = "counts the members of a set" if name == "len" else "is for ints"
            cure = _TEXT_SIZE if name == "len" and argument.type.kind == "text" else ""
            message = f"`{name}` {what}, and {builder.context.told(argument)}"
            builder.context.fail("LT102", message, argument, cure=cure)
    match name:
        case "len":
            return Call("len", (_settled(builder, arguments[0]),), INT, span)
        case "min":
            return Call("min", arguments, INT, span)
        case "max":
            return Call("max", arguments, INT, span)
    return Call("abs", arguments, INT, span)


def _settled(builder: _Builder, node: Node) -> Node:
    return settle(builder.context, node) if is_loose(node.type) else node


def _quantifier(builder: _Builder, node: ast.Call, name: str) -> Node:
    if len(node.args) != 1 or not isinstance(node.args[0], ast.GeneratorExp):
        message = f"`{name}` takes one comprehension"
        builder.fail("LT103", message, node, cure=f"write `{name}(… for x in a_set)`")
    comprehension = node.args[0]
    assert isinstance(comprehension, ast.GeneratorExp)
    before = dict(builder.context.variables)
    try:
        loops = tuple(_loop(builder, generator) for generator in comprehension.generators)
        body = builder.node(comprehension.elt)
    finally:
        builder.context.variables = before
    span = builder.context.span(*builder.stretch(node))
    if name == "sum":
        if body.type.kind not in ("int", "unknown"):
            cure = "write `sum(1 for … if …)` to count" if body.type.kind == "bool" else ""
            builder.context.fail(
                "LT102", f"`sum` adds ints, and {builder.context.told(body)}", body, cure=cure
            )
        return Quantifier("sum", body, loops, INT, span)
    builder.condition(body, f"`{name}`")
    return Quantifier("all" if name == "all" else "any", body, loops, BOOL, span)


def _loop(builder: _Builder, generator: ast.comprehension) -> Loop:
    """One `for`; its variable is in force from here on."""
    variables = builder.context.variables
    source = _source(builder, generator.iter)
    name = _variable(builder, generator.target)
    if len(variables) >= MAX_LOOPS:
        builder.fail("LT005", f"more than {MAX_LOOPS} `for` inside one another", generator.target)
    variables[name] = element_of(source.type) if source.type.kind == "set" else UNKNOWN
    conditions = tuple(builder.condition(x, "`if`") for x in builder.each(generator.ifs))
    if len(conditions) > 1:
        spans = [builder.stretch(x) for x in generator.ifs]
        return Loop(name, source, And(conditions, builder.context.span(spans[0][0], spans[-1][1])))
    return Loop(name, source, conditions[0] if conditions else None)


def _source(builder: _Builder, node: ast.expr) -> Node:
    source = builder.node(node)
    if isinstance(source, Members) or is_loose(source.type):
        builder.fail("LT103", "a comprehension goes over a field that is a set, or over a blueprint", node)
    if source.type.kind not in ("set", "unknown"):
        message = f"a comprehension goes over a set, and {builder.context.told(source)}"
        builder.context.fail("LT102", message, source)
    return source


def _variable(builder: _Builder, target: ast.expr) -> str:
    if not isinstance(target, ast.Name):
        builder.fail("LT103", "a comprehension has one plain variable", target)
    name, names = target.id, builder.context.names
    if not re.match(_VARIABLE, name):
        builder.fail("LT103", f"`{name}` is no name for a variable: use a to z, 0 to 9 and _", target)
    if name in RESERVED:
        builder.fail("LT006", f"`{name}` is reserved", target, cure="give the variable another name")
    taken = (names.fields, names.ghosts, names.app_ghosts, names.hidden_ghosts, builder.context.variables)
    if any(name in table for table in taken):
        builder.fail(
            "LT006", f"`{name}` already means something here", target, cure="give the variable another name"
        )
    return name


_RULES: dict[type[ast.expr], Callable[..., Node]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.BoolOp: _bool_op,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.Compare: _compare,
    ast.IfExp: _if_else,
    ast.Tuple: _display,
    ast.Set: _display,
    ast.Call: _call,
}
_FORBIDDEN: dict[type[ast.expr], tuple[str, str]] = {
    ast.Subscript: ("indexing", "name what you need in a field of its own"),
    ast.List: ("a list in square brackets", "write `(a, b)` after `in`, `{a, b}` for a set"),
    ast.ListComp: ("a list", "write `all(… for x in a_set)` without square brackets"),
    ast.SetComp: ("a set comprehension", "only `all`, `any` and `sum` go over sets"),
    ast.GeneratorExp: ("a comprehension by itself", "put it into `all(…)`, `any(…)` or `sum(…)`"),
    ast.Dict: ("a table", "write `{a, b}` for a set, `set()` for the empty one"),
    ast.DictComp: ("a table", "only `all`, `any` and `sum` go over sets"),
    ast.Starred: ("`*`", ""),
    ast.Slice: ("slicing", ""),
}
