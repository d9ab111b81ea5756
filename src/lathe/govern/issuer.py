"""One configured issuer: how its claims become a principal, with no more rights than the configuration gives.

The claims are verified by now (`govern.jwt`); here they are read. A principal of an issuer is `NAME:SUBJECT`,
and no token of ours may have a colon in its principal, so the two are never taken for each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from lathe.errors import UsageError
from lathe.frozen import frozen
from lathe.govern.principal import SCOPES, Kind, Principal
from lathe.govern.token import DEPTH_LIMIT
from lathe.govern.verifier import RefusedError
from lathe.lang.model import Json
from lathe.runtime.config import IssuerSettings

ALGORITHMS = (
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
    "PS256",
    "PS384",
    "PS512",
    "RS256",
    "RS384",
    "RS512",
)
"""Accepted signature algorithms, all asymmetric: with `none`, or a shared key, any verifier could forge
tokens.
"""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SKEW_SECONDS_LIMIT = 300
OWN_NAMES = frozenset({"effect"})
"""Prefixes of principals that Lathe itself uses."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SUBJECT = re.compile(r"[!-~]{1,255}")


@frozen
class Issuer:
    """A trusted issuer; `audience` is this server's name there. None for `apps` or `actions`: every one."""

    name: str
    url: str
    audience: str
    tenant: str
    kind: Kind
    algorithms: frozenset[str]
    skew_seconds: int
    roles: frozenset[str]
    role_claim: str
    role_map: Mapping[str, Sequence[str]]
    role_prefix: str | None
    scope_map: Mapping[str, Sequence[str]]
    apps: frozenset[str] | None
    actions: frozenset[str] | None
    require: Mapping[str, str | bool]


def issuer_of(name: str, settings: IssuerSettings) -> Issuer:
    """The issuer of a table of the configuration. Raises `UsageError`."""
    where = f"`[issuer.{name}]`"
    if not _NAME.fullmatch(name) or name in OWN_NAMES:
        raise UsageError(f"{where}: a name is 1 to 63 small letters, digits, `-` and `_`, and not `effect`")
    check_url(settings.url, where=f"{where} url")
    if not settings.audience:
        raise UsageError(
            f"{where}: name the `audience` that its tokens are for, or every token of it would do"
        )
    if not _TENANT.fullmatch(settings.tenant):
        raise UsageError(f"{where}: a tenant is 1 to 63 small letters, digits, `-` and `_`")
    if more := set(settings.algorithms) - set(ALGORITHMS):
        raise UsageError(f"{where}: `{min(more)}` may not sign; these may: {', '.join(ALGORITHMS)}")
    if not settings.algorithms:
        raise UsageError(f"{where}: `algorithms` is empty, so that nothing could be signed")
    if not 0 <= settings.skew_seconds <= SKEW_SECONDS_LIMIT:
        raise UsageError(f"{where}: `skew_seconds` is 0 to {SKEW_SECONDS_LIMIT}")
    _check_mapping(where, settings)
    return Issuer(
        name, settings.url, settings.audience, settings.tenant, settings.kind, frozenset(settings.algorithms),
        settings.skew_seconds, frozenset(settings.roles), settings.role_claim, settings.role_map,
        settings.role_prefix, settings.scope_map, _limit(settings.apps), _limit(settings.actions),
        settings.require,
    )  # fmt: skip


def check_url(url: str, *, where: str, is_plain: bool = True) -> None:
    """Raise `UsageError` for a URL that is neither https nor http on loopback, or has more than an address
    and a path.

    Where it need not be plain it may have a query.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(f"{where}: this is no address") from None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
    if not is_safe or not host:
        raise UsageError(f"{where}: an issuer has an `https://` address; `http://` is for loopback alone")
    if (is_plain and parts.query) or parts.fragment or "@" in parts.netloc:
        raise UsageError(f"{where}: the address has no query, no fragment and no password")


def _check_mapping(where: str, settings: IssuerSettings) -> None:
    mapped = [role for roles in settings.role_map.values() for role in roles]
    for role in (*settings.roles, *mapped):
        if not _ROLE.fullmatch(role):
            raise UsageError(f"{where}: `{role[:40]}` cannot be the name of a role")
    scopes = {scope for given in settings.scope_map.values() for scope in given}
    if unknown := scopes - set(SCOPES):
        raise UsageError(f"{where}: there is no scope `{min(unknown)[:40]}`: there are {', '.join(SCOPES)}")
    if (
        settings.role_map or settings.scope_map or settings.role_prefix is not None
    ) and not settings.role_claim:
        raise UsageError(f"{where}: name the `role_claim` whose values are mapped")
    if "operator" in scopes and (settings.apps is not None or settings.actions is not None):
        raise UsageError(f"{where}: an operator is not limited to apps or actions: use two issuers' tables")


def _limit(names: Sequence[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def principal_of(issuer: Issuer, claims: Mapping[str, Json], *, expires_ms: int, again_ms: int) -> Principal:
    """The principal of verified claims. Raises `RefusedError`."""
    for name, wanted in issuer.require.items():
        found = _claim(claims, name)
        if not _holds(found, wanted):
            raise RefusedError(
                "jwt: claims", f"the token's claim `{name[:80]}` is not what this house requires"
            )
    chain = _chain(issuer, claims)
    values = _values(_claim(claims, issuer.role_claim)) if issuer.role_claim else []
    acts_for = len(chain) > 1
    return Principal(
        id=chain[0],
        roles=_roles(issuer, values),
        chain=chain,
        tenant=issuer.tenant,
        kind="agent" if acts_for and issuer.kind == "person" else issuer.kind,
        scopes=frozenset(scope for value in values for scope in issuer.scope_map.get(value, ())),
        apps=issuer.apps,
        actions=issuer.actions,
        expires_ms=expires_ms,
        again_ms=again_ms,
    )


def _roles(issuer: Issuer, values: Sequence[str]) -> frozenset[str]:
    mapped = {role for value in values for role in issuer.role_map.get(value, ())}
    prefix = issuer.role_prefix
    if prefix is not None:
        named = (value.removeprefix(prefix) for value in values if value.startswith(prefix))
        mapped |= {role for role in named if _ROLE.fullmatch(role)}
    return issuer.roles | mapped


def _chain(issuer: Issuer, claims: Mapping[str, Json]) -> tuple[str, ...]:
    """The chain from the caller to the one it acts for: `sub`, or the actors of `act` (RFC 8693, 4.1) and
    then `sub`.
    """
    names: list[str] = []
    act = claims.get("act")
    while act is not None:
        if not isinstance(act, dict) or len(names) >= DEPTH_LIMIT - 1:
            raise RefusedError("jwt: claims", "the token's claim `act` does not say who acts")
        names.append(_subject(issuer, act.get("sub")))
        act = act.get("act")
    names.append(_subject(issuer, claims.get("sub")))
    return tuple(name for name, before in zip(names, ["", *names], strict=False) if name != before)


def _subject(issuer: Issuer, value: Json) -> str:
    if not isinstance(value, str) or not _SUBJECT.fullmatch(value):
        raise RefusedError("jwt: claims", "the token's subject is not 1 to 255 visible ASCII characters")
    return f"{issuer.name}:{value}"


def _claim(claims: Mapping[str, Json], name: str) -> Json:
    """A claim by its name, or by a dotted path where there is none of that name."""
    if name in claims:
        return claims[name]
    found: Json = dict(claims)
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _holds(found: Json, wanted: str | bool) -> bool:
    """Whether a claim equals a value, or is a list that contains it. `1` is not `true`."""
    many = found if isinstance(found, list) else [found]
    return any(type(one) is type(wanted) and one == wanted for one in many)


def _values(found: Json) -> list[str]:
    """The values of a claim: a list of strings, or one string of words as `scope` has it."""
    if isinstance(found, str):
        return found.split()
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
