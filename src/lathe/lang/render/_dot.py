"""State diagrams for Graphviz."""

from __future__ import annotations

from lathe.lang.model import App, Blueprint
from lathe.lang.render._diagram import Box, Diagram, Label, diagram
from lathe.lang.render.escape import dot_string, shortened
from lathe.lang.render.facts import blueprints_of

GUARD_MAX = 60

_HEAD = (
    "rankdir=TB",
    'fontname="Helvetica"',
    'node [shape=box, style="rounded,filled", fillcolor="#f8fafc", color="#64748b"]',
    'node [fontname="Helvetica", fontsize=11]',
    'edge [color="#64748b", fontname="Helvetica", fontsize=10]',
)


def dot_text(subject: App | Blueprint) -> str:
    """A digraph; an app of several blueprints has a cluster for each."""
    lines = [f"digraph {dot_string(subject.name)} {{", *(f"  {line};" for line in _HEAD)]
    for one in map(diagram, blueprints_of(subject)):
        lines += [f"  subgraph {dot_string('cluster_' + one.name)} {{"]
        lines += [f"    label={dot_string(one.name)};", *(f"    {line};" for line in _body(one)), "  }"]
    return "\n".join([*lines, "}"]) + "\n"


def _id(one: Diagram, state: str) -> str:
    return dot_string(f"{one.name}.{state}")


def _body(one: Diagram) -> list[str]:
    start = _id(one, "")
    lines = [f'{start} [shape=circle, style=filled, fillcolor="#334155", label="", width=0.16]']
    lines += [_node(one, box) for box in one.boxes]
    lines.append(f"{start} -> {_id(one, one.initial)} [label={_labels((one.create,) if one.create else ())}]")
    for edge in one.edges:
        style = ", style=dashed" if edge.is_trouble else ""
        arrow = f"{_id(one, edge.source)} -> {_id(one, edge.target)}"
        lines.append(f"{arrow} [label={_labels(edge.labels)}{style}]")
    for box in one.boxes:
        name = _id(one, box.state.name)
        if box.loops:
            lines.append(f"{name} -> {name} [label={_labels(box.loops)}]")
    if one.anywhere:
        text = "in every state that is not final\n" + "\n".join(map(_label, one.anywhere))
        lines.append(
            f'{_id(one, "*")} [shape=note, style=filled, fillcolor="#ffffff", label={dot_string(text)}]'
        )
    return lines


def _node(one: Diagram, box: Box) -> str:
    facts = [("runs ", box.runs), ("", box.timer), ("waits: ", shortened(box.waits, GUARD_MAX))]
    lines = [box.state.name, *(lead + text for lead, text in facts if text)]
    lines += [f"stays: {_label(label)}" for label in box.stays]
    lines += [f"{shortened(label.origin, GUARD_MAX)}: {_label(label)}" for label in box.chips]
    peripheries = ", peripheries=2" if box.state.final else ""
    text = "\n".join(lines)
    return f"{_id(one, box.state.name)} [label={dot_string(text)}{peripheries}]"


def _labels(labels: tuple[Label, ...]) -> str:
    return dot_string("\n".join(map(_label, labels)))


def _label(label: Label) -> str:
    who = f" · {label.who}" if label.who else ""
    return f"{label.action}{who}" + (f"\n[{shortened(label.guard, GUARD_MAX)}]" if label.guard else "")
