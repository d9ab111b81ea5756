"""Two versions of an app over common domains, so that states of one can be encoded in the other.

The old one is searched with all that its images need: what the new version explores, what `[migrate]`
reads, what might not fit, and what invocations must remember for the effects of the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lathe.check.composed.domain import SCALARS, Domains, make_domains, people_of
from lathe.check.composed.layout import Beyond, Layout, changes_world, make_layout
from lathe.check.composed.relevance import Key, askers, explored, reads
from lathe.check.composed.system import of_policies
from lathe.check.search.scope import linked
from lathe.frozen import frozen
from lathe.lang.expr import Expression, Literal, Read, walk
from lathe.lang.model import App, Blueprint, Effect, Field
from lathe.lang.types import BOOL, Type
from lathe.machine.migrate import contained, remembered, sort_of
from lathe.machine.table import Table, compile_app

Instances = dict[str, int]


@frozen
class Pair:
    """The version that is replaced and the one that replaces it, compiled, with what each explores."""

    old: Table
    new: Table
    old_keys: frozenset[Key]
    new_keys: frozenset[Key]
    memory: Mapping[tuple[str, str], Mapping[str, Type]]


def make_pair(old: App, new: App) -> Pair:
    """Two versions, made ready to be laid out together."""
    new_keys = explored(new, (*of_policies(new)[0], *_carried(old, new)))
    memory = _memory(old, new, new_keys)
    old_keys = explored(old, (*of_policies(old)[0], *_wanted(old, new, new_keys)))
    return Pair(compile_app(old), compile_app(new), old_keys, new_keys, memory)


def joint_scopes(old: App, new: App) -> list[Instances]:
    """The scopes of both together: what `[scope]` says, else one of each, then two where others matter."""
    names = sorted(old.blueprints.keys() | new.blueprints.keys())
    for app in (new, old):
        if app.scope.instances:
            return [{name: app.scope.instances.get(name, 1) for name in names}]
    single = dict.fromkeys(names, 1)
    both = linked(old) | linked(new)
    return [single, {name: 2 if name in both else 1 for name in names}] if both else [single]


def joint_domains(
    pair: Pair, instances: Instances, principals: int | None = None, *, whole: bool = False
) -> Domains:
    """The values of both versions: what either names, and as many beside it as either can tell apart.

    `whole`: parameters stand for their whole ranges (level 1).
    """
    old, new = pair.old.app, pair.new.app
    one = make_domains(old, instances, pair.old_keys, principals, named=of_policies(old)[1])
    other = make_domains(new, instances, pair.new_keys, principals, named=of_policies(new)[1])
    written = list(_literals(new))
    texts = {*_named(one), *_named(other), *(v for v in written if isinstance(v, str)), *_long(old, new)}
    fresh = max(one.fresh_texts, other.fresh_texts)
    known = tuple(sorted({p for d in (one, other) for p in d.principals[len(d.principals) - d.named :]}))
    free = max(len(d.principals) - d.named for d in (one, other))
    people = people_of(free + len(known), known)
    named = {*one.named_ids, *other.named_ids, *_written_ids(old, new)} - set(people)
    numbers = {int(v) for v in written if isinstance(v, int)}
    return replace(
        other,
        instances=dict(instances),
        principals=people,
        could_differ=max(one.could_differ, other.could_differ),
        ids=(*people, *sorted(named)),
        named_ids=tuple(sorted({*one.named_ids, *other.named_ids, *named})),
        texts=(*sorted(texts), *_fresh(fresh, texts)),
        landmarks=tuple(sorted({*one.landmarks, *other.landmarks, *numbers})),
        fresh_texts=fresh,
        differing_texts=max(one.differing_texts, other.differing_texts),
        named=len(known),
        whole=whole,
    )


def old_layout(pair: Pair, domains: Domains) -> Layout:
    """The old version, laid out to be read by the new one."""
    return make_layout(pair.old.app, domains, pair.old_keys, beyond=Beyond(memory=pair.memory))


def sources(before: Blueprint, after: Blueprint, target: Field) -> list[str]:
    """The fields of the old version that a field of the new one comes from."""
    if after.migrate is not None and target.name in after.migrate.fields:
        nodes = walk(after.migrate.fields[target.name].tree)
        named = {n.name for n in nodes if isinstance(n, Read) and n.scope == "old"}
        return sorted(named & before.fields.keys())
    return [target.name] if target.name in before.fields else []


def may_misfit(before: Blueprint, after: Blueprint, target: Field) -> bool:
    """Whether a value could fail to fit, seen from the declared types alone."""
    if after.migrate is not None and target.name in after.migrate.fields:
        return True
    source = before.fields.get(target.name)
    return source is not None and not contained(source.type, target.type)


def _shared(old: App, new: App) -> Iterator[tuple[Blueprint, Blueprint]]:
    for name, before in old.blueprints.items():
        if name in new.blueprints:
            yield before, new.blueprints[name]


def _effects(before: Blueprint, after: Blueprint) -> Iterator[tuple[Effect, Effect]]:
    """The effects of which an invocation may come over."""
    for name, effect in before.effects.items():
        if name in after.effects and sort_of(effect) == sort_of(after.effects[name]):
            yield effect, after.effects[name]


def _carried(old: App, new: App) -> Iterator[Key]:
    """What executions read of effects that only invocations of the old version can be of."""
    for before, after in _shared(old, new):
        for _, effect in _effects(before, after):
            if not askers(after, effect.name):
                for a in effect.world:
                    yield from reads(after.name, "", a.value)
                    yield from reads(after.name, "", a.via)


def _wanted(old: App, new: App, keys: frozenset[Key]) -> Iterator[Key]:
    """What the search of the old version must tell apart for the images."""
    yield from (("ghost", "", "", g) for g in old.ghosts if ("ghost", "", "", g) in keys)
    for before, after in _shared(old, new):
        name = before.name
        for target in after.fields.values():
            if ("field", name, "", target.name) in keys or may_misfit(before, after, target):
                yield from (("field", name, "", source) for source in sources(before, after, target))
        yield from (("ghost", name, "", g) for g in before.ghosts if ("ghost", name, "", g) in keys)
        for was, now in _effects(before, after):
            yield from _invoked(before, after, was, now)


def _invoked(before: Blueprint, after: Blueprint, was: Effect, now: Effect) -> Iterator[Key]:
    if was.target is not None:
        target = was.target
        yield from (("arg", target.blueprint, target.action, name) for name in target.args)
        return
    for node in remembered(now):
        if node.scope == "field":
            for source in sources(before, after, after.fields[node.name]):
                yield ("field", before.name, "", source)
        else:
            for asker in askers(before, was.name):
                if node.name in asker.arguments:
                    yield ("arg", before.name, asker.name, node.name)


def _memory(old: App, new: App, keys: frozenset[Key]) -> dict[tuple[str, str], dict[str, Type]]:
    """What invocations of the old version remember, for what executions do in the new one."""
    found: dict[tuple[str, str], dict[str, Type]] = {}
    for before, after in _shared(old, new):
        for was, now in _effects(before, after):
            if was.target is None and changes_world(now, after.name, keys):
                found[before.name, was.name] = dict(_remembered(before, after, was, now))
    return found


def _remembered(before: Blueprint, after: Blueprint, was: Effect, now: Effect) -> Iterator[tuple[str, Type]]:
    for node in remembered(now):
        if node.scope == "field":
            for name in sources(before, after, after.fields[node.name]):
                if not before.fields[name].frozen:
                    yield f"field:{name}", before.fields[name].type
            continue
        given = [asker.arguments.get(node.name) for asker in askers(before, was.name)]
        kinds = [a.type for a in given if a is not None]
        if kinds:
            yield f"arg:{node.name}", kinds[0]
            may_lack = any(a is None or (a.optional and not a.has_default) for a in given)
            if kinds[0].kind in SCALARS and may_lack:
                yield f"none:{node.name}", BOOL


def mixed_arguments(pair: Pair) -> Iterator[tuple[str, str]]:
    """Effects and arguments of several types: what their invocations remember cannot be laid out."""
    for before, after in _shared(pair.old.app, pair.new.app):
        for was, now in _effects(before, after):
            for node in remembered(now) if was.target is None else ():
                given = [a.arguments.get(node.name) for a in askers(before, was.name)]
                kinds = {a.type for a in given if a is not None}
                if node.scope == "arg" and len(kinds) > 1:
                    yield was.name, node.name


def _named(domains: Domains) -> tuple[str, ...]:
    return domains.texts[: len(domains.texts) - domains.fresh_texts]


def _fresh(count: int, taken: Iterable[str]) -> Iterator[str]:
    """Short texts that neither version names."""
    for letter in "abcdefgh"[:count]:
        name = letter
        while name in taken:
            name += "_"
        yield name


def _moved(app: App) -> Iterator[tuple[Blueprint, Expression]]:
    for blueprint in app.blueprints.values():
        if blueprint.migrate is not None:
            yield from ((blueprint, e) for e in blueprint.migrate.fields.values())


def _literals(new: App) -> Iterator[object]:
    """What the expressions of `[migrate]` name."""
    for _, expression in _moved(new):
        yield from (n.value for n in walk(expression.tree) if isinstance(n, Literal) and n.value is not None)


def _written_ids(old: App, new: App) -> Iterator[str]:
    """Texts beside identities in `[migrate]`: they may be identities too."""
    for blueprint, expression in _moved(new):
        before = old.blueprints.get(blueprint.name)
        nodes = list(walk(expression.tree))
        read = {n.name for n in nodes if isinstance(n, Read)}
        fields = [*(before.fields.values() if before else ()), *blueprint.fields.values()]
        if any(_has_ids(f.type) and (f.name in read or f in blueprint.fields.values()) for f in fields):
            yield from (n.value for n in nodes if isinstance(n, Literal) and isinstance(n.value, str))


def _has_ids(kind: Type) -> bool:
    return kind.kind == "id" or (kind.element is not None and kind.element.kind == "id")


def _long(old: App, new: App) -> Iterator[str]:
    """For each text that holds less than before, one that is too long by a character."""
    for before, after in _shared(old, new):
        for target in after.fields.values():
            now = target.type.maximum
            kinds = [before.fields[name].type for name in sources(before, after, target)]
            longer = [k for k in kinds if k.kind == "text" and (k.maximum is None or k.maximum > (now or 0))]
            if target.type.kind == "text" and now is not None and longer:
                yield "x" * (now + 1)


def unseen(pair: Pair) -> Iterator[str]:
    """What no search tells: whether fields still fit whose values it does not carry."""
    for before, after in _shared(pair.old.app, pair.new.app):
        for target in after.fields.values():
            kinds = [before.fields[name].type for name in sources(before, after, target)]
            if any("json" in (k.kind, target.type.kind) and not contained(k, target.type) for k in kinds):
                yield target.name
