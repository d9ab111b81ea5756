"""One module per command, each with a `command`; `lathe.cli.command` imports the one asked for."""
