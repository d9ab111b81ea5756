"""Proofs about migrations whose searches sampled values: that every image satisfies what it must.

The old version's proved claims say which states may be there; what becomes of them must keep what is
inductive in the new version. Who can go on from there, the skeletons are asked (`skeleton.onward`). What is
not proved so stays open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lathe.check.algebra.guess import guesses
from lathe.check.algebra.images import Start, start_of
from lathe.check.algebra.level import wide_enough
from lathe.check.algebra.prove import QUERY_LIMIT, Proofs, prove
from lathe.check.algebra.tell import named
from lathe.check.bounds import TooLargeError
from lathe.check.composed.layout import Layout, make_layout
from lathe.check.composed.relevance import Key, behind, dependencies
from lathe.check.composed.system import System, narrowed_fields, system_of
from lathe.check.migration.images import Images
from lathe.check.migration.needs import needs, path_of
from lathe.check.migration.pair import Pair, joint_domains, may_misfit, old_layout, sources
from lathe.check.search.graph import Clock, Graph, Limits
from lathe.check.skeleton.onward import kept_by_images
from lathe.check.skeleton.settle import open_left, open_said
from lathe.check.widening.sampled import sampled_arguments, subjects_behind
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.model import Blueprint, Effect, Unique
from lathe.machine.migrate import contained, moved_state, remembered

SECONDS = 5.0
"""For the proofs about each of the two versions."""

Found = tuple[System, Graph]


@frozen
class Witness:
    """A part of both versions that was searched, and in which nothing is wrong."""

    before: System
    graph: Graph
    images: Images
    after: Graph


def unproved(
    pair: Pair,
    old: Found,
    new: Found,
    told: frozenset[Span],
    clock: Clock,
    keeps: Callable[[], frozenset[Span]],
) -> list[str]:
    """What stays open of a migration that was sampled. `told` are places that are wrong anyway.

    `keeps` gives those of what comes in the end as it should, whatever the values.
    """
    parts = frozenset(_tainted(pair, old[0], new[0]))
    wanted = [n for n in needs(pair.old.app, pair.new.app) if n.kind != "field"]
    doubts = [f"whether `{n.path}` is ever met" for n in wanted]
    doubts += [f"whether `{name}` holds" for name in _claims(pair, parts)]
    doubts += _not_asked(pair)
    if doubts:
        return doubts
    try:
        start, proofs = _proved(pair, old, new, clock, SECONDS)
    except TooLargeError as error:
        return [str(error)]
    good = proofs.proved | told
    left = [s for s, _ in subjects_behind(new[0], parts) if s.span not in good]
    if any(s.is_lasting for s in left):  # no induction speaks of it
        kept = keeps()
        left = [s for s in left if not (s.is_lasting and s.span in kept)]
    return [*_misfits(start), *(f"{subject.told} for what comes from the version before" for subject in left)]


def left_open(pair: Pair, seen: Witness, told: frozenset[Span], limits: Limits, seconds: float) -> list[str]:
    """What neither level 1 nor the skeletons decide, each in so many seconds for each version.

    `told` are places at which the new version is wrong alone.
    """
    clock = limits.clock
    old, new = (seen.before, seen.graph), (seen.images.system, seen.after)
    try:
        doubts = _unproved_whole(pair, old, new, told, (clock, seconds))
    except TooLargeError as error:
        return [str(error)]
    if doubts:
        return doubts
    kept, homeless = kept_by_images(
        pair, seen.images.system.layout, replace(limits, stop_at=clock() + seconds)
    )
    doubts += [f"whether `{path_of(wrong)}` is ever met" for wrong in homeless]
    good = kept | told
    for blueprint in pair.new.app.blueprints.values():
        doubts += [open_said(p) for p in blueprint.eventually.values() if p.span not in good]
        doubts += open_left(s for s in blueprint.states.values() if s.span not in good)
    return doubts


def _unproved_whole(
    pair: Pair, old: Found, new: Found, told: frozenset[Span], limits: tuple[Clock, float]
) -> list[str]:
    """What level 1 leaves open of a migration of which only a part was searched: all that must never be.

    `limits` are a clock, and the seconds that the proofs about each version may take.
    """
    app = pair.new.app
    doubts = [f"whether `{name}` holds" for name in _claims(pair, None)]
    doubts += _not_asked(pair)
    if app.policies and any(b.cannot for b in app.blueprints.values()):
        doubts.append("what policies permit to what comes from the version before")
    if doubts:
        return doubts
    start, proofs = _proved(pair, old, new, *limits)
    return [*_misfits(start), *named(app, proofs.open - told)]


def _not_asked(pair: Pair) -> list[str]:
    """What no proof is asked about."""
    return [f"whether what `{name}` carries fits" for name in _carried(pair)]


def _misfits(start: Start) -> list[str]:
    names = dict.fromkeys(name for name, fits in start.fits if not start.implies(fits, QUERY_LIMIT))
    return [f"whether what `{name}` held always fits" for name in names]


def _proved(pair: Pair, old: Found, new: Found, clock: Clock, seconds: float) -> tuple[Start, Proofs]:
    """The images of all that the old version's proved claims allow, and what is so from there on."""
    before, after = _wide(pair, new[0].layout)
    lemmas = guesses(old[0].layout, old[1].states, before.layout)
    known = prove(before, lemmas, clock, clock() + seconds)
    start = start_of(before.layout, after.layout, known.claims)
    lemmas = guesses(new[0].layout, new[1].states, after.layout)
    return start, prove(after, lemmas, clock, clock() + seconds, begun=start)


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


def _claims(pair: Pair, parts: frozenset[Key] | None) -> Iterator[str]:
    """The `unique` claims that what comes over may break, if data of some `parts` (None: any) are in them."""
    for blueprint in pair.new.app.blueprints.values():
        before = pair.old.app.blueprints.get(blueprint.name)
        if before is None:
            continue  # nobody comes over
        for unique in blueprint.unique.values():
            is_asked = parts is None or any(("field", blueprint.name, "", f) in parts for f in unique.fields)
            if is_asked and not any(_keeps(before, blueprint, was, unique) for was in before.unique.values()):
                yield unique.name


def _keeps(before: Blueprint, after: Blueprint, was: Unique, unique: Unique) -> bool:
    """Whether a claim that the old version kept sees to one of the new version."""
    said = after.migrate.fields if after.migrate is not None else {}
    if not set(was.fields) <= set(unique.fields) - said.keys():
        return False
    into = unique.in_states or tuple(after.states)
    come = {name for name in before.states if moved_state(after, name) in into}
    return not was.in_states or come <= set(was.in_states)


def _carried(pair: Pair) -> Iterator[str]:
    """Effects whose invocations carry values from one version into another that takes others."""
    for name, before in pair.old.app.blueprints.items():
        after = pair.new.app.blueprints.get(name)
        for effect in before.effects.values():
            now = after.effects.get(effect.name) if after is not None else None
            if after is None or now is None:
                continue
            is_same = (effect.target, effect.world, effect.takes) == (now.target, now.world, now.takes)
            if not (is_same and _is_taken(pair, effect) and _is_remembered(before, after, now)):
                yield effect.name


def _is_taken(pair: Pair, effect: Effect) -> bool:
    """Whether whoever is called takes all that it took before."""
    target = effect.target
    if target is None:
        return True
    was, now = (
        table.app.blueprints[target.blueprint].actions[target.action].arguments
        for table in (pair.old, pair.new)
    )
    return all(name in now and contained(was[name].type, now[name].type) for name in target.args)


def _is_remembered(before: Blueprint, after: Blueprint, effect: Effect) -> bool:
    """Whether all that an execution reads of the moment when it was asked for fits, whatever it was."""
    fields = {node.name for node in remembered(effect) if node.scope == "field"}
    return not any(may_misfit(before, after, after.fields[name]) for name in fields)
