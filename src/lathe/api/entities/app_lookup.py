"""Finds the app that a request names; for an unknown name the error lists those that the caller may use."""

from __future__ import annotations

from lathe.api.wire.problem import Problem
from lathe.api.wire.validation import none_of
from lathe.errors import NotFoundError
from lathe.govern.principal import Principal
from lathe.lang.lookup import closest
from lathe.runtime.catalog import Catalog, Live

NAMED_LIMIT = 20
"""Apps that an error lists."""
GUESSED_CHARACTERS_LIMIT = 80
"""Longer names are not compared with the existing ones."""


def entered(catalog: Catalog, principal: Principal, app: str) -> Live:
    """The current version of an app. Raises `GovernError` (LR403.scope), `Problem` (LR404.app)."""
    principal.enters(app)
    try:
        return catalog.live(principal.tenant, app)
    except NotFoundError as error:
        raise Problem("LR404.app", str(error), help=_there(catalog, principal, app)) from None


def followed(catalog: Catalog, principal: Principal, app: str | None, blueprint: str | None) -> None:
    """Raises as `entered` does, and `Problem` (LR400.query), if what is to be followed is not there."""
    lives = [live for live in catalog.all(principal.tenant) if principal.is_for(live.app.name)]
    if app is not None:
        lives = [entered(catalog, principal, app)]
    names = [name for live in lives for name in live.table.blueprints]
    if blueprint is not None and blueprint not in names:
        said = f"there is no blueprint `{blueprint[:GUESSED_CHARACTERS_LIMIT]}`"
        raise Problem("LR400.query", said, help=none_of(blueprint, names, what="there are"))


def _there(catalog: Catalog, principal: Principal, app: str) -> str:
    """The apps of the caller's token, and the one whose name is closest."""
    names = [live.app.name for live in catalog.all(principal.tenant) if principal.is_for(live.app.name)]
    if not names:
        return "no app is loaded yet: `lathe apply FOLDER` loads one"
    meant = closest(app, names) if len(app) <= GUESSED_CHARACTERS_LIMIT else None
    guess = f"did you mean `{meant}`? " if meant is not None else ""
    more = f" and {len(names) - NAMED_LIMIT} more" if len(names) > NAMED_LIMIT else ""
    return f"{guess}the apps here are {', '.join(f'`{name}`' for name in names[:NAMED_LIMIT])}{more}"
