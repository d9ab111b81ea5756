"""The small pieces of a drawing: lines of text in several styles, icons, the style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.frozen import frozen
from lathe.lang.render._metrics import fitted, is_known, text_width
from lathe.lang.render.escape import xml_text

SIZE = 11.0
TITLE_SIZE = 13.0
LINE = 15.0

_FONTS = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

_LIGHT = (
    ("paper", "fill:#ffffff"),
    ("box", "fill:#f8fafc;stroke:#cbd5e1"),
    ("inner", "fill:none;stroke:#cbd5e1"),
    ("rule", "stroke:#e2e8f0"),
    ("name", "fill:#0f172a"),
    ("who", "fill:#475569"),
    ("guard", "fill:#64748b"),
    ("line", "stroke:#7b8ba1"),
    ("tip", "fill:#7b8ba1"),
    ("trouble", "stroke:#c2410c"),
    ("trouble-tip", "fill:#c2410c"),
    ("icon", "fill:#64748b;stroke:#64748b"),
    ("chip", "fill:#eef2ff;stroke:#c7d2fe"),
    ("work", "fill:#3b82f6"),
    ("wait", "fill:#f59e0b"),
    ("end", "fill:#94a3b8"),
)
_DARK = (
    ("paper", "fill:#0f172a"),
    ("box", "fill:#1e293b;stroke:#475569"),
    ("inner", "stroke:#475569"),
    ("rule", "stroke:#334155"),
    ("name", "fill:#f1f5f9"),
    ("who", "fill:#cbd5e1"),
    ("guard", "fill:#94a3b8"),
    ("line", "stroke:#94a3b8"),
    ("tip", "fill:#94a3b8"),
    ("trouble", "stroke:#fb923c"),
    ("trouble-tip", "fill:#fb923c"),
    ("icon", "fill:#94a3b8;stroke:#94a3b8"),
    ("chip", "fill:#272e5c;stroke:#4f5aa8"),
)

_ICONS = {
    "run": '<path class="lathe-icon" d="M1 -8.5 L8 -4.5 L1 -0.5 Z" stroke-width="0"/>',
    "timer": '<path class="lathe-icon" fill-opacity="0" d="M4.5 -9a4.5 4.5 0 1 1 -0.01 0M4.5 -7v2.6h2.2"/>',
    "waits": '<path class="lathe-icon" d="M1 -8.5h2.2v8h-2.2ZM5.6 -8.5h2.2v8h-2.2Z" stroke-width="0"/>',
    "stays": (
        '<path class="lathe-icon" fill-opacity="0" d="M8.2 -5.4 a3.8 3.8 0 1 1 -1.7 -2.4"/>'
        '<path class="lathe-icon" d="M4.8 -9.6 l3.6 1 l-2.6 2.4 Z" stroke-width="0"/>'
    ),
    "chip": (
        '<path class="lathe-icon" fill-opacity="0" d="M0 -4.5 h6"/>'
        '<path class="lathe-icon" d="M5 -7.5 L9 -4.5 L5 -1.5 Z" stroke-width="0"/>'
    ),
}
ICON_WIDTH = 15.0


@frozen
class Run:
    """A stretch of text in one style: `name` (bold), `who` or `guard` (slanted)."""

    text: str
    style: str

    def width(self, size: float) -> float:
        return text_width(self.text, size, is_bold=self.style == "name")


Line = tuple[Run, ...]


def line_width(line: Line, size: float = SIZE) -> float:
    """An upper bound of a line's width."""
    return sum(run.width(size) for run in line)


def fit_line(line: Line, width: float) -> Line:
    """The line, its end cut to this width."""
    kept: list[Run] = []
    for run in line:
        text = fitted(run.text, SIZE, max(width, 0.0), is_bold=run.style == "name")
        kept.append(Run(text, run.style))
        width -= run.width(SIZE)
        if text != run.text:
            break
    return tuple(kept)


def text(line: Line, x: float, y: float, *, size: float = SIZE, is_centred: bool = False) -> str:
    """A line of text on its base line; one with unusual characters is held to its estimated width."""
    left = x - line_width(line, size) / 2 if is_centred and not all(is_known(r.text) for r in line) else x
    spans = "".join(_span(run, size) for run in line)
    anchor = ' text-anchor="middle"' if is_centred and left == x else ""
    return f'<text x="{number(left)}" y="{number(y)}" font-size="{number(size)}"{anchor}>{spans}</text>'


def _span(run: Run, size: float) -> str:
    held = (
        ""
        if is_known(run.text)
        else f' textLength="{number(run.width(size))}" lengthAdjust="spacingAndGlyphs"'
    )
    return f'<tspan class="lathe-{run.style}"{held} xml:space="preserve">{_kept_spaces(run.text)}</tspan>'


def _kept_spaces(content: str) -> str:
    """`xml_text` on one line, but with the space that parts it from the run before."""
    return (" " if content.startswith(" ") else "") + xml_text(content)


def icon(kind: str, x: float, y: float) -> str:
    """An icon whose base line starts here."""
    return f'<g transform="translate({number(x)} {number(y)})">{_ICONS[kind]}</g>'


def number(value: float) -> str:
    """A coordinate with one decimal at most, the same on every machine."""
    tenths = round(value + 1e-6, 1) + 0.0
    return f"{tenths:g}" if abs(value) < 100_000 else str(round(value))


def style_sheet() -> str:
    """The colours, for a light page and for a dark one."""
    common = (
        f".lathe text{{font-family:{_FONTS}}}",
        ".lathe .lathe-name{font-weight:600}",
        ".lathe .lathe-guard{font-style:italic}",
        ".lathe .lathe-line{fill:none;stroke-width:1.4}",
        ".lathe .lathe-trouble{stroke-dasharray:5 3}",
    )
    dark = "".join(_rules(_DARK))
    return f"<style>{''.join((*common, *_rules(_LIGHT)))}@media (prefers-color-scheme:dark){{{dark}}}</style>"


def _rules(colours: Sequence[tuple[str, str]]) -> list[str]:
    return [f".lathe .lathe-{name}{{{style}}}" for name, style in colours]
