"""Entities and journal entries as the API shows them: typed values, secrets left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lathe.lang.model import Blueprint, Json
from lathe.lang.types import Type
from lathe.machine.moment import rfc3339
from lathe.machine.snapshot import Values
from lathe.machine.trace import HIDDEN
from lathe.runtime.plan import Held
from lathe.runtime.snapshot import value_of_journal
from lathe.runtime.values import json_of
from lathe.store.base import CorruptError
from lathe.store.records import Entry

encode = msgspec.json.Encoder().encode


class View:
    """Renders one blueprint's entities. Made once for each loaded version."""

    __slots__ = ("_converted", "_hidden", "blueprint")

    def __init__(self, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        fields = blueprint.fields.values()
        self._hidden = frozenset(f.name for f in fields if f.secret)
        self._converted: dict[str, Type] = {
            f.name: f.type for f in fields if f.type.kind in ("time", "json", "set")
        }

    def entity(self, held: Held, event: str | None = None) -> dict[str, object]:
        """`{id, state, version, visit, fields, at}`, and the `event` that made it so where there is one."""
        entity = held.entity
        found: dict[str, object] = {
            "id": entity.id,
            "state": entity.state,
            "version": entity.version,
            "visit": entity.visit,
            "fields": self._fields(entity.fields),
            "at": rfc3339(held.changed_ms),
        }
        if event is not None:
            found["event"] = event
        return found

    def receipt(self, held: Held, event: str) -> dict[str, object]:
        """The reply to a caller who may not read the entity: that the step was taken, and its event."""
        entity = held.entity
        at = rfc3339(held.changed_ms)
        return {"id": entity.id, "version": entity.version, "visit": entity.visit, "at": at, "event": event}

    def _fields(self, fields: Values) -> Mapping[str, object]:
        if not self._converted and not self._hidden:
            return fields
        return {
            name: json_of(self._converted[name], value) if name in self._converted else value
            for name, value in fields.items()
            if name not in self._hidden
        }

    def changes(self, changes: Mapping[str, tuple[Json, Json]]) -> dict[str, Json]:
        """The changes, as `{name: [before, after]}`; a secret is shown as hidden."""
        found: dict[str, Json] = {}
        for name, (before, after) in changes.items():
            if name in self._hidden:
                found[name] = [HIDDEN, HIDDEN]
            elif name in self._converted:
                kind = self._converted[name]
                found[name] = [_stored(kind, before), _stored(kind, after)]
            else:
                found[name] = [before, after]
        return found


def _stored(kind: Type, value: Json) -> Json:
    """A value from the journal's JSON, in which sets are lists."""
    return json_of(kind, value_of_journal(value))


class Payload(Struct, gc=False):
    """The payload of a journal entry."""

    changes: dict[str, tuple[Any, Any]] = {}
    event: dict[str, Any] = {}


_payload = msgspec.json.Decoder(Payload).decode


def _payload_of(found: Entry) -> Payload:
    """Raises `CorruptError`."""
    try:
        return Payload() if found.payload is None else _payload(found.payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        said = f"revision {found.revision} of `{found.entity}` cannot be read"
        raise CorruptError(said) from error


def event_id(entity: str, revision: int) -> str:
    """A journal entry's id, the same in every context."""
    return f"{entity}.{revision}"


def entry(view: View | None, found: Entry) -> dict[str, object]:
    """A journal entry as an event: `{id, time, app, entity, version, action, by, changes}` and more.

    Without a view (its blueprint is not loaded any more) what changed is told by name alone.
    """
    payload = _payload_of(found)
    changes, event = payload.changes, payload.event
    told: dict[str, object] = {
        "id": event_id(found.entity, found.revision),
        "time": rfc3339(found.at_ms),
        "app": found.app,
        "blueprint": found.blueprint,
        "entity": found.entity,
        "version": found.version,
        "visit": found.visit,
        "state": found.state,
        "kind": found.kind,
        "action": found.action,
        "by": found.by,
        "changes": view.changes(changes) if view else {name: [HIDDEN, HIDDEN] for name in changes},
        "digest": found.digest,
        "step": found.step,
    }
    if found.chain:
        told["actor"] = found.chain[-1]
    if len(found.chain) > 1:
        told["chain"] = list(found.chain)
    if found.policies:
        told["policies"] = list(found.policies)
    for name in ("effect", "timer", "ok", "cause", "why", "number", "spent"):
        if name in event:
            told[name] = event[name]
    emitted = event.get("emitted")
    if isinstance(emitted, dict) and not emitted.get("to"):
        told["emitted"] = {name: emitted.get(name) for name in ("type", "data")}
    if found.payload is None:
        told["erased"] = True
    if found.position:
        told["position"] = found.position
    return told
