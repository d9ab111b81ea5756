"""Settings as requests: what is kept otherwise than it is told."""

from __future__ import annotations

from lathe.effect.render import Moment, kinds_of, render
from lathe.machine.snapshot import Invocation

from ..support import app_of, several

THING = """
[state]
open = { initial = true, waits = "it is told" }
[field]
payload = { type = "json", max = 100 }
due = { type = "time" }
[action]
create = { by = "role:clerk", sets = ["payload", "due"] }
tell = { from = "open", by = "role:clerk", run = "told" }
[effect.told]
uses = "emit"
with = { data = { all = "{payload}", at = "{due}", said = "due {due}", unset = "{payload}" } }
"""


def test_json_is_json_and_times_are_times() -> None:
    app = app_of(several(Thing=THING))
    blueprint = app.blueprints["Thing"]
    fields = {"payload": '{"a":[1,null]}', "due": 1_700_000_000_123}
    moment = Moment("t1", Invocation(1, "told", 1, "notice", False, fields, {}), kinds_of(blueprint))
    data = render(blueprint.effects["told"], moment)["data"]
    assert data == {
        "all": {"a": [1, None]},
        "at": "2023-11-14T22:13:20.123Z",
        "said": "due 2023-11-14T22:13:20.123Z",
        "unset": {"a": [1, None]},
    }


def test_a_time_that_no_text_has_is_the_nearest_that_has() -> None:
    blueprint = app_of(several(Thing=THING)).blueprints["Thing"]
    fields = {"payload": None, "due": 2**53}
    moment = Moment("t1", Invocation(1, "told", 1, "notice", False, fields, {}), kinds_of(blueprint))
    data = render(blueprint.effects["told"], moment)["data"]
    assert isinstance(data, dict)
    assert data["at"] == "9999-12-31T23:59:59.999Z"
