"""The drawing's laws: nothing lies on anything else, whatever the graph is."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given, settings, strategies as st

from lathe.lang.render._layout import Layout, Link, Node, lay_out
from lathe.lang.render._metrics import fitted, is_known, text_width, wrapped
from lathe.lang.render._order import ordered
from lathe.lang.render._place import spread
from lathe.lang.render._ranks import downward, ranks

SIZES = st.floats(20, 240)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Link]]:
    """Some boxes, a few of them with a loop on the right, and links between different ones."""
    count = draw(st.integers(1, 9))
    nodes = []
    for _ in range(count):
        half = draw(SIZES) / 2
        nodes.append(Node(half, half + draw(st.sampled_from([0.0, 60.0])), draw(SIZES), half))
    links = []
    for _ in range(draw(st.integers(0, 14)) if count > 1 else 0):
        source, target = draw(st.permutations(range(count)))[:2]
        links.append(Link(source, target, draw(SIZES), draw(SIZES) / 4))
    return nodes, links


Box = tuple[float, float, float, float]


def boxes(nodes: list[Node], links: list[Link], layout: Layout) -> list[Box]:
    """Left, top, right, bottom of every box and label."""
    found = [
        (x - node.left, y, x + node.right, y + node.height)
        for node, (x, y) in zip(nodes, layout.tops, strict=True)
    ]
    for link, route in zip(links, layout.routes, strict=True):
        x, y = route.label
        found.append((x - link.width / 2, y - link.height / 2, x + link.width / 2, y + link.height / 2))
    return found


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_no_box_and_no_label_lies_on_another(graph: tuple[list[Node], list[Link]]) -> None:
    nodes, links = graph
    layout = lay_out(nodes, links)
    every = boxes(nodes, links, layout)
    for one, other in combinations(every, 2):
        is_apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert is_apart, (one, other)
    for left, top, right, bottom in every:
        assert left >= -0.001
        assert top >= -0.001
        assert right <= layout.width + 0.001
        assert bottom <= layout.height + 0.001


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_no_line_crosses_a_box_or_the_label_of_another(graph: tuple[list[Node], list[Link]]) -> None:
    nodes, links = graph
    layout = lay_out(nodes, links)
    every = boxes(nodes, links, layout)
    for index, (link, route) in enumerate(zip(links, layout.routes, strict=True)):
        own = {link.source, link.target, len(nodes) + index}
        for (x1, y1), (x2, y2) in pairwise(route.points):
            low, high = sorted((y1, y2))
            for place, (left, top, right, bottom) in enumerate(every):
                if place in own or high <= top + 0.001 or low >= bottom - 0.001:
                    continue
                assert max(x1, x2) <= left or min(x1, x2) >= right, (index, place)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_a_line_leaves_its_source_and_reaches_its_target(graph: tuple[list[Node], list[Link]]) -> None:
    nodes, links = graph
    layout = lay_out(nodes, links)
    for link, route in zip(links, layout.routes, strict=True):
        for place, (x, y) in ((link.source, route.points[0]), (link.target, route.points[-1])):
            centre, top = layout.tops[place]
            assert abs(x - centre) <= nodes[place].half + 0.001
            assert min(abs(y - top), abs(y - top - nodes[place].height)) < 0.001


LINKS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda link: link[0] != link[1]), max_size=30
)


@given(LINKS)
def test_every_link_goes_down_at_least_a_row(links: list[tuple[int, int]]) -> None:
    down = downward(12, links)
    assert [sorted(link) for link in down] == [sorted(link) for link in links]
    found = ranks(12, down)
    assert all(found[lower] > found[upper] for upper, lower in down)
    assert min(found) == 0


def test_a_cycle_is_cut_where_it_comes_back_to_the_first() -> None:
    assert downward(3, [(0, 1), (1, 2), (2, 0)]) == [(0, 1), (1, 2), (0, 2)]


def test_a_crossing_that_can_be_avoided_is() -> None:
    assert ordered([[0, 1], [2, 3]], [(0, 3), (1, 2)]) == [[0, 1], [3, 2]]


@given(
    st.lists(st.tuples(st.floats(-500, 500), st.floats(0.1, 9), st.floats(1, 90)), min_size=1, max_size=12)
)
def test_spread_keeps_order_and_gaps(wishes: list[tuple[float, float, float]]) -> None:
    gaps = [gap for _, _, gap in wishes[1:]]
    places = spread([place for place, _, _ in wishes], [weight for _, weight, _ in wishes], gaps)
    assert all(b - a >= gap - 1e-6 for (a, b), gap in zip(pairwise(places), gaps, strict=True))


def test_spread_gives_what_is_wanted_where_there_is_room() -> None:
    assert spread([0.0, 50.0, 120.0], [1.0] * 3, [10.0, 10.0]) == [0.0, 50.0, 120.0]
    assert spread([0.0, 0.0], [1.0, 1.0], [10.0]) == [-5.0, 5.0]


@given(st.text(max_size=60), st.floats(20, 300))
def test_a_fitted_text_fits(text: str, width: float) -> None:
    assert text_width(fitted(text, 11, width), 11) <= max(width, text_width("…", 11)) + 1e-6
    lines = wrapped(text, 11, width, 2)
    assert len(lines) <= 2
    assert all(text_width(line, 11) <= max(width, text_width("…", 11)) + 1e-6 for line in lines)


def test_letters_with_accents_are_as_wide_as_without() -> None:
    assert text_width("Prüfung", 10) == text_width("Prufung", 10)
    assert is_known("Prüfung")
    assert not is_known("漢字")
    assert text_width("漢字", 10) == 20
