"""What fills in `{token}`, `{env.NAME}`, `{secret.NAME}` for one try: what the operator gave this app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from lathe.effect.base import settings_key
from lathe.effect.render import Lookup, MissingError, resolve
from lathe.runtime.config import AppSettings, Secret
from lathe.runtime.tokens import Tokens
from lathe.store.records import Outgoing

TIMEOUT_MS = 3_600_000
"""For how long a token is good beside its grace: an invocation's own time-out is shorter."""

ReadSecret = Callable[[Secret], str | None]


def lookups(
    apps: Mapping[str, AppSettings], tokens: Tokens, read_secret: ReadSecret
) -> Callable[[Outgoing], Lookup]:
    """The lookups of each invocation."""
    nothing = AppSettings()

    def of(outgoing: Outgoing) -> Lookup:
        settings = apps.get(settings_key(outgoing.tenant, outgoing.app), nothing)

        def look_up(scope: str, name: str) -> str:
            if scope == "token":
                return tokens.mint(outgoing, TIMEOUT_MS)
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
    """Where an invocation's request may go: nowhere that a secret may be bound to, if that cannot be told."""
    request = msgspec.json.decode(outgoing.request)
    granted = request.get("hosts")
    place = resolve(request.get("url") or request.get("to"), lambda scope, name: settings.env.get(name, ""))
    places = [f"//{host}" for host in granted] if isinstance(granted, list) else [str(place)]
    try:
        return frozenset(urlsplit(one).hostname or "" for one in places) or frozenset({""})
    except ValueError:
        return frozenset({""})


def _asked_for(outgoing: Outgoing, table: str, name: str) -> str:
    key = settings_key(outgoing.tenant, outgoing.app)
    section = f"[app.{key}]" if key == outgoing.app else f'[app."{key}"]'
    gives = f"env = {{ {name} = … }}" if table == "env" else f"secrets.{name} = {{ env = … }}"
    return (
        f"`{outgoing.app}` was given no `{{{table}.{name}}}`: say `{gives}` under `{section}` in lathe.toml"
    )
