"""Bounds on what one step may be, by name."""

from __future__ import annotations

MAX_JOINT_DEPTH = 8
"""Levels of `also` below the action that a joint step begins with."""
