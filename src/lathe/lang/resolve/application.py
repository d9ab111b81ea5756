"""`app.toml`: the name, the roles, the bounds of checks, and properties over several blueprints."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from lathe.errors import Edit, Span
from lathe.lang.model import Ghost, Property, Scope
from lathe.lang.names import Names
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import quoted
from lathe.lang.resolve.naming import RESERVED_APPS, check_name, is_name, snake
from lathe.lang.resolve.outline import read_ghosts
from lathe.lang.resolve.properties import APP_PROPERTY, KINDS, PLACES, PropertyNames, read_property_table
from lathe.lang.resolve.record import Cursor, Record, Word, entries, open_record
from lathe.lang.resolve.shapes import Key, described
from lathe.lang.resolve.typed import Kinds
from lathe.lang.resolve.world import World

_DOC = Key("text", "a text for people")
APP: Mapping[str, Key] = {
    "app": Key("text", "its name", required=True, example='"shop"'),
    "doc": _DOC,
    "role": Key("table", 'the table of roles, each like `operator = "what it is"`'),
    "exclusive": Key("lists", "a list of lists of roles", example='[["clerk", "manager"]]'),
    "scope": Key("table", "the table of the bounds of a check"),
    "ghost": Key("table", "the table of ghosts"),
    "invariant": Key("table", "what is true in every reachable state"),
    "step": Key("table", "what is true of every step"),
    "sometimes": Key("table", "what is true in some reachable state"),
}
_SCOPE: Mapping[str, Key] = {
    "principals": Key("int", "how many principals"),
    "budget_states": Key("int", "how many states are searched"),
    "budget_seconds": Key("number", "how long is searched"),
}


class AppOutline(NamedTuple):
    """`app.toml` but for its properties, which need the blueprints."""

    cursor: Cursor
    record: Record
    name: str
    roles: Mapping[str, str]
    role_spans: Mapping[str, Span]
    ghosts: Mapping[str, Ghost]


def outline_app(cursor: Cursor, kinds: Kinds) -> AppOutline:
    """Read the names of the app."""
    record = open_record(cursor, cursor.source.data, "an app", APP)
    assert record is not None
    roles: dict[str, str] = {}
    spans: dict[str, Span] = {}
    for name, value, at in entries(record.at("role"), record.get("role"), what="roles", limit=limits.ROLES):
        check_name(at, name, what="a role")
        roles[name] = value if isinstance(value, str) else ""
        spans[name] = at.key
        if not isinstance(value, str):
            at.report("LT004", f"a role is a text that says what it is, not {described(value)}")
        elif len(value) > limits.DOC_LENGTH:
            at.report("LT005", f"what a role is takes at most {limits.DOC_LENGTH} characters")
    ghosts = read_ghosts(record.at("ghost"), record.get("ghost"), kinds)
    return AppOutline(cursor, record, _read_name(record), roles, spans, ghosts)


def _read_name(record: Record) -> str:
    name = record.text("app")
    if name is None:
        return "app"
    cursor = record.at("app")
    if name in RESERVED_APPS:
        message = f"`{name}` is a path of the API itself, so no app is called that"
        cursor.report("LT006", message, help=f"call it something else, for example `{name}_app`")
    elif len(name) > limits.NAME_LENGTH:
        cursor.report("LT005", f"the name of an app has at most {limits.NAME_LENGTH} characters")
    elif not is_name(name):
        new = snake(name)
        edit = Edit(cursor.span, quoted(new)) if is_name(new) else None
        message = f"`{name}` is no name: an app's is lower case letters, digits and `_`"
        cursor.report("LT004", message, help=f"write `{new}`" if edit else "", edit=edit)
    return name


def read_exclusive(app: AppOutline) -> tuple[tuple[str, ...], ...]:
    """The sets of roles that no one holds together."""
    found: list[tuple[str, ...]] = []
    value = app.record.get("exclusive")
    groups = value if isinstance(value, list) else []
    if len(groups) > limits.EXCLUSIVE:
        app.record.at("exclusive").report("LT005", f"at most {limits.EXCLUSIVE} lists in `exclusive`")
    for index, group in enumerate(groups[: limits.EXCLUSIVE]):
        seen: dict[str, None] = {}
        for position, name in enumerate(group):
            word = Word(name, app.record.at("exclusive", index, position))
            if name in seen:
                word.cursor.report("LT006", f"`{name}` stands there twice", help="remove one of them")
            elif name not in app.roles and "role" not in app.record.wrong:
                message = f"there is no role `{name[:80]}`"
                word.cursor.report_unknown("LT107", message, name, app.roles, once=True)
            seen[name] = None
        if len(group) < 2:
            message = "roles are exclusive of each other, so a list names at least two"
            app.record.at("exclusive", index).report("LT004", message)
        found.append(tuple(seen))
    return tuple(found)


def read_scope(app: AppOutline, blueprints: Collection[str], *, is_complete: bool) -> Scope:
    """`[scope]`: instances of each blueprint, and the budget."""
    if not app.record.has("scope"):
        return Scope()
    table = app.record.table("scope")
    known = {name: Key("int", f"how many, 0 to {limits.INSTANCES}") for name in sorted(blueprints)}
    if not is_complete:
        known |= {name: Key("any", "") for name in table if name[:1].isupper()}
    record = open_record(app.record.at("scope"), table, "`[scope]`", {**known, **_SCOPE})
    assert record is not None
    instances = {}
    for name in blueprints:
        number = _bounded(record, name, 0, limits.INSTANCES)
        if number is not None:
            instances[name] = number
    seconds = record.get("budget_seconds")
    if isinstance(seconds, int | float) and not 0 < seconds <= limits.BUDGET_SECONDS:
        record.at("budget_seconds").report(
            "LT005", f"`budget_seconds` is above 0, at most {limits.BUDGET_SECONDS}"
        )
    states = _bounded(record, "budget_states", 1, limits.BUDGET_STATES)
    return Scope(
        instances=instances,
        principals=_bounded(record, "principals", 1, limits.PRINCIPALS),
        budget_states=Scope().budget_states if states is None else states,
        budget_seconds=float(seconds) if isinstance(seconds, int | float) else None,
        span=app.record.at("scope").key,
    )


def _bounded(record: Record, key: str, low: int, high: int) -> int | None:
    number = record.number(key)
    if number is not None and not low <= number <= high:
        record.at(key).report("LT005", f"`{key}` is {low} to {high}, not {number}")
        return None
    return number


def read_app_properties(app: AppOutline, world: World) -> dict[str, Property]:
    """Properties in which a blueprint's name is the set of its entities."""
    taken = PropertyNames(world.faults)
    found: dict[str, Property] = {}
    is_whole = (
        world.is_complete
        and "ghost" not in app.record.wrong
        and all(outline.is_whole for outline in world.outlines.values())
    )
    for kind in KINDS:
        names = Names(
            place=PLACES[kind],
            app_ghosts=world.app_ghost_types,
            specials=frozenset({"old"}) if kind == "step" else frozenset(),
            shapes=world.shapes,
            ghosts_readable=True,
            populations=True,
        )
        found |= read_property_table(
            app.record.at(kind),
            app.record.get(kind),
            kind,
            names,
            taken,
            keys=APP_PROPERTY,
            read_states=lambda _: (),
            is_whole=is_whole,
        )
    return found


def check_app_ghosts(app: AppOutline, world: World) -> None:
    """A ghost of the app is read by its bare name in every blueprint, so none has a field of that name."""
    for name, ghost in app.ghosts.items():
        for blueprint, outline in sorted(world.outlines.items()):
            other = outline.fields.get(name) or outline.ghosts.get(name)
            if other is None:
                continue
            kind = "field" if name in outline.fields else "ghost"
            world.faults.add(
                "LT006",
                ghost.span,
                f"`{name}` is a {kind} of {blueprint} already, and its properties read both by that name",
                help=f"call the app's ghost something else, for example `all_{name}`",
                related=((other.span, f"the {kind} of {blueprint}"),),
            )
            break
