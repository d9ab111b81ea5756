"""Expressions that are refused: what each mistake is told, and that nothing hostile comes through."""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from lathe.errors import Diagnostic
from lathe.lang.expr import Compare, Expression, Literal, Node, walk
from lathe.lang.parse import (
    ExpressionError,
    Names,
    Shape,
    Targets,
    fits,
    parse_assignment,
    parse_expression,
)
from lathe.lang.source import bare_place, read_source
from lathe.lang.types import BOOL, ID, INT, TEXT, TIME, UNKNOWN, Type

LEVEL = Type("enum", members=("low", "high"))
STATE = Type("state", blueprint="Rollout", members=("planned", "rolling"))
ORDER = Type("ref", blueprint="Order")
ROLLOUT = Type("ref", blueprint="Rollout")
TAGS = Type("set", element=LEVEL, maximum=2)
READY = Type("int", low=0, high=5)
ORDER_STATE = Type("state", blueprint="Order", members=("open", "paid"))
FIELDS = {
    "ready": READY,
    "replicas": Type("int", low=1, high=5),
    "level": LEVEL,
    "half": Type("enum", members=("low",)),
    "image": Type("text", maximum=200),
    "maker": ID,
    "order": ORDER,
    "twin": ROLLOUT,
    "tags": TAGS,
    "people": Type("set", element=ID),
    "orders": Type("set", element=ORDER),
    "due": TIME,
    "blob": Type("json"),
    "urgent": BOOL,
}
SHAPES = {
    "Order": Shape(
        {"amount": INT, "next": ORDER, "tags": TAGS, "paper": Type("json")},
        {"charged": INT},
        ("open", "paid"),
    ),
    "Rollout": Shape(FIELDS, {"spent": INT}, STATE.members),
}
GUARD = Names(
    "a guard",
    blueprint="Rollout",
    states=STATE.members,
    fields=FIELDS,
    arguments={"count": INT, "who": ID, "to": ORDER},
    specials=frozenset({"state", "id", "self", "actor"}),
    shapes=SHAPES,
    hidden_ghosts=frozenset({"spent"}),
)
DO = replace(GUARD, place="`do`", specials=GUARD.specials | {"now"})
PROPERTY = replace(
    GUARD,
    place="an invariant",
    arguments=None,
    specials=frozenset({"state", "id", "self"}),
    ghosts={"spent": INT},
    app_ghosts={"total": INT},
    hidden_ghosts=frozenset(),
    ghosts_readable=True,
    populations=True,
)
STEP = replace(PROPERTY, place="a step property", specials=PROPERTY.specials | {"old"})
APP = Names(
    "an invariant of the app",
    app_ghosts={"total": INT},
    shapes=SHAPES,
    populations=True,
    ghosts_readable=True,
)
MIGRATE = Names("a migration", specials=frozenset({"id"}), old_unknown=True)


def tree(text: str, names: Names = GUARD, expect: Type | None = None) -> Node:
    return parse_expression(text, bare_place(text), names=names, expect=expect).tree


def refusals(text: str, names: Names = GUARD, expect: Type | None = BOOL) -> tuple[Diagnostic, ...]:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, bare_place(text), names=names, expect=expect)
    return caught.value.diagnostics


def refusal(text: str, names: Names = GUARD, expect: Type | None = BOOL) -> Diagnostic:
    (found,) = refusals(text, names, expect)
    return found


def under(text: str, found: Diagnostic) -> str:
    return text[found.span.column - 1 : found.span.end_column - 1]


def cured(text: str, found: Diagnostic) -> str:
    assert found.edit is not None
    span = found.edit.span
    return text[: span.column - 1] + found.edit.text + text[span.end_column - 1 :]


REFUSED = [
    # names
    ("redy == 1", "LT101", "redy", "did you mean `ready`?", "ready == 1"),
    ("state == planned", "LT101", "planned", "quote it: 'planned'", "state == 'planned'"),
    ("level == low", "LT101", "low", "quote it: 'low'", "level == 'low'"),
    ("count == 1", "LT101", "count", "write `arg.count`", "arg.count == 1"),
    ("arg.ready == 1", "LT101", "ready", "write `ready`, or list it in `sets`", "ready == 1"),
    ("arg.cont == 1", "LT101", "cont", "did you mean `count`?", "arg.count == 1"),
    ("order.amont == 1", "LT101", "amont", "did you mean `amount`?", "order.amount == 1"),
    ("spent == 1", "LT101", "spent", "properties, `ghost` and `world` may", None),
    ("order.charged == 1", "LT101", "charged", "properties may", None),
    ("old.ready == 1", "LT101", "old.ready", "only a `[step]` looks back", None),
    ("now == due", "LT101", "now", "`do` alone reads `now`", None),
    ("item == 1", "LT101", "item", "`each`", None),
    ("blob is None", "LT101", "blob", "a field of its own", None),
    ("order.paper is None", "LT101", "order.paper", "a field of its own", None),
    ("all(a.urgent for a in Rollout)", "LT101", "Rollout", "properties may", None),
    ("zzz", "LT101", "zzz", "", None),
    ("\uff52eady == 1", "LT101", "\uff52eady", "", None),
    # types
    ("ready", "LT102", "ready", "", None),
    ("level == 'hih'", "LT102", "'hih'", "did you mean 'high'?", "level == 'high'"),
    ("level == 'zz'", "LT102", "'zz'", "there are 'low', 'high'", None),
    ("'zz' in tags", "LT102", "'zz'", "there are 'low', 'high'", None),
    ("ready == 'x'", "LT102", "ready == 'x'", "", None),
    ("ready == urgent", "LT102", "ready == urgent", "a condition stands for itself", None),
    ("ready is None", "LT102", "ready is None", "", None),
    ("state is None", "LT102", "state is None", "", None),
    ("'a' is None", "LT102", "'a' is None", "", None),
    ("tags is None", "LT102", "tags is None", "write `len(tags) == 0`", None),
    ("tags == set()", "LT102", "tags == set()", "write `len(tags) == 0`", None),
    ("tags == tags", "LT102", "tags == tags", "compare members", None),
    ("due == due", "LT102", "due == due", "`[timer]`", None),
    ("due < due", "LT102", "due", "`[timer]`", None),
    ("image < 'b'", "LT102", "image", "", None),
    ("tags > 0", "LT102", "tags", "write `len(tags)`", None),
    ("actor == image", "LT102", "actor == image", "has the type `id`", None),
    ("self == order", "LT102", "self == order", "", None),
    ("state == order.state", "LT102", "state == order.state", "", None),
    ("image + 'x' == 'x'", "LT102", "image", "no putting together of text", None),
    ("urgent + 1 == 2", "LT102", "urgent", "write `(1 if urgent else 0)`", None),
    ("None + 1 == 2", "LT102", "None", "", None),
    ("-urgent == 2", "LT102", "urgent", "", None),
    ("len(image) > 1", "LT102", "image", "", None),
    ("max(ready, image) > 1", "LT102", "image", "", None),
    ("ready in 5", "LT102", "5", "write `==`", None),
    ("'a' in image", "LT102", "image", "text has no parts", None),
    ("half in tags", "LT102", "half in tags", "the same members: 'high' is in one of them alone", None),
    ("half == level", "LT102", "half == level", "the same members: 'high' is in one of them alone", None),
    ("None in people", "LT102", "None", "write `x is None`", None),
    ("image in (None, 'a')", "LT102", "None", "write `x is None or", None),
    ("ready in (1, 'a')", "LT102", "'a'", "", None),
    ("ready in (1, due)", "LT102", "due", "", None),
    ("level in people", "LT102", "level in people", "", None),
    ("not ready", "LT102", "ready", "write `ready != 0`", None),
    ("image and urgent", "LT102", "image", "write `is not None`", None),
    ("urgent or tags", "LT102", "tags", "write `len(tags) > 0`", None),
    ("urgent if ready else urgent", "LT102", "ready", "", None),
    ("(1 if urgent else 'x') == 1", "LT102", "1 if urgent else 'x'", "one type", None),
    ("level == ('low' if urgent else None)", "LT102", "'low' if urgent else None", "", None),
    ("all(x for x in people)", "LT102", "x", "write `is not None`", None),
    ("sum(x == 'a' for x in people) > 0", "LT102", "x == 'a'", "`sum(1 for", None),
    ("all(urgent for x in ready)", "LT102", "ready", "", None),
    # states
    ("state == 'planed'", "LT104", "'planed'", "did you mean 'planned'?", "state == 'planned'"),
    ("order.state in ('open', \"piad\")", "LT104", '"piad"', "'paid'?", "order.state in ('open', \"paid\")"),
    ("state == 'open'", "LT104", "'open'", "", None),
    # the language
    ("ready = 1", "LT103", "=", "write `==` to compare", "ready == 1"),
    ("urgent && urgent", "LT103", "&&", "write `and`", "urgent and urgent"),
    ("urgent || urgent", "LT103", "||", "write `or`", "urgent or urgent"),
    ("!urgent", "LT103", "!", "write `not`", "not urgent"),
    ("ready === 1", "LT103", "===", "write `==`", "ready == 1"),
    ("ready <> 1", "LT103", "<>", "write `!=`", "ready != 1"),
    ("ready / 2 == 1", "LT103", "/", "`//`", "ready // 2 == 1"),
    ("ready ** 2 == 1", "LT103", "**", "", None),
    ("ready ? 1 : 2", "LT103", "?", "`a if condition else b`", None),
    ("urgent => urgent", "LT103", "=>", "`not p or q`", None),
    ("ready := 1", "LT103", ":=", "", None),
    ("image == null", "LT103", "null", "write `None`", "image == None"),
    ("urgent == true", "LT103", "true", "write `True`", "urgent == True"),
    ("urgent AND urgent", "LT103", "AND", "write `and`", "urgent and urgent"),
    ("image.is_none", "LT103", "image.is_none", "write `image is None`", "image is None"),
    ("tags.length > 0", "LT103", "tags.length", "write `len(tags)`", "len(tags) > 0"),
    ("orders.amount > 0", "LT103", "orders.amount", "name a member", None),
    ("image.startswith('a')", "LT103", "image.startswith('a')", "`len min max", None),
    ("tags.add('low')", "LT103", "tags.add('low')", "`field += member`", None),
    ("order.next.amount == 1", "LT103", "amount", "", None),
    ("(order if urgent else arg.to).amount == 1", "LT103", "(order if urgent else arg.to).amount", "", None),
    ("ready is 1", "LT103", "ready is 1", "write `==`", None),
    ("f'{image}' == 'x'", "LT103", "f", "no formatting", "'{image}' == 'x'"),
    ("b'x' == image", "LT103", "b", "", "'x' == image"),
    ("tags[0] == 'low'", "LT103", "tags[0]", "", None),
    ("ready in [1, 2]", "LT103", "[1, 2]", "`(a, b)`", None),
    ("all([urgent for x in tags])", "LT103", "all([urgent for x in tags])", "write `all(", None),
    ("all(tags)", "LT103", "all(tags)", "", None),
    ("any(x == 1 for x in (1, 2))", "LT103", "(1, 2)", "", None),
    ("{x for x in tags} == tags", "LT103", "{x for x in tags}", "", None),
    ("(x for x in tags)", "LT103", "(x for x in tags)", "`all(", None),
    ("{'a': 1} == tags", "LT103", "{'a': 1}", "", None),
    ("lambda: 1", "LT103", "lambda", "", None),
    ("lenn(tags) > 1", "LT103", "lenn", "did you mean `len`?", None),
    ("len == 1", "LT103", "len", "write `len(…)`", None),
    ("len(tags, tags) == 1", "LT103", "len(tags, tags)", "", None),
    ("min(ready) == 1", "LT103", "min(ready)", "", None),
    ("set(1) == 1", "LT103", "set(1)", "`{a, b}`", None),
    ("max(*tags) == 1", "LT103", "max(*tags)", "", None),
    ("arg == 1", "LT103", "arg", "write `arg.NAME`", None),
    ("+ready == 1", "LT103", "+ready", "", None),
    ("~ready == 1", "LT103", "~", "", None),
    ("ready == 1.5", "LT103", "1.5", "minor units", None),
    ("ready == 0x10", "LT103", "0x10", "", None),
    ("ready == 010", "LT103", "010", "", None),
    ("ready == 1e5", "LT103", "1e5", "", None),
    ("ready == .5", "LT103", ".5", "", None),
    ("ready == ...", "LT103", "...", "", None),
    ("1if urgent else 2", "LT103", "1if", "", None),
    ("image == '\\d'", "LT103", "\\d", "", None),
    ("image == '\\ud800'", "LT103", "'\\ud800'", "", None),
    ("image == 'a", "LT103", "'", "", None),
    ("image == '''a'''", "LT103", "'''", "", None),
    ("(urgent", "LT103", "(", "", None),
    ("urgent)", "LT103", ")", "", None),
    ("(urgent]", "LT103", "]", "", None),
    ("urgent) or (urgent", "LT103", ")", "", None),
    ("ready ==", "LT103", "=", "", None),
    ("ready ready", "LT103", "ready ready", "", None),
    ("ready == \x00", "LT103", "\x00", "", None),
    ("image == '\x00'", "LT103", "\x00", "", None),
    ("image == '\ud800'", "LT103", "\ud800", "", None),
    ("urgent # \x00", "LT103", "\x00", "", None),
    ("§", "LT103", "§", "", None),
    ("", "LT103", "", "", None),
    ("# nothing", "LT103", "# nothing", "", None),
    ("__import__('os').system('x')", "LT103", "__import__('os').system('x')", "", None),
    ("().__class__", "LT103", "().__class__", "", None),
    ("all(urgent for x, y in tags)", "LT103", "x, y", "", None),
    ("all(urgent for X in tags)", "LT103", "X", "", None),
    # variables
    ("all(urgent for ready in tags)", "LT006", "ready", "another name", None),
    ("all(urgent for spent in tags)", "LT006", "spent", "another name", None),
    ("all(urgent for state in tags)", "LT006", "state", "another name", None),
    ("all(urgent for x in tags for x in tags)", "LT006", "x", "another name", None),
    # limits
    ("ready == 9007199254740993", "LT005", "9007199254740993", "", None),
    ("ready == " + "9" * 3000, "LT005", "9" * 3000, "", None),
    ("all(urgent for a in tags for b in tags for c in tags for d in tags)", "LT005", "d", "", None),
    ("all(all(urgent for c in tags for d in tags) for b in tags for a in tags)", "LT005", "d", "", None),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "code", "where", "cure", "mended"), REFUSED, ids=[ascii(r[0])[:40] for r in REFUSED]
    )
    def test_mistake_is_told(self, text: str, code: str, where: str, cure: str, mended: str | None) -> None:
        found = refusal(text)
        assert (found.code, found.severity, under(text, found)) == (code, "error", where)
        assert cure in found.help
        assert found.message[:1] == found.message[:1].lower() or found.message.startswith(
            ("Order", "Rollout", "None")
        )
        if mended is not None:
            assert cured(text, found) == mended
            assert refusals_or_none(mended) != (found,)

    def test_every_trouble_of_and_is_told(self) -> None:
        found = refusals("redy == 1 and urgent and foo == 2 and state == 'zz'")
        assert [d.code for d in found] == ["LT101", "LT101", "LT104"]

    def test_old_reads_nothing_through_refs(self) -> None:
        assert refusal("old.order.amount == 1", STEP).code == "LT103"
        assert refusal("old.actor == 1", STEP).code == "LT101"
        assert refusal("old.redy == 1", STEP).help == "did you mean `ready`?"

    def test_app_properties_have_no_entity_of_their_own(self) -> None:
        assert "comprehension" in refusal("state == 'x'", APP).help
        assert refusal("ready == 1", APP).code == "LT101"
        assert refusal("arg.x == 1", APP).message == "an invariant of the app has no arguments to read"
        assert "name one of them" in refusal("Rollout.ready == 1", APP).help
        assert refusal("Rollout == 1", APP).code == "LT102"
        assert refusal("all(a == b for a in Rollout for b in Order)", APP).code == "LT102"

    @pytest.mark.parametrize(
        ("text", "expect", "code"),
        [
            ("None", INT, "LT102"),
            ("None", LEVEL, "LT102"),
            ("None", TAGS, "LT102"),
            ("'low'", TAGS, "LT102"),
            ("('low',) + 1", TAGS, "LT102"),
            ("people", TAGS, "LT102"),
            ("image", ID, "LT102"),
            ("1", TIME, "LT102"),
            ("'2024-01-01T00:00:00Z'", TIME, "LT102"),
            ("'x'", STATE, "LT104"),
            ("state", STATE, "LT102"),
            ("order.state", STATE, "LT102"),
            ("state if urgent else 'planned'", STATE, "LT102"),
            ("None if urgent else 'low'", LEVEL, "LT102"),
        ],
    )
    def test_value_must_fit_what_is_expected(self, text: str, expect: Type, code: str) -> None:
        assert refusal(text, DO, expect).code == code

    @pytest.mark.parametrize("text", ["now - 5", "60 + now", "due + 60", "now + due", "now + 'x'", "now * 2"])
    def test_times_are_now_and_later_only(self, text: str) -> None:
        assert refusal(text, DO, TIME).code == "LT102"

    def test_span_of_a_trouble_is_exact_through_escapes_of_the_file(self) -> None:
        source = read_source(
            "f", b'when = "image == \\"x\\" and state == \\"planed\\""\nraw = \'state == planned\'\n'
        )
        with pytest.raises(ExpressionError) as caught:
            parse_expression(source.data["when"], source.place(("when",)), names=GUARD)
        (found,) = caught.value.diagnostics
        line = source.line(1)
        assert line[found.span.column - 1 : found.span.end_column - 1] == '\\"planed\\"'
        assert found.edit is not None
        assert found.edit.text == '\\"planned\\"'
        with pytest.raises(ExpressionError) as caught:
            parse_expression(source.data["raw"], source.place(("raw",)), names=GUARD)
        edit = caught.value.diagnostics[0].edit
        assert edit is not None
        assert edit.text == '"planned"'

    def test_error_is_a_value_error_that_says_the_first_trouble(self) -> None:
        with pytest.raises(ValueError, match="a guard knows no `zzz`"):
            tree("zzz")


def refusals_or_none(text: str) -> tuple[Diagnostic, ...]:
    try:
        tree(text, expect=BOOL)
    except ExpressionError as error:
        return error.diagnostics
    return ()


class TestLimits:
    def test_two_hundred_nodes_are_read_and_no_more(self) -> None:
        assert tree(" and ".join(["urgent"] * 199), expect=BOOL)
        assert refusal(" and ".join(["urgent"] * 200)).code == "LT005"

    def test_sixteen_deep_is_read_and_no_more(self) -> None:
        assert tree("not " * 15 + "urgent", expect=BOOL)
        assert refusal("not " * 16 + "urgent").code == "LT005"

    def test_middle_of_a_chain_counts_twice(self) -> None:
        text = "urgent"
        for _ in range(10):
            text = f"urgent == ({text}) == urgent"
        assert refusal(text).code == "LT005"

    @pytest.mark.parametrize(
        "text",
        [
            "(" * 1_900 + ")" * 1_900,
            "(" * 3_999,
            "not " * 999,
            "-" * 3_999,
            "- " * 999 + "1",
            "a" + ".a" * 499,
            "1 if " * 300,
            "1 if urgent else " * 200 + "1",
            "[" * 20 + "]" * 20,
            "x" * 4_001,
            "x " * 50_000,
            "ready" + " + 1" * 400,
            "a(" * 20 + ")" * 20,
            "'" + "a" * 3_990 + "'",
            "(" * 20 + "not " * 400,
        ],
        ids=lambda text: text[:12],
    )
    def test_hostile_text_is_refused_at_once(self, text: str) -> None:
        before = time.process_time()
        assert refusals(text)[0].code in ("LT005", "LT103", "LT101", "LT102")
        assert time.process_time() - before < 2

    def test_no_warning_is_made_and_no_filter_is_touched(self) -> None:
        texts = ["1 is 1", "'\\d' == image", "1if urgent else 0", "0x1for x in tags"]
        texts += ["() is ()", "'a' is 'a'", "1()", "'\\400' == image"]
        filters = list(warnings.filters)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for text in texts:
                assert refusals(text)
        assert not caught
        assert list(warnings.filters) == filters

    def test_threads_do_not_disturb_one_another(self) -> None:
        text = "all(x == 'low' for x in tags) and image == 'é'"
        found: list[Node] = []

        def work() -> None:
            found.extend(tree(text) for _ in range(50))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 200
        assert all(one == found[0] for one in found)


DO_TARGETS = Targets("do", fields=FIELDS, frozen=frozenset({"image"}))
GHOST_TARGETS = Targets("ghost", ghosts={"spent": INT}, app_ghosts={"total": INT}, through_refs=True)
GHOST_NAMES = replace(PROPERTY, place="`ghost`", arguments={"count": INT}, populations=False)


NAMES = """
    ready level image maker order tags people orders due urgent state self actor id now arg.count
    old.ready old.tags order.state order.amount order.tags x y x.amount spent Rollout Order None True 1 0
    'low' 'planned' '' 'é' "a" set() ()
""".split()  # noqa: SIM905
SIGNS = """
    and or not in is if else for ( ) , == != < >= + - * // % len( all( sum( min(
    { } [ ] . = : lambda # \\ ' ** &&
""".split()  # noqa: SIM905
WORDS = st.sampled_from([*NAMES, *SIGNS, "\n", "\x00", "\U0001d535"])
PLACES = st.sampled_from([GUARD, DO, PROPERTY, STEP, APP, MIGRATE])
EXPECTED = st.sampled_from([None, BOOL, INT, LEVEL, TEXT, ID, TIME, TAGS, ORDER, STATE, UNKNOWN])


def check(text: str, names: Names, expect: Type | None) -> None:
    before = time.process_time()
    try:
        found = parse_expression(text, bare_place(text), names=names, expect=expect)
    except ExpressionError as error:
        assert error.diagnostics
        assert all(d.message and d.severity == "error" for d in error.diagnostics)
    else:
        check_tree(found, expect)
    assert time.process_time() - before < 5


def check_tree(found: Expression, expect: Type | None) -> None:
    """No undecided type is left, nothing is too large, and the value fits."""
    nodes = walk(found.tree)
    assert len(nodes) <= 600
    for node in nodes:
        assert node.type.maximum != -1
        assert node.type.element is None or node.type.element.maximum != -1
        assert node.type.kind != "json"
        if isinstance(node, Compare) and node.op == "is":
            assert isinstance(node.right, Literal)
            assert node.right.value is None
    assert expect is None or fits(found.tree.type, expect)


@given(st.text(max_size=60), PLACES, EXPECTED)
@settings(deadline=None)
def test_any_text_gives_an_expression_or_an_error(text: str, names: Names, expect: Type | None) -> None:
    check(text, names, expect)


@given(st.lists(WORDS, max_size=14), st.sampled_from(["", " "]), PLACES, EXPECTED)
@settings(max_examples=500, deadline=None)
def test_any_words_give_an_expression_or_an_error(
    words: list[str], between: str, names: Names, expect: Type | None
) -> None:
    check(between.join(words), names, expect)


def operations(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(
        ["==", "!=", "<", ">=", "in", "not in", "is", "+", "-", "*", "//", "%", "and", "or"]
    )
    return st.one_of(
        st.tuples(inner, binary, inner).map(" ".join),
        st.tuples(inner, binary, inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map("not {}".format),
        inner.map("-{}".format),
        inner.map("len({})".format),
        st.tuples(inner, inner).map(lambda p: f"max({p[0]}, {p[1]})"),
        st.lists(inner, max_size=3).map(lambda items: f"({', '.join(items)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"{{{', '.join(items)}}}"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
        st.tuples(st.sampled_from(["all", "any", "sum"]), inner, st.sampled_from("xyz"), inner).map(
            lambda p: f"{p[0]}({p[1]} for {p[2]} in {p[3]})"
        ),
    )


ATOMS = st.sampled_from(NAMES)


@given(st.recursive(ATOMS, operations, max_leaves=10), PLACES, EXPECTED)
@settings(max_examples=800, deadline=None)
def test_any_tree_gives_an_expression_or_an_error(text: str, names: Names, expect: Type | None) -> None:
    check(text, names, expect)


@given(
    st.one_of(
        st.text(max_size=40), st.lists(WORDS | st.sampled_from(["=", "+=", "-="]), max_size=8).map(" ".join)
    )
)
@settings(max_examples=300, deadline=None)
def test_any_text_gives_an_assignment_or_an_error(text: str) -> None:
    for names, targets in ((DO, DO_TARGETS), (GHOST_NAMES, GHOST_TARGETS)):
        try:
            found = parse_assignment(text, bare_place(text), names=names, targets=targets)
        except ExpressionError as error:
            assert error.diagnostics
        else:
            check_tree(found.value, found.type)
