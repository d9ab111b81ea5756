"""Bounds on what one step may be, by name."""

from __future__ import annotations

MAX_JOINT_DEPTH = 8
"""Levels of `also` below the action that a joint step begins with."""

FURTHEST_SECONDS = 31_557_600_000
"""A time is set no further from now than so many seconds, a thousand years of 365¼ days."""
