"""One run of a seed: what it found, what it went through, and the line that repeats it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from random import Random

from lathe.frozen import frozen
from lathe.machine.snapshot import MemoryWorld
from lathe.runtime.cache import ENTITIES_LIMIT
from lathe.sim.loop import SimLoop, run as run_loop
from lathe.sim.menu import Mix
from lathe.sim.oracle import Swapped, Taken, Violation
from lathe.sim.prepared import Prepared
from lathe.sim.workload import GAP_SECONDS, Issue
from lathe.sim.world import Setting, World

COMMANDS = 40
"""What the clients of one run ask in all, at least; twice as much at most."""
PACES = (GAP_SECONDS, GAP_SECONDS, 0.05, 0.003)
"""How long clients wait between two requests: as people do, or as fast as they are answered."""
CACHED = (ENTITIES_LIMIT, ENTITIES_LIMIT, 2)
"""How many entities a process keeps in memory."""
STEPS_LIMIT = 250_000
"""Callbacks of one run. A usual one takes some thousands: more means that it goes round without end."""


@frozen
class Outcome:
    """What came of a run. `steps` are callbacks of the loop, `committed` steps of the machine.

    `journal` and `log` are digests of every byte of both: the same seed gives the same.
    """

    app: str
    digest: str
    setting: Setting
    violation: Violation | None
    steps: int
    committed: int
    commands: int
    refusals: int
    virtual_seconds: float
    journal: str
    log: str
    taken: Mapping[tuple[str, str], int]
    faults: Mapping[str, int]
    script: tuple[tuple[Issue, ...], ...]
    history: tuple[Taken | Swapped, ...]
    last_world: MemoryWorld
    tape: tuple[int, ...]

    @property
    def line(self) -> str:
        """The options of `lathe sim` that repeat this run."""
        return f"--seed {self.setting.seed} --mix {self.setting.mix}"


def setting_of(
    seed: int, mix: Mix, *, commands: int = COMMANDS, without: frozenset[str] = frozenset()
) -> Setting:
    """What a seed makes of a run. Every other one is guided, each from another goal on."""
    random = Random(f"{seed}/setting")
    nodes = random.choice((1, 1, 2, 2, 3))
    return Setting(
        seed=seed,
        mix=mix,
        nodes=nodes,
        clients=random.choice((1, 2, 3, 4)),
        commands=commands + random.randrange(commands),
        is_shared=nodes > 1 or random.random() < 0.2,
        pace=random.choice(PACES),
        cached=random.choice(CACHED),
        first_goal=seed // 2 if seed % 2 == 0 else None,
        without=without,
    )


def simulate(
    prepared: Prepared,
    setting: Setting,
    *,
    tape: Sequence[int] | None = None,
    steps_limit: int = STEPS_LIMIT,
) -> Outcome:
    """Run a world to its end, or to the first thing that must not be. The same arguments give the same."""
    worlds: list[World] = []

    async def main(loop: SimLoop) -> None:
        worlds.append(World(loop, prepared, setting))
        await worlds[0].run()

    violation: Violation | None = None
    try:
        _, loop = run_loop(main, setting.seed, tape=tape, steps_limit=steps_limit)
    except Exception as error:  # noqa: BLE001  whatever comes out of the runtime is what was looked for
        loop = worlds[0].loop
        violation = Violation(f"raised:{type(error).__name__}", f"{type(error).__name__}: {error}")
    world = worlds[0]
    oracle = world.oracle
    return Outcome(
        app=prepared.first.app.name,
        digest=prepared.first.digest,
        setting=setting,
        violation=oracle.found or violation,
        steps=loop.steps,
        committed=oracle.count - 1,
        commands=world.commands,
        refusals=world.refusals,
        virtual_seconds=loop.ended,
        journal=_journal(world),
        log=world.digest,
        taken=dict(oracle.taken),
        faults=Counter(world.menu.struck),
        script=tuple(tuple(asked) for asked in world.asked),
        history=tuple(oracle.steps),
        last_world=oracle.world,
        tape=tuple(loop.tape),
    )


def _journal(world: World) -> str:
    digest = sha256()
    for entry in world.store.journal():
        digest.update(entry.hash)
    return digest.hexdigest()
