"""The composed system for other model checkers: what our search takes, in their languages."""

from lathe.check.export.promela import promela
from lathe.check.export.tla import tla

__all__ = ["promela", "tla"]
