"""A second, independent interpreter of blueprints, which level 4 compares the runtime's answers with."""

from __future__ import annotations
