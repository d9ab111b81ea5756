"""`lathe.toml`: what the operator decides. Everything has a default; `LATHE_*` in the environment wins.

[server]   host, port, key, open_metrics, proxies   [store]   url, schema
[monitor]  share                           [wasm]    threads
[limits]   in_flight, per_principal_per_second, burst, body_bytes, followers
[app.NAME] env, secrets, commands, reach, webhook_secret, wasm, apply
[issuer.NAME] url, audience, tenant, kind, roles, role_claim, role_map, role_prefix, scope_map, sign_in, …
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lathe.errors import UsageError

FILE = "lathe.toml"
FILE_BYTES_LIMIT = 65_536
PREFIX = "LATHE_"


class Server(Struct, forbid_unknown_fields=True, frozen=True):
    """Where it listens. `key` signs tokens and cursors: every process needs the same one (32 or more).

    With `open_metrics` whoever reaches it reads `/metrics`. `proxies` are addresses and networks whose
    `X-Forwarded-For`, `-Proto` and `-Host` are believed.
    """

    host: str = "127.0.0.1"
    port: int = 7411
    key: str = ""
    open_metrics: bool = False
    proxies: tuple[str, ...] = ()


class StoreSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """`sqlite:FOLDER` or `postgres://…`, there in the given schema."""

    url: str = "sqlite:.lathe"
    schema: str = "lathe"


class LimitSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """See `api.wire.limits`. A rate of 0 is none."""

    in_flight: int = 2_048
    per_principal_per_second: float = 0.0
    burst: int = 100
    body_bytes: int = 1_048_576
    followers: int = 256


class Secret(Struct, forbid_unknown_fields=True, frozen=True):
    """A secret: the environment's variable or the file that holds it, and the hosts that it may go to."""

    env: str = ""
    file: str = ""
    hosts: tuple[str, ...] = ()


class WasmSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """What modules of an app may be granted at most; `hosts` as an effect has them."""

    hosts: tuple[str, ...] = ()
    grants: tuple[str, ...] = ("log", "now", "random")
    fuel: int = 1_000_000_000
    memory_mib: int = 64


class ApplySettings(Struct, forbid_unknown_fields=True, frozen=True):
    """Who applies versions of an app: with the scope `apply`, and one of `roles`, if there are some.

    `held` are the applications that wait for a person other than whoever applies: those that are `weaker`
    than what they replace, `every` one, or none (`never`).
    """

    roles: tuple[str, ...] = ()
    held: Literal["weaker", "every", "never"] = "weaker"


class AppSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """What a blueprint of this app may use: names of its `{env.X}`, secrets, commands, addresses.

    `reach` names hosts, `host:port` or networks that `http` may reach though they are not public.
    `webhook_secret` names the secret that signs what `emit` sends.
    """

    env: Mapping[str, str] = {}
    secrets: Mapping[str, Secret] = {}
    commands: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    webhook_secret: str = ""
    wasm: WasmSettings = WasmSettings()
    apply: ApplySettings = ApplySettings()


class MonitorSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """Which share of the steps has its properties asked again, from 0 to 1."""

    share: float = 1.0


class WasmProcess(Struct, forbid_unknown_fields=True, frozen=True):
    """How many modules run side by side in this process; one app has at most half of them."""

    threads: int = 4


class SignInSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """How people sign in to the console by an issuer: `client_id` is the audience if it is left out.

    `secret`, where the issuer gave one, may go to its own address alone, or to its `hosts`. With `userinfo`
    claims that stand there alone count too; with `sign_out`, who signs out here is sent to do so there.
    """

    client_id: str = ""
    secret: Secret | None = None
    scopes: tuple[str, ...] = ("openid",)
    session_seconds: int = 43_200
    userinfo: bool = False
    sign_out: bool = False


class IssuerSettings(Struct, forbid_unknown_fields=True, frozen=True):
    """Whose signed tokens (OIDC) count here, and what their claims come to; see `govern.issuer`.

    `role_claim` names the claim whose values `role_map`, `role_prefix` and `scope_map` read. `require` are
    claims that must be so. `reach` is as in an app, for keys at an address that is not public.
    """

    url: str = ""
    audience: str = ""
    tenant: str = "main"
    kind: Literal["person", "agent", "service"] = "agent"
    roles: tuple[str, ...] = ()
    role_claim: str = ""
    role_map: Mapping[str, tuple[str, ...]] = {}
    role_prefix: str | None = None
    scope_map: Mapping[str, tuple[str, ...]] = {}
    apps: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    require: Mapping[str, str | bool] = {}
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
    skew_seconds: int = 30
    reach: tuple[str, ...] = ()
    sign_in: SignInSettings | None = None


_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


class Config(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file."""

    server: Server = Server()
    store: StoreSettings = StoreSettings()
    limits: LimitSettings = LimitSettings()
    monitor: MonitorSettings = MonitorSettings()
    wasm: WasmProcess = WasmProcess()
    app: Mapping[str, AppSettings] = {}
    issuer: Mapping[str, IssuerSettings] = {}


def read_config(text: bytes | None, environment: Mapping[str, str]) -> Config:
    """The configuration of a file (None: there is none) and the environment. Raises `UsageError`."""
    if text is not None and len(text) > FILE_BYTES_LIMIT:
        raise UsageError(f"`{FILE}` is larger than {FILE_BYTES_LIMIT} bytes")
    try:
        data: dict[str, Any] = msgspec.toml.decode(text) if text else {}
        for name, value in _given(environment).items():
            table, key = name
            data.setdefault(table, {})[key] = value
        return msgspec.convert(data, Config, strict=False)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"`{FILE}`: {_plainly(str(error))}") from None


def _plainly(said: str) -> str:
    """What the decoder says, with the place as it is written in the file: not `$.server.port`."""
    what, _, at = said.partition(" - at `$")
    place = at.rstrip("`").removeprefix(".").replace("[...]", ".NAME").replace("key in ", "")
    unknown = _UNKNOWN.fullmatch(what)
    if unknown:
        return f"`{unknown[1]}` is no key" + (f" of `[{place}]`" if place else " or table of it")
    return f"`{place}`: {what[:1].lower()}{what[1:]}" if place else f"{what[:1].lower()}{what[1:]}"


def aliases_of(issuers: Mapping[str, IssuerSettings]) -> dict[str, str]:
    """Each table of an issuer with the first one of the same address."""
    first: dict[str, str] = {}
    return {name: first.setdefault(given.url, name) for name, given in issuers.items()}


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    found = msgspec.json.schema(Config)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FILE,
        **found,
    }


def _given(environment: Mapping[str, str]) -> dict[tuple[str, str], str | list[str]]:
    """`LATHE_SERVER_PORT=…` is `[server] port`, and so on for each table with fixed keys.

    A list has commas.
    """
    tables: dict[str, type[Struct]] = {"server": Server, "store": StoreSettings, "limits": LimitSettings}
    found: dict[tuple[str, str], str | list[str]] = {}
    for table, kind in tables.items():
        for field in msgspec.structs.fields(kind):
            value = environment.get(f"{PREFIX}{table}_{field.name}".upper())
            if value is not None:
                is_list = isinstance(field.default, tuple)
                words = [word.strip() for word in value.split(",")]
                found[table, field.name] = [word for word in words if word] if is_list else value
    return found


def shown(config: Config) -> bytes:
    """The configuration as TOML-like JSON for `--print-config`; keys and passwords are not shown."""
    data = msgspec.to_builtins(config)
    if data["server"]["key"]:
        data["server"]["key"] = "•••"
    scheme, separator, rest = data["store"]["url"].partition("://")
    if separator and "@" in rest:
        data["store"]["url"] = f"{scheme}://•••@{rest.rpartition('@')[2]}"
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def new_key() -> str:
    """A key for `[server] key`."""
    return secrets.token_hex(32)
