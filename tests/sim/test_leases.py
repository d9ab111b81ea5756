"""The second account of leases, and the judge of what is late: each says what is wrong, and only that."""

from __future__ import annotations

from msgspec.structs import replace

from lathe.machine.event import Caller, Create, Event, TimerFires
from lathe.machine.outcome import Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.step import step
from lathe.sim.leases import Leases
from lathe.sim.prepared import Loaded, load
from lathe.sim.promptness import PROMPT_MS, Promptness
from lathe.store.records import Write

HELD = ("Job#1", 1)
WRITE = Write("main", "jobs", "sha256:1", 1, (), (), (), lease=("one", *HELD))


class Told:
    """A clock that is set, and what was wrong."""

    def __init__(self) -> None:
        self.now = 1_000
        self.said: list[str] = []

    def leases(self) -> Leases:
        return Leases(lambda: self.now, lambda cause, said: self.said.append(said))


def test_whoever_holds_a_lease_may_commit_until_it_ends() -> None:
    told = Told()
    leases = told.leases()
    leases.taken("one", HELD, 2_000)
    told.now = 1_999
    leases.committed(WRITE)
    assert (told.said, leases.left_ms(HELD)) == ([], 1)
    told.now = 2_000
    leases.committed(WRITE)
    assert told.said == ["one committed a step of Job#1.1, whose lease had run out"]


def test_nobody_is_given_what_another_one_holds() -> None:
    told = Told()
    leases = told.leases()
    leases.taken("one", HELD, 2_000)
    leases.taken("two", HELD, 3_000)
    leases.renewed("one", HELD, 4_000)
    assert told.said == [
        "Job#1.1 went to two while one holds it", "Job#1.1 was renewed for one, and two has it",
    ]  # fmt: skip


def test_what_was_given_back_is_anybodys() -> None:
    told = Told()
    leases = told.leases()
    leases.taken("one", HELD, 2_000)
    leases.given_back(HELD)
    leases.taken("two", HELD, 2_000)
    assert told.said == []
    leases.committed(WRITE)
    assert told.said == ["one committed a step of Job#1.1, which two held"]


LAMP = {
    "lamp.blueprint.toml": b"""
blueprint = "Lamp"
[state]
lit = { initial = true, after = "1m", then = "dim" }
dark = { final = true }
[action]
create = { by = "role:hand" }
dim = { from = "lit", to = "dark" }
"""
}
BEGAN = 1_000_000


def lamp() -> tuple[Loaded, list[tuple[Loaded, MemoryWorld]], Step]:
    loaded = load(LAMP)
    empty = MemoryWorld({}, loaded.table.ghosts)
    event = Create("Lamp", "Lamp#1", {}, Caller("role", None, frozenset({"hand"}), "ann"), BEGAN)
    made = step(loaded.table, empty, event)
    assert isinstance(made, Step)
    return loaded, [(loaded, empty), (loaded, empty.after(made.written, made.ghosts))], made


def lateness(late_ms: int, calm_from_ms: int) -> str:
    """What is said of a timer that fires so late."""
    loaded, worlds, made = lamp()
    now = BEGAN
    judge = Promptness(lambda: now, lambda: calm_from_ms)
    timers = {"Lamp#1": {"": (BEGAN + 60_000, 1)}}
    assert judge.taken(made.event, made, worlds, timers) == ""
    now = BEGAN + 60_000 + late_ms
    event: Event = TimerFires("Lamp#1", None, now)
    fired = step(loaded.table, worlds[-1][1], event)
    assert isinstance(fired, Step)
    worlds.append((loaded, worlds[-1][1].after(fired.written, fired.ghosts)))
    return judge.taken(event, fired, worlds, timers)


def test_a_timer_that_comes_late_without_a_cause_is_told() -> None:
    assert lateness(PROMPT_MS, 0) == ""
    assert lateness(PROMPT_MS + 1, 0) == f"TimerFires of Lamp#1 was possible for {PROMPT_MS + 1} ms"


def test_what_went_wrong_before_excuses_it() -> None:
    assert lateness(PROMPT_MS + 1, BEGAN + 60_001) == ""


def test_a_write_of_no_lease_is_nobodys_business() -> None:
    told = Told()
    told.leases().committed(replace(WRITE, lease=None))
    assert told.said == []
