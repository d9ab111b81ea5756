"""What the tools cost before the first question, and what the guide does."""

from __future__ import annotations

import json
import re

from lathe.agents.guide import HEAD, guide
from lathe.agents.server import INSTRUCTIONS, described
from lathe.agents.tools import TOOLS

TOOL_TOKENS = 2_000
GUIDE_TOKENS = 3_000


def tokens(text: str) -> int:
    """No fewer than a tokenizer of today makes: each sign and digit is one, a word one for six letters."""
    words = re.findall(r"[A-Za-z]+", text)
    return sum(1 + (len(word) - 1) // 6 for word in words) + len(re.findall(r"[^A-Za-z\s]", text))


def test_the_tools_are_about_ten_and_cost_little() -> None:
    assert 8 <= len(TOOLS) <= 12
    told = json.dumps([tool.model_dump(by_alias=True, exclude_none=True) for tool in described()])
    assert tokens(told + INSTRUCTIONS) <= TOOL_TOKENS


def test_every_tool_says_what_it_needs() -> None:
    for tool in TOOLS:
        assert set(tool.required) <= set(tool.properties), tool.name
        assert tool.description.endswith("."), tool.name


def test_the_guide_is_short() -> None:
    assert tokens(HEAD + guide()) <= GUIDE_TOKENS
