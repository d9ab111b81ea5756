"""Expression text becomes a typed tree: Python's syntax, whitelisted, named and typed, never evaluated.

This is the way in. Behind it stand `lang.tokens` (words), `lang.build` (the tree), `lang.lookup`
(names) and `lang.operators` with `lang.typing_rules` (types).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal as Lit, NoReturn

from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.build import build, conform
from lathe.lang.expr import Expression, Follow, Node, Read
from lathe.lang.lookup import Context, closest
from lathe.lang.names import Names, Shape
from lathe.lang.operators import arithmetic
from lathe.lang.source import Place
from lathe.lang.tokens import ExpressionError, Text, shown
from lathe.lang.types import Type
from lathe.lang.typing_rules import fits

__all__ = [
    "Assigned",
    "ExpressionError",
    "Names",
    "Shape",
    "Targets",
    "fits",
    "parse_assignment",
    "parse_expression",
]

Scope = Lit["field", "ghost", "app_ghost"]

_ASSIGNMENT = re.compile(r"\s*+([A-Za-z_]\w*+(?:\s*+\.\s*+[A-Za-z_]\w*+){0,2})\s*+(\+=|-=|=)(?!=)", re.ASCII)
_OTHER_SIGN = r"\s*+[\w.]++\s*+(\*\*=|//=|\*=|/=|%=|\|=|&=|:=|\+\+|--|==)"


@frozen
class Targets:
    """What may be assigned at one place (`do`: `fields` alone; `ghost` and `world`: the ghosts).

    `how` is the key for messages: "do", "ghost" or "world". `frozen` are fields that exist but may not be
    assigned here (empty for `create`). With `through_refs`, `ref.ghost` may be a target too
    (the ref read by `Names`, its ghosts from `Names.shapes`).
    """

    how: str
    fields: Mapping[str, Type] = field(default_factory=dict)
    ghosts: Mapping[str, Type] = field(default_factory=dict)
    app_ghosts: Mapping[str, Type] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()
    through_refs: bool = False


@frozen
class Assigned:
    """One assignment. `+=` and `-=` are already spelled out in `value`, which fits the target.

    `via` is the ref whose entity's ghost is assigned (None: this entity's, or the app's).
    """

    target: str
    scope: Scope
    type: Type
    target_span: Span
    via: Expression | None
    value: Expression


def parse_expression(text: str, place: Place, *, names: Names, expect: Type | None = None) -> Expression:
    """Read one expression. `place` is where the (decoded) text stands in the file.

    With `expect` the value must fit that type (BOOL for guards and properties; a `state` type for
    `to_if`, whose value must then be quoted states). Raises ExpressionError: LT101 (name), LT102
    (type), LT103 (not in the language), LT104 (state), LT005 (over a limit), LT006 (a variable
    that hides a name), with spans inside the file.
    """
    return build(Text(text, place), names, expect=expect, subject=names.place)


def parse_assignment(text: str, place: Place, *, names: Names, targets: Targets) -> Assigned:
    """Read `target = value`, `target += value` or `target -= value`; `names` are for the value.

    Raises ExpressionError as parse_expression does, and LT108 for a target that is unknown, frozen
    or of the wrong kind. Assigning one target twice is for the caller to notice.
    """
    source = Text(text, place)
    match = _ASSIGNMENT.match(text)
    if match is None:
        _refuse_form(source, targets)
    context = Context(source, names)
    target = _target(context, match, targets)
    subject = shown(match[1])
    value_source = source.part(match.end(), len(text))
    if match[2] == "=":
        value = build(value_source, names, expect=target.type, subject=subject)
    else:
        change = build(value_source, names, expect=None, subject=subject, settled=False)
        value = _change(context, target, "+" if match[2] == "+=" else "-", change)
    return Assigned(target.name, target.scope, target.type, target.span, target.via, value)


@frozen
class _Target:
    name: str
    scope: Scope
    type: Type
    span: Span
    via: Expression | None


def _change(context: Context, target: _Target, op: Lit["+", "-"], change: Expression) -> Expression:
    """`target op change`, spelled out, over the whole text."""
    text = context.source.text
    span = context.span(0, len(text))
    before: Node = Read(target.scope, target.name, target.type, target.span)
    if target.via is not None:
        before = Follow(target.via.tree, "ghost", target.name, target.type, target.span)
    context.remember(change.span, change.text)
    tree = arithmetic(context, op, before, change.tree, span=span)
    return Expression(conform(context, tree, target.type, subject=f"`{target.name}`"), text.strip(), span)


def _target(context: Context, match: re.Match[str], targets: Targets) -> _Target:
    source = context.source
    whole, start = match[1], match.start(1)
    base, dot, name = whole.rpartition(".")
    name_start = match.end(1) - len(name.strip())
    name = name.strip()
    span = context.span(start, match.end(1))
    if dot and base.strip() == "self":
        context.remember(span, name)
        dot = ""
    if dot:
        return _through_ref(context, (start, start + len(base)), (name, name_start, match.end(1)), targets)
    tables: tuple[tuple[Scope, Mapping[str, Type]], ...] = (
        ("field", targets.fields),
        ("ghost", targets.ghosts),
        ("app_ghost", targets.app_ghosts),
    )
    for scope, table in tables:
        if name in table and name not in targets.frozen:
            return _Target(name, scope, table[name], span, None)
    _refuse_target(source, context.names, targets, (name, name_start, match.end(1)))


def _through_ref(
    context: Context, base: tuple[int, int], part: tuple[str, int, int], targets: Targets
) -> _Target:
    source, names = context.source, context.names
    name, start, end = part
    if not targets.through_refs:
        cure = "`also` takes an action of the other entity" if targets.how == "do" else ""
        message = f"`{targets.how}` assigns what is this entity's own"
        source.fail("LT108", message, base[0], end, cure=cure)
    via = build(source.part(*base), names, expect=None, subject=names.place)
    if via.tree.type.kind != "ref":
        source.fail("LT108", f"{shown(via.text)} is no ref, so it has no ghost `{name}`", base[0], end)
    blueprint = via.tree.type.blueprint or ""
    shape = names.shapes.get(blueprint, Shape())
    if name in shape.ghosts:
        return _Target(name, "ghost", shape.ghosts[name], context.span(base[0], end), via)
    if name in shape.fields:
        source.fail(
            "LT108", f"`{name}` is a field of {blueprint}: `{targets.how}` assigns ghosts", start, end
        )
    guess = closest(name, shape.ghosts)
    cure, edit = (f"did you mean `{guess}`?", source.edit(start, end, guess)) if guess else ("", None)
    source.fail("LT108", f"{blueprint} has no ghost `{name}`", start, end, cure=cure, edit=edit)


def _refuse_form(source: Text, targets: Targets) -> NoReturn:
    """It is no assignment: say what one looks like."""
    start, end = _ends(source.text)
    cure = f"write `{'field' if targets.how == 'do' else 'ghost'} = expression`, `+=` or `-=`"
    match = re.match(_OTHER_SIGN, source.text)
    if match is not None:
        edit = source.edit(*match.span(1), "=") if match[1] in ("==", ":=") else None
        source.fail("LT103", f"`{match[1]}` does not assign", *match.span(1), cure=cure, edit=edit)
    source.fail("LT103", f"{shown(source.text)} is no assignment", start, end, cure=cure)


def _ends(text: str) -> tuple[int, int]:
    return len(text) - len(text.lstrip()), len(text.rstrip())


def _refuse_target(source: Text, names: Names, targets: Targets, part: tuple[str, int, int]) -> NoReturn:
    """LT108: why this name cannot be assigned here."""
    name, start, end = part
    if name in targets.frozen:
        message = f"`{name}` is frozen: only `create` sets it"
        source.fail("LT108", message, start, end)
    ghosts = {*names.hidden_ghosts, *names.ghosts, *names.app_ghosts}
    if targets.how == "do" and name in ghosts:
        source.fail(
            "LT108", f"`{name}` is a ghost, which `do` may not assign", start, end, cure="use `ghost = [...]`"
        )
    if targets.how != "do" and name in names.fields:
        message = f"`{name}` is a field, which `{targets.how}` may not assign"
        source.fail("LT108", message, start, end, cure="use `do = [...]`" if targets.how == "ghost" else "")
    if name == "state":
        source.fail("LT108", "the state changes by `to` or `to_if`", start, end)
    known = {*targets.fields, *targets.ghosts, *targets.app_ghosts} - targets.frozen
    guess = closest(name, known)
    cure, edit = (f"did you mean `{guess}`?", source.edit(start, end, guess)) if guess else ("", None)
    what = "field" if targets.how == "do" else "ghost"
    source.fail("LT108", f"there is no {what} `{name}` to assign", start, end, cure=cure, edit=edit)
