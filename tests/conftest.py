"""Random tests: no deadlines, since a busy machine is no failure, and what failed can be run again."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("lathe", deadline=None, print_blob=True)
settings.load_profile("lathe")
