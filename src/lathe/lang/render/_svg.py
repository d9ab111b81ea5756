"""State diagrams as SVG, drawn here: no browser, no other program, the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from lathe.frozen import frozen
from lathe.lang.model import App, Blueprint
from lathe.lang.render._diagram import Diagram, Edge, Label, diagram
from lathe.lang.render._layout import Layout, Link, Node, Point, Route, lay_out
from lathe.lang.render._svg_boxes import Drawn, drawn, label_lines, label_text, measured
from lathe.lang.render._svg_parts import LINE, SIZE, Line, Run, icon, line_width, number, style_sheet, text
from lathe.lang.render.escape import xml_text
from lathe.lang.render.facts import blueprints_of

MARGIN = 24.0
HEADING = 34.0
FOOT = 30.0
START = Node(7.0, 7.0, 14.0, 7.0)
TIP = 7.0
PLATE = 5.0


@frozen
class _Picture:
    """One blueprint's drawing, before it is put on the page."""

    of: Diagram
    parts: tuple[str, ...]
    width: float
    height: float


def svg_text(subject: App | Blueprint) -> str:
    """The whole document; the blueprints of an app stand below each other, with headings."""
    pictures = [_picture(diagram(b)) for b in blueprints_of(subject)]
    width = max((p.width for p in pictures), default=0.0) + 2 * MARGIN
    body: list[str] = []
    y = MARGIN
    for picture in pictures:
        heading = (Run(picture.of.name, "name"),)
        body.append(text(heading, MARGIN, y + 12.0, size=15.0))
        body.append(f'<g transform="translate({number(MARGIN)} {number(y + HEADING)})">')
        body += [*picture.parts, "</g>"]
        y += HEADING + picture.height + MARGIN
    body.append(_legend(pictures, y))
    return _document(subject.name, pictures, body, max(width, 420.0), y + FOOT)


def _document(
    name: str, pictures: Sequence[_Picture], body: Sequence[str], width: float, height: float
) -> str:
    title, description = f"lathe-{xml_text(name)}-title", f"lathe-{xml_text(name)}-desc"
    size = f'width="{number(width)}" height="{number(height)}"'
    box = f'viewBox="0 0 {number(width)} {number(height)}"'
    told = " ".join(_told(p.of) for p in pictures)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lathe" {size} {box} style="display:block" '
        f'role="img" aria-labelledby="{title} {description}">',
        f'<title id="{title}">{xml_text(name)}: state diagram</title>',
        f'<desc id="{description}">{xml_text(told)}</desc>',
        style_sheet(),
        f'<rect class="lathe-paper" {size}/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _told(one: Diagram) -> str:
    """The diagram in words, for whoever cannot see it."""
    finals = [box.state.name for box in one.boxes if box.state.final]
    ways = [f"from {e.source} to {e.target} by {'; '.join(map(label_text, e.labels))}" for e in one.edges]
    for box in one.boxes:
        ways += [f"{x.origin} to {box.state.name} by {label_text(x)}" for x in box.chips]
    ends = f" and ends in {' or '.join(finals)}" if finals else ""
    return f"{one.name} begins in {one.initial}{ends}. It goes {', '.join(ways)}."


def _picture(one: Diagram) -> _Picture:
    boxes = [measured(box) for box in one.boxes]
    index = {box.state.name: place for place, box in enumerate(one.boxes, start=1)}
    labels = [_lines_of((one.create,) if one.create else ()), *(_lines_of(e.labels) for e in one.edges)]
    ends = [(0, index[one.initial]), *((index[e.source], index[e.target]) for e in one.edges)]
    links = [Link(s, t, *_plate_size(lines)) for (s, t), lines in zip(ends, labels, strict=True)]
    layout = lay_out([START, *(b.node for b in boxes)], links)
    parts = _edges(one.edges, layout, labels) + _boxes(boxes, layout)
    foot, foot_width = _anywhere(one.anywhere, layout.height + 18.0)
    height = layout.height + (18.0 + foot_height(one.anywhere) if one.anywhere else 0.0)
    return _Picture(one, (*parts, *foot), max(layout.width, foot_width), height)


def _lines_of(labels: Sequence[Label]) -> tuple[Line, ...]:
    return tuple(line for label in labels for line in label_lines(label))


def _plate_size(lines: Sequence[Line]) -> tuple[float, float]:
    return max(map(line_width, lines), default=0.0) + 2 * PLATE, len(lines) * LINE + 4.0


def _edges(edges: Sequence[Edge], layout: Layout, labels: Sequence[tuple[Line, ...]]) -> list[str]:
    """All lines first, then the labels on their plates, so that no line crosses a word."""
    troubles = [False, *(edge.is_trouble for edge in edges)]
    lines = [_line(r, is_trouble=t) for r, t in zip(layout.routes, troubles, strict=True)]
    titles = ["", *("; ".join(map(label_text, edge.labels)) for edge in edges)]
    plates = [
        _plate(route.label, block, title)
        for route, block, title in zip(layout.routes, labels, titles, strict=True)
    ]
    return lines + plates


def _line(route: Route, *, is_trouble: bool) -> str:
    points = list(route.points)
    x, y = points[-1]
    is_down = y > points[0][1]
    points[-1] = (x, y - TIP if is_down else y + TIP)
    path = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        path.append(_stroke(x1, y1, x2, y2))
    base = number(-TIP if is_down else TIP)
    tip = f"M{number(x)} {number(y)}l-4 {base}h8Z"
    style = "lathe-line lathe-trouble" if is_trouble else "lathe-line"
    tip_style = "lathe-trouble-tip" if is_trouble else "lathe-tip"
    return f'<path class="{style}" d="{"".join(path)}"/><path class="{tip_style}" d="{tip}"/>'


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    if abs(x1 - x2) < 0.05:
        return f"V{number(y2)}" if abs(y1 - y2) > 0.05 else ""
    middle = (y1 + y2) / 2
    return f"C{number(x1)} {number(middle)} {number(x2)} {number(middle)} {number(x2)} {number(y2)}"


def _plate(centre: Point, lines: Sequence[Line], title: str) -> str:
    if not lines:
        return ""
    width, height = _plate_size(lines)
    x, y = centre[0] - width / 2, centre[1] - height / 2
    box = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" rx="4"'
    words = (text(line, centre[0], y + 13.0 + i * LINE, is_centred=True) for i, line in enumerate(lines))
    told = f"<title>{xml_text(title)}</title>" if title else ""
    return f'<g>{told}<rect class="lathe-paper" {box}/>{"".join(words)}</g>'


def _boxes(boxes: Sequence[Drawn], layout: Layout) -> list[str]:
    x, y = layout.tops[0]
    start = f'<circle class="lathe-name" cx="{number(x)}" cy="{number(y + 7)}" r="7"/>'
    return [start, *(drawn(box, *top) for box, top in zip(boxes, layout.tops[1:], strict=True))]


def foot_height(labels: Sequence[Label]) -> float:
    """What the actions of every state need below a diagram."""
    return (1 + len(_lines_of(labels))) * LINE


def _anywhere(labels: Sequence[Label], y: float) -> tuple[list[str], float]:
    """The actions that are possible in every state that is not final, and stay there."""
    if not labels:
        return [], 0.0
    head: Line = (Run("In every state that is not final:", "who"),)
    lines = [head, *_lines_of(labels)]
    parts = [icon("stays", 0.0, y + 11.5)]
    parts += [text(line, 15.0, y + 11.0 + i * LINE) for i, line in enumerate(lines)]
    return parts, 15.0 + max(map(line_width, lines))


def _legend(pictures: Sequence[_Picture], y: float) -> str:
    """What the colours mean, of those that are there."""
    states = [(box.state, box) for p in pictures for box in p.of.boxes]
    is_working = any(b.runs and not s.final for s, b in states)
    is_waiting = any(not b.runs and not s.final for s, b in states)
    has_trouble = any(edge.is_trouble for p in pictures for edge in p.of.edges)
    parts: list[str] = []
    x = MARGIN
    for is_there, style, words in (
        (is_working, "work", "at work"),
        (is_waiting, "wait", "waits"),
        (has_trouble, "trouble", "a call ended badly, or time is up"),
    ):
        if is_there:
            parts.append(_swatch(style, x, y))
            parts.append(text((Run(words, "who"),), x + 18.0, y + 10.0))
            x += 18.0 + line_width((Run(words, "who"),), SIZE) + 16.0
    return "".join(parts)


def _swatch(style: str, x: float, y: float) -> str:
    if style == "trouble":
        return f'<path class="lathe-line lathe-trouble" d="M{number(x)} {number(y + 6)}h14"/>'
    return f'<rect class="lathe-{style}" x="{number(x + 3)}" y="{number(y)}" width="7" height="12" rx="2"/>'
