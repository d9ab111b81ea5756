"""Types of options that click does not have."""

from __future__ import annotations

import click

from lathe.lang.units import read_duration


class Duration(click.ParamType[float]):
    """A duration of the language (`500ms 30s 15m 2h`), as seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The seconds, or a usage error."""
        milliseconds = read_duration(str(value))
        if not milliseconds:
            self.fail(f"`{value}` is no duration: write `500ms`, `30s` or `2m`", param, ctx)
        return milliseconds / 1000


DURATION = Duration()
