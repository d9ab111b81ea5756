"""The blueprint language: text becomes a checked `App`. Pure: no disk, no clock, no network.

read_app(files) -> Reading      every fault of every file, or the app
canonical(app), digest(app)     what it says, independent of how it is written
"""

from __future__ import annotations

from lathe.lang.adapters import ADAPTERS, Adapter
from lathe.lang.canon import canonical, digest
from lathe.lang.model import App, Blueprint
from lathe.lang.resolve import Reading, read_app

__all__ = ["ADAPTERS", "Adapter", "App", "Blueprint", "Reading", "canonical", "digest", "read_app"]
