"""Level 4 on apps with policies: it agrees with a sound runtime, and tells one that asks them wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from lathe.machine.event import Caller
from lathe.machine.snapshot import Entity
from lathe.policy import engine, permit
from lathe.policy.engine import Decider, Slice
from lathe.policy.permit import MayRead
from lathe.probe.level import Probed, probe

from ..check.policing import with_policies
from ..runtime.harness import example, read
from .test_level import random_files

CABINET = Path(__file__).parents[2] / "bench" / "features" / "cabinet"


def cabinet() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in CABINET.iterdir()}


def probed(files: dict[str, bytes], plans: int) -> Probed:
    return probe(read(files), files, plans=plans, clock=monotonic)


@pytest.mark.parametrize("files", [example("expense"), cabinet()], ids=["expense", "cabinet"])
def test_policies_are_decided_as_they_are_read(files: dict[str, bytes]) -> None:
    found = probed(files, 40)
    assert found.difference is None, found.difference
    assert found.refused > 100


@pytest.mark.parametrize("seed", range(12))
def test_random_policies_of_random_apps(seed: int) -> None:
    files = random_files(seed)
    text = with_policies(read(files), seed).policies["own.cedar"]
    files |= {"own.cedar": text.encode()}
    found = probe(read(files), files, plans=2, first=seed, clock=monotonic)
    assert found.difference is None, found.difference


def arguments_are_not_told_apart(patch: pytest.MonkeyPatch) -> None:
    real: Callable[..., None] = Slice.__init__

    def forgets(self: Slice, *given: Any) -> None:
        real(self, *given)
        self._argument_names = ()

    patch.setattr(Slice, "__init__", forgets)


def callers_are_not_told_apart(patch: pytest.MonkeyPatch) -> None:
    real: Callable[..., None] = Slice.__init__

    def forgets(self: Slice, *given: Any) -> None:
        real(self, *given)
        self._tells_principals = False

    patch.setattr(Slice, "__init__", forgets)


def roles_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Slice, "_named", lambda self, roles: frozenset(sorted(roles)[:1]))


def forbids_are_passed_over(patch: pytest.MonkeyPatch) -> None:
    real = engine.may_concern
    patch.setattr(engine, "may_concern", lambda p, *which: p.effect == "permit" and real(p, *which))


def reads_ask_roles_alone(patch: pytest.MonkeyPatch) -> None:
    def reader_by(decider: Decider) -> MayRead:
        def may_read(entity: Entity, caller: Caller) -> bool:
            return (
                decider.slice(entity.blueprint, "read")
                .decide(
                    ("Principal", caller.actor or ""),
                    caller.roles,
                    entity.id,
                    {**entity.fields, "state": ""},
                    {},
                )
                .allowed
            )

        return may_read

    patch.setattr(permit, "reader_by", reader_by)


@pytest.mark.parametrize(
    "bug",
    [
        arguments_are_not_told_apart,
        callers_are_not_told_apart,
        roles_are_forgotten,
        forbids_are_passed_over,
        reads_ask_roles_alone,
    ],
)
def test_policies_that_are_asked_wrongly_are_told(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bug(monkeypatch)
    found = probed(cabinet(), 120)
    assert found.difference is not None
    assert len(found.difference.plan.steps) <= 8
