"""`[action]`: from where, to where, by whom, under which guard, and what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lathe.errors import Edit
from lathe.lang.expr import Expression
from lathe.lang.model import Action, Assignment, Principal
from lathe.lang.names import Names
from lathe.lang.parse import Targets
from lathe.lang.resolve import limits
from lathe.lang.resolve.joint import read_joint
from lathe.lang.resolve.outline import ActionOutline, Outline, find_maker
from lathe.lang.resolve.principals import read_principals
from lathe.lang.resolve.record import Record, Word
from lathe.lang.resolve.states import check_state, read_runs, read_state_list
from lathe.lang.resolve.world import (
    CREATE_SPECIALS,
    DO_SPECIALS,
    GUARD_SPECIALS,
    World,
    read_assignment,
    read_condition,
    read_expression,
)
from lathe.lang.types import Type


def read_actions(world: World, outline: Outline) -> dict[str, Action]:
    """All actions, still without what is wired to them."""
    if "action" not in outline.top.wrong and "create" not in outline.actions:
        _report_no_create(outline)
    found = {}
    for name, entry in outline.actions.items():
        if entry.record is not None:
            found[name] = _read_action(world, outline, entry, entry.record)
    return found


def _report_no_create(outline: Outline) -> None:
    message = f"there is no action `create`, so no {outline.name} can ever be made"
    maker = find_maker(outline.top.table("action"))
    if maker is None:
        help_ = 'add `create = { by = "role:…" }` to `[action]`'
        outline.top.at("action").report_key("LT003", message, help=help_)
        return
    cursor = outline.actions[maker].cursor
    help_ = f"if `{maker}` makes one, call it `create`; every other action needs `from`"
    cursor.report_key("LT003", message, help=help_, edit=Edit(cursor.key, "create"))


def _read_action(world: World, outline: Outline, entry: ActionOutline, record: Record) -> Action:
    arguments = {name: argument.type for name, argument in entry.arguments.items()}
    is_whole = outline.is_whole and not {"args", "sets"} & record.wrong
    names = world.names(outline, "a guard", specials=GUARD_SPECIALS, arguments=arguments)
    guard = names
    if entry.name == "create":  # nobody is there yet
        guard = replace(names, place="the guard of `create`", specials=CREATE_SPECIALS)
    from_states, from_any = _read_from(outline, entry, record)
    to, to_if = _read_target(outline, record, replace(names, place="`to_if`"), is_whole=is_whole)
    return Action(
        name=entry.name,
        from_states=from_states,
        from_any=from_any,
        to=to,
        to_if=to_if,
        by=_read_by(world, outline, record),
        admits=(),
        when=read_condition(record, "when", guard, is_whole=is_whole),
        arguments=entry.arguments,
        do=_read_do(world, outline, entry, record, is_whole=is_whole),
        run=read_runs(outline, record),
        also=read_joint(world, outline, record, replace(names, place="`also`"), is_whole=is_whole),
        ghost=_read_ghosts(world, outline, entry, record, is_whole=is_whole),
        fenced=record.flag("fenced"),
        fair=record.flag("fair"),
        doc=record.doc(),
        span=entry.cursor.key,
    )


def _read_by(world: World, outline: Outline, record: Record) -> tuple[Principal, ...]:
    words = record.words("by")
    if len(words) > limits.PRINCIPALS_LISTED:
        record.at("by").report("LT005", f"at most {limits.PRINCIPALS_LISTED} principals, not {len(words)}")
    return read_principals(words, world.known(outline))


def _read_from(outline: Outline, entry: ActionOutline, record: Record) -> tuple[tuple[str, ...], bool]:
    if entry.name == "create":
        return (), False
    if not record.has("from"):
        if "from" not in record.wrong and entry.name != find_maker(outline.top.table("action")):
            entry.cursor.report_key(
                "LT003",
                f"`{entry.name}` needs `from`, the states in which it is possible",
                help='add `from = "STATE"`, a list of states, or "*" for every state that is not final',
            )
        return (), False
    if record.get("from") in ("*", ["*"]):
        states = outline.states.items()
        return tuple(name for name, e in states if e.record is None or not e.record.flag("final")), True
    return read_state_list(outline, record, "from"), False


def _read_target(
    outline: Outline, record: Record, names: Names, *, is_whole: bool
) -> tuple[str | None, Expression | None]:
    to = record.word("to")
    if to is not None:
        check_state(outline, to)
    text = record.text("to_if")
    if text is None:
        return (to.text if to else None), None
    if to is not None:
        message = "`to` and `to_if` both say where it leads"
        record.at("to_if").report_key("LT006", message, help="remove one of them")
    kind = Type("state", blueprint=outline.name, members=tuple(outline.states))
    return (to.text if to else None), read_expression(
        record.at("to_if"), text, names, expect=kind, is_whole=is_whole
    )


def _read_do(
    world: World, outline: Outline, entry: ActionOutline, record: Record, *, is_whole: bool
) -> tuple[Assignment, ...]:
    arguments = {name: argument.type for name, argument in entry.arguments.items()}
    names = world.names(outline, "`do`", specials=DO_SPECIALS, arguments=arguments)
    is_create = entry.name == "create"
    frozen = frozenset(name for name, field in outline.fields.items() if field.frozen and not is_create)
    targets = Targets("do", fields=outline.field_types, frozen=frozen)
    found = read_assignments(record, "do", names, targets, is_whole=is_whole)
    given = {a.name for a in entry.arguments.values() if a.from_sets}
    for assignment in found:
        if assignment.target in given:
            message = f"`{assignment.target}` is given by `sets` already, and assigned once"
            help_ = "remove it from one of them; to change what is given, make it an argument in `args`"
            record.cursor.faults.add("LT006", assignment.span, message, help=help_)
    return found


def _read_ghosts(
    world: World, outline: Outline, entry: ActionOutline, record: Record, *, is_whole: bool
) -> tuple[Assignment, ...]:
    arguments = {name: argument.type for name, argument in entry.arguments.items()}
    names = world.names(outline, "`ghost`", specials=GUARD_SPECIALS, arguments=arguments, with_ghosts=True)
    targets = Targets(
        "ghost", ghosts=outline.ghost_types, app_ghosts=world.app_ghost_types, through_refs=True
    )
    return read_assignments(record, "ghost", names, targets, is_whole=is_whole)


def read_assignments(
    record: Record, key: str, names: Names, targets: Targets, *, is_whole: bool
) -> tuple[Assignment, ...]:
    """The assignments of a list, each target once."""
    words = record.words(key)
    if len(words) > limits.ASSIGNMENTS:
        record.at(key).report("LT005", f"at most {limits.ASSIGNMENTS} assignments, not {len(words)}")
    found: list[Assignment] = []
    seen: set[tuple[str, str, str]] = set()
    for word in words[: limits.ASSIGNMENTS]:
        assignment = _read_one(word, names, targets, is_whole=is_whole)
        if assignment is None:
            continue
        via = "" if assignment.via is None else "".join(assignment.via.text.split())
        target = (assignment.scope, assignment.target, via)
        if target in seen:
            message = f"`{assignment.target}` is assigned twice, and assignments are simultaneous"
            word.cursor.faults.add("LT006", assignment.span, message, help="keep one of them")
        seen.add(target)
        found.append(assignment)
    return tuple(found)


def _read_one(word: Word, names: Names, targets: Targets, *, is_whole: bool) -> Assignment | None:
    assigned = read_assignment(word.cursor, word.text, names, targets, is_whole=is_whole)
    if assigned is None:
        return None
    return Assignment(
        assigned.target, assigned.scope, assigned.via, assigned.value, word.text.strip(), assigned.target_span
    )


def with_wiring(actions: Mapping[str, Action], outline: Outline) -> dict[str, Action]:
    """The actions with what the other tables wire to them."""
    wired: dict[str, list[Principal]] = {name: [] for name in actions}
    for name, entry in sorted(outline.effects.items()):
        for key in ("ok", "error"):
            _wire(wired, entry.record, key, Principal("effect", name))
    for table in (outline.states, outline.timers):
        for _, entry in sorted(table.items()):
            _wire(wired, entry.record, "then", Principal("timer"))
    for name, entry in sorted(outline.inbound.items()):
        _wire(wired, entry.record, "action", Principal("inbound", name))
    return {
        name: replace(action, admits=tuple(dict.fromkeys((*action.by, *wired[name]))))
        for name, action in actions.items()
    }


def _wire(wired: dict[str, list[Principal]], record: Record | None, key: str, principal: Principal) -> None:
    action = record.text(key) if record is not None else None
    if action in wired:
        wired[action].append(principal)
