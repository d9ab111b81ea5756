"""The HTTP API: routes derived from the loaded apps, over the runtime's commands."""
