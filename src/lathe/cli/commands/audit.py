"""`lathe audit`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import msgspec

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command
from lathe.errors import UsageError
from lathe.store.audit import Seal
from lathe.store.base import Store


@make_command(
    "audit",
    examples=(
        "lathe audit verify --data .lathe --anchor audit.jsonl",
        "lathe audit export --data .lathe audit.jsonl",
    ),
)
@click.argument("work", type=click.Choice(("verify", "export")))
@click.argument("target", required=False)
@click.option("--data", metavar="DIR", help="A data folder that no server has open.")
@click.option("--store", "where", metavar="URL", help="`sqlite:FOLDER` or `postgres://…` instead.")
@click.option(
    "--schema", default="lathe", show_default=True, metavar="NAME", help="The schema in a PostgreSQL."
)
@click.option("--anchor", metavar="FILE", help="An earlier export: what it says must still be so.")
def command(
    *, work: str, target: str | None, data: str | None, where: str | None, schema: str, anchor: str | None
) -> int:
    """Verify the audit, or export it.

    verify: every line's place in the chain, every seal and, with the server's key (LATHE_SERVER_KEY, or the
    one in the data folder), its signature. export TARGET: each line as JSON, and the newest seal last.
    """
    if (data is None) is (where is None):
        raise click.UsageError("give `--data` or `--store`")
    if work == "export" and target is None:
        raise click.UsageError("`export` needs a TARGET")
    url = where or f"sqlite:{data}"
    key, seal = _key(data), _anchor(anchor) if anchor is not None else None
    if work == "verify":
        return _with(url, schema, lambda store: _verify(store, key, seal))
    return _with(url, schema, lambda store: _export(store, target or ""))


def _with(url: str, schema: str, use: Callable[[Store], Awaitable[int]]) -> int:
    from lathe.cli.assembly import store_of  # late: it loads the stores

    async def main() -> int:
        store, _ = store_of(url, schema=schema, makes=False)
        await store.open()
        try:
            return await use(store)
        finally:
            await store.close()

    return asyncio.run(main())


def _key(data: str | None) -> bytes | None:
    given = os.environ.get("LATHE_SERVER_KEY")
    path = Path(data or "") / "key"
    if given:
        return given.encode()
    return path.read_bytes().strip() if data is not None and path.is_file() else None


def _anchor(path: str) -> Seal:
    try:
        with open(path, "rb") as file:
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        return msgspec.json.decode(last, type=Seal)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"`{path}` does not end in a seal: {error}") from None


async def _verify(store: Store, key: bytes | None, anchor: Seal | None) -> int:
    from lathe.govern.audit_check import verify

    broken = [one async for one in verify(store, key, anchor)]
    for one in broken:
        output.data(output.clean(f"line {one.number}: {one.why}"))
    end = await store.audit_end()
    said = f"{len(broken)} places are wrong" if broken else "verified"
    output.data(
        f"{end.number} lines: {said}" + ("" if key else ", without the key: signatures not looked at")
    )
    return exitcode.FINDINGS if broken else exitcode.DONE


async def _export(store: Store, path: str) -> int:
    from lathe.govern.audit_check import lines

    seals = await store.seals()
    count = 0
    with open(path, "xb") as file:
        async for entry in lines(store):
            file.write(msgspec.json.encode(entry) + b"\n")
            count += 1
        for seal in seals:
            file.write(msgspec.json.encode(seal) + b"\n")
    output.talk(f"{count} lines to {path}")
    return exitcode.DONE
