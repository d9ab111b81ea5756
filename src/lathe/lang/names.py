"""The scope of an expression: which names it may read, and the messages for those it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from lathe.frozen import frozen
from lathe.lang.types import Type

NOTHING: Mapping[str, Type] = MappingProxyType({})
"""No names at all."""


@frozen
class Shape:
    """What can be seen of a blueprint's entities through a ref or a comprehension variable."""

    fields: Mapping[str, Type] = field(default_factory=dict)
    ghosts: Mapping[str, Type] = field(default_factory=dict)
    states: tuple[str, ...] = ()


@frozen
class Names:
    """What may be read at one place.

    `place` is a short noun phrase for messages ("a guard", "`do`", "an invariant").
    `blueprint` and `states` are those of the entity the expression is about (None, () in `app.toml`).
    `fields`, `ghosts` and `app_ghosts` hold only what may be read here; a ghost that exists but may
    not be read belongs into `hidden_ghosts`, so that the message can say so.
    `arguments` is None where `arg.` makes no sense.
    `specials` is a subset of `state id self actor now old`; with `old`, everything in `fields`,
    `ghosts` and `app_ghosts` (and `state`, if it is special here) may be read as `old.NAME` too.
    `item` is the type of `item` in `call`/`create` with `each`.
    `shapes` has every blueprint of the app by name, for what refs lead to; ghosts are readable
    through a ref only with `ghosts_readable`. With `populations` a blueprint's name is the set of
    its entities. With `old_unknown` (migrations) any `old.NAME` is allowed and of unknown type.
    """

    place: str
    blueprint: str | None = None
    states: tuple[str, ...] = ()
    fields: Mapping[str, Type] = field(default_factory=dict)
    ghosts: Mapping[str, Type] = field(default_factory=dict)
    app_ghosts: Mapping[str, Type] = field(default_factory=dict)
    arguments: Mapping[str, Type] | None = None
    specials: frozenset[str] = frozenset()
    item: Type | None = None
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    ghosts_readable: bool = False
    populations: bool = False
    old_unknown: bool = False
    hidden_ghosts: frozenset[str] = frozenset()
