"""Builds a whole process from the configuration, for `serve`, `dev`, and commands on a local data folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import structs

from lathe.api.app import Api
from lathe.api.server import Assembly, Mode, assemble, signing_key
from lathe.errors import UsageError
from lathe.gate.judge import ChildGate
from lathe.runtime.config import FILE, AppSettings, Config, Server, StoreSettings, read_config
from lathe.store.base import Store
from lathe.store.sqlite.store import SqliteStore

SQLITE = "sqlite:"
POSTGRES = ("postgres://", "postgresql://")


def configured(path: str | None) -> Config:
    """The configuration at `path` (default: `lathe.toml` here, if there is one). Raises `UsageError`."""
    name = path or FILE
    text: bytes | None = None
    if os.path.isfile(name):
        with open(name, "rb") as file:
            text = file.read()
    elif path is not None:
        raise UsageError(f"there is no `{path}`")
    return read_config(text, os.environ)


def store_of(url: str, *, schema: str = "lathe", makes: bool = True) -> tuple[Store, str | None]:
    """The store of a URL, made when it is opened and `makes` allows it, and the data folder if it has one.

    Raises `UsageError`.
    """
    if url.startswith(SQLITE):
        folder = url.removeprefix(SQLITE)
        return SqliteStore(Path(folder), makes=makes), folder
    if url.startswith(POSTGRES):
        from lathe.store.postgres.store import (
            PostgresStore,  # late: most processes have no use for its driver
        )

        return PostgresStore(url, schema=schema, makes=makes), None
    raise UsageError(f"`{url}` is no store: write `sqlite:FOLDER` or `postgres://…`")


def put_together(config: Config, *, mode: Mode = "serve") -> Assembly:
    """A process as it is configured; nothing is opened yet."""
    store, folder = store_of(config.store.url, schema=config.store.schema)
    return assemble(config, store, ChildGate(), key=signing_key(config, folder), mode=mode)


@asynccontextmanager
async def local(folder: str) -> AsyncIterator[Api]:
    """The API on a local data folder, for as long as a command takes. No effects and timers run."""
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder `{folder}`")
    assembly = put_together(Config(store=StoreSettings(f"{SQLITE}{folder}")), mode="local")
    await assembly.store.open()
    try:
        await assembly.node.engine.start()
        yield assembly.api
        assembly.api.stop()
        await assembly.node.engine.stop()
    finally:
        await assembly.store.close()


def for_development(config: Config, *, port: int, data: str, apps: dict[str, AppSettings]) -> Config:
    """The configuration of `lathe dev`: on loopback, with what the apps' own `dev.toml` gives them."""
    return Config(
        server=Server("127.0.0.1", port, config.server.key),
        store=StoreSettings(f"{SQLITE}{data}"),
        limits=config.limits,
        monitor=config.monitor,
        app={name: _with(config.app.get(name), apps.get(name)) for name in {**apps, **config.app}},
    )


def _with(configured: AppSettings | None, given: AppSettings | None) -> AppSettings:
    """What the configuration gives an app, with what development gives it besides."""
    if configured is None or given is None:
        return configured or given or AppSettings()
    env, reach = {**given.env, **configured.env}, (*given.reach, *configured.reach)
    return structs.replace(configured, env=env, reach=reach)
