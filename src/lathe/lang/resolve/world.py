"""The app's global names, and what may be read at each place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from lathe.errors import Diagnostic
from lathe.lang.adapters import Adapter
from lathe.lang.expr import Expression, Follow, Read, walk
from lathe.lang.model import Ghost
from lathe.lang.names import NOTHING, Names, Shape
from lathe.lang.parse import Assigned, ExpressionError, Targets, parse_assignment, parse_expression
from lathe.lang.resolve.faults import Faults, listed
from lathe.lang.resolve.outline import Outline
from lathe.lang.resolve.principals import Known
from lathe.lang.resolve.record import Cursor, Record
from lathe.lang.types import BOOL, UNKNOWN, Type
from lathe.lang.typing_rules import described

GUARD_SPECIALS = frozenset({"state", "id", "self", "actor"})
CREATE_SPECIALS = frozenset({"actor"})
DO_SPECIALS = GUARD_SPECIALS | {"now"}
PROPERTY_SPECIALS = frozenset({"state", "id", "self"})
STEP_SPECIALS = PROPERTY_SPECIALS | {"old"}
POLICY_SPECIALS = frozenset({"state", "actor"})
EFFECT_SPECIALS = frozenset({"state", "id", "self"})


class World(NamedTuple):
    """All blueprints of the app in outline. Roles are None where they cannot be known.

    With `is_open`, a role exists by being named.
    """

    outlines: Mapping[str, Outline]
    roles: Mapping[str, str] | None
    is_open: bool
    app_ghosts: Mapping[str, Ghost]
    adapters: Mapping[str, Adapter]
    modules: Mapping[str, str]
    shapes: Mapping[str, Shape]
    is_complete: bool
    faults: Faults

    def known(self, outline: Outline) -> Known:
        """The principals that may be named in this blueprint."""
        return Known(
            roles=self.roles,
            is_open=self.is_open,
            effects=None if "effect" in outline.top.wrong else outline.effects,
            inbound=None if "inbound" in outline.top.wrong else outline.inbound,
            blueprints=self.outlines if self.is_complete else None,
        )

    @property
    def app_ghost_types(self) -> Mapping[str, Type]:
        return {name: ghost.type for name, ghost in self.app_ghosts.items()}

    def names(
        self,
        outline: Outline,
        place: str,
        *,
        specials: frozenset[str],
        arguments: Mapping[str, Type] | None = None,
        with_ghosts: bool = False,
        populations: bool = False,
        item: Type | None = None,
    ) -> Names:
        """What an expression of this blueprint may read."""
        ghosts = outline.ghost_types
        return Names(
            place=place,
            blueprint=outline.name,
            states=tuple(outline.states),
            fields=outline.field_types,
            ghosts=ghosts if with_ghosts else NOTHING,
            app_ghosts=self.app_ghost_types if with_ghosts else NOTHING,
            arguments=arguments,
            specials=specials,
            item=item,
            shapes=self.shapes,
            ghosts_readable=with_ghosts,
            populations=populations,
            hidden_ghosts=frozenset() if with_ghosts else frozenset(ghosts) | frozenset(self.app_ghosts),
        )


def shapes_of(outlines: Mapping[str, Outline]) -> dict[str, Shape]:
    """What refs lead to."""
    return {
        name: Shape(outline.field_types, outline.ghost_types, tuple(outline.states))
        for name, outline in outlines.items()
    }


def read_expression(
    cursor: Cursor, text: object, names: Names, *, expect: Type | None, is_whole: bool
) -> Expression | None:
    """Read an expression and report its faults. A bare int or true/false reads as itself.

    Unless `is_whole`, names may be missing for reasons already told, so unknown ones are not.
    """
    try:
        return parse_expression(_as_text(text), cursor.place, names=names, expect=expect)
    except ExpressionError as error:
        _tell(cursor, _quoting(error.diagnostics, _as_text(text), names, expect), names, is_whole=is_whole)
        return None


def _quoting(
    found: tuple[Diagnostic, ...], text: str, names: Names, expect: Type | None
) -> tuple[Diagnostic, ...]:
    """Where a text is wanted and a single unknown word stands, the word was meant as one."""
    if expect is None or expect.kind not in ("text", "id") or not text.strip().isidentifier():
        return found
    cure = "; ".join(filter(None, (f"a text is quoted: `'{text.strip()}'`", _readable(names))))
    return tuple(d if d.help or d.code != "LT101" else replace(d, help=cure) for d in found)


def read_condition(record: Record, key: str, names: Names, *, is_whole: bool) -> Expression | None:
    """The condition under a key, if there is one."""
    text = record.text(key)
    if text is None:
        return None
    return read_expression(record.at(key), text, names, expect=BOOL, is_whole=is_whole)


def read_policy_condition(outline: Outline, record: Record, names: Names) -> Expression | None:
    """`when` of `read` or `cannot`: it sees this entity alone, and nothing secret."""
    found = read_condition(record, "when", names, is_whole=outline.is_whole)
    for node in walk(found.tree) if found is not None else ():
        if isinstance(node, Follow):
            message = f"{names.place} sees this entity alone, so it cannot follow a ref"
        elif isinstance(node, Read) and node.scope == "field" and outline.fields[node.name].secret:
            message = f"`{node.name}` is secret, so {names.place} cannot read it"
        else:
            continue
        record.cursor.faults.add("LT101", node.span, message, help="keep what it needs in a field of its own")
    return found


def read_assignment(
    cursor: Cursor, text: str, names: Names, targets: Targets, *, is_whole: bool
) -> Assigned | None:
    """Read an assignment and report its faults."""
    try:
        return parse_assignment(text, cursor.place, names=names, targets=targets)
    except ExpressionError as error:
        _tell(cursor, error.diagnostics, names, is_whole=is_whole)
        return None


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _tell(cursor: Cursor, found: tuple[Diagnostic, ...], names: Names, *, is_whole: bool) -> None:
    """What follows from a fault told elsewhere is left out: names that could not be read, types not known."""
    about_names = ("LT101", "LT104", "LT108")
    of_unknown_type = described(UNKNOWN)
    cursor.faults.extend(
        d if d.help or d.code != "LT101" else replace(d, help=_readable(names))
        for d in found
        if (is_whole or d.code not in about_names) and of_unknown_type not in d.message
    )


def _readable(names: Names) -> str:
    """What can be read at a place, as a way out of an unknown name."""
    if names.old_unknown:
        return "what the old version held is read as `old.NAME`"
    arguments = [f"arg.{name}" for name in names.arguments or ()]
    known = [*names.fields, *names.ghosts, *names.app_ghosts, *arguments, *sorted(names.specials)]
    if names.populations:
        known += [f"… for a in {name}" for name in sorted(names.shapes)]
    return f"it can read {listed(known, at_most=20)}" if known else ""
