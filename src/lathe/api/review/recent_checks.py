"""The most recent checks of this process, kept in memory so that a refused one can be reviewed.

They are in memory alone. What is in force has its report with its version, in the store.
"""

from __future__ import annotations

import tomllib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from lathe.frozen import frozen
from lathe.machine.moment import rfc3339
from lathe.runtime.swap import Judged

CHECKS_LIMIT = 64
BYTES_LIMIT = 64 * 1024 * 1024
"""Of files and reports together; the oldest go first."""
ID_CHARACTERS = 16

Source = Literal["check", "apply", "dev"]


@frozen
class Kept:
    """One check: who asked, what for, and what came of it.

    `id` names the files, so the same files are the same check. `app` is what they say it is, if the gate
    could not tell. `outcome` is empty for a check alone, `planned`, `applied`, or the code of the refusal;
    `said` is its sentence.
    """

    id: str
    tenant: str
    at_ms: int
    by: str
    source: Source
    app: str
    verdict: str
    digest: str
    report: bytes
    files: Mapping[str, bytes]
    outcome: str = ""
    said: str = ""
    path: str = ""

    @property
    def size_bytes(self) -> int:
        """What keeping it costs, about."""
        return len(self.report) + sum(map(len, self.files.values()))


class _Finding(Struct):
    code: str
    severity: str
    message: str
    file: str = ""
    line: int = 1


class _Report(Struct):
    findings: list[_Finding] = []
    why: str = ""


class Checks:
    """The newest checks of this process, by id."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._listeners: list[Callable[[Kept], None]] = []

    def on_kept(self, listener: Callable[[Kept], None]) -> None:
        """Call this with every check that is kept from now on."""
        self._listeners.append(listener)

    def keep(
        self,
        files: Mapping[str, bytes],
        judged: Judged,
        *,
        tenant: str,
        by: str,
        source: Source,
        path: str = "",
    ) -> Kept:
        """Keep a check, in place of an earlier one of the same files."""
        kept = Kept(
            id=id_of(files or {path: judged.report}),
            tenant=tenant,
            at_ms=self._now_ms(),
            by=by,
            source=source,
            app=judged.app or app_named(files),
            verdict=judged.verdict,
            digest=judged.digest,
            report=judged.report,
            files=dict(files),
            path=path,
        )
        return self._put(kept)

    def ended(self, kept: Kept, outcome: str, said: str = "") -> Kept:
        """Say what came of it."""
        return self._put(replace(kept, outcome=outcome, said=said))

    def get(self, tenant: str, name: str) -> Kept | None:
        """One check of a tenant, if it is still kept."""
        return self._kept.get((tenant, name))

    def newest(self, tenant: str, app: str | None = None) -> Iterator[Kept]:
        """Every check of a tenant, or those of an app, newest first."""
        mine = (kept for kept in reversed(self._kept.values()) if kept.tenant == tenant)
        return (kept for kept in mine if app is None or kept.app == app)

    def _put(self, kept: Kept) -> Kept:
        self._kept[kept.tenant, kept.id] = kept
        self._kept.move_to_end((kept.tenant, kept.id))
        size = sum(one.size_bytes for one in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > CHECKS_LIMIT or size > BYTES_LIMIT):
            size -= self._kept.popitem(last=False)[1].size_bytes
        for listener in self._listeners:
            listener(kept)
        return kept


def id_of(files: Mapping[str, bytes]) -> str:
    """The name of a check of these files."""
    found = sha256()
    for path, data in sorted(files.items()):
        found.update(b"%d %s %d\0" % (len(path), path.encode(), len(data)))
        found.update(data)
    return found.hexdigest()[:ID_CHARACTERS]


def app_named(files: Mapping[str, bytes]) -> str:
    """What files that cannot be read as an app call themselves; empty if they do not say."""
    try:
        name = tomllib.loads(files.get("app.toml", b"").decode()).get("app")
    except (ValueError, RecursionError):
        return ""
    return name if isinstance(name, str) and name.isidentifier() else ""


def summary(kept: Kept) -> dict[str, object]:
    """A check as a list shows it: without files, with its first finding."""
    report = msgspec.json.decode(kept.report, type=_Report)
    errors = [f for f in report.findings if f.severity == "error"]
    told: dict[str, object] = {
        "id": kept.id,
        "at": rfc3339(kept.at_ms),
        "by": kept.by,
        "source": kept.source,
        "app": kept.app,
        "verdict": kept.verdict,
        "digest": kept.digest,
        "outcome": kept.outcome,
        "errors": len(errors),
    }
    if errors:
        first = errors[0]
        told["first"] = {"code": first.code, "message": first.message, "file": first.file, "line": first.line}
    more = {"said": kept.said or report.why, "path": kept.path}
    return {**told, **{name: text for name, text in more.items() if text}}
