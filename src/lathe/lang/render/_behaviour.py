"""What may happen in each state, and who may do it."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.model import Action, Also, App, Assignment, Blueprint, Principal, State
from lathe.lang.render.escape import code, prose
from lathe.lang.render.facts import Caller, actions_in, callers, in_flight, takers, targets
from lathe.lang.render.phrase import change, condition, value
from lathe.lang.render.words import codes, duration, finished, listing, principal, sentence, with_article

REPEATED_MAX = 60
"""What is longer than this is said once, in the first state where it is possible."""


class _Teller:
    """Tells one blueprint's actions, state by state; remembers what has been said."""

    def __init__(self, app: App, blueprint: Blueprint) -> None:
        self.blueprint = blueprint
        self.callers = callers(app)
        self.flight = in_flight(blueprint)
        self.said: dict[str, str] = {}

    def action(self, action: Action, state: str | None) -> str:
        """One item: where it leads, who takes it there, under which condition, and what it does."""
        head = f"- **{code(action.name)}**{_destination(action)}: {self._who(action, state)}"
        rest = self._rest(action)
        before = self.said.setdefault(action.name, state or "")
        if before not in ("", state) and len(rest) > REPEATED_MAX:
            return f"{head}; the rest as in {code(before)}."
        return head + rest

    def anywhere(self, action: Action) -> str:
        """The same for an action of every state that is not final."""
        flying = frozenset[str]().union(*self.flight.values())
        who = takers(self.blueprint, action, self.blueprint.initial, dict.fromkeys(self.flight, flying))
        subject = self._subjects(action, who, None)
        return f"- **{code(action.name)}**{_destination(action)}: {subject}{self._rest(action)}"

    def _who(self, action: Action, state: str | None) -> str:
        return self._subjects(action, takers(self.blueprint, action, state, self.flight), state)

    def _subjects(self, action: Action, who: tuple[Principal, ...], state: str | None) -> str:
        roles = [with_article(p.name or "") for p in who if p.kind == "role"]
        others = [self._subject(action, p, state) for p in who if p.kind != "role"]
        everybody = ([listing(roles, "or")] if roles else []) + others
        return ", or ".join(dict.fromkeys(everybody)) or "nobody"

    def _subject(self, action: Action, who: Principal, state: str | None) -> str:
        match who.kind:
            case "effect":
                return self._effect_subject(action, who.name or "")
            case "timer":
                return self._timer_subject(action, state)
            case "entity":
                known = self.callers.get((self.blueprint.name, action.name), ())
                return _entity_subject(who.name or "", known)
            case _:
                return principal(who)

    def _effect_subject(self, action: Action, name: str) -> str:
        effect = self.blueprint.effects[name]
        ends = [word for word, end in (("well", effect.ok), ("badly", effect.error)) if end == action.name]
        if not ends:
            return f"{code(name)} while it runs"
        return f"when {code(name)} ends{'' if len(ends) == 2 else ' ' + ends[0]}"

    def _timer_subject(self, action: Action, state: str | None) -> str:
        moments: list[str] = []
        own = self.blueprint.states[state] if state is not None else None
        if own is not None and own.then == action.name and own.after_ms is not None:
            moments.append("when that time is up")
        deadlines = self.blueprint.timers.values()
        moments += [f"when {code(d.at)} has come" for d in deadlines if d.then == action.name]
        return ", or ".join(moments) or "when its time is up"

    def _rest(self, action: Action) -> str:
        """From the arguments on: the same in every state."""
        given = _given(action)
        guard = f", only if {condition(action.when)}" if action.when else ""
        sentences = [*_consequences(action), sentence(prose(action.doc))]
        return f"{given}{guard}. {' '.join(s for s in sentences if s)}".rstrip()


def behaviour(app: App, blueprint: Blueprint) -> list[str]:
    """The sections from creation to the last state."""
    teller = _Teller(app, blueprint)
    anywhere = [a for a in blueprint.actions.values() if a.from_any]
    lines = ["### How it begins", ""]
    create = blueprint.actions.get("create")
    lines += [teller.action(create, None) if create else "Nothing creates one.", ""]
    finals = [s for s in blueprint.states.values() if s.final]
    for state in blueprint.states.values():
        if not state.final:
            lines += _state(teller, state, anywhere)
    if anywhere:
        lines += ["### In every state that is not final", "", *(teller.anywhere(a) for a in anywhere), ""]
    return lines + _finals(finals)


def _state(teller: _Teller, state: State, anywhere: list[Action]) -> list[str]:
    lines = [f"### {code(state.name)}", ""]
    facts = _state_facts(state) + _still_running(teller, state)
    if facts:
        lines += [" ".join(facts), ""]
    own = [a for a in actions_in(teller.blueprint, state) if not a.from_any]
    lines += [teller.action(a, state.name) for a in own]
    if anywhere:
        also = f"as in every state that is not final: {codes(a.name for a in anywhere)}"
        lines.append(f"- {'Also' if own else 'Only'}, {also}.")
    if not own and not anywhere:
        lines.append("Nothing can happen here.")
    return [*lines, ""]


def _state_facts(state: State) -> list[str]:
    facts: list[str] = []
    if state.doc:
        facts.append(sentence(prose(state.doc)))
    if state.initial:
        facts.append("It begins here.")
    if state.run:
        facts.append(f"On entry {codes(state.run)} {'is' if len(state.run) == 1 else 'are'} asked for.")
    if state.after_ms is not None and state.then is not None:
        facts.append(f"After {duration(state.after_ms)} here, {code(state.then)} is taken.")
    if state.waits is not None:
        facts.append(f"It may wait here for ever: {finished(prose(state.waits))}")
    return facts


def _still_running(teller: _Teller, state: State) -> list[str]:
    """What actions asked for, and nothing that the state itself runs."""
    effects = teller.blueprint.effects.values()
    asked = [e.name for e in effects if e.name in teller.flight[state.name] and not e.is_notice]
    others = [name for name in asked if name not in state.run]
    return [f"{codes(others)} may be running."] if others else []


def _finals(finals: list[State]) -> list[str]:
    if not finals:
        return []
    lines = ["### Where it ends", ""]
    for state in finals:
        facts = " ".join([*(["It begins here."] if state.initial else []), *_notices(state)])
        lines.append(f"- {code(state.name)}" + (f": {facts}" if facts else ""))
    return [*lines, "", "Nothing can happen there any more.", ""]


def _notices(state: State) -> list[str]:
    asked = [f"On entry {codes(state.run)} is asked for."] if state.run else []
    return asked + ([sentence(prose(state.doc))] if state.doc else [])


def _destination(action: Action) -> str:
    where = targets(action)
    if where:
        return f" → {codes(where, 'or')}"
    return "" if action.name == "create" else " (stays)"


def _given(action: Action) -> str:
    arguments = action.arguments.values()
    needed = {True: "setting", False: "giving"}
    parts: list[str] = []
    for is_field, verb in needed.items():
        chosen = [a for a in arguments if a.from_sets is is_field]
        names = [code(a.name) + (" (optional)" if a.optional or a.has_default else "") for a in chosen]
        if names:
            parts.append(f"{verb} {listing(names)}")
    return f", {' and '.join(parts)}" if parts else ""


def _consequences(action: Action) -> list[str]:
    found: list[str] = []
    if action.to_if is not None:
        found.append(sentence(f"goes to {value(action.to_if)}"))
    if action.do:
        found.append(sentence(listing(changed(a) for a in action.do)))
    if action.run:
        found.append(sentence(f"asks for {codes(action.run)}"))
    found += [_together(clause) for clause in action.also]
    if action.ghost:
        found.append(sentence(f"for the checker, {listing(changed(a) for a in action.ghost)}"))
    if action.fenced:
        found.append("The caller must name the visit that it means.")
    if action.fair:
        found.append("Somebody promises to take it if it stays possible.")
    return found


def changed(assignment: Assignment) -> str:
    """An assignment as something that is done; of another entity's ghost, through the ref."""
    target = assignment.target if assignment.via is None else f"{assignment.via.text}.{assignment.target}"
    return change(target, assignment.value)


def _together(clause: Also) -> str:
    given = listing(f"{code(name)} = {value(e)}" for name, e in clause.args.items())
    on = value(clause.on)
    parts = [f"in the same step, {code(clause.action)} of the {clause.blueprint} {on} is taken"]
    if given:
        parts.append(f"with {given}")
    if clause.when is not None:
        parts.append(f"if {condition(clause.when)}")
    return sentence(", ".join(parts) + "; all or none")


def _entity_subject(name: str, known: tuple[Caller, ...]) -> str:
    ways: Mapping[str, list[str]] = {
        "by its action": [c.action for c in known if c.blueprint == name and c.action is not None],
        "by its effect": [c.effect for c in known if c.blueprint == name and c.effect is not None],
    }
    told = [f"{how} {codes(what, 'or')}" for how, what in ways.items() if what]
    return with_article(name) + (f" ({' or '.join(told)})" if told else "")
