"""Loads what a server needs, and does nothing: see `forking`."""

import lathe.agents.mount
import lathe.api.server
import lathe.cli.commands.serve
import lathe.console.app
import lathe.store.postgres.store  # noqa: F401
