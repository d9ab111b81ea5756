"""Suggested `[migrate]` lines that would let an entity of the old version be migrated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from lathe.lang.expr import And, Compare, Literal, Node, Read, walk
from lathe.lang.model import App, Blueprint, Field, Property
from lathe.lang.types import Type
from lathe.lang.unparse import unparse
from lathe.machine.migrate import Misfit, same_kind


def state_entry(old: str, new: str) -> str:
    """The entry that says where the entities of a state go."""
    return f'`[migrate] state = {{ {old} = "{new}" }}`'


def field_entry(name: str, expression: str) -> str:
    """The entry that says what a field becomes."""
    return field_entries({name: expression})


def field_entries(entries: Mapping[str, str]) -> str:
    """The entry that says what fields become."""
    said = ", ".join(f'{name} = "{expression}"' for name, expression in entries.items())
    return f"`[migrate] field = {{ {said} }}`"


def cure_for_new(new: App, blueprint: str, names: Iterable[str]) -> str:
    """What the author can do about fields that the old version has not."""
    fields = new.blueprints[blueprint].fields
    return f"say what they become: {field_entries({n: likely_value(None, fields[n]) for n in names})}"


def cure_for(old: App, new: App, wrong: Misfit) -> str:
    """What the author of the new version can do about a misfit."""
    before, after = old.blueprints.get(wrong.blueprint), new.blueprints.get(wrong.blueprint)
    name = wrong.name
    match wrong.kind:
        case "blueprint":
            return (
                f'keep `{name}`, with `when = "False"` for its `create`, in a version before this one, '
                "until none of its entities is left but final ones"
            )
        case "state":
            assert before is not None and after is not None, "both have the blueprint"
            return f"say where they go: {state_entry(name, likely_state(before, after, name))}"
        case "timer":
            return f"keep `after` and `then` of `{name}`; or say that it may end: {state_entry(name, name)}"
        case "deadline":
            at = wrong.about
            kept = f'keep `{name} = {{ at = "{at}", then = "…" }}` in `[timer]`'
            if after is not None and at in after.fields:
                return f"{kept}; or say what becomes of it: {field_entry(at, 'None')}"
            return f"{kept}; or say of the states where it is set that it may end: {state_entry('x', 'x')}"
        case "effect" | "sort":
            return f"keep the effect `{name}` as it was, asked for by nothing, until none is in flight"
        case "new" | "field" | "expression":
            assert after is not None, "the new version has the blueprint"
            source = before.fields.get(name) if before is not None else None
            return f"say what it becomes: {field_entry(name, likely_value(source, after.fields[name]))}"
        case "ghost":
            return f"let the ghost `{name}` hold what it held, or give the new one another name"
        case "memory":
            return f"let `{wrong.about}` hold what it held, or give the new effect another name than `{name}`"
        case "result":
            return f"let `{wrong.about}` be optional and as wide as before, or give the effect another name"
        case "delivery":
            return f"let its target take what it took before, or give the call another name than `{name}`"


def likely_state(before: Blueprint, after: Blueprint, name: str) -> str:
    """Where the entities of a state that is gone most likely belong."""
    fresh = [s for s in after.states if s not in before.states]
    similar = get_close_matches(name, fresh or list(after.states), 1)
    if similar:
        return similar[0]
    was = before.states[name]
    alike = [s for s in fresh or list(after.states) if after.states[s].final == was.final]
    return alike[0] if alike else after.initial


def likely_value(source: Field | None, target: Field) -> str:
    """An expression over the old version that always fits, near to what was meant."""
    kind, old = target.type, f"old.{target.name}"
    if source is None or not same_kind(source.type, kind):
        return literal(target)
    match kind.kind:
        case "int":
            return _within(source.type, kind, old)
        case "enum":
            kept = ", ".join(f"'{m}'" for m in kind.members if m in source.type.members)
            return f"{old} if {old} in ({kept},) else '{kind.members[0]}'" if kept else literal(target)
        case _:
            return literal(target)


def _within(source: Type, kind: Type, old: str) -> str:
    """An int kept within its new range."""
    assert source.low is not None and source.high is not None, "a declared int has a range"
    assert kind.low is not None and kind.high is not None, "a declared int has a range"
    below = f"min({old}, {kind.high})" if source.high > kind.high else old
    return f"max({below}, {kind.low})" if source.low < kind.low else below


def literal(target: Field) -> str:
    """A value that the field can hold: its default, else nothing, else the first there is."""
    kind = target.type
    value = target.default if target.has_default else None
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, str):
        return f"'{value}'"
    match kind.kind:
        case "int":
            return str(kind.low if kind.low is not None and kind.low > 0 else min(kind.high or 0, 0))
        case "bool":
            return "False"
        case "enum":
            return f"'{kind.members[0]}'"
        case "set":
            return "set()"
        case _:
            return "None"


def keeping(prop: Property, blueprint: Blueprint | None) -> str:
    """How `[migrate]` could keep an invariant: by what the fields that it reads become."""
    if blueprint is not None:
        for name, value in _kept_by(prop.that.tree, blueprint):
            return f"let it hold from the start: {field_entry(name, value)}; or weaken `{prop.name}`"
        for node in walk(prop.that.tree):
            if isinstance(node, Read) and node.scope == "field":
                entry = field_entry(node.name, f"old.{node.name}")
                return f"say what becomes of what it reads, as in {entry}, or weaken `{prop.name}`"
    return f"say in `[migrate]` what becomes of what it reads, or weaken `{prop.name}`"


def _kept_by(node: Node, blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """Fields with what makes the comparisons true that the property consists of."""
    for clause in node.operands if isinstance(node, And) else (node,):
        if not isinstance(clause, Compare) or not isinstance(clause.right, Literal):
            continue
        left, value = clause.left, unparse(clause.right)
        if not isinstance(left, Read) or left.scope != "field" or not _can_hold(left.type, clause):
            continue
        old = f"old.{left.name}"
        text = {"<=": f"min({old}, {value})", ">=": f"max({old}, {value})", "==": value, "is": "None"}
        if clause.op in text:
            yield left.name, text[clause.op]


def _can_hold(kind: Type, clause: Compare) -> bool:
    return clause.op != "is" or kind.kind not in ("int", "bool", "enum", "set")
