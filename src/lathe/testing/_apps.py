"""Random apps as the text of their files: valid by construction, small, with much that can happen."""

from __future__ import annotations

from lathe.testing._actions import bare_actions, plan_actions, plan_effect
from lathe.testing._bodies import write_body, write_effect
from lathe.testing._dice import Dice
from lathe.testing._expressions import condition
from lathe.testing._plan import (
    ROLES,
    ActionPlan,
    AppPlan,
    BlueprintPlan,
    app_sight,
    ghost,
    plan_blueprints,
    policy_sight,
    random_type,
    sight,
)
from lathe.testing._toml import Data, document


def write_app(d: Dice) -> dict[str, bytes]:
    """The files of an app, by path."""
    blueprints = plan_blueprints(d)
    roles = list(ROLES[: d.number(1, 3)])
    names = tuple(b.name for b in blueprints)
    ghosts = {
        f"w{i}": ghost(d, random_type(d, names, json=False)) for i in range(d.weighed([(3, 0), (2, 1)]))
    }
    app = AppPlan(blueprints, ghosts, roles)
    for plan in blueprints:
        plan_actions(d, app, plan)
    for plan in blueprints:
        for index in range(d.weighed([(3, 0), (5, 1), (2, 2)])):
            plan_effect(d, app, plan, f"fx{index}")
    for plan in blueprints:
        for effect in plan.effects.values():
            write_effect(d, app, plan, effect)
        for action in plan.actions.values():
            write_body(d, app, plan, action)
    files = {"app.toml": document(_app_data(d, app)).encode()}
    for plan in blueprints:
        files[f"{plan.name.lower()}.blueprint.toml"] = document(_data(d, app, plan)).encode()
    return files


def _action_data(plan: BlueprintPlan, action: ActionPlan) -> dict[str, Data]:
    data: dict[str, Data] = {}
    if action.name != "create":
        data["from"] = [*action.sources]
    if action.to is not None:
        data["to"] = action.to
    if action.by:
        data["by"] = [*action.by]
    if action.sets:
        data["sets"] = [*action.sets]
    if action.args:
        data["args"] = {name: held.table() for name, held in action.args.items()}
    if action.run:
        data["run"] = [*action.run]
    return {**data, **action.body}


def _data(d: Dice, app: AppPlan, plan: BlueprintPlan) -> dict[str, Data]:
    timers = _timers(d, plan)
    states = _states(d, plan)
    inbound = _inbound(d, plan)
    for effect in plan.effects.values():
        for action in plan.actions.values():
            is_open = action.name != "create" and effect.data["uses"] == "http"
            if is_open and d.chance(12):
                action.admit(f"effect:{effect.name}")
    return {
        "blueprint": plan.name,
        "state": states,
        "field": {name: held.table() for name, held in plan.fields.items()},
        "ghost": {name: held.table() for name, held in plan.ghosts.items()},
        "action": {name: _action_data(plan, action) for name, action in plan.actions.items()},
        "timer": timers,
        "effect": {name: effect.data for name, effect in plan.effects.items()},
        "inbound": inbound,
        **_properties(d, app, plan),
    }


def _states(d: Dice, plan: BlueprintPlan) -> dict[str, Data]:
    found: dict[str, Data] = {}
    bare = [a.name for a in bare_actions(plan)]
    for name in plan.states:
        data: dict[str, Data] = {}
        if name == plan.states[0]:
            data["initial"] = True
        if name == plan.final:
            data["final"] = True
        elif d.chance(40):
            data["waits"] = "somebody comes"
        if plan.runs.get(name):
            data["run"] = [*plan.runs[name]]
        if name != plan.final and bare and d.chance(25):
            data |= {"after": "1h", "then": d.pick(bare)}
        found[name] = data
    return found


def _timers(d: Dice, plan: BlueprintPlan) -> dict[str, Data]:
    times = [n for n, h in plan.fields.items() if h.type.kind == "time"]
    bare = [a.name for a in bare_actions(plan)]
    if not times or not bare or not d.chance(60):
        return {}
    return {f"due{i}": {"at": d.pick(times), "then": d.pick(bare)} for i in range(d.number(1, 2))}


def _inbound(d: Dice, plan: BlueprintPlan) -> dict[str, Data]:
    if not d.chance(15):
        return {}
    action = d.pick(list(plan.actions.values()))
    data: dict[str, Data] = {"path": f"{plan.name.lower()}/event", "action": action.name}
    if action.name != "create":
        data["find"] = {"id": "body.id"}
    args: dict[str, Data] = {
        name: f"body.{name}"
        for name, held in plan.arguments(action).items()
        if held.is_required or d.chance(50)
    }
    if args:
        data["args"] = args
    return {"event": data}


def _properties(d: Dice, app: AppPlan, plan: BlueprintPlan) -> dict[str, Data]:
    now = sight(app, plan, ghosts=True, populations=True)
    past = sight(app, plan, ghosts=True, populations=True, old=True)
    found: dict[str, Data] = {
        "invariant": {
            f"inv{i}": _property(d, plan, condition(d, now), condition(d, now, 1))
            for i in range(d.number(0, 2))
        },
        "step": {
            f"stp{i}": _property(d, plan, condition(d, past), condition(d, past, 1))
            for i in range(d.number(0, 2))
        },
        "sometimes": {"some": condition(d, now)} if d.chance(30) else {},
    }
    if d.chance(20):
        found["eventually"] = {"ends": {"from": d.some(plan.states, 1, 2), "to": d.some(plan.states, 1, 2)}}
    unique = [n for n, h in plan.fields.items() if h.type.kind not in ("json", "time")]
    if unique and d.chance(25):
        data: dict[str, Data] = {"fields": [*d.some(unique, 1, 2)]}
        if d.chance(50):
            data["in"] = [*d.some(plan.states, 1, 2)]
        found["unique"] = {"once": data}
    if d.chance(15):
        deny: dict[str, Data] = {"role": d.pick(app.roles), "do": [d.pick(sorted(plan.actions))]}
        if d.chance(50):
            deny["when"] = condition(d, policy_sight(app, plan), 1)
        found["cannot"] = {"deny": deny}
    return found


def _property(d: Dice, plan: BlueprintPlan, that: str, when: str) -> Data:
    if d.chance(60):
        return that
    data: dict[str, Data] = {"that": that}
    if d.chance(50):
        data["when"] = when
    if d.chance(50):
        data["in"] = [*d.some(plan.states, 1, 2)]
    return data


def _app_data(d: Dice, app: AppPlan) -> dict[str, Data]:
    data: dict[str, Data] = {"app": "fuzz"}
    if len(app.roles) > 1 and d.chance(25):
        data["exclusive"] = [[*app.roles[:2]]]
    data["role"] = dict.fromkeys(app.roles, "somebody")
    if d.chance(15):
        data["scope"] = {"principals": d.number(1, 3)}
    data["ghost"] = {name: held.table() for name, held in app.ghosts.items()}
    now, past = app_sight(app, old=False), app_sight(app, old=True)
    data["invariant"] = {f"all{i}": condition(d, now) for i in range(d.number(0, 1))}
    data["step"] = {f"ever{i}": condition(d, past) for i in range(d.number(0, 1))}
    return data
