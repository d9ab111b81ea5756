"""Level 4 on what comes in and on whoever follows: it agrees with a sound runtime, and tells a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from lathe.api.entities import inbound, stream
from lathe.api.entities.inbound import Receiver
from lathe.api.entities.stream import Stream
from lathe.machine.table import compile_app
from lathe.probe.level import Probed, probe
from lathe.probe.plan import Ask, Deliver, Listen, Look, Plan, Wait, draw_plan
from lathe.probe.run import Subject, carry_out
from lathe.probe.versions import reader_of

from ..runtime.harness import example, read
from .test_level import random_files

NOTICES = Path(__file__).parents[2] / "bench" / "features" / "notices"


def notices() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in NOTICES.iterdir()}


def probed(files: dict[str, bytes], plans: int) -> Probed:
    return probe(read(files), files, plans=plans, clock=monotonic)


def test_every_kind_of_delivery_is_answered_as_the_page_says() -> None:
    found = probed(notices(), 60)
    assert found.difference is None, found.difference
    assert found.refused > 500


def test_all_of_it_is_drawn() -> None:
    app = read(notices())
    steps = [step for seed in range(60) for step in draw_plan(app, seed).steps]
    deliveries = [step for step in steps if isinstance(step, Deliver)]
    assert {one.event for one in deliveries} == {"opened", "answered", "asked_again"}
    assert {one.signed for one in deliveries} == {"good", "none", "secret", "body", "old", "late", "early"}
    assert {one.whom for one in deliveries} == {"", "nobody", "left out", "odd"}
    assert {one.body for one in deliveries} == {"", "broken", "empty"}
    assert {0, 1, 2} == {one.again for one in deliveries}
    assert sum(isinstance(step, Listen) for step in steps) > 60
    assert any(isinstance(step, Look) and step.what == "events" for step in steps)


@pytest.mark.parametrize("seed", [5, 8, 17, 26, 27])
def test_random_apps_that_listen_to_the_outside(seed: int) -> None:
    files = random_files(seed)
    found = probe(read(files), files, plans=5, clock=monotonic)
    assert found.difference is None, found.difference


def carried_out(*steps: Ask | Deliver | Listen | Look | Wait) -> list[str]:
    """What a plan on the notices is answered, without the requests."""
    app = read(notices())
    plan = Plan(steps, {}, 1)
    told = carry_out(Subject(compile_app(app), notices(), reader_of(app)), plan).transcript
    return [line.rpartition(" -> ")[2] for line in told if " -> " in line]


MADE = Ask("Notice", "create", 1, {"number": 2, "ref": "a", "pin": "secret"})
ANSWER = Deliver("Notice", "answered", {"note": "x", "from_whom": "post"}, identity=1)


def test_a_delivery_that_was_taken_is_answered_again_though_nobody_is_found_by_it_any_more() -> None:
    again = replace(ANSWER, again=1)
    assert carried_out(MADE, ANSWER, again, Wait(400.0), again)[:4] == [
        "201",
        "200",
        "200",
        "LR401.signature",
    ]


def test_a_stream_is_taken_up_where_it_was_cut() -> None:
    follow = Listen(0, 1)
    close = Ask("Notice", "close", 1)
    found = carried_out(MADE, follow, ANSWER, follow, close, follow, close, Look("Notice", "events", 1))
    assert found == ["201", "200", "200", "LR409.state", *["200"] * 3]


def taken_again(patch: pytest.MonkeyPatch) -> None:
    real = Receiver._command
    patch.setattr(Receiver, "_command", lambda *given: replace(real(*given), receiving=None))


def any_age_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inbound, "_is_recent", lambda moment, seconds: True)


def everything_is_signed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(inbound, "_same", lambda given, wanted: True)


def followers_sleep(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stream, "_wake", lambda self: None)


def streams_tell_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stream, "may_read", lambda *given: True)


def streams_begin_one_late(patch: pytest.MonkeyPatch) -> None:
    real = Stream.follow
    patch.setattr(
        Stream, "follow", lambda self, what, who: real(self, replace(what, after=what.after + 1), who)
    )


def streams_tell_secrets(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("lathe.api.entities.view.HIDDEN", "?")


@pytest.mark.parametrize(
    "bug",
    [
        taken_again,
        any_age_counts,
        everything_is_signed,
        followers_sleep,
        streams_tell_all,
        streams_begin_one_late,
        streams_tell_secrets,
    ],
)
def test_a_runtime_that_hears_or_tells_wrongly_is_found(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    found = probed(notices(), 200)
    assert found.difference is not None
    assert len(found.difference.plan.steps) <= 8


def test_order_and_saga_hear_their_couriers() -> None:
    for name in ("order", "saga"):
        found = probed(example(name), 12)
        assert found.difference is None, found.difference
