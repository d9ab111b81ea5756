"""Values of options that click does not know."""

from __future__ import annotations

import click

from lathe.lang.units import read_duration


def seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """The seconds of a duration of the language (`500ms 30s 15m 2h`), for an option's `callback`."""
    if value is None:
        return None
    milliseconds = read_duration(value)
    if not milliseconds:
        raise click.BadParameter(
            f"`{value}` is no duration: write `500ms`, `30s` or `2m`", context, parameter
        )
    return milliseconds / 1000
