"""Filters of lists (`where`): an expression over one blueprint's entities, read from a request."""

from __future__ import annotations

from lathe.frozen import evolve
from lathe.lang.expr import Expression
from lathe.lang.model import Blueprint
from lathe.lang.names import Names
from lathe.lang.parse import parse_expression
from lathe.lang.source import bare_place
from lathe.lang.tokens import Text, refuse_comment
from lathe.lang.types import BOOL, ID, Type

FILTER_CHARACTERS_LIMIT = 2_000


def read_filter(blueprint: Blueprint, text: str) -> Expression:
    """The filter that a text says. It reads fields that are not secret, `state` and `id`. A ref counts as the
    id that it is, so that it is compared with one: `order == '01m8…'`. A comment is refused: what it hides
    would be passed over.

    Raises ExpressionError, whose spans count the characters of the text itself.
    """
    fields = {
        f.name: _plain(f.type) for f in blueprint.fields.values() if not f.secret and f.type.kind != "json"
    }
    names = Names(
        "a filter",
        blueprint=blueprint.name,
        states=tuple(blueprint.states),
        fields=fields,
        specials=frozenset({"state", "id"}),
    )
    place = bare_place(text, "where")
    refuse_comment(Text(text, place))
    return parse_expression(text, place, names=names, expect=BOOL)


def _plain(type: Type) -> Type:
    """A type with ids for refs."""
    if type.kind == "ref":
        return ID
    if type.element is not None and type.element.kind == "ref":
        return evolve(type, element=ID)
    return type
