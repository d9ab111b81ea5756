"""What the actions and effects of a random blueprint do: guards, assignments, joint steps, settings."""

from __future__ import annotations

from lathe.lang.types import Type
from lathe.testing._actions import has_json
from lathe.testing._dice import Dice
from lathe.testing._expressions import Atom, condition, value
from lathe.testing._plan import ActionPlan, AppPlan, BlueprintPlan, EffectPlan, Held, sight
from lathe.testing._toml import Data


def _shared(plan: BlueprintPlan, effect: EffectPlan) -> dict[str, Held]:
    """The arguments that every action has which asks for the effect."""
    askers = [plan.arguments(a) for a in plan.askers(effect.name)]
    first = askers[0] if askers else {}
    kept = {n: h for n, h in first.items() if all(n in a and a[n].type == h.type for a in askers)}
    return {n: h for n, h in kept.items() if h.type.kind != "json"}


def write_effect(d: Dice, app: AppPlan, plan: BlueprintPlan, effect: EffectPlan) -> None:
    """The settings of an effect, and what it does to the world."""
    data, uses = effect.data, effect.data["uses"]
    settings = data.pop("with", {})
    assert isinstance(settings, dict), "settings are a table"
    if uses == "http":
        settings = {"method": d.pick(("GET", "POST")), "url": "https://example.test/{id}", **settings}
        if d.chance(25):
            data["idempotent"] = d.chance(50)
        if d.chance(25):
            data["late"] = False
        if d.chance(10):
            data["attempts"] = 3
    elif uses in ("call", "create"):
        settings = _reach(d, app, plan, effect)
    if settings:
        data["with"] = settings
    seen = sight(app, plan, arguments=_shared(plan, effect), ghosts=True)
    world: list[Data] = []
    for name, held in {**plan.ghosts, **app.ghosts}.items():
        if d.chance(60):
            world.append(_assignment(d, name, held, value(d, seen, held.type)))
    if world and uses not in ("call", "create"):
        data["world"] = world


def _reach(d: Dice, app: AppPlan, plan: BlueprintPlan, effect: EffectPlan) -> dict[str, Data]:
    assert effect.target is not None, "a call has a target"
    other, action = effect.target
    seen = sight(app, plan, arguments=_shared(plan, effect))
    settings: dict[str, Data] = {}
    if effect.each is not None:
        element = plan.fields[effect.each].type.element
        assert element is not None, "a set has an element type"
        seen = seen.seeing(Atom("item", element, False))
        settings["each"] = effect.each
    if action.name == "create":
        settings["blueprint"] = other.name
    else:
        refs = [n for n, h in plan.fields.items() if h.type == Type("ref", blueprint=other.name)]
        settings["on"] = "item" if effect.each is not None else d.pick(refs)
        settings["action"] = action.name
    args: dict[str, Data] = {}
    for name, held in other.arguments(action).items():
        if held.is_required or d.chance(50):
            args[name] = value(d, seen, held.type)
    if args:
        settings["args"] = args
    return settings


def write_body(d: Dice, app: AppPlan, plan: BlueprintPlan, action: ActionPlan) -> None:
    """The guard of an action, and all that it does."""
    given = plan.arguments(action)
    is_create = action.name == "create"
    guarded = sight(app, plan, arguments=given, actor=True, own=not is_create)
    body = action.body
    if d.chance(5 if is_create else 25):
        body["when"] = condition(d, guarded)
    seen = sight(app, plan, arguments=given, actor=True, now=True)
    do: list[Data] = []
    for name, held in plan.fields.items():
        can = name not in action.sets and held.type.kind != "json" and (is_create or not held.frozen)
        if can and d.chance(30):
            do.append(_assignment(d, name, held, value(d, seen, held.type), is_gentle=is_create))
    if do:
        body["do"] = do
    seen = sight(app, plan, arguments=given, actor=True)
    if action.targets:
        body["to_if"] = _targets(d, action.targets, condition(d, seen, 1), condition(d, seen, 1))
    also = _also(d, app, plan, action)
    if also:
        body["also"] = also
    marked = _marks(d, app, plan, given)
    if marked:
        body["ghost"] = marked
    if d.chance(10):
        body["fenced"] = True
    if d.chance(10):
        body["fair"] = True


def _targets(d: Dice, states: list[str], first: str, second: str) -> str:
    text = f"'{states[0]}' if {first} else '{states[1]}'"
    return text if len(states) < 3 else f"({text}) if {second} else '{states[2]}'"


def _marks(d: Dice, app: AppPlan, plan: BlueprintPlan, given: dict[str, Held]) -> list[Data]:
    """What an action means to the ghosts, one ref away too."""
    seen = sight(app, plan, arguments=given, actor=True, ghosts=True)
    marked: list[Data] = []
    for name, held in {**plan.ghosts, **app.ghosts}.items():
        if d.chance(35):
            marked.append(_assignment(d, name, held, value(d, seen, held.type)))
    for name, held in plan.fields.items():
        other = next((b for b in app.blueprints if b.name == held.type.blueprint), None)
        if held.type.kind == "ref" and other is not None and other.ghosts and d.chance(35):
            there = d.pick(sorted(other.ghosts))
            kind = other.ghosts[there]
            marked.append(_assignment(d, f"{name}.{there}", kind, value(d, seen, kind.type)))
    return marked


def _assignment(d: Dice, target: str, held: Held, text: str, *, is_gentle: bool = False) -> str:
    if held.type.kind == "int" and is_gentle and d.chance(80):
        return f"{target} = {held.type.high}"
    if held.type.kind == "int" and d.chance(45):
        return f"{target} {d.pick(('+=', '-='))} {d.number(1, 2)}"
    if held.type.kind == "set" and d.chance(50) and not text.startswith("("):
        return f"{target} {d.pick(('+=', '-='))} {text}"
    return f"{target} = {text}"


def _also(d: Dice, app: AppPlan, plan: BlueprintPlan, action: ActionPlan) -> list[Data]:
    """Clauses towards actions of a higher rank, so that there is no cycle."""
    given = plan.arguments(action)
    seen = sight(app, plan, arguments=given, actor=True)
    rank = (plan.index, list(plan.actions).index(action.name))
    refs = [a for a in seen.of("ref") if a.text.count(".") <= 1 + a.text.startswith("arg.")]
    refs = [a for a in refs if not a.text.startswith("self")]
    found: list[Data] = []
    often = [(8, 0), (1, 1)] if action.name == "create" else [(4, 0), (4, 1), (2, 2)]
    for _ in range(d.weighed(often) if refs else 0):
        on = d.pick(refs)
        other = next(b for b in app.blueprints if b.name == on.type.blueprint)
        above = [
            a
            for index, a in enumerate(other.actions.values())
            if (other.index, index) > rank and a.name != "create" and not has_json(other, a)
        ]
        if not above:
            continue
        taken = d.pick(above)
        taken.admit(f"entity:{plan.name}")
        clause: dict[str, Data] = {"on": on.text, "action": taken.name}
        args: dict[str, Data] = {
            name: value(d, seen, held.type)
            for name, held in other.arguments(taken).items()
            if held.is_required or d.chance(50)
        }
        if args:
            clause["args"] = args
        if d.chance(25):
            clause["when"] = condition(d, seen, 1)
        found.append(clause)
    return found
