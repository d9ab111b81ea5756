"""The loaded apps: the current version of each, compiled, as the store's governing rows say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import field, replace

from lathe.errors import InternalError, NotFoundError
from lathe.frozen import frozen
from lathe.lang import digest as digest_of, read_app
from lathe.lang.model import App
from lathe.machine.event import Caller
from lathe.machine.snapshot import Entity
from lathe.machine.step import Permit, admitted
from lathe.machine.table import BlueprintTable, Table, compile_app
from lathe.policy.determining import Determining, determining_by_roles
from lathe.policy.why import Explain, why_by_roles
from lathe.runtime.backoff import Failed, told_to_loop
from lathe.store.base import CorruptError, Store, StoreError
from lathe.store.records import Governing

COMPILED_LIMIT = 64
"""Compiled versions that are cached, current ones included."""


MayRead = Callable[[Entity, Caller], bool]


@frozen
class Live:
    """A loaded version of an app. `epoch` is that of the policies with which it decides."""

    tenant: str
    app: App
    table: Table
    digest: str
    epoch: int
    permit: Permit
    may_read: MayRead | None = None
    """Set if the app has policies; otherwise `read` and the actions' `by` decide who may read."""
    forbids: Permit | None = None
    """Set if the app has policies: whether a forbid applies, whatever is permitted."""
    determining: Determining = field(default_factory=determining_by_roles)
    """The policies that permit a caller an action, for the journal."""
    explain: Explain = why_by_roles
    """Explains why a caller is denied an action."""

    def blueprint(self, name: str) -> BlueprintTable:
        """The rules of one blueprint. Raises `NotFoundError`."""
        found = self.table.blueprints.get(name)
        if found is None:
            raise NotFoundError(f"`{self.app.name}` has no blueprint `{name}`")
        return found

    def by_plural(self, plural: str) -> BlueprintTable | None:
        """The blueprint whose entities are under this path segment."""
        for table in self.table.blueprints.values():
            if table.blueprint.plural == plural:
                return table
        return None


def compiled(files: Mapping[str, bytes]) -> tuple[Table, str]:
    """The table and digest of an admitted app's files."""
    reading = read_app(files)
    if reading.app is None:
        raise InternalError(f"an admitted app cannot be read: {reading.diagnostics[0].message}")
    return compile_app(reading.app), digest_of(reading.app)


@frozen
class Deciding:
    """An app's authorization functions: who may act, who may read, what is forbidden, by which policies, and
    why not.
    """

    permit: Permit
    may_read: MayRead | None
    forbids: Permit | None
    determining: Determining
    explain: Explain


def deciding(app: App) -> Deciding:
    """An app's authorization; without policies it loads nothing."""
    if not app.policies:
        return Deciding(admitted, None, None, determining_by_roles(), why_by_roles)
    from lathe.policy.clauses import explainer_by  # only here: it loads cedarpy
    from lathe.policy.engine import Decider
    from lathe.policy.permit import determining_by, forbidden_by, permit_by, reader_by

    made = Decider(app)
    return Deciding(
        permit_by(made), reader_by(made), forbidden_by(made), determining_by(made), explainer_by(made)
    )


def permit_of(app: App) -> Permit:
    """The permit of an app, for the machine."""
    return deciding(app).permit


class Catalog:
    """The current version of every app, by tenant and name; older versions while something needs them.

    `changed` is told, at once, of each (tenant, app) of which another version is current; `failed` of each
    version that cannot be loaded.
    """

    def __init__(
        self,
        store: Store,
        changed: Callable[[str, str], None] = lambda tenant, app: None,
        failed: Failed = told_to_loop,
    ) -> None:
        self._store = store
        self._changed = changed
        self._failed = failed
        self._live: dict[tuple[str, str], Live] = {}
        self._tables: dict[str, Table] = {}
        self._audited = 0
        self._refreshing = asyncio.Lock()
        self.failures: dict[tuple[str, str], Exception] = {}
        """Why the current version of an app cannot be loaded; the other apps are served."""
        self.generation = 0
        """Incremented whenever versions, tokens or decisions change: what was derived from them,
        authentication included, is out of date.
        """
        self.listeners: list[Callable[[], None]] = []
        """Called after `generation` was incremented."""

    @property
    def audited(self) -> int:
        """The last entry of the audit log that was taken into account."""
        return self._audited

    async def refresh(self, *, is_first: bool = False) -> None:
        """Load what the store says is current; callers are served one after another.

        An app whose version cannot be read stands in `failures` and is not served; the others are. It is told
        of at once, but the first time, when whoever starts looks there. Raises
        `StoreError` if the store cannot be asked: what was taken over until then counts.
        """
        async with self._refreshing:
            before = self.generation
            try:
                await self._take_over(is_first=is_first)
            finally:
                if self.generation != before:
                    for listener in self.listeners:
                        listener()

    async def _take_over(self, *, is_first: bool) -> None:
        governing = await self._store.governing()
        audited = (await self._store.audit_end()).number
        for key in (self._live.keys() | self.failures.keys()) - governing.keys():
            self._live.pop(key, None)
            self.failures.pop(key, None)
            self.generation += 1
        for key, governed in governing.items():
            known = self._live.get(key)
            if known is None or known.digest != governed.digest:
                await self._replace(key, governed, is_first=is_first)
            elif known.epoch < governed.epoch:
                self._live[key] = replace(known, epoch=governed.epoch)
                self.generation += 1
        if audited != self._audited:
            self._audited = audited
            self.generation += 1

    async def _replace(self, key: tuple[str, str], governed: Governing, *, is_first: bool) -> None:
        """Replace the live version; one that cannot be loaded leaves the app unserved."""
        try:
            live = await self._load(key, governed)
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, CorruptError):
                raise  # that says nothing about the app
            self._live.pop(key, None)
            is_known = repr(self.failures.get(key)) == repr(error)
            self.failures[key] = error
            if is_known:
                return
            if not is_first:
                self._failed(f"loading `{key[1]}`", error)
        else:
            self._live[key] = live
            self.failures.pop(key, None)
        self._changed(*key)
        self.generation += 1

    async def _load(self, key: tuple[str, str], governed: Governing) -> Live:
        table = await self.table(*key, governed.digest)
        how = deciding(table.app)
        return Live(
            tenant=key[0],
            app=table.app,
            table=table,
            digest=governed.digest,
            epoch=governed.epoch,
            permit=how.permit,
            may_read=how.may_read,
            forbids=how.forbids,
            determining=how.determining,
            explain=how.explain,
        )

    def know(self, tables: Mapping[str, Table]) -> None:
        """Add tables compiled elsewhere, by digest; tables are immutable and may be shared."""
        self._tables.update(tables)

    def judged(self, digest: str, files: Mapping[str, bytes]) -> Table:
        """The table of files that a gate has checked under `digest`; parsed if not cached."""
        found = self._tables.get(digest)
        if found is None:
            found, name = compiled(files)
            assert name == digest, "the gate judged these files"
        return found

    def known(self, digest: str) -> Table | None:
        """The table of a version, if it is cached."""
        return self._tables.get(digest)

    async def table(self, tenant: str, app: str, digest: str) -> Table:
        """The table of a version that is or was current. Raises `NotFoundError`."""
        found = self._tables.get(digest)
        if found is not None:
            return found
        version = await self._store.version(tenant, app, digest)
        if version is None:
            raise NotFoundError(f"`{app}` has no version {digest}")
        try:
            table, name = compiled(version.files)
        except InternalError as error:
            raise CorruptError(f"`{app}` {digest} is not what was stored: {error}") from error
        if name != digest:
            raise CorruptError(f"`{app}` was stored as {digest} and reads as {name}")
        while len(self._tables) >= COMPILED_LIMIT:
            del self._tables[next(iter(self._tables))]
        self._tables[digest] = table
        return table

    def live(self, tenant: str, app: str) -> Live:
        """The current version. Raises `NotFoundError`, and `CorruptError` if it cannot be loaded."""
        found = self._live.get((tenant, app))
        if found is None and (tenant, app) in self.failures:
            raise CorruptError(f"the version of `{app}` in force cannot be loaded") from self.failures[
                tenant, app
            ]
        if found is None:
            raise NotFoundError(f"there is no app `{app[:80]}`")
        return found

    def all(self, tenant: str) -> list[Live]:
        """The current version of every app of a tenant, by name."""
        return [live for (owner, _), live in sorted(self._live.items()) if owner == tenant]

    def everything(self) -> list[Live]:
        """The current version of every app of every tenant."""
        return [live for _, live in sorted(self._live.items())]
