"""What two searches saw a sample of is proved for every image, or stays unknown."""

from __future__ import annotations

from lathe.gate import Options

from ...support import app_of, report_of, told

PURSE = """
blueprint = "Purse"
[state]
open = { initial = true, waits = "its owner" }
shut = { final = true }
[field]
coins = { type = "int", range = [0, 100000], default = 0, explore = [0, 2] }
[action]
create = { by = "role:clerk" }
shut = { from = "open", to = "shut", by = "role:clerk" }
[action.add]
from = "open"
by = "role:clerk"
args = { more = { type = "int", range = [1, 100000], explore = [1, 2] } }
when = "coins + arg.more <= 100000"
do = ["coins += arg.more"]
"""


def against(old: str, new: str) -> list[str]:
    report = report_of(new, Options(against=app_of(old)))
    return [t for t in told(report) if not t.startswith("LT802")]


def test_same_version_is_proved_for_all_values() -> None:
    assert against(PURSE, PURSE) == []


LESS = (
    PURSE.replace("coins + arg.more <= 100000", "coins + arg.more <= 500")
    + '[invariant]\nsmall = "coins <= 500"\n'
)


def test_invariant_that_only_values_beyond_the_sample_break_is_not_admitted() -> None:
    assert [t for t in told(report_of(LESS)) if not t.startswith("LT802")] == []
    assert against(PURSE, LESS) == ["LT801"]


def test_entry_that_keeps_an_invariant_for_all_values_is_proved() -> None:
    assert against(PURSE, LESS + '[migrate]\nfield = { coins = "min(old.coins, 500)" }\n') == []
    kept = "old.coins if old.coins <= 500 else 0"
    assert against(PURSE, LESS + f'[migrate]\nfield = {{ coins = "{kept}" }}\n') == []
    assert against(PURSE, LESS + '[migrate]\nfield = { coins = "min(old.coins, 501)" }\n') == ["LT801"]


NARROW = PURSE.replace("range = [0, 100000], default", "range = [0, 500], default").replace(
    "coins + arg.more <= 100000", "coins + arg.more <= 500"
)


def test_narrower_range_that_only_values_beyond_the_sample_leave_is_not_admitted() -> None:
    assert against(PURSE, NARROW) == ["LT801"]
    assert against(PURSE, NARROW + '[migrate]\nfield = { coins = "min(old.coins, 500)" }\n') == []


def test_guard_of_the_old_version_counts() -> None:
    """It never lets the coins beyond 500, whatever its range says."""
    old = PURSE.replace("coins + arg.more <= 100000", "coins + arg.more <= 500")
    assert against(old + '[invariant]\nkept = "coins <= 500"\n', NARROW) == []


def test_state_decides_what_a_field_becomes() -> None:
    moved = "[migrate]\nfield = { coins = \"0 if old.state == 'shut' else old.coins\" }\n"
    new = PURSE.replace(
        'shut = { from = "open", to = "shut", by = "role:clerk" }',
        'shut = { from = "open", to = "shut", by = "role:clerk", do = ["coins = 0"] }',
    )
    new += '[invariant]\nempty = { that = "coins == 0", in = ["shut"] }\n'
    assert against(PURSE, new) == ["LT703 empty"]
    assert against(PURSE, new + moved) == []
