"""`[effect]`: what is done outside, with which settings, and which action its end takes."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.errors import Edit
from lathe.lang.adapters import (
    DEFAULT_ATTEMPTS,
    DEFAULT_BACKOFF_MS,
    DEFAULT_TIMEOUT_MS,
    Adapter,
)
from lathe.lang.model import Action, Assignment, Effect, Setting, State
from lathe.lang.parse import Targets
from lathe.lang.resolve import limits
from lathe.lang.resolve.actions import read_assignments
from lathe.lang.resolve.asked import Asked, asked_by
from lathe.lang.resolve.outline import EntryOutline, Outline
from lathe.lang.resolve.reach import read_reach
from lathe.lang.resolve.record import Record
from lathe.lang.resolve.results import Told, read_ends
from lathe.lang.resolve.settings import SettingPlace, read_settings
from lathe.lang.resolve.states import read_milliseconds, read_time_span
from lathe.lang.resolve.templates import TemplateNames
from lathe.lang.resolve.world import EFFECT_SPECIALS, World
from lathe.lang.units import read_duration_range

_NOT_INTERNAL = ("timeout", "attempts", "backoff", "late")


def read_effects(
    world: World, outline: Outline, states: Mapping[str, State], actions: Mapping[str, Action]
) -> dict[str, Effect]:
    """All effects."""
    found: dict[str, Effect] = {}
    told: Told = set()
    for name, entry in outline.effects.items():
        if entry.record is None:
            continue
        effect = _read_effect(world, outline, entry, entry.record, asked_by(name, states, actions), told)
        if effect is not None:
            found[name] = effect
    return found


def _read_effect(
    world: World, outline: Outline, entry: EntryOutline, record: Record, asked: Asked, told: Told
) -> Effect | None:
    adapter = _find_adapter(world, record)
    if adapter is None:
        return None
    _check_fitting_keys(record, adapter)
    cursor = record.at("with") if record.has("with") else record.cursor
    table = record.table("with")
    names = TemplateNames(
        fields=outline.field_types,
        ghosts=frozenset(outline.ghosts) | frozenset(world.app_ghosts),
        asked=asked,
        is_whole=outline.is_whole,
    )
    place = SettingPlace(entry.name, adapter, names, world.modules)
    settings: dict[str, Setting] = {}
    if "with" not in record.wrong:
        settings = read_settings(cursor, table, place)
    target = read_reach(world, outline, cursor, table, adapter, asked)
    takes = read_ends(outline, record, adapter, settings, target, told)
    return Effect(
        name=entry.name,
        uses=adapter.name,
        settings=settings,
        target=target,
        takes=takes,
        ok=record.text("ok"),
        error=record.text("error"),
        timeout_ms=_timeout(record, adapter),
        attempts=_attempts(record),
        backoff_ms=_backoff(record),
        idempotent=_idempotent(record, adapter, settings),
        world=_read_world(world, outline, record, asked),
        late=not (record.has("late") and not record.flag("late")),
        doc=record.doc(),
        span=entry.cursor.key,
    )


def _find_adapter(world: World, record: Record) -> Adapter | None:
    uses = record.word("uses")
    if uses is None:
        return None
    adapter = world.adapters.get(uses.text)
    if adapter is None:
        message = f"there is no adapter `{uses.text[:80]}`"
        uses.cursor.report_unknown("LT106", message, uses.text, world.adapters)
    return adapter


def _check_fitting_keys(record: Record, adapter: Adapter) -> None:
    if adapter.is_internal:
        for key in _NOT_INTERNAL:
            if record.has(key):
                message = f"`{key}` does not apply to `{adapter.name}`, which is done exactly once"
                record.at(key).report_key("LT106", message, help=f"remove `{key}`")
    if adapter.is_notice:
        for key in ("ok", "error"):
            if record.has(key):
                message = f"`{adapter.name}` is a notice: it has no end, so no `{key}`"
                record.at(key).report_key("LT106", message, help=f"remove `{key}`")


def _timeout(record: Record, adapter: Adapter) -> int | None:
    if adapter.is_internal:
        return None
    return read_time_span(record, "timeout") or DEFAULT_TIMEOUT_MS


def _attempts(record: Record) -> int:
    attempts = record.number("attempts")
    if attempts is None:
        return DEFAULT_ATTEMPTS
    if not 1 <= attempts <= limits.ATTEMPTS:
        record.at("attempts").report("LT005", f"`attempts` is 1 to {limits.ATTEMPTS}")
    return attempts


def _backoff(record: Record) -> tuple[int, int]:
    text = record.text("backoff")
    if text is None:
        return DEFAULT_BACKOFF_MS
    cursor = record.at("backoff")
    found = read_duration_range(text)
    if found is None:
        message = f"`backoff` is two durations, and `{text[:40]}` is not"
        cursor.report("LT004", message, help='write it like "1s..5m"')
        return DEFAULT_BACKOFF_MS
    low, high = text.split("..")
    if (
        read_milliseconds(cursor, low, "backoff") is None
        or read_milliseconds(cursor, high, "backoff") is None
    ):
        return DEFAULT_BACKOFF_MS
    if found[0] > found[1]:
        edit = Edit(cursor.span, f'"{high}..{low}"')
        cursor.report(
            "LT109", "`backoff` begins with the shorter duration", help=f"write {edit.text}", edit=edit
        )
    return found


def _idempotent(record: Record, adapter: Adapter, settings: Mapping[str, Setting]) -> bool:
    if record.has("idempotent"):
        return record.flag("idempotent")
    return adapter.idempotence.holds_for(settings)


def _read_world(world: World, outline: Outline, record: Record, asked: Asked) -> tuple[Assignment, ...]:
    names = world.names(
        outline, "`world`", specials=EFFECT_SPECIALS, arguments=asked.arguments, with_ghosts=True
    )
    targets = Targets("world", ghosts=outline.ghost_types, app_ghosts=world.app_ghost_types)
    found = read_assignments(record, "world", names, targets, is_whole=outline.is_whole)
    for assignment in found:
        asked.check_reads(assignment.value, record.cursor)
    return found
