"""The tools on a runtime in process: each answers what there is, and what to do next."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.api.client import serving
from tests.runtime.harness import example

from lathe.agents.calls import Answer, Files, Workshop, by_runtime, call
from lathe.gate.judge import ChildGate, Judgement
from lathe.lang.model import Json

TICKET = {
    "ticket.blueprint.toml": """
blueprint = "Ticket"
[state]
open = { initial = true, waits = "a worker closes it" }
closed = { final = true }
[field]
tries = { type = "int", range = [0, 2], default = 0 }
[action]
create = { by = "role:worker" }
again = { from = "open", by = "role:worker", do = ["tries += 1"] }
close = { from = "open", to = "closed", by = "role:worker" }
"""
}
MENDED = {
    "ticket.blueprint.toml": TICKET["ticket.blueprint.toml"].replace(
        'again = { from = "open",', 'again = { from = "open", when = "tries < 2",'
    )
}


@asynccontextmanager
async def workshop(*names: str) -> AsyncIterator[Workshop]:
    async with serving(*names, gate=ChildGate()) as client:
        yield Workshop(client, None, by_runtime(client))


def answers(*calls: tuple[str, dict[str, Json]], on: tuple[str, ...] = ()) -> list[Answer]:
    """The answers to calls one after the other; `ID` stands for the id that the last one told first."""

    async def main() -> list[Answer]:
        found: list[Answer] = []
        async with workshop(*on) as work:
            for name, arguments in calls:
                filled = {k: _filled(v, found) for k, v in arguments.items()}
                found.append(await call(work, name, filled))
        return found

    return asyncio.run(main())


def _filled(value: Json, found: list[Answer]) -> Json:
    if value == "ID":
        return next(a.text.split(" ")[0] for a in found if re.match(r"[0-9a-z]{20,} ", a.text))
    if value == "PLAN":
        told = re.findall(r"confirm: (\w+)", found[-1].text)
        return str(told[0])
    return value


def test_a_first_blueprint_is_led_to_being_loaded_by_the_answers_alone() -> None:
    refused, admitted, planned, loaded, listed, made, told = answers(
        ("check", {"files": dict(TICKET)}),
        ("check", {"files": dict(MENDED)}),
        ("apply", {"files": dict(MENDED)}),
        ("apply", {"files": dict(MENDED), "confirm": "PLAN"}),
        ("list", {}),
        ("act", {"app": "ticket", "plural": "tickets", "action": "create"}),
        ("actions", {"app": "ticket", "plural": "tickets", "id": "ID"}),
    )
    assert "LT204" in refused.text and "help:" in refused.text and "0 <= tries + 1 <= 2" in refused.text
    assert "ticket: admitted" in admitted.text and "next: `diff`" in admitted.text
    assert "next: `apply` with `confirm:" in planned.text
    assert "applied " in loaded.text
    assert "ticket/tickets" in listed.text
    assert " open (version 1, visit 1)" in made.text
    assert told.text.splitlines()[0] == "again" and not told.is_error


def test_a_refusal_says_what_is_possible_and_where_to_look() -> None:
    made, refused, missing, unknown = answers(
        ("act", {"app": "rollout", "plural": "rollouts", "action": "create", "args": {"replicas": 3}}),
        ("act", {"app": "rollout", "plural": "rollouts", "id": "ID", "action": "retry"}),
        ("act", {"app": "rollout", "plural": "rollouts", "id": "ID", "action": "start"}),
        ("act", {"app": "rollout", "plural": "rollouts", "id": "ID", "action": "strat"}),
        on=("rollout",),
    )
    assert "planned" in made.text
    assert refused.is_error and "LR409.state" in refused.text and "`actions` what is possible" in refused.text
    assert missing.is_error and "LR422.type" in missing.text and "image" in missing.text
    assert unknown.is_error and "LR404.action" in unknown.text and "`actions`" in unknown.text


def test_schemas_are_told_when_they_are_asked_for() -> None:
    (told,) = answers(("actions", {"app": "rollout", "plural": "rollouts"}), on=("rollout",))
    assert "create(replicas: integer 1..5)" in told.text
    assert "start(image: string)" in told.text


def test_what_is_possible_says_what_has_to_be_given() -> None:
    """A fenced action without its visit is refused; a JSON Schema says in many words what a type says."""
    *_, told, refused = answers(
        ("act", {"app": "lease_queue", "plural": "jobs", "action": "create", "args": {"work": "w"}}),
        ("act", {"app": "lease_queue", "plural": "jobs", "id": "ID", "action": "take"}),
        ("actions", {"app": "lease_queue", "plural": "jobs", "id": "ID"}),
        ("act", {"app": "lease_queue", "plural": "jobs", "id": "ID", "action": "ack"}),
        on=("lease_queue",),
    )
    assert "ack, fenced: give the `visit`" in told.text.splitlines()
    assert "LR428.visit" in refused.text and "schema" not in told.text


def test_a_queue_is_worked_and_says_when_it_is_empty() -> None:
    made, taken, empty = answers(
        ("act", {"app": "rollout", "plural": "rollouts", "action": "create", "args": {"replicas": 1}}),
        ("act", {"app": "rollout", "plural": "rollouts", "action": "start", "args": {"image": "b"}}),
        ("act", {"app": "rollout", "plural": "rollouts", "action": "start", "args": {"image": "b"}}),
        on=("rollout",),
    )
    assert taken.text.split(" ")[0] == made.text.split(" ")[0] and " rolling " in taken.text
    assert "there is none" in empty.text and not empty.is_error


def test_events_are_read_on_from_where_they_ended() -> None:
    made, all_of_it, later, of_one = answers(
        ("act", {"app": "rollout", "plural": "rollouts", "action": "create", "args": {"replicas": 1}}),
        ("events", {"app": "rollout"}),
        ("events", {"app": "rollout", "after": 1}),
        ("events", {"app": "rollout", "plural": "rollouts", "id": "ID"}),
        on=("rollout",),
    )
    assert "create" in all_of_it.text and "next: later ones `after: 1`" in all_of_it.text
    assert later.text.startswith("nothing")
    assert made.text.split(" ")[0] in of_one.text


def test_a_check_that_took_too_long_says_so() -> None:
    class Slow(ChildGate):
        async def judge(self, files: Files, *, against: Files | None, accept_bounds: bool) -> Judgement:
            report = {"verdict": "unknown", "ok": False, "findings": [], "why": "the check took too long"}
            return Judgement("", "", "unknown", json.dumps(report).encode())

    async def main() -> None:
        async with serving(gate=Slow()) as client:
            work = Workshop(client, None, by_runtime(client))
            for tool in ("check", "diff", "apply"):
                told = await call(work, tool, {"files": dict(MENDED)})
                assert "the check took too long" in told.text and "unknown" in told.text, told

    asyncio.run(main())


def test_what_no_header_or_text_can_hold_is_said() -> None:
    new = {"app": "rollout", "plural": "rollouts", "action": "create", "args": {"replicas": 1}}
    found = answers(
        ("act", {**new, "key": "schlüssel"}),
        ("act", {**new, "key": "a\nb"}),
        ("act", {**new, "version": "\u00b2"}),
        ("act", {**new, "visit": "\u0661"}),
        ("get", {"app": "rollout", "plural": "rollouts", "id": "\ud800"}),
        ("check", {"files": {"ticket.blueprint.toml": "\ud800"}}),
        ("events", {"app": "rollout"}),
        on=("rollout",),
    )
    assert [answer.is_error for answer in found] == [True] * 6 + [False]
    names = ("key", "key", "version", "visit")
    for answer, name in zip(found, names, strict=False):
        assert answer.text.startswith(f"`{name}` "), answer.text
    assert all("character" in answer.text for answer in found[4:6])
    assert found[6].text.startswith("nothing"), "none of them was taken"


def test_calls_that_make_no_sense_are_answered_with_what_does() -> None:
    found = answers(
        ("chekc", {}),
        ("get", {"app": "rollout"}),
        ("list", {"colour": "red"}),
        ("check", {}),
        ("check", {"path": "/etc"}),
        ("explain", {"topic": "LT999"}),
        ("act", {"app": "rollout", "plural": "rollouts", "action": "create", "args": [1]}),
        ("events", {"after": -1}),
        ("get", {"app": "../v1", "plural": "x", "id": "y"}),
        on=("rollout",),
    )
    assert all(answer.is_error for answer in found)
    said = [answer.text for answer in found]
    assert "there are check, explain" in said[0] and "needs `plural`" in said[1]
    assert "`colour` is no argument" in said[2] and "give `path`" in said[3]
    assert "no folders here" in said[4] and "is no code" in said[5] and "`args` is an object" in said[6]
    assert "0 or more" in said[7] and "LR404" in said[8]


def test_codes_are_explained() -> None:
    finding, refusal, language = answers(
        ("explain", {"topic": "lt401"}),
        ("explain", {"topic": "LR409.guard"}),
        ("explain", {"topic": "language"}),
    )
    assert "LT401" in finding.text and "guard" in refusal.text and "## The loop" in language.text


def test_a_running_app_is_compared_before_it_is_replaced() -> None:
    same, differs = answers(
        ("diff", {"files": _texts("rollout")}),
        ("diff", {"files": _texts("rollout/versions/two_attempts")}),
        on=("rollout",),
    )
    assert not same.is_error and not differs.is_error
    assert "retry" in differs.text and "retry" not in same.text


def _texts(name: str) -> dict[str, Json]:
    return {path: data.decode() for path, data in example(name).items()}
