"""Decisions and held versions as text for a terminal."""

from __future__ import annotations

from typing import cast

from lathe.cli import output
from lathe.cli.client import reasons
from lathe.cli.entities import Row, value_text
from lathe.lang.model import Json

NEXT = {
    "open": "lathe decisions approve {id} --digest {digest}\nlathe decisions deny {id}",
    "approved": "whoever asked sends the very same request again",
}

APPLIES = "whoever asked: lathe apply --decision {id} --yes"


def line_of(row: Row) -> str:
    """A decision in a line."""
    until = f"  until {row['expires']}" if row["state"] in ("open", "approved") else ""
    return output.clean(f"{row['id']}  {row['state']}  {_asks(row)}: {_asked(row)}{until}")


def decision_text(row: Row) -> str:
    """All of a decision, with the digest that an approval repeats, and what to say next."""
    lines = [line_of(row)]
    shown: dict[str, Json] = {
        "reason": row["reason"],
        "roles": ", ".join(cast(list[str], row.get("roles") or [])),
        "permits": ", ".join(cast(list[str], row.get("policies") or [])),
        "why not": "; ".join(reasons(row)),
        "replaces": row.get("version") if row.get("apply") else None,
        "check": row.get("check"),
        "decided by": row.get("decided_by"),
        "how": row.get("how"),
        "note": row.get("note"),
        "applied": row.get("applied"),
        "digest": row["digest"],
    }
    lines += [f"  {name}: {value_text(value)}" for name, value in shown.items() if value]
    for change in cast(list[Row], row.get("changes") or []):
        marks = ", ".join(word for word in ("weaker", "breaking") if change[word])
        lines.append(f"  {change['what']} {change['path']}" + (f"  ({marks})" if marks else ""))
        if marks:
            lines += [
                f"    {sign} {change[key]}" for sign, key in (("-", "was"), ("+", "now")) if change[key]
            ]
    sizes = cast(dict[str, int], row.get("sizes") or {})
    if sizes:
        lines.append(f"  files, as they are applied (`lathe decisions show {row['id']} --files DIR`):")
        lines += [f"    {name}  {size} bytes" for name, size in sizes.items()]
    if row.get("policy") and row["state"] == "open":
        lines.append("  as a standing policy (--policy):")
        lines += [f"    {line}" for line in str(row["policy"]).splitlines()]
    after = APPLIES if row.get("apply") and row["state"] == "approved" else NEXT.get(str(row["state"]), "")
    lines += after.format(id=row["id"], digest=row["digest"]).splitlines()
    return output.clean("\n".join(lines))


def held_text(row: Row) -> str:
    """What an application waits for."""
    said = f"held: it waits for decision {row['id']}, by a person other than {_asks(row)}"
    if row["state"] == "open":
        return output.clean(f"{said}; nothing has changed. Then: lathe apply --decision {row['id']} --yes")
    return output.clean(f"{said}: {row['state']}")


def _asks(row: Row) -> str:
    return " for ".join(cast(list[str], row["chain"]))


def _asked(row: Row) -> str:
    if row.get("apply"):
        weaker = [change for change in cast(list[Row], row["changes"]) if change["weaker"]]
        return f"apply {row['app']} {str(row['apply'])[:19]}, {len(weaker)} weaker"
    args = " ".join(f"{name}={value_text(value)}" for name, value in cast(Row, row["args"]).items())
    place = "/".join(str(row[key]) for key in ("app", "plural", "entity") if row[key])
    return f"{row['action']} {place} {args}".rstrip()
