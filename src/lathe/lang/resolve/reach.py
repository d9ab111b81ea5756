"""The targets of `call` and `create` effects, and the arguments that they pass."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.errors import Edit
from lathe.lang.adapters import Adapter
from lathe.lang.expr import Expression
from lathe.lang.model import Target
from lathe.lang.names import Names
from lathe.lang.resolve.asked import Asked
from lathe.lang.resolve.faults import listed, quoted
from lathe.lang.resolve.joint import check_admitted, find_action, read_passed, read_reference
from lathe.lang.resolve.outline import ActionOutline, Outline
from lathe.lang.resolve.record import Cursor, Word
from lathe.lang.resolve.shapes import described
from lathe.lang.resolve.world import EFFECT_SPECIALS, World
from lathe.lang.types import UNKNOWN, Type

_CODES = ("LT106", "LT106")


def read_reach(
    world: World,
    outline: Outline,
    cursor: Cursor,
    table: Mapping[str, object],
    adapter: Adapter,
    asked: Asked,
) -> Target | None:
    """The target of a `call` or `create`; None for other adapters, and where it cannot be read."""
    if adapter.name not in ("call", "create"):
        return None
    each, item = _read_each(outline, cursor, table)
    names = world.names(outline, "an effect", specials=EFFECT_SPECIALS, arguments=asked.arguments, item=item)
    args = _table(cursor, table)
    if adapter.name == "call":
        found = _read_call(world, outline, cursor, table, args, names, each)
    else:
        found = _read_create(world, outline, cursor, table, args, names, each)
    if found is not None:
        for expression in (found.on, *found.args.values()):
            asked.check_reads(expression, cursor)
    return found


def _word(cursor: Cursor, table: Mapping[str, object], key: str) -> Word | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        cursor.at(key).report("LT106", f"`{key}` is a text in quotes, not {described(value)}")
        return None
    return Word(value, cursor.at(key))


def _table(cursor: Cursor, table: Mapping[str, object]) -> Mapping[str, object] | None:
    value = table.get("args", {})
    if isinstance(value, dict):
        return value
    cursor.at("args").report("LT106", f"`args` is a table of expressions, not {described(value)}")
    return None


def _read_each(
    outline: Outline, cursor: Cursor, table: Mapping[str, object]
) -> tuple[str | None, Type | None]:
    word = _word(cursor, table, "each")
    if word is None:
        return None, UNKNOWN if "each" in table else None
    field = outline.fields.get(word.text)
    if field is None:
        sets = {name: None for name, f in outline.fields.items() if f.type.kind == "set"}
        if "field" not in outline.top.wrong:
            message = f"`each` is a set field, and there is no field `{word.text[:80]}`"
            word.cursor.report_unknown("LT106", message, word.text, sets)
        return word.text, UNKNOWN
    if field.type.kind not in ("set", "unknown"):
        word.cursor.report("LT106", f"`each` is a set field, and `{word.text}` is {_a(field.type.kind)}")
        return word.text, UNKNOWN
    return word.text, field.type.element or UNKNOWN


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aei' else 'a'} {kind}"


def _read_call(
    world: World,
    outline: Outline,
    cursor: Cursor,
    table: Mapping[str, object],
    args: Mapping[str, object] | None,
    names: Names,
    each: str | None,
) -> Target | None:
    on = read_reference(_word(cursor, table, "on"), names, is_whole=outline.is_whole)
    action = _word(cursor, table, "action")
    target = None if on is None else world.outlines.get(on.tree.type.blueprint or "")
    if on is None or action is None or target is None:
        return None
    other = find_action(world, outline, target, action)
    if other is None or args is None:
        return None
    passed = _passed(cursor, table, args, other, names, is_whole=outline.is_whole)
    return Target(target.name, action.text, on, passed, each)


def _read_create(
    world: World,
    outline: Outline,
    cursor: Cursor,
    table: Mapping[str, object],
    args: Mapping[str, object] | None,
    names: Names,
    each: str | None,
) -> Target | None:
    word = _word(cursor, table, "blueprint")
    if word is None:
        return None
    target = world.outlines.get(word.text)
    if target is None:
        if world.is_complete:
            _report_blueprint(word, world)
        return None
    create = target.actions.get("create")
    if create is None or args is None:
        return None
    check_admitted(outline, target, create, word.cursor)
    passed = _passed(cursor, table, args, create, names, is_whole=outline.is_whole)
    return Target(target.name, "create", None, passed, each)


def _report_blueprint(word: Word, world: World) -> None:
    message = f"there is no blueprint `{word.text[:80]}`"
    guess = word.cursor.faults.closest(word.text, world.outlines)
    if guess is not None:
        edit = Edit(word.cursor.span, quoted(guess))
        word.cursor.report("LT106", message, help=f"did you mean `{guess}`?", edit=edit)
    else:
        word.cursor.report("LT106", message, help=f"there are {listed(sorted(world.outlines))}")


def _passed(
    cursor: Cursor,
    table: Mapping[str, object],
    args: Mapping[str, object],
    action: ActionOutline,
    names: Names,
    *,
    is_whole: bool,
) -> Mapping[str, Expression]:
    at = cursor.at("args") if "args" in table else cursor
    return read_passed(at, args, action, names, is_whole=is_whole, codes=_CODES)
