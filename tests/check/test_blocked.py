"""An entity that is stuck: which guard keeps it there, with the values that it reads."""

from __future__ import annotations

import pytest
from tests.support import codes, finding, report_of

PARCEL = """
blueprint = "Parcel"

[state]
open = { initial = true, waits = "somebody packs it" }
gone = { final = true }

[field]
tries = { type = "int", range = [0, 2], default = 0 }
owner = { type = "id" }
key = { type = "text", max = 9, secret = true }

[action]
create = { by = "role:clerk" }
tr = { from = "open", by = "role:clerk", when = "tries < 2", do = ["tries += 1"] }
send = { from = "open", to = "gone", by = "role:clerk", when = "tries < 1" }
"""


def help_of(text: str) -> str:
    found = finding(report_of(text), "LT301")
    return str(found.diagnostic.help)


def test_the_false_guards_stand_first_in_the_cure() -> None:
    assert help_of(PARCEL).startswith(
        "`tr` at line 15 needs `tries < 2` (tries = 2); `send` at line 16 needs `tries < 1` (tries = 2): give"
    )


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("tries < 1 and actor != owner", "`tr` at line 15 needs `tries < 2` (tries = 2): give `open`"),
        ("tries < 1 and key == 'a'", "`send` at line 16 needs `tries < 1` (tries = 2): give `open`"),
    ],
)
def test_a_guard_that_depends_on_who_asks_is_left_out(when: str, says: str) -> None:
    assert says in help_of(PARCEL.replace('when = "tries < 1"', f'when = "{when}"'))


def test_what_is_not_stuck_is_not_told() -> None:
    assert "LT301" not in codes(PARCEL.replace('when = "tries < 1"', 'when = "tries < 3"'))


TWO = """
blueprint = "Sale"

[state]
selling = { initial = true, run = ["charge", "receipt"] }
sold = { final = true }

[action]
create = { by = "role:clerk" }
charged = { from = "selling", to = "sold" }
sent = { from = "selling" }

[effect.charge]
uses = "http"
with = { method = "PUT", url = "https://bank.example/{id}" }
ok = "charged"
error = "charged"

[effect.receipt]
uses = "http"
with = { method = "PUT", url = "https://post.example/{id}" }
ok = "sent"
error = "sent"
"""


def test_an_effect_whose_visit_is_over_before_it_starts_is_the_cause() -> None:
    found = finding(report_of(TWO), "LT202")
    assert found.diagnostic.message == "`sent` can never be taken"
    assert str(found.diagnostic.help).startswith(
        "`receipt` waits for `charge`, asked for before it: effects run one by one"
    )


def test_what_waits_for_a_notice_or_stands_first_waits_for_nothing() -> None:
    told = TWO.replace('ok = "charged"\nerror = "charged"', "").replace(
        '"PUT", url = "https://bank', '"POST", url = "https://bank'
    )
    assert "LT202" not in codes(
        told.replace(
            'charged = { from = "selling", to = "sold" }',
            'charged = { from = "selling", to = "sold", by = "role:clerk" }',
        )
    )
    swapped = TWO.replace('["charge", "receipt"]', '["receipt", "charge"]')
    assert "LT202" not in codes(swapped)
