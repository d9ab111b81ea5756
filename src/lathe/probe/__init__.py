"""Level 4: random requests to the real API, each answer compared with a second reading of the blueprint."""

from __future__ import annotations
