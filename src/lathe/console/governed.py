"""Tokens and the audit log as markdown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from lathe.console.ask import Ask
from lathe.console.writing import rows, table, text, value
from lathe.lang.model import Json
from lathe.lang.render.escape import code, prose

Query = Mapping[str, str]
View = Callable[[Ask, Mapping[str, str], Query], Awaitable[list[str]]]


async def _access(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    me = await ask.get("me")
    assert isinstance(me, dict), "the caller is an object"
    found = await ask.get("tokens", query={"limit": "200", **_kept(query, "after")})
    body = [
        [
            value(token["id"]),
            value(token["principal"]),
            text(token, "kind"),
            _names(token, "roles") + _names(token, "scopes", before="scope "),
            value(token.get("parent")),
            text(token, "expires"),
            text(token, "revoked"),
            prose(text(token, "note")),
        ]
        for token in rows(found)
    ]
    head = ["token", "who", "kind", "may", "part of", "until", "revoked", "note"]
    you = f"You are {code(text(me, 'principal'))}, a {text(me, 'kind')} of {code(text(me, 'tenant'))}."
    lines = ["# Agents and tokens", "", you, "", *table(head, body), *_more(found)]
    return [*lines, "", "`POST /v1/tokens`, `POST /v1/tokens/ID:rotate`, `DELETE /v1/tokens/ID`"]


async def _audit(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    found = await ask.get("audit", query={"limit": "200", **_kept(query, "after")})
    body = [
        [
            text(line, "number"),
            text(line, "at"),
            value(line["kind"]),
            value(line["by"]),
            value(line["subject"]),
        ]
        for line in rows(found)
    ]
    head = ["line", "when", "what", "by", "about"]
    return [
        "# Audit",
        "",
        "Oldest first.",
        "",
        *table(head, body),
        *_more(found),
        "",
        "`GET /v1/audit?after=`",
    ]


async def _decisions(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    state = query.get("state") or "open"
    found = await ask.get("decisions", query={"limit": "100", "state": state, **_kept(query, "before")})
    body = [
        [
            value(one["id"]),
            _names(one, "chain"),
            f"{value(one.get('action'))} {value(one.get('entity') or one.get('blueprint'))}"
            if not one.get("apply")
            else f"apply a version of {value(one['app'])}",
            value(one.get("args")),
            prose(text(one, "reason")),
            text(one, "expires"),
            value(one["digest"]),
        ]
        for one in rows(found)
    ]
    head = ["id", "who, for whom", "asks to", "with", "why", "open until", "digest"]
    lines = [f"# Decisions: {state}", "", *table(head, body)]
    calls = "`POST /v1/decisions/ID/approve` `{how, digest, note}`, `…/deny` `{note}`, `…/withdraw`"
    return [*lines, "", calls]


def _kept(query: Query, name: str) -> dict[str, str]:
    return {name: query[name]} if query.get(name) else {}


def _names(token: Mapping[str, Json], name: str, *, before: str = "") -> str:
    found = token.get(name)
    return (
        " ".join(code(f"{before}{one}") for one in found) + " " if isinstance(found, list) and found else ""
    )


def _more(found: Json) -> list[str]:
    after = found.get("next") if isinstance(found, dict) else None
    return [] if after is None else ["", f"There are more: add `after={after}`."]


GOVERNED: dict[str, View] = {"access": _access, "audit": _audit, "decisions": _decisions}
"""The views about who may, and what was governed."""
