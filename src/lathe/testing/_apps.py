"""Random apps as the text of their files: valid by construction, small, with much that can happen."""

from __future__ import annotations

from lathe.lang.adapters import BAD_CAUSES
from lathe.lang.types import Type
from lathe.testing._dice import Dice
from lathe.testing._expressions import Atom, condition, value
from lathe.testing._plan import (
    NAMES,
    NEVER_UNSET,
    ROLES,
    ActionPlan,
    AppPlan,
    BlueprintPlan,
    EffectPlan,
    Held,
    app_sight,
    argument,
    ghost,
    plan_blueprints,
    policy_sight,
    random_type,
    sight,
)
from lathe.testing._toml import Data, document

CAUSE = Type("enum", members=BAD_CAUSES)


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
        _plan_actions(d, app, plan)
    for plan in blueprints:
        for index in range(d.weighed([(3, 0), (5, 1), (2, 2)])):
            _plan_effect(d, app, plan, f"fx{index}")
    for plan in blueprints:
        for effect in plan.effects.values():
            _write_effect(d, app, plan, effect)
        for action in plan.actions.values():
            _write_body(d, app, plan, action)
    files = {"app.toml": document(_app_data(d, app)).encode()}
    for plan in blueprints:
        files[f"{plan.name.lower()}.blueprint.toml"] = document(_data(d, app, plan)).encode()
    return files


def _plan_actions(d: Dice, app: AppPlan, plan: BlueprintPlan) -> None:
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


def _bare(plan: BlueprintPlan) -> list[ActionPlan]:
    """The actions that need no arguments."""
    found = [a for a in plan.actions.values() if a.name != "create"]
    return [a for a in found if not any(h.is_required for h in plan.arguments(a).values())]


def _plan_effect(d: Dice, app: AppPlan, plan: BlueprintPlan, name: str) -> None:
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
        makers = [b for b in app.blueprints if not _has_json(b, b.actions["create"])]
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
        actions = [a for a in other.actions.values() if a.name != "create" and not _has_json(other, a)]
        if not actions:
            return False
        effect.target = (other, d.pick(actions))
    effect.target[1].admit(f"entity:{plan.name}")
    return True


def _has_json(plan: BlueprintPlan, action: ActionPlan) -> bool:
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
    bare = [a for a in _bare(plan) if not _offers(effect, a)]
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
    bare = _bare(plan)
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


def _shared(plan: BlueprintPlan, effect: EffectPlan) -> dict[str, Held]:
    """The arguments that every action has which asks for the effect."""
    askers = [plan.arguments(a) for a in plan.askers(effect.name)]
    first = askers[0] if askers else {}
    kept = {n: h for n, h in first.items() if all(n in a and a[n].type == h.type for a in askers)}
    return {n: h for n, h in kept.items() if h.type.kind != "json"}


def _write_effect(d: Dice, app: AppPlan, plan: BlueprintPlan, effect: EffectPlan) -> None:
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


def _write_body(d: Dice, app: AppPlan, plan: BlueprintPlan, action: ActionPlan) -> None:
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
            if (other.index, index) > rank and a.name != "create" and not _has_json(other, a)
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
            is_end = action.name in (effect.data.get("ok"), effect.data.get("error"), "create")
            if not is_end and effect.data["uses"] == "http" and d.chance(12):
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
    bare = [a.name for a in _bare(plan)]
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
    bare = [a.name for a in _bare(plan)]
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
