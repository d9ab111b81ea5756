"""Connections to PostgreSQL: pool, reconnection, schema, and translation of errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from lathe.errors import LatheError, UsageError
from lathe.store.base import (
    AbsentError,
    CorruptError,
    DeniedError,
    FullError,
    ReadOnlyError,
    SchemaError,
    StoreError,
    UnavailableError,
    UnstorableError,
)
from lathe.store.migrations import missing, scripts

OLDEST_SERVER = 150_000
CONNECT_SECONDS = 10
COMMAND_SECONDS = 60
STATEMENTS = 512
"""Prepared statements that a connection keeps."""

_SETTINGS = {
    "application_name": "lathe",
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
}
_PING = "insert into meta values ('ping', 0) on conflict (name) do update set value = meta.value"
ROOM_BYTES = 262_144
"""What a server that had no room must take before it counts as having some."""
_WRITER_SETTINGS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""What the writer looks up is always there by its key, whatever the statistics say of a table that is new."""

CLASHES = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Another process was quicker: decided once more, a group sees what it did."""
LOST = (
    asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError, asyncpg.InternalClientError,
    ConnectionError, OSError, TimeoutError,
)  # fmt: skip


async def connect(url: str, schema: str, *, is_writer: bool = False) -> asyncpg.Connection:
    """A connection whose tables are those of `schema`. Raises `UnavailableError` and others of ours."""
    settings = {**_SETTINGS, **(_WRITER_SETTINGS if is_writer else {}), "search_path": schema}
    try:
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            statement_cache_size=STATEMENTS,
            max_cached_statement_lifetime=0,
            server_settings=settings,
        )
        if is_writer:
            await _be_durable(connection)
    except ValueError as error:
        raise UsageError(f"the address of PostgreSQL cannot be read: {error}") from error
    except Exception as error:
        raise translate(error) from error
    return connection


async def _be_durable(connection: asyncpg.Connection) -> None:
    """Whatever the server's default is: what was acknowledged survives a crash."""
    if await connection.fetchval("select current_setting('synchronous_commit')") == "off":
        await connection.execute("set synchronous_commit = on")


async def prepare(connection: asyncpg.Connection, schema: str, *, makes: bool = True) -> None:
    """Check the server, and bring the schema up to date: one process at a time.

    Raises `AbsentError` where there is none and it is not to be made.
    """
    number = int(await connection.fetchval("select current_setting('server_version_num')"))
    if number < OLDEST_SERVER:
        raise SchemaError(f"PostgreSQL {number // 10_000} is too old: 15 is the first that will do")
    if not makes and await connection.fetchval("select to_regclass('schema_script')") is None:
        raise AbsentError(f"there is no store in the schema `{schema}` of this database")
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 15))", schema)
        if await connection.fetchval("select to_regnamespace(quote_ident($1))", schema) is None:
            await connection.execute(f'create schema "{schema}"')  # else it needs no right to make one
        await connection.execute(
            "create table if not exists schema_script (number bigint primary key, oldest bigint not null)"
        )
        found = await connection.fetchrow(
            "select number, oldest from schema_script order by number desc limit 1"
        )
        applied, oldest = (found[0], found[1]) if found else (0, 0)
        for script in missing(scripts("postgres"), applied, oldest):
            await connection.execute(script.text)
            await connection.execute(
                "insert into schema_script values ($1, $2)", script.number, script.oldest
            )


async def ping(connection: asyncpg.Connection) -> None:
    """A commit of as little as can be."""
    await connection.execute(_PING)


async def check_room(connection: asyncpg.Connection) -> None:
    """Write what needs room, and take it back: a little is written over in place where there is none."""
    trying = connection.transaction()
    await trying.start()
    try:
        await connection.execute("create table room (data bytea)")
        await connection.execute("alter table room alter column data set storage external")
        await connection.execute("insert into room values ($1)", bytes(ROOM_BYTES))
    finally:
        await trying.rollback()


def translate(error: Exception, *, maybe: bool = False) -> Exception:
    """What the rest of Lathe is told of an error of PostgreSQL. `maybe`: it was lost while committing."""
    match error:
        case LatheError() | AssertionError():
            return error
        case asyncpg.DataError():
            return UnstorableError("PostgreSQL cannot hold a value of it")
        case asyncpg.DiskFullError() | asyncpg.OutOfMemoryError():
            return FullError(f"PostgreSQL has no room: {error}")
        case asyncpg.ReadOnlySQLTransactionError():
            return ReadOnlyError("PostgreSQL takes no writes: it is a standby, or read-only by its settings")
        case asyncpg.InsufficientPrivilegeError():
            return ReadOnlyError(f"PostgreSQL does not permit it: {error}")
        case asyncpg.InvalidAuthorizationSpecificationError():
            return DeniedError(f"PostgreSQL lets nobody in like this: {error}")
        case asyncpg.InvalidSchemaNameError():
            return DeniedError(f"PostgreSQL gives no right to the schema: {error}")
        case asyncpg.InvalidCatalogNameError():
            return AbsentError(f"PostgreSQL has it not: {error}")
        case asyncpg.DataCorruptedError() | asyncpg.IndexCorruptedError():
            return CorruptError(f"PostgreSQL found damage: {error}")
        case asyncpg.LockNotAvailableError() | asyncpg.QueryCanceledError():
            return UnavailableError(f"PostgreSQL does not answer in time: {error}")
        case asyncpg.PostgresIOError():
            return UnavailableError(f"PostgreSQL cannot read or write: {error}", maybe=maybe)
    if isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError):  # before it was sent
        return UnstorableError("PostgreSQL cannot hold a value of it")
    if isinstance(error, CLASHES):
        return UnavailableError(f"other writers were quicker each time: {error}")
    if isinstance(error, LOST):
        return UnavailableError(f"PostgreSQL cannot be reached: {error}", maybe=maybe)
    if isinstance(error, asyncpg.PostgresError):
        return StoreError(f"PostgreSQL refuses: {error}")
    return error


class Link:
    """One connection, used by one at a time, opened again when it was lost."""

    def __init__(self, url: str, schema: str, *, is_writer: bool = False) -> None:
        self._url, self._schema, self._is_writer = url, schema, is_writer
        self._lock = asyncio.Lock()
        self._connection: asyncpg.Connection | None = None
        self.was_full = False
        """Whether there was no room for something, and nothing has shown since that there is some."""

    @property
    def is_used(self) -> bool:
        """Whether somebody uses it now."""
        return self._lock.locked()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, ours until we are done. What it raises comes out in our words."""
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._url, self._schema, is_writer=self._is_writer)
            connection = self._connection
            try:
                yield connection
            except CLASHES:
                raise
            except Exception as error:
                if isinstance(error, LOST):
                    self._drop()
                told = translate(error)
                self.was_full = self.was_full or isinstance(told, FullError)
                if told is error:
                    raise
                raise told from error
            except BaseException:  # cancelled: nobody knows what the connection is in the middle of
                self._drop()
                raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Let go of it, when who uses it is done."""
        async with self._lock:
            if self._connection is not None and not self._connection.is_closed():
                await self._connection.close(timeout=CONNECT_SECONDS)
            self._connection = None


async def drop(url: str, schema: str) -> None:
    """Take a schema away, with all that is in it; nobody may have it open."""
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        await connection.execute(f'drop schema if exists "{schema}" cascade')
    finally:
        await connection.close()
