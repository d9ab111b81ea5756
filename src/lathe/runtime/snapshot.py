"""An entity as the body of a row, and back: values as JSON, sets as sorted lists."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import Struct

from lathe.machine.snapshot import Delivery, Entity, Invocation, Phase, Scalar, Value, Values
from lathe.store.base import CorruptError
from lathe.store.records import EntityRow


class _Delivery(Struct, array_like=True, gc=False):
    entity: str | None
    args: dict[str, Any]


class _Invocation(Struct, omit_defaults=True, gc=False):
    number: int
    effect: str
    visit: int
    phase: str
    fields: dict[str, Any]
    args: dict[str, Any]
    executed: bool = False
    deliveries: list[_Delivery] = []


class Body(Struct, omit_defaults=True, gc=False):
    """The body of a row. `fields` stands first, for whoever reads it with SQL."""

    fields: dict[str, Any]
    ghosts: dict[str, Any] = {}
    invocations: list[_Invocation] = []
    invoked: int = 0


_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Body).decode


def _order(member: Scalar) -> tuple[str, Scalar]:
    return type(member).__name__, member


def encode_json(value: object) -> bytes:
    """Canonical bytes of plain data in which sets may stand: neither they nor names are in hash order."""
    return _encode_sorted(value)


def body_of(entity: Entity) -> bytes:
    """The body of the row of an entity."""
    invocations = [
        _Invocation(
            i.number,
            i.effect,
            i.visit,
            i.phase,
            _plain(i.fields),
            _plain(i.args),
            i.executed,
            [_Delivery(d.entity, _plain(d.args)) for d in i.deliveries],
        )
        for i in entity.invocations
    ]
    return _encode(Body(_plain(entity.fields), _plain(entity.ghosts), invocations, entity.invoked))


def _plain(values: Values) -> dict[str, Any]:
    """Values with sets as sorted lists; the very mapping if there are none."""
    for value in values.values():
        if value.__class__ is frozenset:
            return {n: sorted(v, key=_order) if isinstance(v, frozenset) else v for n, v in values.items()}
    return cast(dict[str, Any], values)


def entity_of(row: EntityRow) -> Entity:
    """The entity of a row, as the machine has it. Raises `CorruptError`."""
    try:
        body = _decode(row.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptError(f"what is stored of `{row.id}` cannot be read") from error
    invocations = tuple(
        Invocation(
            number=i.number,
            effect=i.effect,
            visit=i.visit,
            phase=cast(Phase, i.phase),
            executed=i.executed,
            fields=_values(i.fields),
            args=_values(i.args),
            deliveries=tuple(Delivery(d.entity, _values(d.args)) for d in i.deliveries),
        )
        for i in body.invocations
    )
    return Entity(
        id=row.id,
        blueprint=row.blueprint,
        state=row.state,
        fields=_values(body.fields),
        ghosts=_values(body.ghosts),
        visit=row.visit,
        version=row.version,
        invocations=invocations,
        invoked=body.invoked,
    )


def _values(found: dict[str, Any]) -> dict[str, Value]:
    """Lists are sets: no other value of the machine is one."""
    for name, value in found.items():
        if value.__class__ is list:
            found[name] = frozenset(value)
    return found


def value_of_journal(data: Any) -> Value:
    """A value as the journal has it: a list is a set."""
    return frozenset(data) if isinstance(data, list) else cast(Value, data)
