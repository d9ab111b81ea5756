"""State diagrams in Mermaid. Ids are ours, so that a state called `end` is a state; texts are escaped."""

from __future__ import annotations

from lathe.lang.model import App, Blueprint
from lathe.lang.render._diagram import Box, Diagram, Label, diagram
from lathe.lang.render.escape import mermaid_label, shortened
from lathe.lang.render.facts import blueprints_of

GUARD_MAX = 60


def mermaid_text(subject: App | Blueprint) -> str:
    """One diagram; an app of several blueprints has a composite state for each."""
    diagrams = [diagram(b) for b in blueprints_of(subject)]
    lines = ["stateDiagram-v2", "  direction TB"]
    if len(diagrams) == 1:
        lines += _body(diagrams[0], "  ")
    else:
        for one in diagrams:
            group = [f"  state {_quoted(one.name)} as {_id(one, '')} {{", "    direction TB"]
            lines += [*group, *_body(one, "    "), "  }"]
    return "\n".join(lines) + "\n"


def _id(one: Diagram, state: str) -> str:
    return f"{one.name}_{state}"


def _quoted(text: str) -> str:
    return f'"{mermaid_label(text)}"'


def _body(one: Diagram, indent: str) -> list[str]:
    lines: list[str] = []
    for box in one.boxes:
        name = _id(one, box.state.name)
        lines.append(f"state {_quoted(box.state.name)} as {name}")
        lines += [f"{name} : {line}" for line in _facts(box)]
    create = f" : {_label(one.create)}" if one.create else ""
    lines.append(f"[*] --> {_id(one, one.initial)}{create}")
    for edge in one.edges:
        arrow = f"{_id(one, edge.source)} --> {_id(one, edge.target)}"
        lines += [f"{arrow} : {_label(label)}" for label in edge.labels]
    lines += [line for box in one.boxes for line in _around(one, box)]
    lines += _anywhere(one)
    return [indent + line for line in lines]


def _around(one: Diagram, box: Box) -> list[str]:
    name = _id(one, box.state.name)
    lines = [f"{name} --> {name} : {_label(label)}" for label in box.loops]
    return [*lines, f"{name} --> [*]"] if box.state.final else lines


def _facts(box: Box) -> list[str]:
    facts = [("runs ", box.runs), ("", box.timer), ("waits · ", shortened(box.waits, GUARD_MAX))]
    lines = [mermaid_label(lead + text) for lead, text in facts if text]
    lines += [f"stays · {_label(label)}" for label in box.stays]
    return lines + [f"{mermaid_label(shortened(x.origin, GUARD_MAX))} · {_label(x)}" for x in box.chips]


def _label(label: Label) -> str:
    who = f" · {mermaid_label(label.who)}" if label.who else ""
    guard = f" #91;{mermaid_label(shortened(label.guard, GUARD_MAX))}#93;" if label.guard else ""
    return f"{mermaid_label(label.action)}{who}{guard}"


def _anywhere(one: Diagram) -> list[str]:
    if not one.anywhere:
        return []
    name = _id(one, "0anywhere")
    lines = [f'state "in every state that is not final" as {name}']
    return lines + [f"{name} : stays · {_label(label)}" for label in one.anywhere]
