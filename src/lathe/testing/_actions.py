"""Which actions and effects a random blueprint has, who takes them, and where they lead."""

from __future__ import annotations

from lathe.lang.adapters import BAD_CAUSES
from lathe.lang.types import Type
from lathe.testing._dice import Dice
from lathe.testing._plan import (
    NAMES,
    NEVER_UNSET,
    ActionPlan,
    AppPlan,
    BlueprintPlan,
    EffectPlan,
    Held,
    argument,
    random_type,
)
from lathe.testing._toml import Data

CAUSE = Type("enum", members=BAD_CAUSES)


def plan_actions(d: Dice, app: AppPlan, plan: BlueprintPlan) -> None:
    """The actions that somebody takes, `create` among them."""
    create = ActionPlan("create", [])
    for name, held in plan.fields.items():
        is_needed = held.default is None and held.type.kind in NEVER_UNSET
        often = 60 if held.type.kind in ("ref", "set") else 20
        if is_needed or (_may_come_first(plan, held.type) and d.chance(often)):
            create.sets.append(name)
    plan.actions["create"] = create
    for index in range(d.number(2, 4)):
        plan.actions[f"act{index}"] = _plan_action(d, app, plan, f"act{index}")
    for action in plan.actions.values():
        for index in range(d.weighed([(6, 0), (3, 1), (1, 2)])):
            names = tuple(b.name for b in app.blueprints)
            held = argument(d, random_type(d, names, json=False))
            held.optional |= action is create and not _may_come_first(plan, held.type)
            action.args[f"x{index}"] = held
        if action.name == "create" or d.chance(80):
            action.by += d.some([f"role:{r}" for r in app.roles], 1, 2)
        elif d.chance(50):
            action.by.append("any")


def _may_come_first(plan: BlueprintPlan, kind: Type) -> bool:
    """Whether a value can be given to `create` without waiting in a circle: refs lead to later blueprints."""
    return kind.kind != "ref" or NAMES.index(kind.blueprint or "") > plan.index


def _plan_action(d: Dice, app: AppPlan, plan: BlueprintPlan, name: str) -> ActionPlan:
    sources = d.some(plan.live, 1, 3)
    if d.chance(50) and plan.states[0] not in sources:
        sources.insert(0, plan.states[0])
    action = ActionPlan(name, sources)
    how = d.weighed([(4, "stay"), (6, "to"), (2, "to_if")])
    if how == "to":
        action.to = d.pick(plan.states)
    elif how == "to_if":
        action.targets = d.some(plan.states, 2, 3)
    free = [n for n, h in plan.fields.items() if not h.frozen]
    action.sets = d.some(free, 0, 1) if d.chance(40) else []
    return action


def bare_actions(plan: BlueprintPlan) -> list[ActionPlan]:
    """The actions that need no arguments."""
    found = [a for a in plan.actions.values() if a.name != "create"]
    return [a for a in found if not any(h.is_required for h in plan.arguments(a).values())]


def plan_effect(d: Dice, app: AppPlan, plan: BlueprintPlan, name: str) -> None:
    """An effect, who asks for it, and the actions that its ends take."""
    uses = d.weighed([(8, "http"), (4, "call"), (3, "create"), (2, "emit")])
    effect = EffectPlan(name, {"uses": uses}, uses == "emit" or d.chance(15))
    plan.effects[name] = effect
    if uses in ("call", "create") and not _choose_target(d, app, plan, effect, uses):
        effect.data["uses"] = "http"
    for _ in range(d.number(1, 2)):
        _place(d, plan, effect)
    if effect.is_notice:
        return
    if d.chance(93):
        effect.data["ok"] = _plan_ok(d, app, plan, effect)
    if d.chance(93):
        effect.data["error"] = _plan_error(d, plan, effect)


def _choose_target(d: Dice, app: AppPlan, plan: BlueprintPlan, effect: EffectPlan, uses: str) -> bool:
    """Whom a `call` or `create` reaches; tells whether there is anybody."""
    sets = [n for n, h in plan.fields.items() if h.type.kind == "set"]
    if uses == "create":
        makers = [b for b in app.blueprints if not has_json(b, b.actions["create"])]
        if not makers:
            return False
        made = d.pick(makers)
        effect.target = (made, made.actions["create"])
        effect.each = d.pick(sets) if sets and d.chance(30) else None
    else:
        held = [(n, h.type) for n, h in plan.fields.items()]
        groups = [(n, t.element) for n, t in held if t.element is not None and t.element.kind == "ref"]
        single = [(None, t) for _, t in held if t.kind == "ref"]
        options = [(n, t.blueprint) for n, t in (*groups, *single) if t.blueprint is not None]
        if not options:
            return False
        effect.each, name = d.pick(options)
        other = next(b for b in app.blueprints if b.name == name)
        actions = [a for a in other.actions.values() if a.name != "create" and not has_json(other, a)]
        if not actions:
            return False
        effect.target = (other, d.pick(actions))
    effect.target[1].admit(f"entity:{plan.name}")
    return True


def has_json(plan: BlueprintPlan, action: ActionPlan) -> bool:
    """Whether an action takes what no expression can give."""
    return any(h.type.kind == "json" for h in plan.arguments(action).values())


def _place(d: Dice, plan: BlueprintPlan, effect: EffectPlan) -> None:
    """Who asks for the effect: a state, or an action; what ends is never asked for at the end."""
    actions = [a for a in plan.actions.values() if effect.is_notice or _may_run(plan, a, effect)]
    states = plan.states if effect.is_notice else plan.live
    is_asked = bool(actions) and d.chance(40)
    run = d.pick(actions).run if is_asked else plan.runs.setdefault(d.pick(states), [])
    if effect.name not in run:
        run.append(effect.name)


def _may_run(plan: BlueprintPlan, action: ActionPlan, effect: EffectPlan) -> bool:
    """Whether an action may ask for what ends: not at the end, nor twice at once."""
    entered = plan.entered(action)
    return plan.final not in entered and not any(effect.name in plan.runs.get(s, ()) for s in entered)


def _where(d: Dice, plan: BlueprintPlan, effect: EffectPlan) -> list[str]:
    """The states in which an effect may be in flight, most of the time."""
    found = {s for a in plan.askers(effect.name) for s in plan.entered(a) or a.sources}
    states = [s for s in plan.live if s in found]
    return states if states and d.chance(80) else d.some(plan.live, 1, 3)


def _plan_ok(d: Dice, app: AppPlan, plan: BlueprintPlan, effect: EffectPlan) -> str:
    bare = [a for a in bare_actions(plan) if not _offers(effect, a)]
    if bare and d.chance(30):
        return d.pick(bare).name
    action = ActionPlan(f"{effect.name}_ok", _where(d, plan, effect))
    action.to = d.pick(plan.states) if d.chance(70) else None
    plan.actions[action.name] = action
    if effect.data["uses"] == "http":
        _plan_results(d, app, plan, effect, action)
    elif effect.data["uses"] == "create" and effect.each is None:
        assert effect.target is not None, "a creation has a target"
        made = effect.target[0].name
        refs = [n for n, h in plan.fields.items() if h.type == Type("ref", blueprint=made) and not h.frozen]
        if refs and d.chance(80):
            action.sets = [d.pick(refs)]
        elif d.chance(30):
            action.args["made"] = Held(Type("ref", blueprint=made))
    return action.name


def _offers(effect: EffectPlan, action: ActionPlan) -> bool:
    """Whether an action takes something that a creation would give it in another type."""
    return effect.data["uses"] == "create" and bool(action.sets)


def _plan_results(d: Dice, app: AppPlan, plan: BlueprintPlan, effect: EffectPlan, action: ActionPlan) -> None:
    names = tuple(b.name for b in app.blueprints)
    take: dict[str, Data] = {}
    if d.chance(50):
        action.args["got"] = argument(d, random_type(d, names, json=False))
        take["got"] = "body.got"
    free = [n for n, h in plan.fields.items() if not h.frozen]
    if free and d.chance(30):
        action.sets = [d.pick(free)]
        take[action.sets[0]] = "body.a.b"
    if d.chance(15):
        action.args["status"] = Held(Type("int", low=200, high=202))
    if d.chance(15):
        action.args["note"] = Held(Type("int", low=0, high=2), optional=True)
    if take:
        effect.data["with"] = {"take": take}


def _plan_error(d: Dice, plan: BlueprintPlan, effect: EffectPlan) -> str:
    bare = bare_actions(plan)
    if bare and d.chance(40):
        return d.pick(bare).name
    action = ActionPlan(f"{effect.name}_bad", _where(d, plan, effect))
    action.to = d.pick(plan.states) if d.chance(70) else None
    plan.actions[action.name] = action
    if d.chance(30):
        action.args["cause"] = Held(CAUSE, optional=d.chance(30))
    if d.chance(10):
        action.args["message"] = Held(Type("text", maximum=2000))
    if d.chance(20):
        action.args["note"] = (
            Held(Type("bool"), default=False) if d.chance(50) else Held(Type("id"), optional=True)
        )
    return action.name
