"""What one version of an app means that another does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from lathe.check.mutation.mutants import mutants
from lathe.lang import read_app
from lathe.lang.canon import digest
from lathe.lang.diff import Change, diff
from lathe.lang.model import App
from lathe.testing import strategies

from ..support import app_of, files_of, several

TICKET = """
[state]
open = { initial = true, waits = "a clerk answers", after = "5m", then = "expire" }
done = { final = true }
[field]
answers = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk", args = { why = { type = "text", optional = true } } }
answer = { from = "open", by = "role:clerk", when = "answers < 3", do = ["answers += 1"] }
close = { from = "open", to = "done", by = "role:clerk" }
expire = { from = "open", to = "done" }
[invariant]
few = "answers <= 3"
"""


def changes(old: str, new: str) -> list[Change]:
    before, after = (several(Ticket=TICKET if not a else TICKET.replace(old, new)) for a in (False, True))
    return diff(app_of(before), app_of(after))


@pytest.mark.parametrize(("old", "new", "path", "breaking", "weaker"), [
    (', when = "answers < 3"', "", "Ticket action answer when", False, True),
    ("answers < 3", "answers < 2", "Ticket action answer when", False, True),
    ("range = [0, 3]", "range = [0, 9]", "Ticket field answers range", False, False),
    ('few = "answers <= 3"', 'few = "answers <= 2"', "Ticket invariant few", False, True),
    (", optional = true", "", "Ticket action create argument why", True, False),
    ('close = { from = "open", to = "done", by = "role:clerk" }', "", "Ticket action close", True, False),
    ('to = "done", by = "role:clerk"', 'to = "done", by = "any"', "Ticket action close by any", False, True),
    ('after = "5m"', 'after = "9m"', "Ticket state open timer", False, False),
    ("[invariant]", 'shut = { from = "open", by = "any" }\n[invariant]', "Ticket action shut", False, True),
])  # fmt: skip
def test_a_change_is_told_for_what_it_is(
    old: str, new: str, path: str, *, breaking: bool, weaker: bool
) -> None:
    found = {c.path: c for c in changes(old, new)}
    assert path in found
    assert (found[path].is_breaking, found[path].is_weaker) == (breaking, weaker)


@pytest.mark.parametrize(("before", "after"), [
    ({}, {"modules/m.wat": b"(module)"}),
    ({"gauges/g.json": b'{"trace": {}, "expect": "admitted"}'}, {}),
    ({}, {"more.cedar": b"permit(principal, action, resource);"}),
    ({}, {"other.blueprint.toml": b'blueprint = "Other"\n' + TICKET.encode()}),
])  # fmt: skip
def test_files_that_allow_more_or_promise_less_are_weaker(
    before: dict[str, bytes], after: dict[str, bytes]
) -> None:
    files = files_of(several(Ticket=TICKET))
    old, new = read_app({**files, **before}).app, read_app({**files, **after}).app
    assert old is not None and new is not None
    assert [change.is_weaker for change in diff(old, new)] == [True]


def test_what_an_effect_is_granted_is_weaker() -> None:
    effect = '[effect.tell]\nuses = "http"\nwith = { url = "https://example.com/{id}" }\n'
    first = TICKET.replace("done = { final = true }", 'done = { final = true, run = "tell" }') + effect
    second = first.replace("https://example.com", "https://elsewhere.example")
    (found,) = diff(app_of(several(Ticket=first)), app_of(several(Ticket=second)))
    assert (found.path, found.is_weaker) == ("Ticket effect tell with", True)


def test_a_narrower_range_is_breaking() -> None:
    narrower = several(Ticket=TICKET.replace("range = [0, 3]", "range = [0, 2]"))
    (found,) = diff(app_of(several(Ticket=TICKET)), app_of(narrower))
    assert (found.path, found.was, found.now) == ("Ticket field answers range", "0 to 3", "0 to 2")
    assert found.is_breaking


def test_the_parts_of_what_is_gone_are_not_listed_again() -> None:
    found = changes('close = { from = "open", to = "done", by = "role:clerk" }', "")
    assert [c.path for c in found] == ["Ticket action close"]


def test_layout_and_comments_are_no_difference() -> None:
    assert changes("[field]", "# a comment\n\n[field]") == []


@pytest.mark.parametrize("seed", range(12))
def test_no_change_of_what_an_app_does_goes_unsaid(seed: int) -> None:
    app = strategies.app_of_seed(seed)
    for mutant in mutants(app):
        if digest(mutant.app) != digest(app):
            assert diff(app, mutant.app), mutant.told


@settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))
@given(strategies.apps(), strategies.apps())
def test_a_difference_turned_round_is_the_same_difference(one: App, other: App) -> None:
    assert diff(one, one) == []
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    there = {(c.path, c.what, c.was, c.now) for c in diff(one, other)}
    back = {(c.path, turned[c.what], c.now, c.was) for c in diff(other, one)}
    assert there == back


def test_where_an_effect_stands_in_its_file_is_no_change() -> None:
    effect = '[effect.tell]\nuses = "http"\nwith = { url = "https://example.com/{id}", body = "{answers}" }\n'
    with_effect = TICKET.replace("done = { final = true }", 'done = { final = true, run = "tell" }')
    first = several(Ticket=with_effect + effect)
    second = several(Ticket=with_effect.replace("[invariant]", "# one line more\n[invariant]") + effect)
    assert diff(app_of(first), app_of(second)) == []


@pytest.mark.parametrize("wider", ['grants = ["log", "now"]', 'grants = ["log"], hosts = ["a.example"]'])
def test_a_module_that_is_granted_more_is_weaker(wider: str) -> None:
    folder = Path(__file__).parents[2] / "examples" / "pricing"
    paths = [folder / "app.toml", *folder.glob("*.blueprint.toml"), *folder.glob("modules/*.wat")]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    blueprint = files["quote.blueprint.toml"].replace(b'grants = ["log"]', wider.encode())
    old, new = (read_app(f).app for f in (files, {**files, "quote.blueprint.toml": blueprint}))
    assert old is not None and new is not None
    found = {c.path: c for c in diff(old, new)}
    assert found["Quote effect price with"].is_weaker
