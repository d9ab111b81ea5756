"""How one action reaches another: the clauses of `also`, and the arguments that go over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from lathe.errors import Edit
from lathe.lang.expr import Expression, Follow, Node, Read
from lathe.lang.model import Also, Argument
from lathe.lang.names import Names
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import listed, quoted, quoted_list
from lathe.lang.resolve.outline import ActionOutline, Outline
from lathe.lang.resolve.principals import to_principal
from lathe.lang.resolve.record import Cursor, Record, Word, open_record
from lathe.lang.resolve.shapes import Key
from lathe.lang.resolve.world import World, read_condition, read_expression

ALSO: Mapping[str, Key] = MappingProxyType(
    {
        "on": Key(
            "text", "a ref: a field, an argument, or one step from either", required=True, example='"FIELD"'
        ),
        "action": Key("text", "the action that the other entity takes", required=True, example='"ACTION"'),
        "args": Key("table", "a table of its arguments, as expressions"),
        "when": Key("text", "an expression in quotes"),
        "doc": Key("text", "a text for people"),
    }
)


def read_joint(
    world: World, outline: Outline, record: Record, names: Names, *, is_whole: bool
) -> tuple[Also, ...]:
    """The clauses of `also`."""
    found: list[Also] = []
    cursors = list(record.tables("also"))
    if len(cursors) > limits.ALSO:
        record.at("also").report("LT005", f"at most {limits.ALSO} clauses of `also`, not {len(cursors)}")
    values = record.get("also")
    for cursor, value in zip(
        cursors[: limits.ALSO], values if isinstance(values, list) else [], strict=False
    ):
        clause = open_record(cursor, value, "a clause of `also`", ALSO)
        if clause is not None:
            read = _read_clause(world, outline, clause, names, is_whole=is_whole)
            if read is not None:
                found.append(read)
    return tuple(found)


def _read_clause(
    world: World, outline: Outline, clause: Record, names: Names, *, is_whole: bool
) -> Also | None:
    when = read_condition(clause, "when", replace(names, place="`when`"), is_whole=is_whole)
    on = read_reference(clause.word("on"), names, is_whole=is_whole)
    action = clause.word("action")
    target = None if on is None else world.outlines.get(on.tree.type.blueprint or "")
    if on is None or target is None or action is None:
        return None
    other = find_action(world, outline, target, action)
    if other is None:
        return None
    args = read_passed(
        clause.at("args"), clause.table("args"), other, names, is_whole=is_whole, codes=("LT002", "LT003")
    )
    return Also(on, target.name, action.text, args, when, clause.cursor.span)


def read_reference(word: Word | None, names: Names, *, is_whole: bool) -> Expression | None:
    """`on`: a ref field, a ref argument, `item`, or one step from either."""
    if word is None:
        return None
    found = read_expression(
        word.cursor, word.text, replace(names, place="`on`"), expect=None, is_whole=is_whole
    )
    if found is None:
        return None
    if not _is_reference(found.tree):
        message = (
            f"`on` is a ref field, a ref argument, or one step from either, and `{word.text[:80]}` is none"
        )
        word.cursor.report("LT103", message, help="name the ref alone")
        return None
    kind = found.tree.type.kind
    if kind not in ("ref", "unknown"):
        word.cursor.report("LT102", f"`on` is a ref, and `{word.text[:80]}` is {_a(kind)}", help=_refs(names))
        return None
    return found if kind == "ref" else None


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aei' else 'a'} {kind}"


def _refs(names: Names) -> str:
    fields = [name for name, type_ in names.fields.items() if type_.kind == "ref"]
    arguments = [f"arg.{name}" for name, type_ in (names.arguments or {}).items() if type_.kind == "ref"]
    return (
        f"there are {listed([*fields, *arguments])}" if fields or arguments else "add a field of type `ref`"
    )


def _is_reference(tree: Node) -> bool:
    base = tree.base if isinstance(tree, Follow) else tree
    return isinstance(base, Read) and base.scope in ("field", "arg", "item")


def find_action(world: World, outline: Outline, target: Outline, word: Word) -> ActionOutline | None:
    """The action of another entity, which exists, is not `create`, and admits this blueprint."""
    other = target.actions.get(word.text)
    if other is None:
        if "action" not in target.top.wrong:
            message = f"{target.name} has no action `{word.text[:80]}`"
            word.cursor.report_unknown("LT105", message, word.text, target.actions)
        return None
    if word.text == "create":
        message = "`create` makes an entity, and this reaches one that exists"
        word.cursor.report("LT105", message, help="an effect that uses `create` makes one")
        return None
    check_admitted(outline, target, other, word.cursor)
    return other


def check_admitted(outline: Outline, target: Outline, action: ActionOutline, cursor: Cursor) -> None:
    """LT110 unless the action lists `entity:` and this blueprint in its `by`."""
    principal = f"entity:{outline.name}"
    record = action.record
    if record is None or "by" in record.wrong or any(word.text == principal for word in action.by):
        return
    if any(to_principal(w.text) is None and outline.name.lower() in w.text.lower() for w in action.by):
        return  # what was meant is told at the `by` already
    edit = None
    help_ = f'add `by = "{principal}"` to `{action.name}` of {target.name}'
    if record.has("by"):
        listed_ = quoted_list([*(word.text for word in action.by), principal])
        edit = Edit(record.at("by").span, listed_)
        help_ = f"write `by = {listed_}` at `{action.name}` of {target.name}"
    cursor.faults.add(
        "LT110",
        cursor.span,
        f"`{action.name}` of {target.name} does not admit `{principal}`",
        help=help_,
        edit=edit,
        related=((action.cursor.key, f"`{action.name}` of {target.name}"),),
    )


def read_passed(
    cursor: Cursor,
    table: Mapping[str, object],
    action: ActionOutline,
    names: Names,
    *,
    is_whole: bool,
    codes: tuple[str, str],
) -> dict[str, Expression]:
    """The arguments that go over. `codes`: for one that the action does not have, for one that it lacks."""
    found: dict[str, Expression] = {}
    meant: set[str | None] = set()
    for name, value in table.items():
        at = cursor.at(name)
        argument = action.arguments.get(name)
        if argument is None:
            meant.add(report_stray(at, name, action, code=codes[0]))
        elif not isinstance(value, str | int):
            at.report("LT004", f"`{name}` is an expression in quotes", help=f"write `{name} = {quoted('…')}`")
        else:
            own = replace(names, place=f"the argument `{name}`")
            expression = read_expression(at, value, own, expect=argument.type, is_whole=is_whole)
            if expression is not None:
                found[name] = expression
    for missing in _required(action):
        if missing.name not in table and missing.name not in meant:
            cursor.report_key(
                codes[1],
                f"`{action.name}` needs the argument `{missing.name}`, {_a(missing.type.kind)}",
                help=f'add `{missing.name} = "…"` to `args`',
            )
    return found


def _required(action: ActionOutline) -> list[Argument]:
    return [a for a in action.arguments.values() if not a.has_default and not a.optional]


def report_stray(cursor: Cursor, name: str, action: ActionOutline, *, code: str) -> str | None:
    """Report an argument that the action does not have, and tell which was probably meant."""
    if not action.is_whole:
        return None
    guess = cursor.faults.closest(name, action.arguments)
    message = f"`{action.name}` has no argument `{name[:80]}`"
    if guess is not None:
        cursor.report_key(code, message, help=f"did you mean `{guess}`?", edit=Edit(cursor.key, guess))
        return guess
    known = listed(action.arguments)
    cursor.report_key(
        code, message, help=f"its arguments are {known}" if known else "it has none: remove this"
    )
    return None
