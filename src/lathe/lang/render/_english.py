"""An app as a page of plain English, for somebody who has two minutes and must know what can happen."""

from __future__ import annotations

from lathe.lang.model import App, Blueprint, Field, Ghost, Property
from lathe.lang.render._behaviour import behaviour
from lathe.lang.render._outside import outside
from lathe.lang.render._promises import promises, stated
from lathe.lang.render.escape import code, prose
from lathe.lang.render.facts import readers
from lathe.lang.render.phrase import condition
from lathe.lang.render.words import codes, count, duration, listing, number, principal, sentence, with_article
from lathe.lang.types import Type


def app_in_english(app: App) -> str:
    """The whole page: the app, then each blueprint under a heading of its own."""
    lines = [f"# {prose(app.name)}", ""]
    if app.doc:
        lines += [sentence(prose(app.doc)), ""]
    lines += _frame(app)
    for blueprint in app.blueprints.values():
        lines += _blueprint(app, blueprint)
    lines += _across(app)
    return "\n".join(lines).rstrip() + "\n"


def _frame(app: App) -> list[str]:
    """Who there is, within which bounds it is checked, and what else is to be read."""
    lines = [_with_doc(f"- {code(name)}", doc) for name, doc in app.roles.items()]
    if lines:
        lines = ["Roles:", "", *lines, ""]
    for group in app.exclusive:
        lines += [f"Nobody is {listing((with_article(r) for r in group), 'and')} at the same time.", ""]
    if app.scope.instances:
        bounds = listing(count(amount, name) for name, amount in app.scope.instances.items())
        lines += [f"Checked with at most {bounds}.", ""]
    if app.policies:
        files = codes(sorted(app.policies))
        lines += [f"Policies in {files} permit and forbid more than this page says; read them too.", ""]
    return lines


def _with_doc(start: str, doc: str) -> str:
    return f"{start}: {prose(doc)}" if doc else start


def _blueprint(app: App, blueprint: Blueprint) -> list[str]:
    lines = [f"## {blueprint.name}", ""]
    if blueprint.doc:
        lines += [sentence(prose(blueprint.doc)), ""]
    lines += _data(blueprint)
    lines += behaviour(app, blueprint)
    lines += outside(app, blueprint)
    lines += promises(blueprint)
    return lines + _upkeep(blueprint)


def _data(blueprint: Blueprint) -> list[str]:
    lines = ["### Data", ""] if blueprint.fields or blueprint.ghosts else []
    lines += [_field(blueprint, f) for f in blueprint.fields.values()]
    lines += [_ghost(g) for g in blueprint.ghosts.values()]
    if lines:
        lines.append("")
    return [*lines, _readers(blueprint), ""]


def _field(blueprint: Blueprint, field: Field) -> str:
    facts = [_kind(field.type), _start(blueprint, field)]
    if field.frozen:
        facts.append("never changed after that")
    if field.secret:
        facts.append("secret, shown nowhere")
    moments = [
        f"when it has come, {code(d.then)} is taken" for d in blueprint.timers.values() if d.at == field.name
    ]
    more = "".join(f" {sentence(m)}" for m in moments) + _more(field.doc)
    return f"- {code(field.name)}: {', '.join(facts)}.{more}"


def _start(blueprint: Blueprint, field: Field) -> str:
    create = blueprint.actions.get("create")
    if create is not None and field.name in create.sets:
        return "given at creation"
    if any(a.target == field.name for a in (create.do if create else ())):
        return "set at creation"
    if field.type.kind == "set":
        return "empty at first" if not field.default else f"{_default(field)} at first"
    return f"{_default(field)} at first" if field.has_default else "unset at first"


def _default(thing: Field | Ghost) -> str:
    value = thing.default
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return number(value)
    if isinstance(value, tuple):
        return listing(code(repr(v)) for v in value) if value else "empty"
    return "unset" if value is None else code(repr(value))


def _kind(kind: Type) -> str:
    match kind.kind:
        case "bool":
            return "true or false"
        case "int":
            return f"a whole number from {number(kind.low or 0)} to {number(kind.high or 0)}"
        case "enum":
            return f"one of {codes(repr(m) for m in kind.members)}"
        case "text":
            return f"text of at most {count(kind.maximum or 0, 'character')}"
        case "json":
            return f"JSON of at most {count(kind.maximum or 0, 'byte')}, carried and never read"
        case "id":
            return "an identity"
        case "time":
            return "a moment"
        case "ref":
            return f"{with_article(kind.blueprint or '')}"
        case "set":
            element = kind.element.kind if kind.element else "value"
            named = kind.element.blueprint if kind.element and kind.element.blueprint else f"{element} value"
            return (
                f"a set of at most {count(kind.maximum or 0, named)}"
                if kind.maximum
                else f"a set of {named}s"
            )
        case _:
            return str(kind)


def _ghost(ghost: Ghost) -> str:
    kind = _kind(ghost.type)
    return f"- {code(ghost.name)}: seen by the checker alone; {kind}, {_default(ghost)} at first." + _more(
        ghost.doc
    )


def _more(doc: str) -> str:
    return f" {sentence(prose(doc))}" if doc else ""


def _readers(blueprint: Blueprint) -> str:
    who = listing((principal(p) for p in readers(blueprint)), "or") or "nobody"
    rule = blueprint.read
    where = f", where {condition(rule.when)}" if rule and rule.when else ""
    return sentence(f"{who} may read any {blueprint.name}{where}")


def _upkeep(blueprint: Blueprint) -> list[str]:
    lines: list[str] = []
    if blueprint.retain_ms is not None:
        lines.append(
            f"- Archived with its journal {duration(blueprint.retain_ms)} after it has become final."
        )
    migrate = blueprint.migrate
    if migrate is not None:
        moved = migrate.states.items()
        lines += [f"- On replacing the version before, state {code(a)} becomes {code(b)}." for a, b in moved]
        fields = migrate.fields.items()
        lines += [f"- On replacing the version before, {code(n)} becomes {code(e.text)}." for n, e in fields]
    return ["### Upkeep", "", *lines, ""] if lines else []


def _across(app: App) -> list[str]:
    """What concerns several blueprints."""
    lines = [_ghost(g) for g in app.ghosts.values()]
    lines += [_property(p) for p in app.properties.values()]
    return ["## Across blueprints", "", *lines, ""] if lines else []


def _property(prop: Property) -> str:
    return f"- {stated(prop)}"
