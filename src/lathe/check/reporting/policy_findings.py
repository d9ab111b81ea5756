"""Findings about policies, from what they decided in all reached states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lathe.check.composed.policies import policed
from lathe.check.composed.system import System, is_sampled
from lathe.check.judge.decisions import Decided, decided
from lathe.check.read import changes_something, finding, idle_role, open_to_all, permitted
from lathe.check.reporting.report import Finding
from lathe.check.search.graph import Graph
from lathe.lang.model import App, Blueprint, Cannot, Principal
from lathe.policy.policies import Policy


def policy_findings(
    system: System, graph: Graph, again: Callable[[], tuple[System, Graph] | None]
) -> tuple[tuple[Finding, ...], dict[str, int]]:
    """What is wrong with policies, and how many requests each of them determined.

    What only a sample was asked of is not told. `again` gives the system with more room, if more room
    could make a difference: a policy that changes nothing is told if it changes nothing there either.
    """
    found = decided(system, graph)
    told = list(_open_to_all(system.layout.app, found))
    if not is_sampled(system):
        told += _idle_roles(system.layout.app, found)
        idle = _idle(system.layout.app, found)
        wider = again() if idle else None
        if wider is not None:
            still = {p.id for p in _idle(system.layout.app, decided(*wider))}
            idle = [p for p in idle if p.id in still]
        told += [_tell_idle(p, found) for p in idle]
    counts = {p.id: found.counts[p.id] for p in policed(system.layout.app).policies}
    return tuple(told), counts


def _idle(app: App, found: Decided) -> list[Policy]:
    """The policies without which every request would be decided alike."""
    every = policed(app)
    unknown = {p.id for b, a in found.unknown for p in every.decider.slice(b, a).policies}
    return [p for p in every.policies if p.id not in found.needed | unknown]


def _tell_idle(policy: Policy, found: Decided) -> Finding:
    """LT604, as a warning."""
    why = "others always decide the same" if found.counts[policy.id] else "it never decides anything"
    message = f"the policy `{policy.id}` changes nothing: {why}, in any state that can be reached"
    cure = "see whom, what and when it is meant to be about; if all of that is so already, take it out"
    return finding("LT604", message, policy.piece.span(), cure, severity="warning")


def _open_to_all(app: App, found: Decided) -> Iterator[Finding]:
    """LT602: what changes something, and anybody may do."""
    by_id = {p.id: p for p in policed(app).policies}
    for (owner, name), ids in sorted(found.open.items()):
        action = app.blueprints[owner].actions.get(name)
        if action is None or not changes_something(action):
            continue
        opened = [by_id[i] for i in ids if i in by_id]
        told = open_to_all(action)
        if opened and Principal("any") not in action.admits:
            policy = opened[0]
            message = f"the policy `{policy.id}` opens `{name}`, which changes something, to every principal"
            cure = 'name the roles that it is for: `principal in Role::"…"`'
            diagnostic = replace(told.diagnostic, message=message, span=policy.piece.span(), help=cure)
            told = replace(told, diagnostic=diagnostic)
        yield told


def _idle_roles(app: App, found: Decided) -> Iterator[Finding]:
    """LT605: roles that let nobody do anything, wherever that could be asked."""
    if not found.unknown:
        yield from (idle_role(app, role) for role in app.roles if role not in found.roles)


def denial_cure(app: App, blueprint: Blueprint, cannot: Cannot, action: str) -> str:
    """LT603's cure where policies decide: what permits it, and what would forbid it."""
    drop = f"or drop `{cannot.name}`"
    if action in permitted(blueprint, cannot):
        resource = "resource" if action != "read" else f"resource is {blueprint.name}"
        forbid = (
            f'forbid(principal in Role::"{cannot.role}", action == Action::"{blueprint.name}.{action}", '
            f"{resource});"
        )
        listed = "`read`" if action == "read" else f"the `by` of `{action}`"
        return f"forbid it (`{forbid}`, narrowed as you need), take the role out of {listed}, {drop}"
    found = policed(app).decider.slice(blueprint.name, action).policies
    named = ", ".join(str(p) for p in found if p.effect == "permit")
    return f"narrow what permits it, {named}, forbid it in another policy, {drop}"
