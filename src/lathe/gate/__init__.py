"""All levels of the verifier, composed into one verdict. It fails closed: unknown is not admitted."""

from __future__ import annotations

from lathe.gate.verdict import Options, Outcome, check_app, check_files

__all__ = ["Options", "Outcome", "check_app", "check_files"]
