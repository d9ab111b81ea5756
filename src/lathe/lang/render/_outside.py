"""What is done outside, what happens when it goes wrong, and what comes in."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.expr import Expression
from lathe.lang.model import App, Blueprint, Effect, Inbound, Placeholder, Setting, Target, Template
from lathe.lang.render._behaviour import changed
from lathe.lang.render.escape import code, prose, shortened
from lathe.lang.render.facts import targets
from lathe.lang.render.phrase import value
from lathe.lang.render.words import codes, count, duration, listing, sentence

SETTING_MAX = 120
"""Longer settings are cut; the file has them in full."""


def outside(app: App, blueprint: Blueprint) -> list[str]:
    """The sections on effects and on events from outside."""
    lines: list[str] = []
    if blueprint.effects:
        lines += ["### Done outside", "", *(_effect(blueprint, e) for e in blueprint.effects.values()), ""]
        lines += _small_print(blueprint)
    if blueprint.inbound:
        events = (_inbound(app, blueprint, i) for i in blueprint.inbound.values())
        lines += ["### Events from outside", "", *events, ""]
    return lines


def _small_print(blueprint: Blueprint) -> list[str]:
    lines: list[str] = []
    effects = blueprint.effects.values()
    if any(e.ok is not None for e in effects):
        lines += ["Where the action of a good end is refused, it counts as a bad end.", ""]
    if any(_may_be_late(e) for e in effects):
        lines += [
            "What ended badly, or whose state was left, may still happen once later, unless said otherwise."
        ]
        lines.append("")
    return lines


def template_text(template: Template) -> str:
    """A template as its author wrote it."""
    return "".join(p if isinstance(p, str) else "{" + _placeholder(p) + "}" for p in template.parts)


def _placeholder(placeholder: Placeholder) -> str:
    if placeholder.scope in ("arg", "env", "secret"):
        return f"{placeholder.scope}.{placeholder.name}"
    return placeholder.name if placeholder.scope == "field" else placeholder.scope


def _effect(blueprint: Blueprint, effect: Effect) -> str:
    facts = [_what(effect), *_ends(blueprint, effect), *_attempts(effect), *_repeats(effect)]
    if effect.world:
        facts.append(f"For the checker, each time it happens {listing(changed(a) for a in effect.world)}")
    facts.append(prose(effect.doc))
    return f"- **{code(effect.name)}**: {' '.join(sentence(f) for f in facts if f)}"


def _what(effect: Effect) -> str:
    if effect.target is not None:
        return _entity_call(effect.target)
    match effect.uses:
        case "http":
            request = f"{_named(effect, 'method') or 'GET'} {_named(effect, 'url')}"
            return f"sends {code(request)}"
        case "emit":
            to = _named(effect, "to")
            return f"emits the event {code(_named(effect, 'type'))}" + (f" to {code(to)}" if to else "")
        case "process":
            return f"runs the command {code(_named(effect, 'argv'))}"
        case "wasm":
            called = f"calls {code(_named(effect, 'function'))} of {code(_named(effect, 'module'))}"
            return f"{called}, which may {_granted(effect)}"
        case _:
            return f"uses {code(effect.uses)}"


def _granted(effect: Effect) -> str:
    """What a module may do beside computing."""
    grants, hosts = effect.settings.get("grants"), effect.settings.get("hosts")
    may = [f"use {code(str(one))}" for one in grants] if isinstance(grants, tuple) else []
    may += [f"send requests to {code(str(one))}" for one in hosts] if isinstance(hosts, tuple) else []
    return listing(may) if may else "do nothing but compute"


def _named(effect: Effect, name: str) -> str:
    return shortened(_setting_text(effect.settings.get(name, "")), SETTING_MAX)


def _entity_call(target: Target) -> str:
    given = listing(f"{code(name)} = {value(e)}" for name, e in target.args.items())
    with_given = f", with {given}" if given else ""
    each = f", for every member of {code(target.each)}, all or none" if target.each else ""
    if target.on is None:
        return f"creates a new {target.blueprint}{with_given}{each}"
    return f"takes {code(target.action)} of the {target.blueprint} {value(target.on)}{with_given}{each}"


def _setting_text(setting: Setting) -> str:
    match setting:
        case Template():
            return template_text(setting)
        case Expression():
            return setting.text
        case tuple():
            return " ".join(_setting_text(s) for s in setting)
        case Mapping():
            return ", ".join(f"{k} = {_setting_text(s)}" for k, s in setting.items())
        case _:
            return str(setting)


def _ends(blueprint: Blueprint, effect: Effect) -> list[str]:
    if effect.is_notice:
        return ["A notice: nothing waits for it"]
    ends = []
    for word, name in (("well", effect.ok), ("badly", effect.error)):
        if name is None:
            ends.append(f"If it ends {word}, nothing is taken")
            continue
        where = targets(blueprint.actions[name])
        leads = f", which leads to {codes(where, 'or')}" if where else ""
        ends.append(f"If it ends {word}, {code(name)} is taken{leads}")
    return ends


def _attempts(effect: Effect) -> list[str]:
    if effect.target is not None or effect.is_notice:
        return []
    facts = []
    if effect.attempts > 1:
        low, high = (duration(ms) for ms in effect.backoff_ms)
        facts.append(f"Tried up to {count(effect.attempts, 'time')}, {low} to {high} apart")
    if effect.timeout_ms is not None:
        facts.append(f"Given up after {duration(effect.timeout_ms)}")
    return facts


def _repeats(effect: Effect) -> list[str]:
    if effect.target is not None:
        return ["Exactly once, together with its good end"]
    facts = [
        "Repeating it does no more than doing it once"
        if effect.idempotent
        else "**It may happen more than once**"
    ]
    if not effect.late and not effect.is_notice:
        facts.append("It is promised never to happen after it was given up")
    return facts


def _may_be_late(effect: Effect) -> bool:
    return effect.late and not effect.is_notice and effect.target is None


def _inbound(app: App, blueprint: Blueprint, event: Inbound) -> str:
    path = event.path.strip("/")
    facts = [f"{code(f'{event.method} /in/{app.name}/{path}')} takes {code(event.action)}"]
    if event.find is not None:
        facts.append(f"Its {blueprint.name} is found by {code(event.find[0])}, from {code(event.find[1])}")
    facts.append(
        f"Signed ({event.signed_scheme})" if event.signed_scheme else "**Not signed: anybody may send it**"
    )
    if event.once is not None:
        facts.append(f"Each {code(event.once)} counts once")
    facts.append(prose(event.doc))
    return f"- **{code(event.name)}**: {' '.join(sentence(f) for f in facts if f)}"
