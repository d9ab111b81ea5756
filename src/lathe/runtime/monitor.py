"""Checks properties on live steps, as the verifier did on the model.

Invariants and step properties that are about one entity are evaluated after each committed step, or a share
of them. One that is false is an alert: it names the entity and the step, and `lathe journal` has the way
there. The newest are kept, for whoever asks what lives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from lathe.frozen import frozen
from lathe.lang.expr import Population, walk
from lathe.lang.model import Property
from lathe.machine.evaluate import EvaluationError, Frame, entity_frame
from lathe.machine.lower import Compiled, lower
from lathe.machine.outcome import Part
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.runtime.catalog import Live
from lathe.runtime.engine import Committed

ALERTS_LIMIT = 200
"""Alerts that are remembered, to raise each once."""
WATCHED_LIMIT = 1_024
"""Compiled properties are cached for this many blueprints."""


@frozen
class Alert:
    """A finding for the operator. Of a property: after which action, in which version of the entity."""

    kind: str
    tenant: str
    app: str
    entity: str
    name: str
    at_ms: int
    said: str
    action: str | None = None
    version: int = 0


@frozen
class _Watched:
    """A compiled property."""

    prop: Property
    that: Compiled
    when: Compiled | None


Tell = Callable[[Alert], None]


class Monitor:
    """Checks properties on the steps of one process. `sampled` decides which steps."""

    def __init__(self, tell: Tell, *, now_ms: Callable[[], int], sampled: Callable[[], bool]) -> None:
        self._tell = tell
        self._now_ms = now_ms
        self._sampled = sampled
        self._watched: dict[tuple[str, str], tuple[_Watched, ...]] = {}
        self.alerts: deque[Alert] = deque(maxlen=ALERTS_LIMIT)

    def __call__(self, committed: Committed) -> None:
        """Check the properties of every entity of a step."""
        if not self._sampled():
            return
        for part in committed.step.parts:
            live, held = committed.live, committed.after[part.entity]
            for watched in self._properties(live, part.blueprint):
                if not _is_kept(watched, live, part.before, held.entity):
                    self.alert(self._broken(watched.prop, live, part, held.revision))

    def alert(self, alert: Alert) -> None:
        """Keep an alert, and tell of it."""
        self.alerts.append(alert)
        self._tell(alert)

    def _broken(self, prop: Property, live: Live, part: Part, version: int) -> Alert:
        """That a property is false after a step; no value is told, for it goes into the log."""
        after = f"after `{part.action}`" if part.action else "after a step"
        said = f"`{prop.name}` is false {after}, version {version}: {prop.that.text}"
        now, app = self._now_ms(), live.app.name
        return Alert(prop.kind, live.tenant, app, part.entity, prop.name, now, said, part.action, version)

    def _properties(self, live: Live, blueprint: str) -> tuple[_Watched, ...]:
        """Invariants and step properties of one entity: those that go through no population."""
        key = (live.digest, blueprint)
        found = self._watched.pop(key, None)
        if found is None:
            properties = live.table.blueprints[blueprint].blueprint.properties.values()
            asked = (p for p in properties if p.kind != "sometimes" and not _reads_others(p))
            found = tuple(
                _Watched(p, lower(p.that.tree), lower(p.when.tree) if p.when is not None else None)
                for p in asked
            )
            while len(self._watched) >= WATCHED_LIMIT:
                del self._watched[next(iter(self._watched))]
        self._watched[key] = found  # the one asked last stands last
        return found


def _reads_others(prop: Property) -> bool:
    trees = [prop.that.tree, *([prop.when.tree] if prop.when is not None else [])]
    return any(isinstance(node, Population) or _is_foreign(node) for tree in trees for node in walk(tree))


def _is_foreign(node: object) -> bool:
    """Whether a node reads another entity, or a ghost of the app, which no process keeps."""
    scope = getattr(node, "scope", "")
    return type(node).__name__ == "Follow" or scope in ("app_ghost", "old_app_ghost")


def _is_kept(watched: _Watched, live: Live, before: Entity | None, now: Entity) -> bool:
    prop = watched.prop
    if prop.in_states and now.state not in prop.in_states:
        return True
    frame = _frame(prop, live, before, now)
    if frame is None or (watched.when is not None and not _holds(watched.when, frame)):
        return True
    return _holds(watched.that, frame)


def _holds(compiled: Compiled, frame: Frame) -> bool:
    """Whether a property is true; without a value it is false."""
    try:
        return compiled(frame, frame.fields, frame.args) is True
    except EvaluationError:
        return False


def _frame(prop: Property, live: Live, before: Entity | None, now: Entity) -> Frame | None:
    world = MemoryWorld({now.id: now}, live.table.ghosts)
    if prop.kind == "invariant":
        return entity_frame(world, now)
    if before is None:
        return None
    return Frame(
        world, now, now.fields, {}, now.ghosts, world.ghosts, old=before, old_app_ghosts=world.ghosts
    )
