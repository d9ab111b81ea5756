"""Values of `{token}`, `{env.NAME}` and `{secret.NAME}` for one try of an effect, as the operator configured
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

import msgspec

from lathe.effect.base import MAIN, settings_key
from lathe.effect.render import Lookup, MissingError, resolve
from lathe.lang.model import App, Placeholder, Setting, Template
from lathe.runtime.config import AppSettings, Secret
from lathe.runtime.tokens import Tokens
from lathe.store.records import Outgoing

ReadSecret = Callable[[Secret], str | None]


def lookups(
    apps: Mapping[str, AppSettings], tokens: Tokens, read_secret: ReadSecret
) -> Callable[[Outgoing, int], Lookup]:
    """Creates the look-up of late placeholders for one try of an invocation."""
    nothing = AppSettings()

    def of(outgoing: Outgoing, timeout_ms: int) -> Lookup:
        settings = apps.get(settings_key(outgoing.tenant, outgoing.app), nothing)

        def look_up(scope: str, name: str) -> str:
            if scope == "token":
                return tokens.mint(outgoing, timeout_ms)
            if scope == "env":
                if name in settings.env:
                    return settings.env[name]
                raise MissingError(_asked_for(outgoing, "env", name))
            secret = settings.secrets.get(name)
            if secret is not None and secret.hosts and not _hosts(outgoing, settings) <= {*secret.hosts}:
                raise MissingError(f"`{{secret.{name}}}` may not go where `{outgoing.effect}` sends it")
            value = read_secret(secret) if secret is not None else None
            if value is None:
                raise MissingError(_asked_for(outgoing, "secret", name))
            return value

        return look_up

    return of


def _hosts(outgoing: Outgoing, settings: AppSettings) -> frozenset[str]:
    """The hosts that a request may go to; none if unknown, so that no bound secret is sent."""
    request = msgspec.json.decode(outgoing.request)
    granted = request.get("hosts")
    place = resolve(request.get("url") or request.get("to"), lambda scope, name: settings.env.get(name, ""))
    places = [f"//{host}" for host in granted] if isinstance(granted, list) else [str(place)]
    try:
        return frozenset(urlsplit(one).hostname or "" for one in places) or frozenset({""})
    except ValueError:
        return frozenset({""})


def _asked_for(outgoing: Outgoing, table: str, name: str) -> str:
    return not_given(outgoing.app, settings_key(outgoing.tenant, outgoing.app), table, name)


def not_given(app: str, key: str, table: str, name: str) -> str:
    """The message that an app lacks an `env` or `secret`, and where to configure it. `key` is its settings'
    name.
    """
    section = f"[app.{key}]" if key == app else f'[app."{key}"]'
    gives = f"env = {{ {name} = … }}" if table == "env" else f"secrets.{name} = {{ env = … }}"
    return f"`{app}` was given no `{{{table}.{name}}}`: say `{gives}` under `{section}` in lathe.toml"


def wanting(app: App, given: AppSettings, *, tenant: str = MAIN, read: ReadSecret | None = None) -> list[str]:
    """The names that an app uses and its settings lack, a sentence each; with `read` also empty secrets."""
    blueprints = app.blueprints.values()
    effects = [effect for blueprint in blueprints for effect in blueprint.effects.values()]
    named = {found for effect in effects for found in _late_names(effect.settings)}
    inbound = [event for blueprint in blueprints for event in blueprint.inbound.values()]
    named |= {("secret", event.signed_secret) for event in inbound if event.signed_secret}
    there = {*(("env", name) for name in given.env), *(("secret", name) for name in given.secrets)}
    key = settings_key(tenant, app.name)
    missing = [not_given(app.name, key, *one) for one in sorted(named - there)]
    if read is None:
        return missing
    empty = (n for s, n in sorted(named & there) if s == "secret" and read(given.secrets[n]) is None)
    return [
        *missing,
        *(f"`{{secret.{n}}}` of `{app.name}` is empty: {_nowhere(given.secrets[n])}" for n in empty),
    ]


def _nowhere(secret: Secret) -> str:
    if secret.env:
        return f"the variable `{secret.env}` is not set"
    return f"`{secret.file}` cannot be read" if secret.file else "neither `env` nor `file` says where it is"


def _late_names(setting: Setting) -> Iterator[tuple[str, str]]:
    if isinstance(setting, Template):
        pieces = (piece for piece in setting.parts if isinstance(piece, Placeholder))
        yield from ((p.scope, p.name) for p in pieces if p.scope in ("env", "secret"))
    elif isinstance(setting, Mapping):
        for inner in setting.values():
            yield from _late_names(inner)
    elif isinstance(setting, tuple):
        for inner in setting:
            yield from _late_names(inner)
