"""What the search makes of the old version's states is what the machine makes of them, entity by entity.

Pairs of random apps share names of blueprints, states, fields and effects, and little else: nearly
everything that can fail to fit does, somewhere. What then follows is compared step by step as well.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from lathe.check.bounds import TooLargeError
from lathe.check.composed.encode import encode
from lathe.check.composed.system import system_of
from lathe.check.migration.images import Images, make_images
from lathe.check.migration.pair import Pair, joint_domains, make_pair, mixed_arguments, old_layout
from lathe.check.migration.tell import Swap
from lathe.check.reporting.tell import Case, run_to
from lathe.check.search.graph import Limits
from lathe.check.search.plain import search
from lathe.lang.model import App
from lathe.lang.resolve import read_app
from lathe.machine.migrate import migrate_world
from lathe.testing._apps import write_app
from lathe.testing._dice import Dice

from .comparing import Comparison

SEEDS = 120
BATCH = 30
OLD_STATES = 150
NEW_STATES = 120
SAMPLE = 6


def random_files(seed: int) -> dict[str, bytes]:
    return write_app(Dice(Random(seed).randrange))


def app_of(files: dict[str, bytes]) -> App:
    app = read_app(files).app
    assert app is not None
    return app


def with_migrations(files: dict[str, bytes], old: App, random: Random) -> App:
    """The app with entries that say where old states go and what fields become."""
    new = app_of(files)
    changed = dict(files)
    for name, blueprint in new.blueprints.items():
        before = old.blueprints.get(name)
        if before is None:
            continue
        states = [s for s in before.states if s not in blueprint.states or random.random() < 0.3]
        moved = ", ".join(f'{s} = "{random.choice(list(blueprint.states))}"' for s in states)
        fields = []
        for target in blueprint.fields.values():
            alike = [f.name for f in before.fields.values() if f.type.kind == target.type.kind]
            if alike and random.random() < 0.6:
                fields.append(f'{target.name} = "old.{random.choice(alike)}"')
            elif target.name not in before.fields and not target.has_default:
                fields.append(f'{target.name} = "{_some(target.type.kind, target.type.low)}"')
        lines = f"\n[migrate]\nstate = {{ {moved} }}\nfield = {{ {', '.join(fields)} }}\n"
        changed[blueprint.file] += lines.encode()
    reading = read_app(changed)
    return reading.app or new


def _some(kind: str, low: int | None) -> str:
    return {"int": str(low), "bool": "False", "set": "set()"}.get(kind, "None")


def pair_of(seed: int) -> tuple[Pair, int]:
    random = Random(seed)
    files = random_files(seed)
    old = app_of(files)
    other = files if seed % 3 == 0 else random_files(seed + 1_000)
    new = with_migrations(other, old, random) if seed % 2 else app_of(other)
    return make_pair(old, new), 1 + seed // 3 % 2


def searched(pair: Pair, instances: int) -> tuple[Swap, Images]:
    every = dict.fromkeys(sorted(pair.old.app.blueprints.keys() | pair.new.app.blueprints.keys()), instances)
    domains = joint_domains(pair, every)
    system = system_of(old_layout(pair, domains))
    graph = search(system, Limits(OLD_STATES, 1.0, lambda: 0.0))
    images = make_images(pair, system.layout, domains, graph.states, (lambda: 0.0, 1.0))
    return Swap(pair, Case(system, graph, pair.old, ""), images, ""), images


def check_images(swap: Swap, images: Images, met: Counter[str]) -> None:
    """Every sampled state has the image that the machine gives it, or the same reasons for none."""
    pair, graph = swap.pair, swap.old.graph
    count = len(graph.states)
    for index in sorted({0, count - 1, *range(0, count, max(count // SAMPLE, 1))}):
        run = run_to(swap.old, index)
        moved = migrate_world(pair.old, pair.new, run.world)
        found = images.of(graph.states[index])
        if isinstance(moved, tuple):
            met.update(m.kind for m in moved)
            assert found == [], f"state {index} has no place for the machine: {moved}"
            continue
        met["moved"] += 1
        layout = images.system.layout
        slots = {slot.name: slot for slot in layout.slots}
        names = {name: slots[slot.name] for name, slot in run.names.items() if name in moved.entities}
        roles = {sum(v.read(image) << v.offset for v in layout.roles) for image in found}
        assert found, f"state {index} has a place for the machine alone"
        assert set(found) == {encode(layout, moved, names, bits) for bits in roles}, f"state {index}"


def check_what_follows(swap: Swap, images: Images) -> None:
    """From the images on, search and machine take the same steps."""
    if not images.starts:
        return
    graph = search(images.system, Limits(NEW_STATES, 1.0, lambda: 0.0), images.starts)
    case = swap.case(images.system, graph)
    comparison = Comparison(images.system, swap.pair.new, case.begun)
    count = len(graph.states)
    for index in sorted({0, count - 1, *range(0, count, max(count // SAMPLE, 1))}):
        if graph.first[index] >= 0:
            assert comparison.at(graph, index) == [], f"in state {index} of what follows"


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_search_and_machine_move_states_alike(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + BATCH):
        pair, instances = pair_of(seed)
        if list(mixed_arguments(pair)):
            continue
        try:
            swap, images = searched(pair, instances)
        except TooLargeError:
            continue
        try:
            check_images(swap, images, met)
            check_what_follows(swap, images)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    assert met["moved"] > 10, met
