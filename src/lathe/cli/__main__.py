"""`python -m lathe.cli` is `lathe`."""

from __future__ import annotations

import sys

from lathe.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
