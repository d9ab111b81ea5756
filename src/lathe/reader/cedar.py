"""A small independent interpreter of Cedar policies, over their syntax trees.

It follows Cedar's reference and the language page, and shares the parsed tree alone: no slices, no kept
decisions, no requests in Cedar's own form. What cannot be evaluated is denied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from re import compile as compiled

from lathe.frozen import frozen
from lathe.lang.model import Action, App, Argument, Blueprint, Field, Json
from lathe.lang.types import Type
from lathe.reader.joint import admits
from lathe.reader.world import By, Entity, Value, Values

LARGEST = 2**63 - 1


@frozen
class Uid:
    """An entity of the schema, by its type and id."""

    kind: str
    name: str


Found = int | bool | str | Uid | frozenset["Found"] | Mapping[str, "Found"]
Tree = Mapping[str, Json]


class NoAnswerError(Exception):
    """An expression that has no value: the policy cannot be evaluated."""


@frozen
class Request:
    """Who asks for what, with all that policies see of it. Creations have a resource without attributes."""

    principal: Uid
    roles: frozenset[str]
    action: Uid
    resource: Uid
    attributes: Mapping[str, Found]
    arguments: Mapping[str, Found]

    def parents(self, of: Uid) -> frozenset[Uid]:
        """What an entity is in, besides itself."""
        if of == self.principal and of.kind == "Principal":
            return frozenset(Uid("Role", role) for role in self.roles)
        if of == self.action:
            return frozenset({Uid("Action", of.name.partition(".")[0])})
        return frozenset()


class Policies:
    """The permits of an app's blueprints and its policies, by their trees. A request is allowed if a permit
    holds, no forbid does, and all can be told.
    """

    def __init__(self, app: App, trees: Sequence[Tree]) -> None:
        self._app = app
        self._trees = tuple(trees)

    def permits(
        self, blueprint: Blueprint, action: Action, entity: Entity, by: By, args: Values, is_new: bool
    ) -> bool:
        """Whether a caller may take an action: see `joint.Permits`."""
        resource = Uid("New", blueprint.name) if is_new else Uid(blueprint.name, entity.id)
        attributes = {} if is_new else _seen(blueprint, entity)
        request = _asked(blueprint, action.name, by, resource, attributes, _given(action, args))
        return self._allows(request, is_open=admits(action.admits, by))

    def reads(self, entity: Entity, by: By) -> bool:
        """Whether a caller may read an entity, as far as `read`'s own `when` does not say otherwise."""
        blueprint = self._app.blueprints[entity.blueprint]
        if blueprint.read is not None:
            is_open = admits(blueprint.read.by, by)
        else:
            is_open = any(admits([p], by) for a in blueprint.actions.values() for p in a.by)
        resource = Uid(blueprint.name, entity.id)
        return self._allows(
            _asked(blueprint, "read", by, resource, _seen(blueprint, entity), {}), is_open=is_open
        )

    def _allows(self, request: Request, *, is_open: bool) -> bool:
        is_permitted, is_forbidden = is_open, False
        for tree in self._trees:
            if not _heads(tree, request):
                continue
            try:
                holds = _conditions(tree, request)
            except NoAnswerError:
                return False
            is_permitted |= holds and tree["effect"] == "permit"
            is_forbidden |= holds and tree["effect"] == "forbid"
        return is_permitted and not is_forbidden


def _asked(
    blueprint: Blueprint,
    action: str,
    by: By,
    resource: Uid,
    attributes: Mapping[str, Found],
    arguments: Mapping[str, Found],
) -> Request:
    name = Uid("Action", f"{blueprint.name}.{action}")
    roles = by.roles if by.kind == "role" else frozenset[str]()
    return Request(_principal(blueprint, by), roles, name, resource, attributes, arguments)


def _principal(blueprint: Blueprint, by: By) -> Uid:
    """Who a caller is, to the entities of a blueprint."""
    match by.kind:
        case "role":
            return Uid("Principal", by.actor or "")
        case "timer":
            return Uid("Timer", blueprint.name)
        case "entity":
            return Uid("Entity", by.name or "")
        case "effect":
            return Uid("Effect", f"{blueprint.name}.{by.name}")
        case _:
            return Uid("Inbound", f"{blueprint.name}.{by.name}")


def _seen(blueprint: Blueprint, entity: Entity) -> dict[str, Found]:
    return {"state": entity.state, **_shown(blueprint.fields, entity.fields)}


def _given(action: Action, args: Values) -> dict[str, Found]:
    return _shown(action.arguments, args)


def _shown(declared: Mapping[str, Field] | Mapping[str, Argument], values: Values) -> dict[str, Found]:
    """What policies see: nothing secret, no JSON; what is unset is absent."""
    found: dict[str, Found] = {}
    for one in declared.values():
        value = values.get(one.name)
        if not one.secret and one.type.kind != "json" and value is not None:
            found[one.name] = _found(one.type, value)
    return found


def _found(kind: Type, value: Value) -> Found:
    if isinstance(value, frozenset):
        assert kind.element is not None, "a set has an element type"
        return frozenset(_found(kind.element, member) for member in value)
    assert value is not None, "what is unset is absent"
    if kind.kind in ("id", "ref"):
        return Uid("Principal" if kind.kind == "id" else kind.blueprint or "", str(value))
    return value


# The head: it never fails, and says whether a policy is about the request at all.


def _heads(tree: Tree, request: Request) -> bool:
    parts = {"principal": request.principal, "action": request.action, "resource": request.resource}
    return all(_is_about(_table(tree[name]), one, request) for name, one in parts.items())


def _is_about(head: Tree, one: Uid, request: Request) -> bool:
    match head["op"]:
        case "All":
            return True
        case "==":
            return one == _uid(head["entity"])
        case "in":
            listed = head.get("entities")
            named = listed if isinstance(listed, list) else [head["entity"]]
            return any(_is_in(one, _uid(each), request) for each in named)
        case "is":
            within = head.get("in")
            is_inside = within is None or _is_in(one, _uid(_table(within)["entity"]), request)
            return one.kind == head["entity_type"] and is_inside
    raise AssertionError(f"a head has no `{head['op']}`")


def _is_in(one: Uid, group: Uid, request: Request) -> bool:
    return one == group or group in request.parents(one)


def _conditions(tree: Tree, request: Request) -> bool:
    conditions = tree["conditions"]
    assert isinstance(conditions, list), "Cedar's JSON of a policy"
    for condition in map(_table, conditions):
        if _truth(condition["body"], request) is not (condition["kind"] == "when"):
            return False
    return True


# Expressions.


def _value(node: Json, request: Request) -> Found:
    """The value of an expression. Raises `NoAnswerError`."""
    (name, inside), *more = _table(node).items()
    assert not more, "a node has one operator"
    rule = _RULES.get(name)
    if rule is None:
        raise NoAnswerError(name)
    return rule(inside, request)


def _truth(node: Json, request: Request) -> bool:
    found = _value(node, request)
    if not isinstance(found, bool):
        raise NoAnswerError("it is no bool")
    return found


def _whole(node: Json, request: Request) -> int:
    found = _value(node, request)
    if isinstance(found, bool) or not isinstance(found, int):
        raise NoAnswerError("it is no number")
    return found


def _group(node: Json, request: Request) -> frozenset[Found]:
    found = _value(node, request)
    if not isinstance(found, frozenset):
        raise NoAnswerError("it is no set")
    return found


def _sides(inside: Json) -> tuple[Json, Json]:
    table = _table(inside)
    return table["left"], table["right"]


def _literal(inside: Json, request: Request) -> Found:
    if isinstance(inside, dict):
        return _uid(inside["__entity"])
    if isinstance(inside, list):
        return frozenset(_literal(one, request) for one in inside)
    assert isinstance(inside, (bool, int, str)), "a literal"
    return inside


def _variable(inside: Json, request: Request) -> Found:
    match inside:
        case "principal":
            return request.principal
        case "action":
            return request.action
        case "resource":
            return request.resource
    return {"arg": request.arguments}


def _attributes(node: Json, request: Request) -> Mapping[str, Found]:
    """What a record or an entity has: of entities, only the resource is told."""
    found = _value(node, request)
    if isinstance(found, Mapping):
        return found
    if not isinstance(found, Uid):
        raise NoAnswerError("it has no attributes")
    return request.attributes if found == request.resource else {}


def _attribute(inside: Json, request: Request) -> Found:
    table = _table(inside)
    found = _attributes(table["left"], request).get(str(table["attr"]))
    if found is None:
        raise NoAnswerError(f"there is no `{table['attr']}`")
    return found


def _has(inside: Json, request: Request) -> Found:
    table = _table(inside)
    return str(table["attr"]) in _attributes(table["left"], request)


def _and(inside: Json, request: Request) -> Found:
    left, right = _sides(inside)
    return _truth(left, request) and _truth(right, request)


def _or(inside: Json, request: Request) -> Found:
    left, right = _sides(inside)
    return _truth(left, request) or _truth(right, request)


def _chosen(inside: Json, request: Request) -> Found:
    table = _table(inside)
    return _value(table["then" if _truth(table["if"], request) else "else"], request)


def _same(inside: Json, request: Request) -> bool:
    left, right = (_value(side, request) for side in _sides(inside))
    return isinstance(left, bool) is isinstance(right, bool) and left == right


def _ordered(holds: Callable[[int, int], bool]) -> Callable[[Json, Request], Found]:
    def compare(inside: Json, request: Request) -> Found:
        left, right = _sides(inside)
        return holds(_whole(left, request), _whole(right, request))

    return compare


def _counted(works: Callable[[int, int], int]) -> Callable[[Json, Request], Found]:
    def count(inside: Json, request: Request) -> Found:
        left, right = _sides(inside)
        return _bounded(works(_whole(left, request), _whole(right, request)))

    return count


def _bounded(number: int) -> int:
    if not -LARGEST - 1 <= number <= LARGEST:
        raise NoAnswerError("it is too large")
    return number


def _in(inside: Json, request: Request) -> Found:
    left, right = _sides(inside)
    one, found = _value(left, request), _value(right, request)
    named = found if isinstance(found, frozenset) else [found]
    if not isinstance(one, Uid) or not all(isinstance(each, Uid) for each in named):
        raise NoAnswerError("entities are in entities")
    return any(isinstance(each, Uid) and _is_in(one, each, request) for each in named)


def _is(inside: Json, request: Request) -> Found:
    table = _table(inside)
    one = _value(table["left"], request)
    if not isinstance(one, Uid):
        raise NoAnswerError("it is no entity")
    if one.kind != table["entity_type"]:
        return False
    return "in" not in table or bool(_in({"left": table["left"], "right": table["in"]}, request))


def _contains(inside: Json, request: Request) -> Found:
    left, right = _sides(inside)
    return _value(right, request) in _group(left, request)


def _groups(holds: Callable[[frozenset[Found], frozenset[Found]], bool]) -> Callable[[Json, Request], Found]:
    def compare(inside: Json, request: Request) -> Found:
        left, right = _sides(inside)
        return holds(_group(left, request), _group(right, request))

    return compare


def _like(inside: Json, request: Request) -> Found:
    table = _table(inside)
    found, pattern = _value(table["left"], request), table["pattern"]
    if not isinstance(found, str) or not isinstance(pattern, list):
        raise NoAnswerError("it is no text")
    parts = ("*" if part == "Wildcard" else _plain(str(_table(part)["Literal"])) for part in pattern)
    return compiled(translate("".join(parts))).fullmatch(found) is not None


def _plain(text: str) -> str:
    """A text as a pattern that means it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)


_RULES: Mapping[str, Callable[[Json, Request], Found]] = {
    "Value": _literal,
    "Var": _variable,
    "Set": lambda inside, request: frozenset(_value(one, request) for one in _list(inside)),
    "Record": lambda inside, request: {n: _value(one, request) for n, one in _table(inside).items()},
    ".": _attribute,
    "has": _has,
    "!": lambda inside, request: not _truth(_table(inside)["arg"], request),
    "neg": lambda inside, request: _bounded(-_whole(_table(inside)["arg"], request)),
    "isEmpty": lambda inside, request: not _group(_table(inside)["arg"], request),
    "&&": _and,
    "||": _or,
    "if-then-else": _chosen,
    "==": _same,
    "!=": lambda inside, request: not _same(inside, request),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "+": _counted(lambda left, right: left + right),
    "-": _counted(lambda left, right: left - right),
    "*": _counted(lambda left, right: left * right),
    "in": _in,
    "is": _is,
    "like": _like,
    "contains": _contains,
    "containsAll": _groups(lambda left, right: left >= right),
    "containsAny": _groups(lambda left, right: not left.isdisjoint(right)),
}


def _table(node: Json | Tree) -> dict[str, Json]:
    assert isinstance(node, dict), "Cedar's JSON of a policy"
    return node


def _list(node: Json) -> list[Json]:
    assert isinstance(node, list), "Cedar's JSON of a policy"
    return node


def _uid(node: Json) -> Uid:
    table = _table(node)
    return Uid(str(table["type"]), str(table["id"]))
