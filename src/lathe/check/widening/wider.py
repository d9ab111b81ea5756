"""The wider scope in which open questions are asked again.

It has one more instance of each blueprint whose creation the scope alone prevented, further principals that
could be distinguished, and, where roles exclude each other, further holders of every role: an entity that is
blocked only because a single person holds a role is not stuck.
"""

from __future__ import annotations

from collections.abc import Sequence

from lathe.check.composed.domain import WIDEST_PRINCIPALS
from lathe.check.composed.layout import Layout
from lathe.check.composed.roles import spare_sets
from lathe.check.composed.system import System, lay_out, make_system, needed, system_of
from lathe.check.judge.suspects import full
from lathe.check.search.graph import Graph
from lathe.check.search.scope import Instances, linked
from lathe.frozen import frozen


@frozen
class Wider:
    """A larger scope; `principals` if there are more of these, too."""

    instances: Instances
    principals: int | None


def cut(system: System, graph: Graph) -> frozenset[str]:
    """The blueprints of which only the scope forbids one more, where one more could matter."""
    app = system.layout.app
    return frozenset(
        name for name in linked(app) if "create" in app.blueprints[name].actions and full(system, graph, name)
    )


def one_more(system: System, graph: Graph) -> Instances:
    """One more of every blueprint that the scope cut."""
    more = cut(system, graph)
    return {name: count + (name in more) for name, count in system.layout.domains.instances.items()}


def wider(system: System, graph: Graph, *, is_staffed: bool = False) -> Wider | None:
    """One more of everything that the scope alone cut, and the principals that were left out, if any were.

    With `is_staffed`, every role has further holders as well.
    """
    layout = system.layout
    instances, principals = one_more(system, graph), staff(layout) if is_staffed else crowd(layout)
    if instances == layout.domains.instances and principals is None:
        return None
    return Wider(instances, principals)


def crowd(layout: Layout) -> int | None:
    """How many principals there would be if none were left out; None if none are."""
    count = min(layout.domains.could_differ, WIDEST_PRINCIPALS)
    is_few = layout.app.scope.principals is None and count > len(layout.domains.principals)
    return count if is_few else None


def staff(layout: Layout) -> int | None:
    """How many principals there are if every role has further holders; None if that adds nobody.

    As many of each as could be told apart, as far as all of them are few; at least one.
    """
    if not layout.roles:
        return crowd(layout)
    there, kinds = len(layout.domains.principals), len(spare_sets(layout.role_sets))
    each = min(layout.domains.could_differ, max((WIDEST_PRINCIPALS - there) // kinds, 1))
    return max(there + each * kinds, crowd(layout) or 0)


def enlarged(small: Layout, wanted: Wider, states: Sequence[int]) -> tuple[System, list[int]]:
    """The system of a larger scope, and where the states of the smaller one are in it: it begins there."""
    if not states:
        return make_system(small.app, wanted.instances, principals=wanted.principals), []
    large = lay_out(small.app, wanted.instances, needed(small.app), wanted.principals)
    starts = [joined(small, large, packed) for packed in states]
    return system_of(large, tuple(dict.fromkeys(starts))), starts


def joined(small: Layout, large: Layout, packed: int) -> int:
    """A state of one layout in another with more room; who is new holds one set of roles after another."""
    from lathe.check.composed.encode import transferred  # only here, so that a clean check starts sooner

    known, given = {v.name for v in small.roles}, spare_sets(large.role_sets)
    new = [v for v in large.roles if v.name not in known]
    held = (given[i % len(given)] << v.offset for i, v in enumerate(new))
    return transferred(small, large, packed) | sum(held)
