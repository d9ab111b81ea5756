"""An app as something to look at: plain English, diagrams, tables. Pure, and the same bytes every time.

Each function imports its module when it is called, because `lathe check` pays for every import and
uses little of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lathe.lang.model import App, Blueprint, Json

if TYPE_CHECKING:
    from lathe.lang.render.ruling import Ruling

__all__ = ["dot", "english", "graph", "mermaid", "permission_matrix", "permissions", "svg", "table"]


def english(app: App) -> str:
    """The app in plain English, as Markdown: what can happen, who may do it, and what must hold."""
    from lathe.lang.render._english import app_in_english

    return app_in_english(app)


def mermaid(subject: App | Blueprint) -> str:
    """Mermaid `stateDiagram-v2` text: one diagram; for an app, a composite state for each blueprint."""
    from lathe.lang.render._mermaid import mermaid_text

    return mermaid_text(subject)


def dot(subject: App | Blueprint) -> str:
    """A Graphviz digraph; for an app, a cluster for each blueprint."""
    from lathe.lang.render._dot import dot_text

    return dot_text(subject)


def svg(subject: App | Blueprint) -> str:
    """A self-contained SVG document, light or dark as the viewer prefers; blueprints below each other."""
    from lathe.lang.render._svg import svg_text

    return svg_text(subject)


def table(app: App) -> str:
    """The transition table of every blueprint, as aligned Markdown."""
    from lathe.lang.render._table import transition_tables

    return transition_tables(app)


def permissions(app: App, ruling: Ruling | None = None) -> str:
    """Who may do what, as Markdown: actions and reading down, roles and internal principals across.

    `ruling` is what the app's policies say to it; without, the matrix tells that there are some.
    """
    from lathe.lang.render._permissions import permission_tables

    return permission_tables(app, ruling)


def graph(app: App) -> dict[str, Json]:
    """The state diagrams as data (`lathe.graph/1`): what `svg` draws, with the place of each part."""
    from lathe.lang.render._graph import graph_data

    return graph_data(app)


def permission_matrix(app: App, ruling: Ruling | None = None) -> list[Json]:
    """What `permissions` says, as data: `{blueprint, columns, rows: [{action, cells, if, policies}]}`."""
    from lathe.lang.render._permissions import permission_data

    return permission_data(app, ruling)
