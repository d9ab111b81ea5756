"""A state as a box: its name, what runs and waits there, what can be done without leaving it."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.frozen import frozen
from lathe.lang.render._diagram import Box, Label
from lathe.lang.render._layout import Node
from lathe.lang.render._metrics import fitted, text_width, wrapped
from lathe.lang.render._svg_parts import (
    ICON_WIDTH,
    LINE,
    SIZE,
    TITLE_SIZE,
    Line,
    Run,
    fit_line,
    icon,
    line_width,
    number,
    text,
)
from lathe.lang.render.escape import xml_text

TEXT_MAX = 200.0
"""No line of text is wider; the box's tooltip has the whole of it."""

PADDING = 14.0
TITLE_HEIGHT = 26.0
WIDTH_MIN = 90.0
CORNER = 7.0
LOOP_OUT = 30.0
CHIP_GAP = 5.0


@frozen
class Entry:
    """One or two lines behind an icon; a chip has a background of its own."""

    kind: str
    lines: tuple[Line, ...]

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + (2 * CHIP_GAP if self.kind == "chip" else 0.0)

    @property
    def width(self) -> float:
        return ICON_WIDTH + max(map(line_width, self.lines)) + (12.0 if self.kind == "chip" else 0.0)


@frozen
class Drawn:
    """A box that has been measured."""

    box: Box
    title: str
    entries: tuple[Entry, ...]
    loop: tuple[Line, ...]
    width: float
    height: float

    @property
    def node(self) -> Node:
        """What the layout needs to know: a loop stands out on the right."""
        half = self.width / 2
        loop = LOOP_OUT + max(map(line_width, self.loop)) + 4.0 if self.loop else 0.0
        return Node(half, half + loop, self.height, half)


def measured(box: Box) -> Drawn:
    """How large a box must be, and what stands in it."""
    title = fitted(box.state.name, TITLE_SIZE, TEXT_MAX, is_bold=True)
    entries = tuple(_entries(box))
    loop = tuple(line for label in box.loops for line in label_lines(label))
    wide = [text_width(title, TITLE_SIZE, is_bold=True), *(entry.width for entry in entries)]
    height = TITLE_HEIGHT + sum(e.height for e in entries) + (8.0 if entries else 4.0)
    least = len(loop) * LINE + 8.0 if loop else 0.0
    return Drawn(box, title, entries, loop, max(WIDTH_MIN, max(wide) + 2 * PADDING), max(height, least))


def label_lines(label: Label, width: float = TEXT_MAX) -> tuple[Line, ...]:
    """An action with who takes it, below each other if that is too long, and its guard."""
    name = fit_line((Run(label.action, "name"),), width)
    who = Run(f" · {label.who}", "who")
    lines: list[Line] = [name]
    if label.who and line_width((*name, who)) <= width:
        lines = [(*name, who)]
    elif label.who:
        lines += [(Run(line, "who"),) for line in wrapped(label.who, SIZE, width, 2)]
    guard = wrapped(f"[{label.guard}]", SIZE, width, 2) if label.guard else []
    return tuple(lines + [(Run(line, "guard"),) for line in guard])


def label_text(label: Label) -> str:
    """The same in full, for a tooltip and for whoever cannot see the drawing."""
    who = f" · {label.who}" if label.who else ""
    return f"{label.action}{who}" + (f" [{label.guard}]" if label.guard else "")


def _entries(box: Box) -> list[Entry]:
    found: list[Entry] = []
    if box.runs:
        found.append(Entry("run", (_fit(box.runs, "who"),)))
    if box.timer:
        found.append(Entry("timer", (_fit(box.timer, "who"),)))
    if box.waits:
        lines = wrapped(box.waits, SIZE, TEXT_MAX, 2)
        found.append(Entry("waits", tuple((Run(line, "guard"),) for line in lines)))
    found += [Entry("stays", label_lines(label)) for label in box.stays]
    for label in box.chips:
        origin = wrapped(label.origin, SIZE, TEXT_MAX, 2)
        lines_below = tuple((Run(line, "guard"),) for line in origin)
        found.append(Entry("chip", (*label_lines(label), *lines_below)))
    return found


def _fit(content: str, style: str) -> Line:
    return fit_line((Run(content, style),), TEXT_MAX)


def drawn(one: Drawn, centre: float, top: float) -> str:
    """The box with everything in it; a final state has a double border."""
    left = centre - one.width / 2
    parts = [f"<g><title>{xml_text(_tooltip(one.box))}</title>", _frame(left, top, one.width, one.height)]
    if one.box.state.final:
        parts.append(
            _frame(left + 3, top + 3, one.width - 6, one.height - 6, style="inner", corner=CORNER - 2)
        )
    else:
        parts.append(_mark(left, top, one.height, "work" if one.box.runs else "wait"))
    is_alone = not one.entries
    base = top + (one.height + TITLE_SIZE * 0.7) / 2 if is_alone else top + 18.0
    parts.append(text((Run(one.title, "name"),), centre, base, size=TITLE_SIZE, is_centred=True))
    if one.entries:
        parts.append(_rule(left + PADDING, top + TITLE_HEIGHT, one.width - 2 * PADDING))
    y = top + TITLE_HEIGHT + 4.0
    for entry in one.entries:
        parts += _entry(entry, left + PADDING, y, one.width - 2 * PADDING)
        y += entry.height
    return "".join([*parts, *_loop(one, left + one.width, top), "</g>"])


def _tooltip(box: Box) -> str:
    state = box.state
    facts = [state.name, state.doc, f"waits: {box.waits}" if box.waits else ""]
    facts += [label_text(x) for x in (*box.stays, *box.loops)]
    facts += [f"{label_text(x)} ({x.origin})" for x in box.chips]
    return "; ".join(fact for fact in facts if fact)


def _frame(
    x: float, y: float, width: float, height: float, *, style: str = "box", corner: float = CORNER
) -> str:
    size = f'width="{number(width)}" height="{number(height)}" rx="{number(corner)}"'
    return f'<rect class="lathe-{style}" x="{number(x)}" y="{number(y)}" {size}/>'


def _mark(x: float, y: float, height: float, style: str) -> str:
    """The stripe on the left that says whether the entity is at work or waits for somebody."""
    r, h = number(CORNER), number(height - 2 * CORNER)
    start = f"M{number(x + CORNER)} {number(y)}"
    return f'<path class="lathe-{style}" d="{start}a{r} {r} 0 0 0 -{r} {r}v{h}a{r} {r} 0 0 0 {r} {r}Z"/>'


def _rule(x: float, y: float, width: float) -> str:
    return f'<path class="lathe-rule" d="M{number(x)} {number(y)}h{number(width)}"/>'


def _entry(entry: Entry, x: float, y: float, width: float) -> list[str]:
    parts: list[str] = []
    if entry.kind == "chip":
        parts.append(_frame(x, y + 2, width, entry.height - 4, style="chip", corner=6.0))
        x, y = x + 6.0, y + CHIP_GAP
    parts.append(icon(entry.kind, x, y + 11.5))
    return parts + _lines(entry.lines, x + ICON_WIDTH, y)


def _lines(lines: Sequence[Line], x: float, y: float) -> list[str]:
    return [text(line, x, y + 11.0 + index * LINE) for index, line in enumerate(lines)]


def _loop(one: Drawn, right: float, top: float) -> list[str]:
    """The arc of the actions that begin a new visit of the same state, with their labels."""
    if not one.loop:
        return []
    middle = top + one.height / 2
    curve = f"M{number(right)} {number(middle - 9)}c26 -8 26 26 4 18"
    tip = f"M{number(right + 1)} {number(middle + 9)}l7.6 -1.4l-3.4 6Z"
    first = middle - len(one.loop) * LINE / 2
    return [
        f'<path class="lathe-line" d="{curve}"/><path class="lathe-tip" d="{tip}"/>',
        *_lines(one.loop, right + LOOP_OUT - 4.0, first),
    ]
