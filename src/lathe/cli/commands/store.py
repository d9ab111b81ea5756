"""`lathe store`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command
from lathe.errors import UsageError
from lathe.store.base import Store

T = TypeVar("T")
LINE_LIMIT_BYTES = 64 * 1024 * 1024
WORK = ("verify", "backup", "export", "import", "erase")


@make_command(
    "store",
    examples=("lathe store verify --data .lathe", "lathe store backup --data .lathe /backups/today"),
)
@click.argument("work", type=click.Choice(WORK))
@click.argument("target", required=False)
@click.option("--data", metavar="DIR", help="A data folder that no server has open.")
@click.option("--store", "where", metavar="URL", help="`sqlite:FOLDER` or `postgres://…` instead.")
@click.option(
    "--schema", default="lathe", show_default=True, metavar="NAME", help="The schema in a PostgreSQL."
)
@click.option("--app", default="", metavar="NAME", help="The app, for `erase`.")
def command(
    *, work: str, target: str | None, data: str | None, where: str | None, schema: str, app: str
) -> int:
    """Verify, back up, export, import or erase.

    verify: every chain, every head, every checkpoint, and each step taken again by the version that it names.
    backup TARGET: a consistent copy. export TARGET, import TARGET: every row as a line of JSON.
    erase ENTITY --app NAME: drop what its journal holds; the chain still verifies.
    """
    if (data is None) is (where is None):
        raise click.UsageError("give `--data` or `--store`")
    if work != "verify" and target is None:
        raise click.UsageError(f"`{work}` needs a TARGET")
    url = where or f"sqlite:{data}"
    name = target or ""
    match work:
        case "verify":
            return _with(url, schema, verify)
        case "backup":
            return _with(url, schema, lambda store: _backup(store, name))
        case "export":
            return _with(url, schema, lambda store: _export(store, name))
        case "import":
            return _with(url, schema, lambda store: _import(store, name))
    if not app:
        raise click.UsageError("`erase` needs `--app`")
    return _with(url, schema, lambda store: _erase(store, app, name))


def _with(url: str, schema: str, use: Callable[[Store], Awaitable[int]]) -> int:
    from lathe.cli.assembly import store_of  # late: it loads the stores

    async def main() -> int:
        store, _ = store_of(url, schema=schema)
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(main())


async def verify(store: Store) -> int:
    """Whether everything is what was written, and every step what its version says."""
    from lathe.runtime.catalog import compiled, permit_of
    from lathe.runtime.conformance import Replayer, steps_of
    from lathe.store import verify as verifying
    from lathe.store.records import Entry

    entries: list[Entry] = []
    broken = [b async for b in verifying.verify(store, entries.append)]
    for one in broken:
        output.data(output.clean(f"{one.entity} revision {one.revision}: {one.why}"))
    tables = {}
    for tenant, app, digest in sorted({(e.tenant, e.app, e.digest) for e in entries}):
        version = await store.version(tenant, app, digest)
        if version is not None:
            tables[digest] = compiled(version.files)[0]
    partings = 0
    by_app: dict[tuple[str, str], Replayer] = {}
    for group in steps_of(sorted(entries, key=lambda e: e.position)):
        replayer = by_app.setdefault((group[0].tenant, group[0].app), Replayer(tables, permit_of))
        for parting in replayer.take(group):
            partings += 1
            place = f"{parting.entity} revision {parting.revision}, position {parting.position}"
            output.data(output.clean(f"LT811: {place}: {parting.why}"))
    said = "verified" if not broken and not partings else f"{len(broken) + partings} places are wrong"
    output.data(f"{len(entries)} entries: {said}")
    return exitcode.FINDINGS if broken or partings else exitcode.DONE


async def _backup(store: Store, target: str) -> int:
    """SQLite: a data folder that can be served; PostgreSQL: a file that `import` takes."""
    from lathe.store.sqlite_file import NAME

    if store.name != "sqlite":
        return await _export(store, target)
    os.mkdir(target)
    await store.backup(os.path.join(target, NAME))
    output.talk(f"backed up to {target}")
    return exitcode.DONE


async def _export(store: Store, path: str) -> int:
    count = 0
    with open(path, "xb") as file:
        async for table, row in store.dump():
            file.write(table.encode() + b"\t" + row + b"\n")
            count += 1
    output.talk(f"{count} rows to {path}")
    return exitcode.DONE


async def _import(store: Store, path: str) -> int:
    async def rows() -> AsyncIterator[tuple[str, bytes]]:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                table, tab, row = line.rstrip(b"\n").partition(b"\t")
                if not tab or len(line) > LINE_LIMIT_BYTES:
                    raise UsageError(f"`{path}`, line {number}: no row of an export")
                yield table.decode("ascii", "replace"), row

    count = await store.restore(rows())
    output.talk(f"{count} rows from {path}")
    return exitcode.DONE


async def _erase(store: Store, app: str, entity: str) -> int:
    from lathe.api.app import TENANT

    count = await store.erase(TENANT, app, entity)
    output.talk(f"{count} payloads of {entity} are gone")
    return exitcode.DONE if count else exitcode.NOT_FOUND
