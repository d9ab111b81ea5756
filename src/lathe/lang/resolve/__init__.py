"""The files of an app become a checked `App`, or diagnostics: all of them, each with its place.

`read_app` is the way in. First every file is sorted and every blueprint outlined (`files`,
`outline`, `application`), so that names and types are known everywhere; then each blueprint is read
whole (`blueprint`, and a module for each table). Faults are collected, never raised, and what
follows from a fault already told is not told again.
"""

from __future__ import annotations

from collections.abc import Mapping

from lathe.errors import Diagnostic, Span
from lathe.frozen import frozen
from lathe.lang.adapters import ADAPTERS, Adapter
from lathe.lang.model import App, Blueprint, Scope
from lathe.lang.resolve import limits
from lathe.lang.resolve.application import (
    AppOutline,
    check_app_ghosts,
    outline_app,
    read_app_properties,
    read_exclusive,
    read_scope,
)
from lathe.lang.resolve.blueprint import read_blueprint
from lathe.lang.resolve.faults import Faults
from lathe.lang.resolve.files import APP_FILE, BLUEPRINT_SUFFIX, Files, at_start, sort_files
from lathe.lang.resolve.naming import RESERVED_APPS, is_blueprint_name, snake
from lathe.lang.resolve.outline import Outline, outline_blueprint
from lathe.lang.resolve.principals import roles_of
from lathe.lang.resolve.record import Cursor, Record
from lathe.lang.resolve.typed import Kinds
from lathe.lang.resolve.world import World, shapes_of
from lathe.lang.source import Source

__all__ = ["Reading", "read_app"]


@frozen
class Reading:
    """What became of the files. `app` is None if there is any error among `diagnostics`.

    Diagnostics are sorted by file, line and column; `sources` are the files that could be read.
    """

    app: App | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, Source]


def read_app(files: Mapping[str, bytes], *, adapters: Mapping[str, Adapter] = ADAPTERS) -> Reading:
    """Read an app from its files, by path inside its folder. Never raises, whatever the bytes are.

    `app.toml`, `*.blueprint.toml`, `*.cedar`, `modules/*.wasm`, `modules/*.wat` and `gauges/*.json` are
    read; other files are no part of it. A single blueprint without `app.toml` is an app of one, named after
    it.
    """
    faults = Faults()
    sorted_files = sort_files(files, faults)
    app = _read(sorted_files, adapters, faults)
    diagnostics = faults.in_order()
    return Reading(None if diagnostics else app, diagnostics, sorted_files.sources)


def _read(files: Files, adapters: Mapping[str, Adapter], faults: Faults) -> App | None:
    if not _has_parts(files, faults):
        return None
    named = {_name_of(source): source for source in reversed(files.blueprints)}
    is_complete = files.is_complete and len(named) == len(files.blueprints)
    kinds = Kinds(frozenset(named), is_complete)
    app = outline_app(Cursor(files.app, (), faults), kinds) if files.app is not None else None
    has_ghosts = not files.has_app if app is None else "ghost" not in app.record.wrong
    outlines = _outline_all(files, kinds, faults, is_whole=has_ghosts)
    world = World(
        outlines=outlines,
        roles=_roles(files, app, outlines),
        is_open=app is None,
        app_ghosts=app.ghosts if app is not None else {},
        adapters=adapters,
        modules=files.modules,
        shapes=shapes_of(outlines),
        is_complete=is_complete,
        faults=faults,
    )
    blueprints = {name: read_blueprint(world, outlines[name]) for name in sorted(outlines)}
    _check_plurals(blueprints, world)
    _check_paths(blueprints, world)
    return _assemble(files, app, world, blueprints)


def _has_parts(files: Files, faults: Faults) -> bool:
    """Whether there is something to read: at least one blueprint, and `app.toml` if there are several."""
    if not files.blueprints:
        if files.is_complete:
            help_ = f"add a file like `rollout{BLUEPRINT_SUFFIX}`"
            faults.add(
                "LT003",
                at_start(APP_FILE),
                "an app has at least one blueprint, and there is none",
                help=help_,
            )
        return files.app is not None
    if not files.has_app and len(files.blueprints) > 1:
        message = f"an app of {len(files.blueprints)} blueprints needs `{APP_FILE}`"
        faults.add(
            "LT003", at_start(APP_FILE), message, help='add it, with `app = "NAME"` and a table `[role]`'
        )
    if len(files.blueprints) > limits.BLUEPRINTS:
        extra = files.blueprints[limits.BLUEPRINTS]
        message = f"an app has at most {limits.BLUEPRINTS} blueprints, not {len(files.blueprints)}"
        faults.add("LT005", at_start(extra.file), message)
        return False
    return True


def _name_of(source: Source) -> str:
    """The name that a file gives its blueprint; else one made from the file's name."""
    name = source.data.get("blueprint")
    if isinstance(name, str):
        return name
    stem = source.file.removesuffix(BLUEPRINT_SUFFIX)
    camel = "".join(part[:1].upper() + part[1:] for part in stem.split("_"))
    return camel if is_blueprint_name(camel) else stem


def _outline_all(files: Files, kinds: Kinds, faults: Faults, *, is_whole: bool) -> dict[str, Outline]:
    found: dict[str, Outline] = {}
    for source in files.blueprints:
        cursor = Cursor(source, (), faults)
        outline = outline_blueprint(cursor, kinds, fallback=_name_of(source), is_whole=is_whole)
        before = found.get(outline.name)
        if before is None:
            found[outline.name] = outline
            continue
        faults.add(
            "LT006",
            source.place(("blueprint",)).span,
            f"there is a blueprint `{outline.name}` already",
            help="rename one of them",
            related=((before.top.at("blueprint").span, "the other"),),
        )
    return found


def _roles(files: Files, app: AppOutline | None, outlines: Mapping[str, Outline]) -> Mapping[str, str] | None:
    """The roles of `app.toml`, or those named by the `by` keys of an app of one; None: they are unknown."""
    if app is not None:
        return None if "role" in app.record.wrong else app.roles
    if files.has_app or len(files.blueprints) > 1:
        return None
    found: set[str] = set()
    for outline in outlines.values():
        for action in outline.actions.values():
            found |= roles_of(action.by)
        found |= _reading_roles(outline.top)
    return dict.fromkeys(sorted(found), "")


def _reading_roles(top: Record) -> set[str]:
    value = top.get("read")
    listed_ = value.get("by") if isinstance(value, dict) else value
    words = [listed_] if isinstance(listed_, str) else listed_ if isinstance(listed_, list) else []
    prefix = "role:"
    return {word.removeprefix(prefix) for word in words if isinstance(word, str) and word.startswith(prefix)}


def _check_plurals(blueprints: Mapping[str, Blueprint], world: World) -> None:
    seen: dict[str, str] = {}
    for name, blueprint in blueprints.items():
        other = seen.setdefault(blueprint.plural, name)
        if other != name:
            top = world.outlines[name].top
            span = (top.at("plural") if top.has("plural") else top.at("blueprint")).span
            message = f"the path segment `{blueprint.plural}` is that of {other} already"
            world.faults.add("LT006", span, message, help="give one of them another `plural`")


def _check_paths(blueprints: Mapping[str, Blueprint], world: World) -> None:
    """Each delivery belongs to one inbound event of the app."""
    seen: dict[tuple[str, ...], tuple[str, Span]] = {}
    for blueprint in blueprints.values():
        for inbound in blueprint.inbound.values():
            segments = ("*" if part.startswith("{") else part for part in inbound.path.split("/"))
            route = (inbound.method, *segments)
            name = f"{blueprint.name}.{inbound.name}"
            other, span = seen.setdefault(route, (name, inbound.span))
            if other != name:
                message = f"`{inbound.method} {inbound.path}` is the path of {other} already"
                world.faults.add(
                    "LT006",
                    inbound.span,
                    message,
                    help="give one of them another path",
                    related=((span, other),),
                )


def _app_name(blueprint: str) -> str:
    """The name of an app of one."""
    name = snake(blueprint) or "app"
    return f"{name}_app" if name in RESERVED_APPS else name


def _assemble(files: Files, app: AppOutline | None, world: World, blueprints: Mapping[str, Blueprint]) -> App:
    roles = world.roles or {}
    if app is None:
        first = next(iter(blueprints.values()))
        return App(
            name=_app_name(first.name),
            file=first.file,
            doc=first.doc,
            roles=roles,
            exclusive=(),
            scope=Scope(),
            ghosts={},
            properties={},
            blueprints=blueprints,
            policies=files.policies,
            modules=files.modules,
            gauges=files.gauges,
            span=first.span,
        )
    check_app_ghosts(app, world)
    return App(
        name=app.name,
        file=app.cursor.source.file,
        doc=app.record.doc(),
        roles=roles,
        exclusive=read_exclusive(app),
        scope=read_scope(app, world.outlines, is_complete=world.is_complete),
        ghosts=app.ghosts,
        properties=read_app_properties(app, world),
        blueprints=blueprints,
        policies=files.policies,
        modules=files.modules,
        gauges=files.gauges,
        role_spans=app.role_spans,
        span=app.record.at("app").span,
    )
