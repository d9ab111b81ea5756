"""What policies say to the matrix of who may do what; whoever can ask them makes it."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.frozen import frozen
from lathe.lang.model import Principal


@frozen
class Ruling:
    """By blueprint, action (or `read`) and principal: always, never, or None if it depends.

    `named` tells, by blueprint and action, which policies have their say. What is not there is `by` alone.
    """

    answers: Mapping[tuple[str, str, Principal], bool | None]
    named: Mapping[tuple[str, str], tuple[str, ...]]
