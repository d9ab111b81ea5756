"""The check that a server asks for, in a process of its own: the answer to the same question is kept."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from lathe.gate import judge
from lathe.gate.judge import ChildGate, Judgement, _child
from lathe.gate.verdict import Options

from ..support import files_of, report_of

TICKET = """
blueprint = "Ticket"
[state]
open = { initial = true, waits = "somebody closes it" }
closed = { final = true }
[action]
create = { by = "role:clerk" }
close = { from = "open", to = "closed", by = "role:clerk" }
"""


def judged(text: str, *, accept_bounds: bool = False) -> Judgement:
    return asyncio.run(ChildGate().judge(files_of(text), against=None, accept_bounds=accept_bounds))


def test_ctrl_c_at_the_terminal_of_the_server_is_not_for_the_check() -> None:
    """A terminal tells everybody in the group of the process in front."""

    async def main() -> int:
        async with _child("lathe.gate.child", 60) as process:
            return os.getpgid(process.pid)

    assert asyncio.run(main()) != os.getpgid(0)


def test_the_same_question_is_answered_once() -> None:
    first, second = judged(TICKET), judged(TICKET)
    assert first.verdict == second.verdict == report_of(TICKET, Options()).verdict == "admitted"
    assert first.digest == second.digest
    assert not json.loads(first.report).get("cached")
    assert json.loads(second.report)["cached"]


def test_another_question_is_not() -> None:
    judged(TICKET)
    changed = judged(TICKET.replace('to = "closed"', 'to = "open"'))
    assert changed.verdict == "refused"
    assert not json.loads(judged(TICKET, accept_bounds=True).report).get("cached")


COUNTERS = """
blueprint = "Counters"
[state]
open = { initial = true }
[field]
ones = { type = "int", range = [0, 99], default = 0 }
twos = { type = "int", range = [0, 99], default = 0 }
threes = { type = "int", range = [0, 99], default = 0 }
[action]
create = { by = "role:clerk" }
one = { from = "open", by = "role:clerk", when = "ones < 99", do = ["ones += 1"] }
two = { from = "open", by = "role:clerk", when = "twos < 99", do = ["twos += 1"] }
three = { from = "open", by = "role:clerk", when = "threes < 99", do = ["threes += 1"] }
"""


def test_a_check_that_uses_up_its_processor_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "SECONDS_LIMIT", 1)
    found = judged(COUNTERS)
    assert found.verdict == "unknown"
    assert "ask less of it in `[scope]`" in json.loads(found.report)["why"]
