"""Which attributes a policy reads, taken from its syntax tree, and how it uses each.

A decision can be kept for exactly what was read, and a state need be told apart by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lathe.frozen import frozen
from lathe.lang.model import Json

Tree = Json | Mapping[str, Json]
Name = tuple[str, str]
"""`resource` or `arg`, and the attribute."""

_ORDERS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_ARGUMENTS: Json = {".": {"left": {"Var": "context"}, "attr": "arg"}}


@frozen
class Reads:
    """What some policies look at.

    `uses` tells how each attribute is read: `has` (whether it is set), `compared` (with a literal),
    `like` (with a pattern), `value` (in any other way). `principal` and `resource`: their very ids are read.
    `roles` are those named; `only_opens` if no policy can refuse what it admits with fewer roles.
    `beyond` are words for what nobody can tell who knows the request alone.
    """

    uses: Mapping[Name, frozenset[str]]
    roles: frozenset[str]
    principal: bool
    resource: bool
    only_opens: bool
    literals: tuple[int | str, ...]
    named: frozenset[tuple[str, str]]
    beyond: tuple[str, ...]

    def names(self, base: str) -> tuple[str, ...]:
        """The attributes read of the `resource`, or of the arguments (`arg`)."""
        return tuple(sorted(name for where, name in self.uses if where == base))

    def with_roles(self, roles: Iterable[str]) -> Reads:
        """The same, and permits for these roles."""
        return replace(self, roles=self.roles | frozenset(roles))


def reads(trees: Iterable[Mapping[str, Json]]) -> Reads:
    """What policies look at, from their trees."""
    found = _Found()
    for tree in trees:
        found.policy(tree)
    return found.whole()


class _Found:
    """The reading of some policies, as it goes on."""

    def __init__(self) -> None:
        self._uses: dict[Name, set[str]] = {}
        self._roles: set[str] = set()
        self._literals: dict[int | str, None] = {}
        self._named: set[tuple[str, str]] = set()
        self._beyond: dict[str, None] = {}
        self._principal = self._resource = False
        self._only_opens = True

    def whole(self) -> Reads:
        """All of it."""
        return Reads(
            uses={name: frozenset(how) for name, how in sorted(self._uses.items())},
            roles=frozenset(self._roles),
            principal=self._principal,
            resource=self._resource,
            only_opens=self._only_opens,
            literals=tuple(self._literals),
            named=frozenset(self._named),
            beyond=tuple(self._beyond),
        )

    def policy(self, tree: Mapping[str, Json]) -> None:
        """One policy: its head, then its conditions."""
        for part in ("principal", "resource"):
            named = set(entities(tree[part]))
            self._name(named, only_opens=tree["effect"] == "permit")
            if any(kind not in ("Role", "New") for kind, _ in named):
                self._principal |= part == "principal" and any(kind == "Principal" for kind, _ in named)
                self._resource |= part == "resource"
        waiting: list[Json] = [tree["conditions"]]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict):
                for operator, inside in node.items():
                    waiting.extend(self._node(operator, inside))

    def _name(self, named: Iterable[tuple[str, str]], *, only_opens: bool) -> None:
        for kind, name in named:
            self._named.add((kind, name))
            if kind == "Role":
                self._roles.add(name)
                self._only_opens &= only_opens

    def _node(self, operator: str, inside: Json) -> Iterator[Json]:
        """Take in one node; what is inside of it is still to be read."""
        if operator == "Value":
            self._value(inside)
        elif operator == "Var":
            self._variable(str(inside))
        elif operator in (".", "has") and isinstance(inside, dict):
            yield from self._path(operator, inside)
        elif isinstance(inside, dict) and _compares(operator, inside):
            yield from self._compared(inside["left"], inside["right"])
        elif operator == "like" and isinstance(inside, dict):
            yield from self._used(inside["left"], "like")
        elif operator in ("in", "is") and isinstance(inside, dict):
            yield from self._member(operator, inside)
        elif operator not in ("kind", "entity_type"):
            if operator == "Record":
                self._beyond["a record"] = None
            yield inside

    def _value(self, value: Json) -> None:
        if isinstance(value, (int, str)):
            if not isinstance(value, bool):
                self._literals[value] = None
        else:
            self._name(entities(value), only_opens=False)

    def _variable(self, name: str) -> None:
        self._principal |= name == "principal"
        self._resource |= name == "resource"
        if name == "context":
            self._beyond["`context` as a whole"] = None

    def _path(self, operator: str, inside: dict[str, Json]) -> Iterator[Json]:
        left, name = inside["left"], str(inside["attr"])
        how = "has" if operator == "has" else "value"
        if left == {"Var": "resource"}:
            self._uses.setdefault(("resource", name), set()).add(how)
        elif left == _ARGUMENTS:
            self._uses.setdefault(("arg", name), set()).add(how)
        elif left == {"Var": "context"}:
            if how == "value":
                self._beyond["`context.arg` as a whole"] = None
        else:
            self._beyond[f"`{name}` of another entity"] = None
            yield left

    def _compared(self, *sides: Json) -> Iterator[Json]:
        how = "compared" if any(map(_is_literal, sides)) else "value"
        for side in sides:
            yield from self._used(side, how)

    def _used(self, node: Json, how: str) -> Iterator[Json]:
        """Read an attribute in this way; anything else is still to be read."""
        name = attribute(node)
        if name is None:
            yield node
        else:
            self._uses.setdefault(name, set()).add(how)

    def _member(self, operator: str, inside: dict[str, Json]) -> Iterator[Json]:
        """`principal in Role::…` reads its roles; `resource is B` nothing that a slice does not know."""
        left = inside["left"]
        if operator == "is" or left == {"Var": "action"}:
            if isinstance(left, dict) and "Var" not in left:
                yield left
        elif left in ({"Var": "principal"}, {"Var": "resource"}):
            right = inside["right"]
            is_of_roles = _is_literal(right) and all(kind == "Role" for kind, _ in entities(right))
            if left == {"Var": "resource"} or not is_of_roles:
                yield left
        else:
            self._beyond["whom an attribute belongs to (`in`)"] = None
            yield left
        if "right" in inside:
            yield inside["right"]
        if "in" in inside:
            yield inside["in"]


def entities(tree: Tree) -> Iterator[tuple[str, str]]:
    """Every entity that a tree names, as type and id; actions apart."""
    waiting: list[Tree] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            kind, name = node.get("type"), node.get("id")
            if isinstance(kind, str) and isinstance(name, str):
                if kind != "Action":
                    yield kind, name
            else:
                waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def attribute(node: Json) -> Name | None:
    """The attribute of the `resource`, or the argument (`arg`), that a node is."""
    inside = node.get(".") if isinstance(node, dict) else None
    if isinstance(inside, dict):
        if inside["left"] == {"Var": "resource"}:
            return "resource", str(inside["attr"])
        if inside["left"] == _ARGUMENTS:
            return "arg", str(inside["attr"])
    return None


def _compares(operator: str, inside: dict[str, Json]) -> bool:
    return operator in _ORDERS or (operator == "contains" and _is_literal(inside["left"]))


def _is_literal(node: Json) -> bool:
    """Whether a node is a literal, or a set of them."""
    if isinstance(node, dict) and isinstance(node.get("Set"), list):
        listed = node["Set"]
        return isinstance(listed, list) and all(_is_literal(member) for member in listed)
    return isinstance(node, dict) and "Value" in node
