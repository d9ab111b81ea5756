"""The diagram as data, for whoever draws it elsewhere: the same boxes, edges and chips as the SVG has.

Beside them stands what a reader asks of a state or an action: its place in the text, its guard, by whom.
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.errors import Span
from lathe.lang.model import Action, App, Argument, Blueprint, Json
from lathe.lang.render._diagram import Box, Edge, Label, diagram
from lathe.lang.render.facts import targets

FORMAT = "lathe.graph/1"


def graph_data(app: App) -> dict[str, Json]:
    """The document: every blueprint with its diagram, actions, fields, effects and properties."""
    return {
        "format": FORMAT,
        "app": app.name,
        "doc": app.doc,
        "roles": dict(app.roles),
        "properties": [
            {"name": p.name, "kind": p.kind, "text": p.that.text, "doc": p.doc, **_place(p.span)}
            for p in app.properties.values()
        ],
        "blueprints": [_blueprint(b) for b in app.blueprints.values()],
    }


def _place(span: Span) -> dict[str, Json]:
    return {"file": span.file, "line": span.line, "column": span.column}


def _blueprint(blueprint: Blueprint) -> Json:
    drawn = diagram(blueprint)
    return {
        "name": blueprint.name,
        "plural": blueprint.plural,
        "doc": blueprint.doc,
        "file": blueprint.file,
        "initial": blueprint.initial,
        "states": [_state(box) for box in drawn.boxes],
        "edges": [_edge(edge) for edge in drawn.edges],
        "create": _label(drawn.create) if drawn.create is not None else None,
        "anywhere": [_label(label) for label in drawn.anywhere],
        "actions": [_action(blueprint, action) for action in blueprint.actions.values()],
        "fields": [
            {"name": f.name, "type": str(f.type), "secret": f.secret, "doc": f.doc, **_place(f.span)}
            for f in blueprint.fields.values()
        ],
        "effects": [
            {
                "name": e.name,
                "uses": e.uses,
                "ok": e.ok,
                "error": e.error,
                "target": f"{e.target.blueprint}.{e.target.action}" if e.target is not None else None,
                "doc": e.doc,
                **_place(e.span),
            }
            for e in blueprint.effects.values()
        ],
        "properties": list(_properties(blueprint)),
    }


def _state(box: Box) -> Json:
    state = box.state
    return {
        "name": state.name,
        "initial": state.initial,
        "final": state.final,
        "doc": state.doc,
        "timer": box.timer,
        "runs": box.runs,
        "waits": box.waits,
        "loops": [_label(label) for label in box.loops],
        "stays": [_label(label) for label in box.stays],
        "chips": [_label(label) for label in box.chips],
        **_place(state.span),
    }


def _edge(edge: Edge) -> Json:
    return {
        "source": edge.source,
        "target": edge.target,
        "trouble": edge.is_trouble,
        "labels": [_label(label) for label in edge.labels],
    }


def _label(label: Label) -> dict[str, Json]:
    return {
        "action": label.action,
        "who": label.who,
        "guard": label.guard,
        "trouble": label.is_trouble,
        "origin": label.origin,
    }


def _action(blueprint: Blueprint, action: Action) -> Json:
    to = targets(action) or ((blueprint.initial,) if action.name == "create" else ())
    return {
        "name": action.name,
        "from": [*action.from_states],
        "anywhere": action.from_any,
        "to": [*to],
        "by": [str(p) for p in dict.fromkeys((*action.by, *action.admits))],
        "guard": action.when.text if action.when is not None else "",
        "does": [a.text for a in action.do],
        "runs": [*action.run],
        "also": [f"{clause.on.text}.{clause.action}" for clause in action.also],
        "arguments": [_argument(a) for a in action.arguments.values()],
        "fenced": action.fenced,
        "fair": action.fair,
        "doc": action.doc,
        **_place(action.span),
    }


def _argument(argument: Argument) -> Json:
    return {
        "name": argument.name,
        "type": str(argument.type),
        "optional": argument.optional or argument.has_default,
    }


def _properties(b: Blueprint) -> Iterator[Json]:
    """What must hold, each with the author's text for it."""
    for prop in b.properties.values():
        where = f" in {', '.join(prop.in_states)}" if prop.in_states else ""
        when = f" when {prop.when.text}" if prop.when is not None else ""
        text = f"{prop.that.text}{when}{where}"
        yield {"name": prop.name, "kind": prop.kind, "text": text, "doc": prop.doc, **_place(prop.span)}
    for lasting in b.eventually.values():
        text = f"from {', '.join(lasting.from_states)} to {', '.join(lasting.to_states)}"
        yield _kept("eventually", lasting.name, text, lasting.doc, lasting.span)
    for unique in b.unique.values():
        text = f"{', '.join(unique.fields)} in {', '.join(unique.in_states) or 'every state'}"
        yield _kept("unique", unique.name, text, unique.doc, unique.span)
    for cannot in b.cannot.values():
        when = f" when {cannot.when.text}" if cannot.when is not None else ""
        text = f"{cannot.role}: {', '.join(cannot.actions)}{when}"
        yield _kept("cannot", cannot.name, text, cannot.doc, cannot.span)


def _kept(kind: str, name: str, text: str, doc: str, span: Span) -> Json:
    return {"name": name, "kind": kind, "text": text, "doc": doc, **_place(span)}
