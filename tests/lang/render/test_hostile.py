"""Free text stays text: in Markdown, Mermaid, DOT and SVG nothing of it becomes markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, strategies as st

from lathe.lang import App, render
from lathe.lang.render.escape import cell, code, columns, dot_string, mermaid_label, one_line, prose, xml_text

DRAWN = {"svg", "g", "title", "desc", "style", "rect", "path", "circle", "text", "tspan"}


def test_an_svg_holds_only_what_we_draw(hostile: App) -> None:
    root = ElementTree.fromstring(render.svg(hostile))
    assert {element.tag.partition("}")[2] for element in root.iter()} <= DRAWN
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name]


def test_an_svg_asks_for_nothing_from_outside(hostile: App) -> None:
    text = render.svg(hostile).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "url(" not in text
    assert "@import" not in text


def test_mermaid_has_the_statements_that_we_wrote_and_no_more(hostile: App) -> None:
    name = r"Evil_\w+"
    label = r"(?:[^\W]|[ .,/+*()|=·→'?!]|#\d+;)+"
    statements = re.compile(
        rf"stateDiagram-v2|  direction TB|  state \"{label}\" as {name}|  {name} : {label}"
        rf"|  (?:\[\*\]|{name}) --> (?:\[\*\]|{name})(?: : {label})?"
    )
    for line in render.mermaid(hostile).splitlines():
        assert statements.fullmatch(line), line


def test_dot_strings_end_where_we_end_them(hostile: App) -> None:
    text = render.dot(hostile)
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "S", text)
    assert "script" not in outside
    assert "owned" not in outside
    assert outside.count("{") == outside.count("}") == 2


@pytest.mark.parametrize("form", ["english", "table", "permissions"])
def test_markdown_has_no_html_and_no_links(hostile: App, form: str) -> None:
    text = getattr(render, form)(hostile)
    for line in text.splitlines():
        bare = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"(?<!\\)<", bare), line
        assert not re.search(r"(?<!\\)\[", bare), line


def test_a_doc_makes_no_heading_or_list(hostile: App) -> None:
    lines = render.english(hostile).splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert not [line for line in headings if "Heading" in line]
    assert not [line for line in lines if line.startswith(("- item", "```", "1. "))]


def test_a_table_keeps_its_columns(hostile: App) -> None:
    rows = [line for line in render.table(hostile).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert len({columns(row) for row in rows}) == 1


@given(st.text())
def test_whatever_the_text_is_it_stays_on_one_line_and_inert(text: str) -> None:
    for escaped in (one_line(text), prose(text), code(text), cell(prose(text)), dot_string(text)):
        assert len(escaped.splitlines()) <= 1
    assert not set('"<>;:{}[]%`\n\\') & set(re.sub(r"#\d+;", "", mermaid_label(text)))
    assert ElementTree.fromstring(f'<a b="{xml_text(text)}">{xml_text(text)}</a>').text in (
        one_line(text) or None,
    )


@given(st.text(alphabet='"\\n\n a'))
def test_a_dot_string_is_one_string(text: str) -> None:
    assert re.fullmatch(r'"(?:[^"\\]|\\.)*"', dot_string(text))
