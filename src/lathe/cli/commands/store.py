"""`lathe store`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, token_option, told
from lathe.cli.command import command as make_command
from lathe.errors import InternalError, UsageError
from lathe.store.base import CorruptError, Store

if TYPE_CHECKING:
    from lathe.machine.table import Table
    from lathe.runtime.conformance import Parting, Replayer
    from lathe.store.spool import Entities, Entries

T = TypeVar("T")
WORK = ("verify", "backup", "export", "import", "erase")


@make_command(
    "store",
    examples=("lathe store verify --data .lathe", "lathe store backup --data .lathe /backups/today"),
)
@click.argument("work", type=click.Choice(WORK))
@click.argument("target", required=False)
@click.option("--data", metavar="DIR", help="A data folder that no server has open.")
@click.option("--url", metavar="URL", help="A runtime that is serving the store, for `backup`.")
@token_option
@click.option("--store", "where", metavar="URL", help="`sqlite:FOLDER` or `postgres://…` instead.")
@click.option(
    "--schema", default="lathe", show_default=True, metavar="NAME", help="The schema in a PostgreSQL."
)
@click.option("--app", default="", metavar="NAME", help="The app, for `erase`; TENANT:APP of another tenant.")
def command(
    *,
    work: str,
    target: str | None,
    data: str | None,
    url: str | None,
    where: str | None,
    schema: str,
    app: str,
) -> int:
    """Verify, back up, export, import or erase.

    verify: every chain, every head, every checkpoint, and each step taken again by the version that it names.
    backup TARGET: a consistent copy; with `--url`, of what a runtime serves.
    export TARGET, import TARGET: every row as a line of JSON.
    erase ENTITY --app NAME: drop what its journal holds; the chain still verifies.
    """
    if sum(given is not None for given in (data, url, where)) != 1:
        raise click.UsageError("give `--data`, `--store` or `--url`")
    if work != "verify" and target is None:
        raise click.UsageError(f"`{work}` needs a TARGET")
    name = target or ""
    if url is not None:
        if work != "backup":
            raise click.UsageError(f"`{work}` needs the store itself: `--url` is for `backup`")
        return _served(url, name)
    url = where or f"sqlite:{data}"
    match work:
        case "verify":
            return _with(url, schema, verify)
        case "backup":
            return _with(url, schema, lambda store: _backup(store, name))
        case "export":
            return _with(url, schema, lambda store: _export(store, name))
        case "import":
            return _with(url, schema, lambda store: _import(store, name), makes=True)
    if not app:
        raise click.UsageError("`erase` needs `--app`")
    return _with(url, schema, lambda store: _erase(store, app, name))


def _with(url: str, schema: str, use: Callable[[Store], Awaitable[int]], *, makes: bool = False) -> int:
    from lathe.cli.assembly import store_of  # late: it loads the stores

    async def main() -> int:
        store, _ = store_of(url, schema=schema, makes=makes)
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(main())


async def verify(store: Store) -> int:
    """Whether everything is what was written, each step what its version says, and each entity their sum."""
    from lathe.store import verify as verifying
    from lathe.store.records import Entry
    from lathe.store.spool import Entities, Entries

    entries, rows, wrong = Entries(), Entities(), 0
    named: set[tuple[str, str, str]] = set()

    def keep(entry: Entry) -> None:
        entries.add(entry)
        named.add((entry.tenant, entry.app, entry.digest))

    try:
        async for one in verifying.verify(store, keep, rows.add):
            wrong += 1
            output.data(output.clean(f"{one.entity} revision {one.revision}: {one.why}"))
        tables = {}
        for tenant, app, digest in sorted(named):
            table = await _table(store, tenant, app, digest)
            if table is None:
                wrong += 1
                output.data(output.clean(f"version {digest} of {app} is not what was stored"))
            else:
                tables[digest] = table
        by_app: dict[tuple[str, str], Replayer] = {}
        for said in _partings(by_app, tables, entries, rows):
            wrong += 1
            output.data(output.clean(said))
    finally:
        entries.close()
        rows.close()
    if left_out := sum(replayer.left_out for replayer in by_app.values()):
        output.data(f"{left_out} steps were not taken again: something of their entities was erased")
    output.data(f"{entries.count} entries: {f'{wrong} places are wrong' if wrong else 'verified'}")
    return exitcode.FINDINGS if wrong else exitcode.DONE


async def _table(store: Store, tenant: str, app: str, digest: str) -> Table | None:
    """A version as it runs; None: what is stored is another, or none."""
    from lathe.runtime.catalog import compiled

    try:
        version = await store.version(tenant, app, digest)
        table, name = compiled(version.files) if version is not None else (None, "")
    except (CorruptError, InternalError):
        return None
    return table if name == digest else None


def _partings(
    by_app: dict[tuple[str, str], Replayer], tables: Mapping[str, Table], entries: Entries, rows: Entities
) -> Iterator[str]:
    """Where a step is not what its version says, and where an entity is not what its steps come to."""
    from lathe.runtime.catalog import permit_of
    from lathe.runtime.conformance import Replayer, steps_of

    for group in steps_of(entries.sorted()):
        replayer = by_app.setdefault((group[0].tenant, group[0].app), Replayer(tables, permit_of))
        for parting in replayer.take(group):
            yield _parted(parting)
    for row in rows:
        replayer = by_app.get((row.tenant, row.app), Replayer({}))
        try:
            yield from map(_parted, replayer.fits(row))
        except CorruptError as error:
            yield f"{row.id} revision {row.revision}: {error}"


def _parted(parting: Parting) -> str:
    """The exact row at which runtime and blueprint part."""
    at = f"position {parting.position}" if parting.position else "the entity's row"
    return f"LT811: {parting.app} {parting.entity} revision {parting.revision}, {at}: {parting.why}"


async def _backup(store: Store, target: str) -> int:
    """SQLite: a data folder that can be served; PostgreSQL: a file that `import` takes."""
    from lathe.store.sqlite.file import NAME

    if store.name == "sqlite":
        os.mkdir(target, 0o700)
        await store.backup(os.path.join(target, NAME))
    else:
        await store.backup(target)
    output.talk(f"backed up to {target}")
    return exitcode.DONE


def _served(url: str, target: str) -> int:
    """A backup of what a runtime serves: the same as `_backup` makes. It has its name once it is whole."""
    from lathe.api.backup import SQLITE
    from lathe.store.private_files import owned
    from lathe.store.sqlite.file import NAME

    async def use(client: httpx2.AsyncClient) -> None:
        async with client.stream("GET", "/backup") as response:
            if not response.is_success:
                await response.aread()
                told(response)
            file = draft
            if response.headers["content-type"] == SQLITE:
                draft.mkdir(0o700)
                file = draft / NAME
            with open(file, "xb", opener=owned) as copy:
                try:
                    async for chunk in response.aiter_raw():
                        copy.write(chunk)
                except BaseException:
                    file.unlink()
                    if file is not draft:
                        draft.rmdir()
                    raise
            os.rename(draft, target)

    path = Path(target)
    draft = path.with_name(f"{path.name}.part")
    if path.exists():
        raise UsageError(f"`{target}` exists already")
    run(url, None, use)
    output.talk(f"backed up to {target}")
    return exitcode.DONE


async def _export(store: Store, path: str) -> int:
    from lathe.store import export

    count = await export.write(store.dump(), Path(path))
    output.talk(f"{count} rows to {path}")
    return exitcode.DONE


async def _import(store: Store, path: str) -> int:
    from lathe.store import export

    count = await store.restore(export.read(Path(path)))
    output.talk(f"{count} rows from {path}")
    return exitcode.DONE


async def _erase(store: Store, app: str, entity: str) -> int:
    from lathe.govern.principal import MAIN

    tenant, colon, name = app.partition(":")
    count = await store.erase(*((tenant, name) if colon else (MAIN, app)), entity)
    output.talk(f"{count} payloads of {entity} are gone")
    return exitcode.DONE if count else exitcode.NOT_FOUND
