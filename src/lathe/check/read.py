"""Level 0, structure: what is wrong with an app whatever its data, seen from the text alone."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed.relevance import askers, entered_states
from lathe.check.reporting.report import Finding
from lathe.errors import Diagnostic, Severity, Span
from lathe.lang.model import Action, App, Blueprint, Cannot, Effect, Principal
from lathe.machine.trace import Trace

REPEAT_SAFE = frozenset({"call", "create", "emit"})
"""Adapters whose effects Lathe itself does exactly once, or whose receivers drop repeats."""


def structure(app: App) -> list[Finding]:
    """Every structural finding of an app, in the order of its text."""
    found: list[Finding] = []
    for blueprint in app.blueprints.values():
        found.extend(_ways_out_of_final(blueprint))
        found.extend(_effects(blueprint))
        found.extend(_takers(app, blueprint))
        found.extend(_clocks(app, blueprint))
        if not app.policies:
            found.extend(_denials(blueprint))
    found.extend(_joint_cycles(app))
    found.extend(_idle_roles(app))
    found.extend(_policy_faults(app))
    return sorted(found, key=lambda f: (f.diagnostic.span, f.diagnostic.code))


def finding(
    code: str,
    message: str,
    span: Span,
    help_text: str,
    *,
    severity: Severity = "error",
    prop: str | None = None,
    trace: Trace | None = None,
) -> Finding:
    """A finding, from its parts."""
    return Finding(Diagnostic(code, severity, message, span, help_text), prop, trace)


def _ways_out_of_final(blueprint: Blueprint) -> Iterator[Finding]:
    finals = [s.name for s in blueprint.states.values() if s.final]
    for action in blueprint.actions.values():
        for name in sorted(set(action.from_states) & set(finals)):
            yield finding(
                "LT203",
                f"`{action.name}` leaves `{name}`, which is final",
                action.span,
                f"take `{name}` out of the `from` of `{action.name}`, or let `{name}` not be final",
            )
        yield from _asked_at_the_end(blueprint, action)
    for name in finals:
        state = blueprint.states[name]
        for effect in state.run:
            if not blueprint.effects[effect].is_notice:
                yield finding(
                    "LT203",
                    f"entering the final state `{name}` asks for `{effect}`, whose end could not be taken",
                    state.span,
                    f"run `{effect}` before `{name}`, or drop its `ok` and `error` to make it a notice",
                )
        if state.then is not None:
            yield finding(
                "LT203",
                f"the timer of `{name}` would take `{state.then}`, but nothing leaves a final state",
                state.span,
                f"drop `after` and `then` of `{name}`",
            )


def _asked_at_the_end(blueprint: Blueprint, action: Action) -> Iterator[Finding]:
    """An action that may enter a final state asks for no more than notices."""
    entered = [s for s in entered_states(blueprint, action) if blueprint.states[s].final]
    for effect in action.run:
        if entered and not blueprint.effects[effect].is_notice:
            yield finding(
                "LT203",
                f"`{action.name}` enters the final state `{entered[0]}` and asks for `{effect}`, "
                "whose end could not be taken",
                action.span,
                f"run `{effect}` before the last step, or drop its `ok` and `error` to make it a notice",
            )


def _effects(blueprint: Blueprint) -> Iterator[Finding]:
    for effect in blueprint.effects.values():
        if not effect.is_notice:
            yield from _missing_ends(blueprint, effect)
        if _may_repeat(effect):
            yield finding(
                "LT503",
                f"`{effect.name}` may happen more than once, and nothing says that this is harmless",
                effect.span,
                "say `idempotent = true` if the other side drops repeats by the invocation's id, "
                "or count each execution in a ghost with `world`",
                severity="warning",
            )


def _may_repeat(effect: Effect) -> bool:
    return not effect.idempotent and not effect.world and effect.uses not in REPEAT_SAFE


def _missing_ends(blueprint: Blueprint, effect: Effect) -> Iterator[Finding]:
    if effect.error is None and effect.target is None:
        yield finding(
            "LT502",
            f"`{effect.name}` has no `error`: a bad end would find no action",
            effect.span,
            f'add `error = "…"` to `{effect.name}`: an action possible in every state that runs it',
        )
    if effect.ok is not None:
        return
    for state in sorted(_states_asking(blueprint, effect.name)):
        if blueprint.states[state].then is None:
            yield finding(
                "LT502",
                f"`{effect.name}` has no `ok`, and no timer leaves `{state}`: a good end changes nothing",
                effect.span,
                f'add `ok = "…"` to `{effect.name}`, or `after` and `then` to `{state}`',
            )
            return


def _states_asking(blueprint: Blueprint, effect: str) -> Iterator[str]:
    """The states in which an effect may be under way: those that ask for it, and those of actions that do."""
    yield from (s.name for s in blueprint.states.values() if effect in s.run)
    for action in askers(blueprint, effect):
        if effect in action.run:
            yield from entered_states(blueprint, action) or action.from_states


def _takers(app: App, blueprint: Blueprint) -> Iterator[Finding]:
    for action in blueprint.actions.values():
        if not action.admits:
            if not _is_policed(app, blueprint, action):
                cure = "or wire `{}` to a timer, effect or inbound event"
                yield nobody(action, f'say who may (`by = "role:…"`), {cure.format(action.name)}')
        elif Principal("any") in action.admits and changes_something(action) and not app.policies:
            yield open_to_all(action)
        elif not (_is_reachable(app, blueprint, action) or _is_policed(app, blueprint, action)):
            others = " or ".join(f"`{p.name}`" for p in action.admits)
            cure = f"let an `also`, `call` or `create` of {others} take it, or say in `by` who else may"
            yield nobody(action, cure)
    for inbound in blueprint.inbound.values():
        if inbound.signed_scheme is None:
            yield finding(
                "LT602",
                f"the inbound event `{inbound.name}` is not signed: anybody can send it",
                inbound.span,
                'add `signed = { scheme = "standard", secret = "NAME" }`',
                severity="warning",
            )


def _is_reachable(app: App, blueprint: Blueprint, action: Action) -> bool:
    """Whether any of those whom an action admits ever asks for it: an entity, where its blueprint says so."""
    if any(principal.kind != "entity" for principal in action.admits):
        return True
    others = [app.blueprints.get(principal.name or "") for principal in action.admits]
    wanted = blueprint.name, action.name
    return any(wanted in _reached(other) for other in others if other is not None)


def _reached(blueprint: Blueprint) -> Iterator[tuple[str, str]]:
    """The actions of others that entities of a blueprint take: together with their own, or later."""
    for action in blueprint.actions.values():
        yield from ((clause.blueprint, clause.action) for clause in action.also)
    for effect in blueprint.effects.values():
        if effect.target is not None:
            yield effect.target.blueprint, effect.target.action


def nobody(action: Action, cure: str) -> Finding:
    """LT601."""
    return finding("LT601", f"nobody may ever take `{action.name}`", action.span, cure)


def open_to_all(action: Action) -> Finding:
    """LT602, of an action."""
    return finding(
        "LT602",
        f"`{action.name}` changes something and is open to every principal",
        action.span,
        'name the roles that may take it instead of `by = "any"`',
        severity="warning",
    )


def _is_policed(app: App, blueprint: Blueprint, action: Action) -> bool:
    """Whether policies have their say in who may take an action: then a search tells."""
    if not app.policies:
        return False
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy

    return policed(app).concerns(blueprint.name, action.name)


def _clocks(app: App, blueprint: Blueprint) -> Iterator[Finding]:
    """Timers that take what is not possible where they run, and states in which no timer takes its action."""
    for state in blueprint.states.values():
        if state.then is not None and not state.final:
            action = blueprint.actions[state.then]
            if state.name not in action.from_states:
                yield finding(
                    "LT106",
                    f"the timer of `{state.name}` takes `{action.name}`, which is not possible there",
                    state.span,
                    f"add `{state.name}` to the `from` of `{action.name}`, or name another action",
                )
    deadlines = {timer.then for timer in blueprint.timers.values()}
    for action in blueprint.actions.values():
        if action.admits != (Principal("timer"),) or action.from_any or action.name in deadlines:
            continue
        if _is_policed(app, blueprint, action):
            continue  # somebody else may take it, if a policy permits that
        for name in action.from_states:
            state = blueprint.states[name]
            if state.then != action.name and not state.final:
                yield finding(
                    "LT601",
                    f"nobody may ever take `{action.name}` in `{name}`, which has no timer for it",
                    action.span,
                    f'give `{name}` a timer (`after`, `then = "{action.name}"`), '
                    f"or take it out of the `from` of `{action.name}`",
                )


def changes_something(action: Action) -> bool:
    """Whether an action does more than be counted."""
    return bool(action.begins_visit or action.do or action.sets or action.run or action.also)


def _denials(blueprint: Blueprint) -> Iterator[Finding]:
    """`cannot` against `by`: permits by role hold in every state, so the text decides; `when` is searched."""
    for cannot in blueprint.cannot.values():
        if cannot.when is None:
            for action in permitted(blueprint, cannot):
                yield denial(cannot, action)


def permitted(blueprint: Blueprint, cannot: Cannot) -> list[str]:
    """Which of the actions (or `read`) a principal with that role alone is permitted."""
    role = Principal("role", cannot.role)
    found = []
    for name in cannot.actions:
        if name == "read":
            by = blueprint.read.by if blueprint.read else default_readers(blueprint)
        else:
            by = blueprint.actions[name].admits
        if role in by or Principal("any") in by:
            found.append(name)
    return found


def default_readers(blueprint: Blueprint) -> tuple[Principal, ...]:
    """Without `read`, every role with an action here may read."""
    every = {p for a in blueprint.actions.values() for p in a.by if p.kind in ("role", "any")}
    return tuple(sorted(every, key=str))


def denial(cannot: Cannot, action: str) -> Finding:
    """LT603: a principal with that role alone may after all."""
    cure = f"take `role:{cannot.role}` (or `any`) out of the `by` of `{action}`, or drop the `cannot`"
    if action == "read":
        cure = (
            f"name in `read = [...]` who may read, without `role:{cannot.role}`: "
            "where there is no `read`, every role with an action may"
        )
    message = f"`{cannot.name}` says that role `{cannot.role}` cannot `{action}`, but it may"
    return finding("LT603", message, cannot.span, cure, prop=cannot.name)


def _joint_cycles(app: App) -> Iterator[Finding]:
    """A joint step that would take itself again."""
    edges = {
        (b.name, a.name): [(c.blueprint, c.action) for c in a.also]
        for b in app.blueprints.values()
        for a in b.actions.values()
    }
    told: set[frozenset[tuple[str, str]]] = set()
    for start in edges:
        cycle = _cycle_through(edges, start)
        if cycle and frozenset(cycle) not in told:
            told.add(frozenset(cycle))
            names = " → ".join(f"{b}.{a}" for b, a in (*cycle, cycle[0]))
            yield finding(
                "LT505",
                f"this joint step goes round without end: {names}",
                app.blueprints[start[0]].actions[start[1]].span,
                "drop one `also` of the round, or let the last one be a `call`, which happens later",
            )


def _cycle_through(
    edges: dict[tuple[str, str], list[tuple[str, str]]], start: tuple[str, str]
) -> list[tuple[str, str]]:
    """A shortest way from `start` back to itself."""
    paths: list[list[tuple[str, str]]] = [[start]]
    seen: set[tuple[str, str]] = set()
    while paths:
        path = paths.pop(0)
        for following in edges.get(path[-1], ()):
            if following == start:
                return path
            if following not in seen:
                seen.add(following)
                paths.append([*path, following])
    return []


def _idle_roles(app: App) -> Iterator[Finding]:
    used = {
        p.name for b in app.blueprints.values() for a in b.actions.values() for p in a.by if p.kind == "role"
    }
    used |= {p.name for b in app.blueprints.values() if b.read for p in b.read.by if p.kind == "role"}
    is_open = any(p.kind == "any" for b in app.blueprints.values() for a in b.actions.values() for p in a.by)
    for role in app.roles:
        if role not in used and not is_open and not app.policies:
            yield idle_role(app, role)


def idle_role(app: App, role: str) -> Finding:
    """LT605."""
    return finding(
        "LT605",
        f"the role `{role}` may do nothing",
        app.role_spans.get(role, app.span),
        f"name `role:{role}` in the `by` of an action or in `read`, or drop the role",
        severity="warning",
    )


def _policy_faults(app: App) -> Iterator[Finding]:
    """LT604: policies that cannot count; an app without any loads nothing for it."""
    if app.policies:
        from lathe.policy.policies import read_policies  # only here: it loads cedarpy

        yield from (Finding(fault) for fault in read_policies(app)[1])
