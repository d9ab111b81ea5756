"""Expressions: what is accepted, as which tree, and what each mistake is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal as Lit

import pytest

from lathe.errors import Diagnostic
from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal,
    Loop,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Population,
    Quantifier,
    Read,
    SetChange,
    Special,
    walk,
)
from lathe.lang.parse import (
    Assigned,
    ExpressionError,
    Names,
    Shape,
    Targets,
    fits,
    parse_assignment,
    parse_expression,
)
from lathe.lang.source import bare_place, read_source
from lathe.lang.types import BOOL, ID, INT, NONE, TEXT, TIME, UNKNOWN, Type

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


def field(name: str) -> Read:
    return Read("field", name, FIELDS[name])


def number(value: int) -> Literal:
    return Literal(value, INT)


def less(left: Node, right: Node, op: Lit["<", "<="]) -> Compare:
    return Compare(op, left, right)


UNSET = Literal(None, NONE)
READY_NOW = field("ready")
STATE_NOW = Special("state", STATE)


class TestTrees:
    @pytest.mark.parametrize(
        ("text", "wanted"),
        [
            ("ready", field("ready")),
            ("arg.count", Read("arg", "count", INT)),
            ("state == 'planned'", Compare("==", STATE_NOW, Literal("planned", STATE))),
            ("'planned' != state", Compare("!=", Literal("planned", STATE), STATE_NOW)),
            ("level == 'low'", Compare("==", field("level"), Literal("low", LEVEL))),
            ("image == 'x'", Compare("==", field("image"), Literal("x", TEXT))),
            ("maker == 'ann'", Compare("==", field("maker"), Literal("ann", ID))),
            ("id == 'x'", Compare("==", Special("id", TEXT), Literal("x", TEXT))),
            ("actor != maker", Compare("!=", Special("actor", ID), field("maker"))),
            ("self == twin", Compare("==", Special("self", ROLLOUT), field("twin"))),
            ("order.state", Follow(field("order"), "state", "state", ORDER_STATE)),
            ("arg.to.amount", Follow(Read("arg", "to", ORDER), "field", "amount", INT)),
            ("self.ready", field("ready")),
            ("self.state", STATE_NOW),
            ("self.order.amount", Follow(field("order"), "field", "amount", INT)),
            ("not urgent", Not(field("urgent"))),
            ("urgent and urgent and urgent", And((field("urgent"),) * 3)),
            ("urgent or urgent", Or((field("urgent"),) * 2)),
            ("1 < ready <= 3", And((less(number(1), READY_NOW, "<"), less(READY_NOW, number(3), "<=")))),
            ("image is None", Compare("is", field("image"), UNSET)),
            ("image == None", Compare("is", field("image"), UNSET)),
            ("None != image", Not(Compare("is", field("image"), UNSET))),
            ("image is not None", Not(Compare("is", field("image"), UNSET))),
            ("arg.count is None", Compare("is", Read("arg", "count", INT), UNSET)),
            ("-5", number(-5)),
            ("-ready", Negate(field("ready"), INT)),
            ("ready + 1", Arithmetic("+", field("ready"), number(1), INT)),
            ("9 // ready % 3", Arithmetic("%", Arithmetic("//", number(9), READY_NOW, INT), number(3), INT)),
            ("'a' if urgent else None", IfElse(field("urgent"), Literal("a", TEXT), UNSET, TEXT)),
            ("len(tags)", Call("len", (field("tags"),), INT)),
            ("min(ready, 2, 3)", Call("min", (field("ready"), number(2), number(3)), INT)),
            ("abs(ready)", Call("abs", (field("ready"),), INT)),
            ("set()", Members((), Type("set", element=TEXT))),
            ("{'a', 'b'}", Members((Literal("a", TEXT), Literal("b", TEXT)), Type("set", element=TEXT))),
            ("tags + 'low'", SetChange("+", field("tags"), Literal("low", LEVEL), TAGS)),
            ("tags - {'low'}", SetChange("-", field("tags"), Members((Literal("low", LEVEL),), TAGS), TAGS)),
        ],
    )  # fmt: skip
    def test_text_becomes_this_tree(self, text: str, wanted: Node) -> None:
        found = tree(text)
        if isinstance(wanted, SetChange):
            assert isinstance(found, SetChange)
            assert (found.op, found.left, found.type) == (wanted.op, wanted.left, wanted.type)
        else:
            assert found == wanted

    def test_in_takes_tuples_displays_and_sets(self) -> None:
        low, high = Literal("low", LEVEL), Literal("high", LEVEL)
        display = Members((low, high), Type("set", element=LEVEL))
        assert tree("level in ('low', 'high')") == Compare("in", field("level"), display)
        assert tree("level not in {'low', 'high'}") == Not(Compare("in", field("level"), display))
        assert tree("'low' in tags") == Compare("in", low, field("tags"))
        assert tree("ready in ()") == Compare("in", field("ready"), Members((), Type("set", element=READY)))
        assert tree("state in ('planned',)", expect=BOOL) == Compare(
            "in", STATE_NOW, Members((Literal("planned", STATE),), Type("set", element=STATE))
        )
        assert isinstance(tree("maker in ('ann', actor)"), Compare)

    def test_quantifier_over_a_set_field(self) -> None:
        variable = Read("variable", "o", ORDER)
        paid = Compare(
            "==",
            Follow(variable, "state", "state", ORDER_STATE),
            Literal("paid", ORDER_STATE),
        )
        more = Compare(">", Follow(variable, "field", "amount", INT), number(1))
        wanted = Quantifier("all", paid, (Loop("o", field("orders"), more),), BOOL)
        assert tree("all(o.state == 'paid' for o in orders if o.amount > 1)") == wanted

    def test_quantifier_over_blueprints_in_properties(self) -> None:
        text = "all(a == b or a.ready != b.ready for a in Rollout for b in Rollout if a.urgent if b.urgent)"
        found = tree(text, APP, BOOL)
        assert isinstance(found, Quantifier)
        population = Population("Rollout", Type("set", element=ROLLOUT))
        assert [loop.source for loop in found.loops] == [population, population]
        assert isinstance(found.loops[1].condition, And)
        assert tree("sum(1 for a in Rollout) <= len(Rollout)", APP, BOOL)
        assert tree("self in Rollout", PROPERTY, BOOL)

    def test_ghosts_and_the_past_in_properties(self) -> None:
        assert tree("spent", PROPERTY) == Read("ghost", "spent", INT)
        assert tree("total", PROPERTY) == Read("app_ghost", "total", INT)
        assert tree("order.charged", PROPERTY) == Follow(field("order"), "ghost", "charged", INT)
        assert tree("old.ready", STEP) == Read("old", "ready", READY)
        assert tree("old.spent", STEP) == Read("old_ghost", "spent", INT)
        assert tree("old.total", STEP) == Read("old_app_ghost", "total", INT)
        assert tree("old.state", STEP) == Special("old_state", STATE)

    def test_migration_reads_an_unknown_past(self) -> None:
        assert tree("old.anything", MIGRATE) == Read("old", "anything", UNKNOWN)
        assert tree("old.state == 'gone'", MIGRATE, BOOL)
        assert tree("old.a + 1", MIGRATE, READY)
        assert tree("'low' if old.x > 3 else old.y", MIGRATE, LEVEL)
        assert tree("len(old.tags) + sum(1 for x in old.tags)", MIGRATE, INT)

    def test_item_is_a_member_of_each(self) -> None:
        names = replace(GUARD, item=ORDER)
        assert tree("item.amount", names) == Follow(Read("item", "item", ORDER), "field", "amount", INT)

    def test_time_is_now_and_seconds_later(self) -> None:
        now = Special("now", TIME)
        assert tree("now + 60", DO, TIME) == Arithmetic("+", now, number(60), TIME)
        assert tree("due if urgent else now", DO, TIME) == IfElse(field("urgent"), field("due"), now, TIME)
        assert tree("None", DO, TIME) == Literal(None, NONE)

    def test_expected_type_decides_about_quoted_text(self) -> None:
        assert tree("'low'", expect=LEVEL) == Literal("low", LEVEL)
        assert tree("'ann' if urgent else None", expect=ID).type == ID
        assert tree("{'low'}", expect=TAGS).type.element == LEVEL
        assert tree("set()", expect=TAGS).type.element == LEVEL
        found = tree("'planned' if ready > 1 else 'rolling'", expect=STATE)
        assert isinstance(found, IfElse)
        assert (found.then, found.otherwise) == (Literal("planned", STATE), Literal("rolling", STATE))

    def test_several_lines_and_comments(self) -> None:
        text = "\n  ready < replicas  # enough\n  and urgent\n"
        found = parse_expression(text, bare_place(text), names=GUARD, expect=BOOL)
        assert found.text == text.strip()
        assert isinstance(found.tree, And)
        assert (found.tree.operands[1].span.line, found.tree.operands[1].span.column) == (3, 7)

    def test_spans_are_those_of_the_file(self) -> None:
        source = read_source("f", b'[action]\na = { when = "image == \\"\xc3\xa9\\" and ready < 3" }\n')
        path = ("action", "a", "when")
        found = parse_expression('image == "é" and ready < 3', source.place(path), names=GUARD, expect=BOOL)
        line = source.line(2)
        words = [line[n.span.column - 1 : n.span.end_column - 1] for n in walk(found.tree)]
        assert words == [
            'image == \\"é\\" and ready < 3',
            'image == \\"é\\"',
            "image",
            '\\"é\\"',
            "ready < 3",
            "ready",
            "3",
        ]


DO_TARGETS = Targets("do", fields=FIELDS, frozen=frozenset({"image"}))
GHOST_TARGETS = Targets("ghost", ghosts={"spent": INT}, app_ghosts={"total": INT}, through_refs=True)
GHOST_NAMES = replace(PROPERTY, place="`ghost`", arguments={"count": INT}, populations=False)


def assigned(text: str, names: Names = DO, targets: Targets = DO_TARGETS) -> Assigned:
    return parse_assignment(text, bare_place(text), names=names, targets=targets)


def unassigned(text: str, names: Names = DO, targets: Targets = DO_TARGETS) -> Diagnostic:
    with pytest.raises(ExpressionError) as caught:
        parse_assignment(text, bare_place(text), names=names, targets=targets)
    return caught.value.diagnostics[0]


class TestAssignments:
    def test_value_is_read_and_placed(self) -> None:
        found = assigned("ready = arg.count + 1")
        assert (found.target, found.scope, found.type, found.via) == ("ready", "field", READY, None)
        assert found.value.tree == Arithmetic("+", Read("arg", "count", INT), number(1), INT)
        assert found.value.text == "arg.count + 1"
        assert (found.target_span.column, found.target_span.end_column) == (1, 6)
        assert (found.value.span.column, found.value.span.end_column) == (9, 22)

    def test_plus_and_minus_are_spelled_out(self) -> None:
        found = assigned(" ready -= 2 ")
        assert found.value.tree == Arithmetic("-", field("ready"), number(2), INT)
        assert found.value.text == "ready -= 2"

    @pytest.mark.parametrize(
        "text", ["tags += 'low'", "tags -= {'low', 'high'}", "tags += tags", "tags += set()"]
    )
    def test_sets_take_members_and_sets(self, text: str) -> None:
        found = assigned(text).value.tree
        assert isinstance(found, SetChange)
        assert (found.left, found.type) == (field("tags"), TAGS)

    @pytest.mark.parametrize(
        "text",
        [
            "maker = actor", "maker = None", "due = now + 60", "due = None", "people += actor",
            "orders += order",
            "tags = set()", "tags = {'low'}", "self.ready = 1", "urgent = ready > 1", "twin = self",
            "order = arg.to", "ready=1", "ready\n=\n1", "tags = tags - 'low'",
            "level = 'low' if urgent else 'high'",
        ],
    )  # fmt: skip
    def test_these_fit(self, text: str) -> None:
        assert assigned(text)

    def test_ghosts_of_this_entity_the_app_and_one_ref_away(self) -> None:
        assert assigned("spent += 1", GHOST_NAMES, GHOST_TARGETS).scope == "ghost"
        assert assigned("total = total + arg.count", GHOST_NAMES, GHOST_TARGETS).scope == "app_ghost"
        found = assigned("order.charged += ready", GHOST_NAMES, GHOST_TARGETS)
        assert found.via is not None
        assert found.via.tree == field("order")
        assert found.value.tree == Arithmetic(
            "+", Follow(field("order"), "ghost", "charged", INT), field("ready"), INT
        )
        assert assigned("self.spent = 1", GHOST_NAMES, GHOST_TARGETS).via is None

    @pytest.mark.parametrize(
        ("text", "code", "column", "cure"),
        [
            ("image = 'x'", "LT108", 1, ""),
            ("redy = 1", "LT108", 1, "did you mean `ready`?"),
            ("spent = 1", "LT108", 1, "use `ghost = [...]`"),
            ("state = 'x'", "LT108", 1, ""),
            ("order.amount = 1", "LT108", 1, "`also` takes an action"),
            ("ready == 1", "LT103", 7, "write `field = expression`"),
            ("ready *= 2", "LT103", 7, "write `field = expression`"),
            ("ready := 2", "LT103", 7, "write `field = expression`"),
            ("ready", "LT103", 1, "write `field = expression`"),
            ("", "LT103", 1, "write `field = expression`"),
            ("1 = 2", "LT103", 1, "write `field = expression`"),
            ("tags[0] = 2", "LT103", 1, "write `field = expression`"),
            ("ready = ", "LT103", 8, ""),
            ("ready = redy", "LT101", 9, "did you mean `ready`?"),
            ("ready = 'x'", "LT102", 9, ""),
            ("ready = None", "LT102", 9, ""),
            ("level = 'lo'", "LT102", 9, "did you mean 'low'?"),
            ("level = image", "LT102", 9, ""),
            ("tags = 'low'", "LT102", 8, "write `{'low'}`"),
            ("tags += 'lo'", "LT102", 9, "did you mean 'low'?"),
            ("tags += 1", "LT102", 1, ""),
            ("orders += self", "LT102", 1, ""),
            ("due += 60", "LT102", 1, "a time is set from `now`"),
            ("due = due + 60", "LT102", 7, ""),
            ("maker += 'x'", "LT102", 1, ""),
            ("level += 'low'", "LT102", 1, ""),
            ("ready += 'x'", "LT102", 10, ""),
            ("ready = ready = 1", "LT103", 15, ""),
        ],
    )
    def test_mistake_is_told(self, text: str, code: str, column: int, cure: str) -> None:
        found = unassigned(text)
        assert (found.code, found.span.column) == (code, column)
        assert cure in found.help

    @pytest.mark.parametrize(
        ("text", "column", "cure"),
        [
            ("ready = 1", 1, "use `do = [...]`"),
            ("order.amount = 1", 7, ""),
            ("order.chargd = 1", 7, "did you mean `charged`?"),
            ("ready.x = 1", 1, ""),
            ("nothing = 1", 1, ""),
        ],
    )
    def test_only_ghosts_are_assigned_by_ghost(self, text: str, column: int, cure: str) -> None:
        found = unassigned(text, GHOST_NAMES, GHOST_TARGETS)
        assert (found.code, found.span.column) == ("LT108", column)
        assert cure in found.help


class TestFits:
    def test_none_fits_what_may_be_unset(self) -> None:
        assert [t.kind for t in (TEXT, ID, ORDER, TIME, INT, BOOL, LEVEL, TAGS, STATE) if fits(NONE, t)] == [
            "text", "id", "ref", "time",
        ]  # fmt: skip

    def test_types_fit_their_like(self) -> None:
        assert fits(INT, READY)
        assert fits(LEVEL, Type("enum", members=("high", "low")))
        assert not fits(LEVEL, Type("enum", members=("high",)))
        assert not fits(ORDER, ROLLOUT)
        assert not fits(TEXT, ID)
        assert fits(TIME, TIME)
        assert fits(TAGS, Type("set", element=LEVEL))
        assert not fits(TAGS, Type("set", element=ID))
        assert fits(UNKNOWN, TAGS)
