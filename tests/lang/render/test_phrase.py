"""Expressions in words: right, and never to be read otherwise than they are meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lathe.lang import App
from lathe.lang.render.phrase import change, condition, value

TEXT = """
blueprint = "Thing"

[state]
a = {{ initial = true, waits = "for ever" }}
b = {{ final = true }}

[field]
n = {{ type = "int", range = [0, 9], default = 0 }}
m = {{ type = "int", range = [0, 99999], default = 0 }}
flag = {{ type = "bool", default = false }}
kind = {{ type = "enum", of = ["x", "y", "z"], default = "x" }}
maker = {{ type = "id" }}
seen = {{ type = "set", of = {{ type = "id" }}, max = 3 }}
due = {{ type = "time" }}
peer = {{ type = "ref", to = "Thing" }}
peers = {{ type = "set", of = {{ type = "ref", to = "Thing" }}, max = 2 }}

[action]
create = {{ by = "role:r" }}

[action.go]
from = "a"
to = "b"
by = "role:r"
args = {{ k = {{ type = "int", range = [0, 9] }} }}
{what}
"""


def guard(app_of: Callable[[str], App], text: str) -> str:
    """The guard of an action in words."""
    app = app_of(TEXT.format(what=f'when = "{text}"'))
    when = app.blueprints["Thing"].actions["go"].when
    assert when is not None
    return condition(when)


def assignment(app_of: Callable[[str], App], text: str) -> str:
    """An assignment of an action in words."""
    app = app_of(TEXT.format(what=f'do = ["{text}"]'))
    done = app.blueprints["Thing"].actions["go"].do[0]
    return change(done.target, done.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n < 3", "`n` is below 3"),
        ("n >= m", "`n` is at least `m`"),
        ("n == m", "`n` equals `m`"),
        ("n != m", "`n` differs from `m`"),
        ("m != 10000", "`m` is not 10,000"),
        ("not n < 3", "`n` is not below 3"),
        ("n == arg.k", "`n` equals the given `k`"),
        ("1 < n <= 4", "1 is below `n` and `n` is at most 4"),
        ("actor != maker", "the caller is not `maker`"),
        ("actor is None", "there is no caller"),
        ("maker is not None", "`maker` is set"),
        ("maker == None", "`maker` is unset"),
        ("flag", "`flag` is true"),
        ("not flag", "`flag` is false"),
        ("flag != True", "`flag` is false"),
        ("flag == (n < 3)", "`flag` is (whether `n` is below 3)"),
        ("kind == 'x'", "`kind` is `'x'`"),
        ("kind in ('x', 'y')", "`kind` is `'x'` or `'y'`"),
        ("kind not in ('x', 'y')", "`kind` is neither `'x'` nor `'y'`"),
        ("kind not in ('x', 'y', 'z')", "`kind` is none of `'x'`, `'y'` and `'z'`"),
        ("actor in seen", "the caller is among `seen`"),
        ("actor not in seen", "the caller is not among `seen`"),
        ("len(seen) >= 2", "the number of `seen` is at least 2"),
        ("state == 'a'", "it is in `a`"),
        ("state != 'a'", "it is not in `a`"),
        ("peer.state == 'b'", "`peer` is in `b`"),
        ("peer.state not in ('a', 'b')", "`peer` is in neither `a` nor `b`"),
        ("peer.n < n", "`peer.n` is below `n`"),
        ("peer == self", "`peer` is this Thing"),
        ("peer.state == state", "`peer` is in its own state"),
        ("min(n, m) < 3", "the smaller of `n` and `m` is below 3"),
        ("max(n, m, 2) < 3", "the largest of `n`, `m` and 2 is below 3"),
        ("abs(n - m) < 3", "the absolute value of (`n` minus `m`) is below 3"),
        ("all(p.n < 3 for p in peers)", "for every `p` in `peers`: `p.n` is below 3"),
        (
            "any(p.flag for p in peers if p.n > 1)",
            "for some `p` in `peers` where `p.n` is above 1: `p.flag` is true",
        ),
        ("sum(p.n for p in peers) < 3", "the sum of `p.n` over every `p` in `peers` is below 3"),
        ("not (n == 1 or flag)", "it is not so that (`n` is 1 or `flag` is true)"),
        ("not flag or n == 1", "if `flag` is true, then `n` is 1"),
        ("kind != 'x' or n == 1", "if `kind` is `'x'`, then `n` is 1"),
    ],
)  # fmt: skip
def test_a_condition_in_words(app_of: Callable[[str], App], text: str, words: str) -> None:
    assert guard(app_of, text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n == 1 and (flag or n == 2)", "`n` is 1 and (`flag` is true or `n` is 2)"),
        ("n == 1 and flag or n == 2", "(`n` is 1 and `flag` is true) or `n` is 2"),
        ("kind in ('x', 'y') and flag", "(`kind` is `'x'` or `'y'`) and `flag` is true"),
        ("(not flag or n == 1) and n == 2", "(if `flag` is true, then `n` is 1) and `n` is 2"),
        ("n - (m - 1) < 3", "`n` minus (`m` minus 1) is below 3"),
        ("(n - m) * 2 < 3", "(`n` minus `m`) times 2 is below 3"),
        ("-n < 3", "minus `n` is below 3"),
        ("n // 2 == 1", "`n` divided by 2 (rounded down) is 1"),
        ("n % 2 == 1", "the remainder of `n` divided by 2 is 1"),
        ("(n if flag else m) < 3", "(`n` if `flag` is true, otherwise `m`) is below 3"),
        (
            "flag and all(p.flag for p in peers)",
            "`flag` is true and (for every `p` in `peers`: `p.flag` is true)",
        ),
    ],
)  # fmt: skip
def test_what_binds_otherwise_stands_in_parentheses(
    app_of: Callable[[str], App], text: str, words: str
) -> None:
    assert guard(app_of, text) == words


def test_what_reads_worse_than_its_text_is_left_as_it_is(app_of: Callable[[str], App]) -> None:
    deep = "((n + 1) * 2 + 1) * 2 < 3"
    assert guard(app_of, deep) == f"`{deep}`"
    long = " and ".join(f"n != {i}" for i in range(20))
    assert guard(app_of, long) == f"`{long}`"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n = 1", "sets `n` to 1"),
        ("n += 1", "raises `n` by 1"),
        ("n -= arg.k", "lowers `n` by the given `k`"),
        ("n = m - 1", "sets `n` to `m` minus 1"),
        ("maker = actor", "sets `maker` to the caller"),
        ("maker = None", "clears `maker`"),
        ("flag = n < 3", "sets `flag` to whether `n` is below 3"),
        ("seen = set()", "empties `seen`"),
        ("seen += actor", "adds the caller to `seen`"),
        ("seen -= {actor, maker}", "removes the caller and `maker` from `seen`"),
        ("due = now + 86400", "sets `due` to 1 day from now"),
        ("due = now + n", "sets `due` to `n` seconds from now"),
        ("due = now", "sets `due` to now"),
        ("kind = 'y' if flag else 'z'", "sets `kind` to `'y'` if `flag` is true, otherwise `'z'`"),
    ],
)
def test_an_assignment_in_words(app_of: Callable[[str], App], text: str, words: str) -> None:
    assert assignment(app_of, text) == words


def test_a_bool_as_a_noun(app_of: Callable[[str], App]) -> None:
    app = app_of(TEXT.format(what='when = "n < 3"'))
    when = app.blueprints["Thing"].actions["go"].when
    assert when is not None
    assert value(when) == "whether `n` is below 3"
