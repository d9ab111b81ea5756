"""What the searches of two versions saw a sample of, proved for all values: claims that every image keeps.

The old version's proved claims say which states may be there; what becomes of them must keep what is
inductive in the new version. What is not proved so stays open.
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.algebra.guess import guesses
from lathe.check.algebra.images import start_of
from lathe.check.algebra.level import wide_enough
from lathe.check.algebra.prove import QUERY_LIMIT, prove
from lathe.check.bounds import TooLargeError
from lathe.check.graph import Clock, Graph
from lathe.check.layout import Layout, make_layout
from lathe.check.migration.needs import needs
from lathe.check.migration.pair import Pair, joint_domains, old_layout, sources
from lathe.check.relevance import Key, behind, dependencies
from lathe.check.sampled import sampled_arguments, subjects_behind
from lathe.check.system import System, narrowed_fields, system_of
from lathe.errors import Span
from lathe.lang.model import App

SECONDS = 5.0
"""For the proofs about each of the two versions."""

Found = tuple[System, Graph]


def unproved(pair: Pair, old: Found, new: Found, told: frozenset[Span], clock: Clock) -> list[str]:
    """What stays open of a migration that was sampled. `told` are places that are wrong anyway."""
    parts = frozenset(_tainted(pair, old[0], new[0]))
    wanted = [n for n in needs(pair.old.app, pair.new.app) if n.kind != "field"]
    doubts = [f"whether `{n.path}` is ever met" for n in wanted]
    doubts += [f"whether `{name}` holds" for name in _claims(pair.new.app, parts)]
    doubts += [f"whether what `{name}` carries fits" for name in _carried(pair)]
    if doubts:
        return doubts
    try:
        before, after = _wide(pair, new[0].layout)
    except TooLargeError as error:
        return [str(error)]
    lemmas = guesses(old[0].layout, old[1].states, before.layout)
    known = prove(before, lemmas, clock, clock() + SECONDS)
    start = start_of(before.layout, after.layout, known.claims)
    lemmas = guesses(new[0].layout, new[1].states, after.layout)
    proofs = prove(after, lemmas, clock, clock() + SECONDS, begun=start)
    misfits = dict.fromkeys(name for name, fits in start.fits if not start.implies(fits, QUERY_LIMIT))
    doubts = [f"whether what `{name}` held always fits" for name in misfits]
    asked = [s for s, _ in subjects_behind(new[0], parts) if s.prop is not None or not s.is_lasting]
    left = [s for s in asked if s.span not in proofs.proved | told]
    return doubts + [f"{subject.told} for what comes from the version before" for subject in left]


def _wide(pair: Pair, layout: Layout) -> tuple[System, System]:
    """Both versions with whole ranges, and as many of each as any step of either takes part in, and one."""
    counts = [wide_enough(t.app, {}).layout.domains.instances for t in (pair.old, pair.new)]
    names = sorted({name for count in counts for name in count})
    instances = {name: max(count.get(name, 1) for count in counts) for name in names}
    domains = joint_domains(pair, instances, whole=True)
    after = make_layout(pair.new.app, domains, pair.new_keys, beyond=layout.beyond)
    return system_of(old_layout(pair, domains)), system_of(after)


def _tainted(pair: Pair, old: System, new: System) -> Iterator[Key]:
    """What of the new version holds data of which a part was searched, there or before."""
    yield from (*sampled_arguments(new), *narrowed_fields(pair.new.app))
    sampled = {*sampled_arguments(old), *narrowed_fields(pair.old.app)}
    depends = dependencies(pair.old.app)

    def is_sampled(key: Key) -> bool:
        return bool(behind(depends, [key]) & sampled)

    for name, before in pair.old.app.blueprints.items():
        after = pair.new.app.blueprints.get(name)
        if after is None:
            continue
        for target in after.fields.values():
            if any(is_sampled(("field", name, "", s)) for s in sources(before, after, target)):
                yield ("field", name, "", target.name)
        yield from (("ghost", name, "", g) for g in after.ghosts if is_sampled(("ghost", name, "", g)))
    yield from (("ghost", "", "", g) for g in pair.new.app.ghosts if is_sampled(("ghost", "", "", g)))


def _claims(app: App, parts: frozenset[Key]) -> Iterator[str]:
    """The `unique` claims that are made of data of which a part was searched."""
    for blueprint in app.blueprints.values():
        for unique in blueprint.unique.values():
            if any(("field", blueprint.name, "", f) in parts for f in unique.fields):
                yield unique.name


def _carried(pair: Pair) -> Iterator[str]:
    """Effects whose invocations carry values from one version into another that takes others."""
    for name, before in pair.old.app.blueprints.items():
        after = pair.new.app.blueprints.get(name)
        for effect in before.effects.values():
            now = after.effects.get(effect.name) if after is not None else None
            if now is None:
                continue
            is_same = (effect.target, effect.world, effect.takes) == (now.target, now.world, now.takes)
            if not is_same:
                yield effect.name
