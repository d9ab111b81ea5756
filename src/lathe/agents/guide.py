"""The guide that teaches an agent the language and the loop; `docs/reference/skill.md` is the same text."""

from __future__ import annotations

from importlib import resources

PAGE = "reference/skill.md"

HEAD = """\
---
name: lathe
description: Write, check and load Lathe blueprints: state machines as data, verified before they run.
---

"""
"""What collections of skills are found by."""


def guide() -> str:
    """The guide in Markdown."""
    return resources.files(__package__).joinpath("guide.md").read_text(encoding="utf-8")
