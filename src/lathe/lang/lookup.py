"""Name resolution in expressions, with suggestions for names that do not resolve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

from lathe.errors import Edit, Span
from lathe.lang.expr import Follow, Node, Population, Read, ReadScope, Special, SpecialName
from lathe.lang.names import NOTHING, Names
from lathe.lang.tokens import Text, shown, trouble
from lathe.lang.types import ID, TEXT, TIME, UNKNOWN, Type
from lathe.lang.typing_rules import described, element_of, set_of

Part = tuple[str, int, int]
"""A name and the stretch of the text where it stands."""

FUNCTIONS = ("len", "min", "max", "abs", "all", "any", "sum", "set")
RESERVED = frozenset(
    {"state", "id", "self", "arg", "old", "now", "actor", "item", "visit", "version", *FUNCTIONS}
)
"""Names that no field, argument, ghost, state or comprehension variable has."""

_SPECIAL_CURES = {
    "state": "name an entity in a comprehension: `all(a.state == 'x' for a in Blueprint)`",
    "id": "`==` compares entities themselves",
    "self": "name an entity in a comprehension: `for a in Blueprint`",
    "actor": "guards and `do` know who acts; keep it in a field: `maker = actor`",
    "now": "`do` alone reads `now`, to set a time; what depends on time waits for a timer: `after` "
    "and `then` of a state, or `[timer]`",
    "old": "only a `[step]` looks back, and the expressions of `[migrate]`",
    "item": "`item` is a member of the set that `each` names, in `call` and `create`",
    "arg": "guards and assignments of an action read its arguments",
    "visit": "`{visit}` stands in templates only",
    "version": "it is kept by the runtime, and not for expressions",
}
_FOREIGN = {
    "null": "None", "nil": "None", "none": "None", "NULL": "None", "undefined": "None", "unset": "None",
    "true": "True", "TRUE": "True", "false": "False", "FALSE": "False",
}  # fmt: skip
_COUNTED = (
    "properties may: `all(… for a in Blueprint)`; a guard reads a number that `also` keeps, in an entity "
    "that all of them refer to"
)
_UNSET_TESTS = frozenset({"is_none", "is_null", "is_unset", "isnull", "is_set", "exists"})
_SIZES = frozenset({"length", "size", "count", "len"})


class Context:
    """One reading of one text: the text, the names, and the variables of comprehensions in force."""

    __slots__ = ("_words", "names", "source", "variables")

    def __init__(self, source: Text, names: Names) -> None:
        self.source = source
        self.names = names
        self.variables: dict[str, Type] = {}
        self._words: dict[Span, str] = {}

    def span(self, start: int, end: int) -> Span:
        """The span of these characters, whose text messages can repeat from now on."""
        span = self.source.span(start, end)
        self._words[span] = self.source.text[start:end]
        return span

    def remember(self, span: Span, text: str) -> None:
        """Let messages call what stands there by this text."""
        self._words[span] = text

    def text(self, node: Node) -> str:
        """The author's text of a node."""
        return self._words.get(node.span, "")

    def words(self, node: Node) -> str:
        """The author's text of a node, as messages show it."""
        return shown(self.text(node) or "it")

    def edit(self, node: Node, new: str) -> Edit:
        """Replace the text of a node."""
        return Edit(node.span, self.source.written(new))

    def told(self, node: Node) -> str:
        """What a node is: "`ready` is an int"."""
        return f"{self.words(node)} is {described(node.type)}"

    def fail(self, code: str, message: str, node: Node, *, cure: str = "") -> NoReturn:
        """Raise ExpressionError about a node."""
        raise trouble(code, message, node.span, cure=cure)


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that was probably meant, if one is close."""
    from difflib import get_close_matches  # late, since files without faults never need it

    found = get_close_matches(name, sorted(candidates), n=1, cutoff=0.6)
    return found[0] if found else None


def read_name(context: Context, part: Part) -> Node:
    """What a name on its own reads. Raises ExpressionError (LT101, LT103)."""
    name, start, end = part
    names = context.names
    span = context.span(start, end)
    if name in context.variables:
        return Read("variable", name, context.variables[name], span)
    special = _special(names, name)
    if special is not None:
        return Special(special[0], special[1], span)
    if name == "item" and names.item is not None:
        return Read("item", name, names.item, span)
    tables: tuple[tuple[ReadScope, Mapping[str, Type]], ...] = (
        ("field", names.fields),
        ("ghost", names.ghosts),
        ("app_ghost", names.app_ghosts),
    )
    for scope, table in tables:
        if name in table:
            return _readable(context, Read(scope, name, table[name], span))
    if names.populations and name in names.shapes:
        return Population(name, set_of(Type("ref", blueprint=name)), span)
    refuse_name(context, part)


def read_path(context: Context, parts: list[Part]) -> Node:
    """What `a.b` or `arg.a.b` reads: one step through a ref at most."""
    head = parts[0][0]
    rest = parts[2:]
    if head == "arg" and "arg" not in context.variables:
        node = _argument(context, parts)
    elif head == "old":
        node = _past(context, parts)
        if rest:
            cure = "look at the ref itself (`old.r == r`), or at where it leads now (`r.x`)"
            message = "`old` reads what this entity held, not where its refs led"
            context.source.fail("LT103", message, parts[0][1], rest[-1][2], cure=cure)
    elif head == "self" and "self" in context.names.specials:
        node = read_own(context, parts)
    else:
        node = read_name(context, parts[0])
        rest = parts[1:]
    if not rest:
        return node
    if len(rest) > 1 and node.type.kind == "ref":
        cure = _through_all(context, node, parts) or "keep what you need in a field of the entity in between"
        message = "an expression goes one step through a ref, not further"
        context.source.fail("LT103", message, rest[1][1], rest[-1][2], cure=cure)
    return _follow(context, node, rest[0], parts[0][1])


def _through_all(context: Context, node: Node, parts: list[Part]) -> str:
    """How a property that goes through entities reads what is two refs away; empty if it cannot."""
    names, rest = context.names, parts[-2:]
    shape = names.shapes.get(node.type.blueprint or "")
    held = shape.fields.get(rest[0][0]) if shape is not None else None
    if not names.populations or held is None or held.kind != "ref" or held.blueprint is None:
        return ""
    taken = {*context.variables, *names.fields}
    one = next(x for x in (held.blueprint[0].lower(), "other", "other_one") if x not in taken)
    base = ".".join(name for name, _, _ in parts[:-1])
    loop = f"for {one} in {held.blueprint} if {base} == {one}"
    return f"go through them all: `{loop}`, and read `{one}.{rest[1][0]}`"


def read_own(context: Context, parts: list[Part]) -> Node:
    """`self.name`: the same as `name`, of this entity."""
    name, start, end = parts[1]
    names = context.names
    own = Names(
        names.place,
        names.blueprint,
        names.states,
        names.fields,
        names.ghosts,
        specials=names.specials & {"state"},
        hidden_ghosts=names.hidden_ghosts,
    )
    inner = Context(context.source, own)
    node = read_name(inner, (name, start, end))
    span = context.span(parts[0][1], end)
    if isinstance(node, Special):
        return Special(node.name, node.type, span)
    assert isinstance(node, Read)
    return Read(node.scope, node.name, node.type, span)


def _special(names: Names, name: str) -> tuple[SpecialName, Type] | None:
    if name not in names.specials:
        return None
    match name:
        case "state":
            return "state", Type("state", blueprint=names.blueprint, members=names.states)
        case "self":
            return "self", Type("ref", blueprint=names.blueprint)
        case "id":
            return "id", TEXT
        case "actor":
            return "actor", ID
        case "now":
            return "now", TIME
    return None


def _readable(context: Context, node: Read | Follow) -> Node:
    if node.type.kind == "json":
        message = f"{context.words(node)} is json: it is carried, never read"
        context.fail("LT101", message, node, cure="keep what expressions need in a field of its own")
    return node


def _argument(context: Context, parts: list[Part]) -> Node:
    names = context.names
    start = parts[0][1]
    if names.arguments is None:
        message = f"{names.place} has no arguments to read"
        context.source.fail("LT101", message, start, parts[1][2], cure=_SPECIAL_CURES["arg"])
    name, name_start, name_end = parts[1]
    if name in names.arguments:
        return _readable(context, Read("arg", name, names.arguments[name], context.span(start, name_end)))
    if name in names.fields or name in names.ghosts:
        cure, edit = f"write `{name}`, or list it in `sets`", context.source.edit(start, name_end, name)
        context.source.fail(
            "LT101", f"`{name}` is no argument here", name_start, name_end, cure=cure, edit=edit
        )
    _refuse(context, f"there is no argument `{name}` here", parts[1], _same(names.arguments))


def _past(context: Context, parts: list[Part]) -> Node:
    names = context.names
    _, start, _ = parts[0]
    name, name_start, name_end = parts[1]
    if "old" not in names.specials and not names.old_unknown:
        message = f"{names.place} may not read `old`"
        context.source.fail("LT101", message, start, name_end, cure=_SPECIAL_CURES["old"])
    span = context.span(start, name_end)
    if name == "state" and (names.old_unknown or "state" in names.specials):
        before = _special(names, "state")
        return Special("old_state", UNKNOWN if names.old_unknown or before is None else before[1], span)
    if names.old_unknown:
        return Read("old", name, UNKNOWN, span)
    tables: tuple[tuple[ReadScope, Mapping[str, Type]], ...] = (
        ("old", names.fields),
        ("old_ghost", names.ghosts),
        ("old_app_ghost", names.app_ghosts),
    )
    for scope, table in tables:
        if name in table:
            return _readable(context, Read(scope, name, table[name], span))
    if name in names.hidden_ghosts or name in RESERVED:
        context.source.fail(
            "LT101", f"`old.{name}` cannot be read: `old` has the fields and the state", start, name_end
        )
    known = [*names.fields, *names.ghosts, *names.app_ghosts, *(names.specials & {"state"})]
    _refuse(context, f"`old` has no `{name}`", (name, name_start, name_end), _same(known))


def _follow(context: Context, base: Node, part: Part, start: int) -> Node:
    name, name_start, name_end = part
    names = context.names
    if isinstance(base, Population):
        cure = f"name one of them: `all(a.{name} … for a in {base.blueprint})`"
        message = f"`{base.blueprint}` is all of its entities, so it has no `{name}`"
        context.source.fail("LT103", message, start, name_end, cure=cure)
    if base.type.kind != "ref":
        _refuse_attribute(context, base, part, start)
    blueprint = base.type.blueprint or ""
    shape = names.shapes.get(blueprint)
    span = context.span(start, name_end)
    if shape is None:
        return Follow(base, "field", name, UNKNOWN, span)
    if name == "state":
        return Follow(base, "state", name, Type("state", blueprint=blueprint, members=shape.states), span)
    if name in shape.fields:
        field = Follow(base, "field", name, shape.fields[name], span)
        _readable(context, field)
        return field
    if name in shape.ghosts and names.ghosts_readable:
        return Follow(base, "ghost", name, shape.ghosts[name], span)
    if name in shape.ghosts:
        message = f"`{name}` is a ghost of {blueprint}: {names.place} may not read it"
        context.source.fail("LT101", message, name_start, name_end, cure="properties may; guards read fields")
    known = [*shape.fields, *(shape.ghosts if names.ghosts_readable else NOTHING), "state"]
    _refuse(context, f"{blueprint} has no `{name}`", part, _same(known))


def _refuse_attribute(context: Context, base: Node, part: Part, start: int) -> NoReturn:
    name, _, end = part
    text = context.text(base)
    cure, edit = "only refs have something behind a dot", None
    if name in _UNSET_TESTS:
        new = f"{text} is not None" if name in ("is_set", "exists") else f"{text} is None"
        cure, edit = f"write `{new}`", context.source.edit(start, end, new)
    elif base.type.kind == "set" and name in _SIZES:
        cure, edit = f"write `len({text})`", context.source.edit(start, end, f"len({text})")
    elif base.type.kind == "set" and element_of(base.type).kind == "ref":
        cure = f"name a member: `all(a.{name} … for a in {text})`"
    message = f"{context.told(base)}, so it has no `{name}`"
    context.source.fail("LT103", message, start, end, cure=cure, edit=edit)


def refuse_name(context: Context, part: Part) -> NoReturn:
    """Say why a name on its own cannot be read here, and what to write instead."""
    name, start, end = part
    names, source = context.names, context.source
    if name in names.hidden_ghosts:
        message = f"`{name}` is a ghost: {names.place} may not read it"
        source.fail(
            "LT101", message, start, end, cure="properties, `ghost` and `world` may; keep a field beside it"
        )
    if name in FUNCTIONS:
        source.fail(
            "LT103", f"`{name}` is a function, so brackets follow", start, end, cure=f"write `{name}(…)`"
        )
    if name in ("arg", "old") and (names.arguments is not None if name == "arg" else "old" in names.specials):
        source.fail("LT103", f"`{name}` alone is nothing", start, end, cure=f"write `{name}.NAME`")
    if name in _SPECIAL_CURES:
        source.fail("LT101", f"{names.place} may not read `{name}`", start, end, cure=_SPECIAL_CURES[name])
    if name in _FOREIGN:
        new = _FOREIGN[name]
        source.fail(
            "LT103",
            f"`{name}` is not in the language",
            start,
            end,
            cure=f"write `{new}`",
            edit=source.edit(start, end, new),
        )
    if names.arguments is not None and name in names.arguments:
        cure, edit = f"write `arg.{name}`", source.edit(start, end, f"arg.{name}")
        source.fail("LT101", f"`{name}` is an argument", start, end, cure=cure, edit=edit)
    if name in names.shapes:
        message = f"`{name}` is a blueprint: {names.place} may not go through its entities"
        source.fail("LT101", message, start, end, cure=_COUNTED)
    if name in _quotable(context):
        source.fail(
            "LT101",
            f"there is no field `{name}`",
            start,
            end,
            cure=f"quote it: '{name}'",
            edit=source.edit(start, end, f"'{name}'"),
        )
    known = {
        n: n for n in (*names.fields, *names.ghosts, *names.app_ghosts, *names.specials, *context.variables)
    }
    known |= _same(names.shapes if names.populations else ())
    known |= {n: f"arg.{n}" for n in names.arguments or () if n not in known}
    _refuse(context, f"{names.place} knows no `{name}`", part, known)


def _quotable(context: Context) -> set[str]:
    """What is written in quotes somewhere: states and members of enums."""
    names = context.names
    found = set(names.states)
    tables: list[Mapping[str, Type]] = [
        names.fields,
        names.ghosts,
        names.app_ghosts,
        names.arguments or NOTHING,
    ]
    for shape in names.shapes.values():
        found.update(shape.states)
        tables += [shape.fields, shape.ghosts]
    for table in tables:
        for type_ in table.values():
            found.update(type_.members or element_of(type_).members)
    return found


def _same(names: Iterable[str]) -> dict[str, str]:
    """Names that are written as they are."""
    return {name: name for name in names}


def _refuse(context: Context, message: str, part: Part, known: Mapping[str, str]) -> NoReturn:
    """LT101, with what was probably meant; `known` maps a name to how it is written here."""
    name, start, end = part
    guess = closest(name, known)
    if guess is None:
        context.source.fail("LT101", message, start, end)
    new = known[guess]
    cure = f"did you mean `{new}`?"
    context.source.fail("LT101", message, start, end, cure=cure, edit=context.source.edit(start, end, new))
