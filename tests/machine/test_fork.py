"""A run that is gone on with by hand: what is offered happens, and an admitted app breaks nothing by it."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import pytest
from tests.console.reviewing import broken as variant
from tests.runtime.harness import example

from lathe.errors import UnreadableError
from lathe.gate import forking
from lathe.lang import read_app
from lathe.lang.model import App, Json

NOTHING: Json = {"format": "lathe.trace/1", "id": "", "app": "", "digest": "", "steps": []}
EXAMPLES = ("rollout", "approval", "expense", "incident", "lease_queue", "order", "saga", "wallet")
STEPS = 14
Told = dict[str, Any]


def app_of(files: dict[str, bytes]) -> App:
    found = read_app(files).app
    assert found is not None
    return found


def forked(app: App, take: list[Json], *, trace: Json = NOTHING, at: int = 0) -> Told:
    return cast(Told, forking.fork(app, trace, at, take))


def offered(told: Told, action: str | None, **more: Json) -> Json:
    """The step of the choice that takes an action, or is of an event."""
    found = (one["step"] for one in told["choices"])
    wanted = {"action": action, **more}
    return next(cast(Json, s) for s in found if all(s.get(k) == v for k, v in wanted.items()))


def said(step: Told) -> Told:
    """A step without what came of it."""
    return {name: value for name, value in step.items() if name not in ("changes", "also")}


@pytest.mark.parametrize("name", EXAMPLES)
def test_whatever_is_offered_happens_as_it_was_tried_and_breaks_nothing(name: str) -> None:
    app = app_of(dict(example(name)))
    for seed in (1, 2):
        random, take = Random(seed), list[Json]()
        for _ in range(STEPS):
            told = forked(app, take)
            assert "refused" not in told and not told["broken"], (seed, told["trace"]["steps"][-1])
            if take:
                assert said(told["trace"]["steps"][-1]) == said(cast(Told, take[-1]))
            possible = [one["step"] for one in told["choices"] if "refused" not in one["step"]]
            others = [s for s in possible if s["event"] != "create" or len(told["entities"]) < 2]
            if not (others or possible):
                break
            take.append(random.choice(others or possible))


def test_a_choice_says_what_it_would_break() -> None:
    app = app_of({name: text.encode() for name, text in variant("rollout", "drain_too_early").items()})
    take = list[Json]()
    for action, replicas in (("create", 2), ("start", None), (None, None), ("drain", None)):
        step = cast(Told, offered(forked(app, take), action))
        take.append({**step, "args": {"replicas": replicas}} if replicas else step)
    told = forked(app, take)
    drain = next(one for one in told["choices"] if one["step"]["action"] == "drain")
    assert drain["breaks"] == ["one_broker_down"]
    after = forked(app, [*take, drain["step"]])
    assert [one["property"] for one in after["broken"]] == ["one_broker_down"]
    assert after["trace"]["clauses"][0]["text"] == "replicas - ready <= 1"
    # From any step of the new run one goes on in the same way.
    again = forked(app, [], trace=after["trace"], at=2)
    assert [step["action"] for step in again["trace"]["steps"]] == ["create", "start"]
    assert again["entities"][0]["state"] == "rolling"


def test_what_the_model_refuses_is_told_and_the_run_before_it_stays() -> None:
    app = app_of(dict(example("rollout")))
    create = cast(Told, offered(forked(app, []), "create"))
    wrong = {**create, "args": {"replicas": 99}}
    told = forked(app, [create, {**wrong, "entity": "Rollout#2"}])
    assert told["refused"]["event"] == 2
    assert [one["id"] for one in told["entities"]] == ["Rollout#1"]
    start = cast(Told, offered(told, "start"))
    assert [need["name"] for need in _needs(told, "start")] == ["image"]
    assert forked(app, [create, {**start, "args": {"image": "b"}}])["entities"][0]["values"]["image"] == "b"
    with pytest.raises(UnreadableError):
        forked(app, [{"event": "no such"}])
    with pytest.raises(UnreadableError):
        forked(app, cast(list[Json], [create] * (forking.EVENTS_LIMIT + 1)))


def _needs(told: Told, action: str) -> list[Told]:
    found = next(one for one in told["choices"] if one["step"]["action"] == action)
    return cast(list[Told], found["needs"])


def test_nobody_holds_roles_that_exclude_each_other() -> None:
    app = app_of(dict(example("approval")))
    take = list[Json]()
    for action in ("create", "submit", "approve"):
        take.append(offered(forked(app, take), action))
    told = forked(app, take)
    release = cast(Told, offered(told, "release"))
    judge = next(cast(Told, s)["actor"] for s in take if cast(Told, s)["action"] == "approve")
    assert release["actor"] != judge
    refused = forked(app, [*take, {**release, "actor": judge}])["refused"]
    assert refused == {"event": 4, "why": "nobody holds manager and publisher together"}


def test_what_cannot_be_done_now_is_told_with_why() -> None:
    app = app_of(dict(example("wallet")))
    create = offered(forked(app, []), "create")
    told = forked(app, [create])
    why = {one["step"]["action"]: one["step"].get("refused") for one in told["choices"]}
    assert any(why.values()), why
