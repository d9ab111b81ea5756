"""How many of each: scopes that grow, what a scope cuts off, principals, and room that is used again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support import app_of, codes, finding, report_of, run_of, several

from lathe.check.composed.domain import MAX_DOMAIN, make_domains
from lathe.check.composed.roles import distributions, fewest_holders, maximal_role_sets
from lathe.check.search.scope import linked, scopes

LONE = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }

[action]
create = { by = "role:clerk" }
close = { from = "open", to = "shut", by = "role:clerk" }
"""
PAIR = LONE + '\n[field]\nother = { type = "ref", to = "B" }\n'


def test_without_a_scope_one_of_each_then_two_of_those_that_are_linked() -> None:
    app = app_of(several(A=PAIR, B=LONE, C=LONE))
    assert linked(app) == {"A", "B"}
    assert scopes(app) == [{"A": 1, "B": 1, "C": 1}, {"A": 2, "B": 2, "C": 1}]
    assert scopes(app_of(several(C=LONE))) == [{"C": 1}]


NUMBER = '\n[field]\nn = { type = "int", range = [0, 3], default = 0 }\n'
FAN = """
[state]
open = { initial = true, run = "fan" }
gone = { final = true }

[field]
parts = { type = "set", of = { type = "enum", of = ["a", "b", "c"] }, max = 3, default = ["a", "b", "c"] }

[action]
create = { by = "role:clerk" }
fanned = { from = "open", to = "gone" }

[effect.fan]
uses = "create"
with = { blueprint = "B", each = "parts", args = { part = "item" } }
ok = "fanned"
"""
PART = (
    LONE.replace('create = { by = "role:clerk" }', 'create = { by = "entity:A", sets = ["part"] }')
    + '\n[field]\npart = { type = "enum", of = ["a", "b", "c"] }\n'
)


def test_a_scope_that_nobody_gave_has_room_for_what_one_creation_makes() -> None:
    text = several(A=FAN, B=PART)
    assert scopes(app_of(text)) == [{"A": 1, "B": 3}, {"A": 2, "B": 3}]
    assert codes(text) == []
    assert scopes(app_of(several("[scope]\nA = 1\n", A=FAN, B=PART))) == [{"A": 1, "B": 3}]
    assert "LT202" in codes(several("[scope]\nB = 2\n", A=FAN, B=PART))


def test_an_error_of_a_creation_that_is_never_refused_is_to_go() -> None:
    never = FAN.replace('ok = "fanned"', 'ok = "fanned"\nerror = "failed"').replace(
        "[effect.fan]", '[action.failed]\nfrom = "open"\nto = "gone"\n[effect.fan]'
    )
    found = finding(report_of(several(A=never, B=PART)), "LT202")
    assert found.diagnostic.help.startswith(
        "`fan` is never refused: take `error` out of it and drop `failed`, or see why it never runs"
    )


def test_a_state_that_only_a_to_if_could_choose_names_it() -> None:
    chosen = LONE.replace('to = "shut"', "to_if = \"'shut' if n > 3 else 'open'\"")
    found = finding(report_of(several(C=chosen + NUMBER)), "LT201")
    assert found.diagnostic.help.startswith(
        "whenever `close` at line 10 is taken, its `to_if` leads elsewhere: look at its condition"
    )


@pytest.mark.parametrize("rest", [
    '[unique]\nu = { fields = ["n"] }\n[field]\nn = { type = "text", max = 1 }\n',
    '[field]\nn = { type = "set", of = { type = "ref", to = "C" }, max = 1 }\n',
    '[action.look]\nfrom = "open"\nby = "role:clerk"\nargs.c = { type = "ref", to = "C" }\n',
    (
'[action.ring]\nfrom = "open"\nby = "role:clerk"\nrun = "e"\n[effect.e]\n'
'uses = "create"\nwith = { blueprint = "C" }\n'
),
])  # fmt: skip
def test_refs_calls_and_unique_link(rest: str) -> None:
    body = LONE.replace('create = { by = "role:clerk" }', 'create = { by = ["role:clerk", "entity:C"] }')
    assert linked(app_of(several(C=body + rest))) == {"C"}


def test_a_property_of_the_app_links_what_it_goes_through() -> None:
    assert linked(
        app_of(
            several(
                "[invariant]\np = \"all(c.state != 'x' or True for c in C)\"\n".replace("'x'", "'open'"),
                C=LONE,
            )
        )
    ) == {"C"}


def test_what_the_scope_says_is_searched_and_the_report_says_so() -> None:
    report = report_of(several("[scope]\nC = 3\n", C=LONE))
    assert report.covered.bounds == {"C": 3, "principals": 1}
    assert "more than 3 C" in report.not_covered


def test_none_of_a_blueprint_is_a_scope_too() -> None:
    report = report_of(several("[scope]\nC = 0\n", A=LONE, C=LONE))
    assert (report.verdict, report.covered.bounds) == ("admitted", {"A": 1, "C": 0, "principals": 1})


def test_the_bounds_are_those_of_the_largest_scope_that_was_completed() -> None:
    report = report_of(several(A=PAIR, B=LONE))
    assert report.covered.bounds == {"A": 2, "B": 2, "principals": 1}


NEEDS_TWO = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }

[field]
other = { type = "ref", to = "Thing" }

[action]
create = { by = "role:clerk" }
point = { from = "open", by = "role:clerk", sets = ["other"] }
close = { from = "open", to = "shut", by = "role:clerk", when = "other is not None and other != self" }
"""


def test_what_one_more_instance_makes_possible_is_not_reported() -> None:
    assert codes(several(Thing=NEEDS_TWO)) == [], "neither LT201, LT202 nor LT301"
    assert codes(several("[scope]\nThing = 1\n", Thing=NEEDS_TWO)) == []


def test_what_no_instance_makes_possible_is() -> None:
    body = NEEDS_TWO.replace("other != self", "other == self and other != self")
    assert codes(several("[scope]\nThing = 1\n", Thing=body)) == ["LT202"]


def test_stuck_states_are_searched_again_from_where_they_were_found() -> None:
    """In the first place where one is stuck, another one would help; in a later place it would not."""
    body = """
[state]
a = { initial = true, waits = "x" }
b = { waits = "x" }
z = { final = true }

[field]
n = { type = "int", range = [0, 2], default = 0 }
other = { type = "ref", to = "Thing" }

[action]
create = { by = "role:clerk" }
go = { from = "a", to = "b", by = "role:clerk" }
point = { from = "b", by = "role:clerk", when = "arg.other != self and n == 0", sets = ["other"] }
end = { from = "b", to = "z", by = "role:clerk", when = "other is not None" }
count = { from = "a", by = "role:clerk", when = "n < 1", do = ["n += 1"] }
"""
    found = finding(report_of(several("[scope]\nThing = 1\n", Thing=body)), "LT301")
    assert run_of(found) == ["create", "count", "go"]


def test_an_eventually_that_another_instance_would_keep_is_searched_again() -> None:
    body = NEEDS_TWO.replace('by = "role:clerk", when', 'by = "role:clerk", fair = true, when')
    body = body.replace(
        'point = { from = "open", by = "role:clerk", sets', 'point = { from = "open", by = "role:clerk", sets'
    )
    body += '\n[eventually]\nends = { from = ["open"], to = ["shut"] }\n'
    assert codes(several("[scope]\nThing = 1\n", Thing=body)) == ["LT304 ends"], "nobody has to point"


def test_a_final_entity_makes_room_unless_something_can_still_read_it() -> None:
    top = '[ghost]\nmade = { type = "int", range = [0, 9], default = 0 }\n[scope]\nC = 1\n'
    body = LONE.replace(
        'create = { by = "role:clerk" }', 'create = { by = "role:clerk", ghost = ["made += 1"] }'
    )
    assert codes(several(top + '[sometimes]\nmany = "made == 9"\n', C=body)) == []
    seen = top + "[sometimes]\nmany = \"made == 3 or all(c.state != 'open' for c in C) and made == 3\"\n"
    assert codes(several(seen, C=body)) == ["LT403 many"], "a property goes through them all"
    unique = body + '\n[field]\nn = { type = "text", max = 1 }\n[unique]\nu = { fields = ["n"] }\n'
    assert codes(several(top + '[sometimes]\nmany = "made == 3"\n', C=unique)) == ["LT403 many"]
    elsewhere = unique.replace('fields = ["n"] }', 'fields = ["n"], in = ["open"] }')
    assert codes(several(top + '[sometimes]\nmany = "made == 3"\n', C=elsewhere)) == []


def test_an_entity_that_is_referred_to_stays() -> None:
    top = (
        '[ghost]\nmade = { type = "int", range = [0, 9], default = 0 }\n[scope]\nA = 1\n'
        'B = 1\n[sometimes]\nmany = "made == 3"\n'
    )
    body = LONE.replace(
        'create = { by = "role:clerk" }', 'create = { by = "role:clerk", ghost = ["made += 1"] }'
    )
    other = LONE.replace(
        "[action]", '[field]\nb = { type = "ref", to = "B", frozen = true }\n[action]'
    ).replace('create = { by = "role:clerk" }', 'create = { by = "role:clerk", sets = ["b"] }')
    other += "\n[invariant]\nkept = { that = \"b.state != 'open' or b.state == 'open'\", in = [\"open\"] }\n"
    assert codes(several(top, A=other, B=body)) == []


def test_principals_are_one_more_than_can_be_told_apart_and_four_at_most() -> None:
    one = LONE + (
        '\n[field]\nwho = { type = "id" }\n[action.take]\nfrom = "open"\nby = "role:clerk"\n'
        'when = "actor != who"\ndo = ["who = actor"]\n'
    )
    assert report_of(several(C=one)).covered.bounds["principals"] == 2
    assert (
        report_of(several("[scope]\nC = 8\nprincipals = 6\nbudget_states = 1\n", C=one)).verdict == "unknown"
    )
    many = LONE + (
        '\n[field]\nwho = { type = "set", of = { type = "id" }, max = 8 }\n[action.take]\n'
        'from = "open"\nby = "role:clerk"\nwhen = "actor not in who and len(who) < 8"\n'
        'do = ["who += actor"]\n'
    )
    assert report_of(several(C=many)).covered.bounds["principals"] == 4
    assert report_of(several("[scope]\nprincipals = 6\n", C=many)).covered.bounds["principals"] == 6


NAMED = """
[state]
open = { initial = true, waits = "x" }
shut = { final = true }

[field]
name = { type = "text", max = 9 }

[action]
create = { by = "role:clerk", sets = ["name"] }
close = { from = "open", to = "shut", by = "role:clerk" }

[unique]
once = { fields = ["name"], in = ["open"] }
"""


def test_texts_that_could_differ_and_are_left_out_are_told() -> None:
    """Of up to eight, what must never be is asked again: of nine, it is not."""
    few = report_of(several("[scope]\nC = 4\n", C=NAMED))
    many = report_of(several("[scope]\nC = 8\n", C=NAMED))
    assert not [line for line in few.not_covered if "texts" in line]
    assert "more than 4 texts that nothing names, where 9 could differ" in many.not_covered


def test_a_long_text_that_is_named_is_given_too() -> None:
    name = "a text that is longer than sixty-four characters, because nobody has said how long it may be"
    text = NAMED.replace(", max = 9", "").replace(
        "[unique]", f"[invariant]\np = \"name != '{name}'\"\n[unique]"
    )
    assert "LT401 p" in codes(several(C=text))
    app = app_of(several(C=text))
    domains = make_domains(app, {"C": 1}, frozenset())
    argument = app.blueprints["C"].actions["create"].arguments["name"]
    wanted = domains.texts.index(name) + 1
    assert len(name) > MAX_DOMAIN, "how many values there may be says nothing of how long one is"
    for kind in (
        argument.type,
        replace(argument.type, maximum=None),
        replace(argument.type, maximum=len(name)),
    ):
        assert wanted in domains.choice(replace(argument, type=kind)).codes, kind
    shorter = replace(argument.type, maximum=len(name) - 1)
    assert wanted not in domains.choice(replace(argument, type=shorter)).codes


def exclusive(*groups: tuple[str, ...]) -> str:
    listed = ", ".join("[" + ", ".join(f'"{r}"' for r in g) + "]" for g in groups)
    roles = "".join(f'{r} = "x"\n' for r in ("boss", "audit"))
    return several(roles, C=LONE).replace('app = "small"', f'app = "small"\nexclusive = [{listed}]')


def test_a_principal_holds_any_set_of_roles_that_is_not_exclusive() -> None:
    assert maximal_role_sets(app_of(several("", C=LONE))) == (frozenset({"clerk"}),)
    two = maximal_role_sets(app_of(exclusive(("clerk", "boss"))))
    assert set(two) == {frozenset({"clerk", "audit"}), frozenset({"boss", "audit"})}
    three = maximal_role_sets(app_of(exclusive(("clerk", "boss", "audit"))))
    assert set(three) == {frozenset({r}) for r in ("clerk", "boss", "audit")}
    overlapping = maximal_role_sets(app_of(exclusive(("clerk", "boss"), ("boss", "audit"))))
    assert set(overlapping) == {frozenset({"clerk", "audit"}), frozenset({"boss"})}


def test_every_role_has_its_holder() -> None:
    sets = (frozenset({"a"}), frozenset({"b"}), frozenset({"c"}))
    assert fewest_holders(sets) == 3
    assert list(distributions(sets, 3)) == [(0, 1, 2)]
    assert len(list(distributions(sets, 2))) == 6, "too few for that: every way there is"
    assert fewest_holders((frozenset(),)) == 0


def test_a_step_that_needs_two_people_finds_them() -> None:
    text = """
# --- app.toml
app = "two"
exclusive = [["clerk", "boss"]]
[role]
clerk = "c"
boss = "b"
# --- thing.blueprint.toml
blueprint = "Thing"
[state]
draft = { initial = true, waits = "x" }
done = { final = true }
[field]
maker = { type = "id" }
[action]
create = { by = "role:clerk", do = ["maker = actor"] }
approve = { from = "draft", to = "done", by = "role:boss", when = "actor != maker" }
same = { from = "draft", to = "done", by = "role:boss", when = "actor == maker" }
"""
    assert codes(text) == ["LT202"], "`same` needs one person with both roles"
    assert codes(text.replace('exclusive = [["clerk", "boss"]]\n', "")) == []
