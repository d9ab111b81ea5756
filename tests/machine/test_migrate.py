"""What the machine makes of one entity when another version takes over."""

from __future__ import annotations

from dataclasses import replace

from lathe.machine.migrate import Misfit, migrate, migrate_world
from lathe.machine.snapshot import Entity, MemoryWorld
from lathe.machine.table import compile_app

from ..support import Machine, app_of, several

OLD = """
blueprint = "Thing"
[state]
open = { initial = true, waits = "w" }
held = { waits = "w" }
shut = { final = true }
[field]
level = { type = "int", range = [0, 9], default = 0 }
mood = { type = "enum", of = ["calm", "loud", "odd"], default = "calm" }
owner = { type = "id" }
due = { type = "time" }
[action]
create = { by = "role:clerk", sets = ["level", "mood"] }
hold = { from = "open", to = "held", by = "role:clerk", do = ["owner = actor", "due = now + 60"] }
shut = { from = ["open", "held"], to = "shut", by = "role:clerk" }
[timer]
alarm = { at = "due", then = "shut" }
"""


def held(level: int = 4, mood: str = "loud") -> Machine:
    """A thing that clerk `ann` holds."""
    machine = Machine(OLD)
    machine.create(level=level, mood=mood)
    machine.act("Thing#1", "hold")
    return machine


def moved(machine: Machine, new: str) -> Entity | tuple[Misfit, ...] | None:
    return migrate(machine.table, compile_app(app_of(new)), machine.entity("Thing#1"), machine.world)


def told(found: Entity | tuple[Misfit, ...] | None) -> list[str]:
    assert isinstance(found, tuple)
    return [f"{m.kind} {m.name}" for m in found]


def test_same_version_changes_nothing_but_the_version() -> None:
    machine = held()
    entity = machine.entity("Thing#1")
    assert moved(machine, OLD) == replace(entity, version=entity.version + 1)


def test_visit_stays_whatever_the_state_becomes() -> None:
    found = moved(held(), OLD.replace("held", "kept") + '[migrate]\nstate = { held = "kept" }\n')
    assert isinstance(found, Entity)
    assert (found.state, found.visit) == ("kept", 2)


def test_state_that_is_gone_has_no_place() -> None:
    assert told(moved(held(), OLD.replace("held", "kept"))) == ["state held"]


def test_all_misfits_are_told_at_once() -> None:
    new = OLD.replace("[0, 9]", "[0, 3]").replace('"loud", ', "").replace('"open", "held"', '"open"')
    assert told(moved(held(), new)) == ["field level", "field mood"]


def test_values_that_fit_stay_in_a_narrower_type() -> None:
    found = moved(held(level=3), OLD.replace("[0, 9]", "[0, 3]"))
    assert isinstance(found, Entity)
    assert found.fields["level"] == 3


def test_expression_reads_the_old_fields_and_the_old_state() -> None:
    new = OLD.replace("level", "rank") + (
        "[migrate]\nfield = { rank = \"min(old.level, 2) if old.state == 'held' else 9\" }\n"
    )
    found = moved(held(), new)
    assert isinstance(found, Entity)
    assert found.fields["rank"] == 2
    assert "level" not in found.fields


def test_expression_without_a_value_is_told() -> None:
    new = OLD + '[migrate]\nfield = { level = "old.gone + 1" }\n'
    assert told(moved(held(), new)) == ["expression level"]
    new = OLD + '[migrate]\nfield = { owner = "old.due" }\n'
    assert told(moved(held(), new)) == ["expression owner"]


def test_new_field_needs_a_default_or_an_entry() -> None:
    field = '[field]\nnote = { type = "text", max = 9 }'
    assert told(moved(held(), OLD.replace("[field]", field))) == ["new note"]
    said = OLD.replace("[field]", field) + '[migrate]\nfield = { note = "None" }\n'
    assert isinstance(moved(held(), said), Entity)
    default = field.replace("}", ', default = "x" }')
    found = moved(held(), OLD.replace("[field]", default))
    assert isinstance(found, Entity)
    assert found.fields["note"] == "x"


def test_deadline_that_is_set_needs_a_counterpart() -> None:
    new = OLD.replace('[timer]\nalarm = { at = "due", then = "shut" }\n', "")
    assert told(moved(held(), new)) == ["deadline alarm"]
    renamed = OLD.replace("alarm", "bell")
    assert isinstance(moved(held(), renamed), Entity)
    assert isinstance(moved(held(), new + '[migrate]\nstate = { held = "held" }\n'), Entity)
    assert isinstance(moved(held(), new + '[migrate]\nfield = { due = "None" }\n'), Entity)


TIMED = """
blueprint = "Thing"
[state]
open = { initial = true, after = "1h", then = "shut" }
shut = { final = true }
[action]
create = { by = "role:clerk" }
shut = { from = "open", to = "shut", by = "role:clerk" }
"""


def test_armed_timer_needs_a_counterpart_or_an_entry_for_its_state() -> None:
    machine = Machine(TIMED)
    machine.create()
    new = TIMED.replace('after = "1h", then = "shut"', 'waits = "w"')
    assert told(moved(machine, new)) == ["timer open"]
    assert isinstance(moved(machine, new + '[migrate]\nstate = { open = "open" }\n'), Entity)
    assert isinstance(moved(machine, TIMED.replace("1h", "2h")), Entity)


ASKING = """
blueprint = "Thing"
[state]
busy = { initial = true, run = "ask", after = "1h", then = "fail" }
good = { final = true }
bad = { final = true }
[field]
size = { type = "int", range = [0, 5], default = 0 }
[ghost]
asked = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk" }
fail = { from = "busy", to = "bad" }
win = { from = "busy", to = "good", sets = ["size"] }
[effect.ask]
uses = "http"
with = { method = "POST", url = "https://a.example/x", take = { size = "body.size" } }
world = ["asked += 1"]
ok = "win"
error = "fail"
"""


def asking(*, started: bool) -> Machine:
    machine = Machine(ASKING)
    machine.create()
    if started:
        machine.start("Thing#1")
        machine.execute("Thing#1")
    return machine


def test_invocation_stays_in_flight_with_what_it_did() -> None:
    found = moved(asking(started=True), ASKING)
    assert isinstance(found, Entity)
    assert [(i.effect, i.phase, i.executed) for i in found.invocations] == [("ask", "started", True)]
    assert found.ghosts == {"asked": 1}


def test_invocation_of_an_effect_that_is_gone_has_no_place() -> None:
    new = ASKING.replace("ask", "beg").replace("beged", "asked")
    for started in (False, True):
        assert told(moved(asking(started=started), new)) == ["effect ask"]


def test_stopping_of_an_effect_that_is_gone_matters_if_it_still_shows() -> None:
    machine = asking(started=True)
    machine.timer("Thing#1")
    assert machine.phases("Thing#1") == {"ask": "stopping"}
    new = ASKING.replace("ask", "beg").replace("beged", "asked")
    assert told(moved(machine, new)) == ["effect ask"]
    hidden = new.replace("asked", "begged")
    found = moved(machine, hidden)
    assert isinstance(found, Entity)
    assert found.invocations == ()


def test_results_must_fit_the_callback_for_all_values() -> None:
    narrower = ASKING.replace("[0, 5]", "[0, 4]")
    assert told(moved(asking(started=False), narrower)) == ["result ask"]
    assert isinstance(moved(asking(started=False), ASKING.replace("[0, 5]", "[0, 6]")), Entity)


def test_results_that_never_fitted_may_still_come() -> None:
    """A status that the callback does not take ends as invalid in both versions, as before."""
    taking = 'sets = ["size"], args = { status = { type = "int", range = [200, 204] } } }'
    old = ASKING.replace('sets = ["size"] }', taking)
    machine = Machine(old)
    machine.create()
    wider, narrower = old.replace("[200, 204]", "[200, 299]"), old.replace("[200, 204]", "[200, 203]")
    assert isinstance(moved(machine, old), Entity)
    assert isinstance(moved(machine, wider), Entity)
    assert told(moved(machine, narrower)) == ["result ask"]


def test_notice_is_no_counterpart_of_a_call() -> None:
    new = ASKING.replace('ok = "win"\nerror = "fail"\n', "").replace(
        'win = { from = "busy", to = "good", sets = ["size"] }', 'win = { from = "busy", to = "good" }'
    )
    new = new.replace(', take = { size = "body.size" }', "").replace("win = {", 'win = { by = "role:clerk",')
    assert told(moved(asking(started=True), new)) == ["sort ask"]


TWO = several(
    Left='[state]\non = { initial = true, waits = "w" }\noff = { final = true }\n'
    '[field]\nother = { type = "ref", to = "Right" }\n'
    '[action]\ncreate = { by = "role:clerk", sets = ["other"] }\n'
    'end = { from = "on", to = "off", by = "role:clerk" }',
    Right='[state]\non = { initial = true, waits = "w" }\noff = { final = true }\n'
    '[action]\ncreate = { by = "role:clerk" }\nend = { from = "on", to = "off", by = "role:clerk" }',
)


def test_blueprint_that_is_gone_leaves_behind_only_what_is_over() -> None:
    machine = Machine(TWO)
    machine.create("Right")
    gone = several(
        Left='[state]\non = { initial = true, waits = "w" }\n[action]\ncreate = { by = "role:clerk" }'
    )
    new = compile_app(app_of(gone))
    found = migrate(machine.table, new, machine.entity("Right#1"), machine.world)
    assert told(found) == ["blueprint Right"]
    machine.act("Right#1", "end")
    assert migrate(machine.table, new, machine.entity("Right#1"), machine.world) is None
    assert migrate_world(machine.table, new, machine.world) == MemoryWorld({}, {})


def test_reference_goes_only_to_an_entity_of_its_blueprint() -> None:
    machine = Machine(TWO)
    machine.create("Right")
    machine.create("Left", other="Right#1")
    new = TWO.replace('to = "Right"', 'to = "Left"')
    found = migrate(machine.table, compile_app(app_of(new)), machine.entity("Left#2"), machine.world)
    assert told(found) == ["field other"]
    said = new.replace("[action]", '[migrate]\nfield = { other = "old.other" }\n[action]', 1)
    found = migrate(machine.table, compile_app(app_of(said)), machine.entity("Left#2"), machine.world)
    assert told(found) == ["field other"]


def test_ghosts_stop_at_their_new_range() -> None:
    found = moved(asking(started=True), ASKING.replace("[0, 3]", "[0, 0]"))
    assert isinstance(found, Entity)
    assert found.ghosts == {"asked": 0}
    other = ASKING.replace(
        '{ type = "int", range = [0, 3], default = 0 }', '{ type = "bool", default = false }'
    )
    other = other.replace("asked += 1", "asked = True")
    assert told(moved(asking(started=True), other)) == ["ghost asked"]
