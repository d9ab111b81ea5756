"""Level 4: a second reading of the blueprint, which the answers of the runtime are held against."""

from __future__ import annotations
