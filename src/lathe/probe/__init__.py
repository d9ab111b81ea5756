"""Level 4: random requests to the real API, compared with an independent interpreter of the blueprint."""

from __future__ import annotations
