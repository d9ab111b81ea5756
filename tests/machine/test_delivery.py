"""Between entities: `call` and `create`, exactly once, later, together with the caller's `ok`."""

from __future__ import annotations

from tests.support import Machine

SHOP = """
# --- app.toml
app = "shop"

[role]
clerk = "c"

# --- order.blueprint.toml
blueprint = "Order"

[state]
open = { initial = true, waits = "x" }
packing = { run = "pack", waits = "x" }
packed = { waits = "x" }
stopping = { run = "stop", waits = "x" }
many = { run = "pack_all", waits = "x" }
telling = { run = "tell", waits = "x" }
unclear = { waits = "x" }

[field]
size = { type = "int", range = [0, 9], default = 1 }
parcel = { type = "ref", to = "Parcel" }
wanted = { type = "set", of = { type = "enum", of = ["a", "b"] }, max = 2 }
blocked = { type = "bool", default = false }
who = { type = "id" }

[action]
create = { by = "role:clerk" }
pack.from = ["open", "unclear"]
pack.to = "packing"
pack.by = "role:clerk"
pack.do = ["size += 1"]
pack.args = { heavy = { type = "bool", default = false } }
block = { from = "*", by = "role:clerk", do = ["blocked = True"] }
done = { from = "packing", to = "packed", when = "not blocked", sets = ["parcel"], do = ["who = actor"] }
cancel = { from = ["packing", "packed"], to = "stopping", by = "role:clerk" }
stopped = { from = "stopping", to = "open" }
want = { from = "open", to = "many", by = "role:clerk", sets = ["wanted"] }
got_all = { from = "many", to = "packed" }
failed.from = ["packing", "stopping", "many"]
failed.to = "unclear"
failed.args.cause.type = "enum"
failed.args.cause.of = ["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]
failed.when = "arg.cause == 'refused'"
tell = { from = "packed", to = "telling", by = "role:clerk" }
chat = { from = "packed", by = "role:clerk", run = "whisper" }

[effect.pack]
uses = "create"
with.blueprint = "Parcel"
with.args = { order = "self", size = "size", heavy = "arg.heavy", in_packing = "state == 'packing'" }
ok = "done"
error = "failed"

[effect.stop]
uses = "call"
with = { on = "parcel", action = "stop" }
ok = "stopped"
error = "failed"

[effect.pack_all]
uses = "create"
with.blueprint = "Parcel"
with.each = "wanted"
with.args = { order = "self", size = "3 if item == 'a' else 9", heavy = "False", in_packing = "False" }
ok = "got_all"
error = "failed"

[effect.tell]
uses = "call"
with = { on = "parcel", action = "stop" }

[effect.whisper]
uses = "call"
with = { on = "parcel", action = "stop" }

# --- parcel.blueprint.toml
blueprint = "Parcel"

[state]
here = { initial = true, waits = "x" }
gone = { waits = "x" }

[field]
order = { type = "ref", to = "Order" }
size = { type = "int", range = [0, 5] }
heavy = { type = "bool", default = false }
in_packing = { type = "bool", default = false }
by = { type = "id" }

[action]
create = { by = "entity:Order", sets = ["order", "size", "heavy", "in_packing"], do = ["by = actor"] }
stop = { from = "here", to = "gone", by = "entity:Order" }
"""


def order(machine: Machine, *, heavy: bool = False) -> str:
    found = machine.create("Order")
    assert machine.act(found, "pack", heavy=heavy) == "done"
    return found


def test_a_creation_and_the_callers_ok_are_one_step() -> None:
    machine = Machine(SHOP)
    thing = order(machine, heavy=True)
    assert machine.deliver(thing, "Parcel#1") == "done"
    assert machine.last is not None
    assert [(p.entity, p.action) for p in machine.last.parts] == [(thing, "done"), ("Parcel#1", "create")]
    assert machine.entity(thing).state == "packed"
    assert machine.entity(thing).fields["parcel"] == "Parcel#1", "it goes to the one ref in its `sets`"
    assert machine.deliver(thing, "Parcel#2") == "stale", "exactly once"


def test_its_values_are_those_that_the_action_left() -> None:
    machine = Machine(SHOP)
    thing = order(machine, heavy=True)
    machine.deliver(thing, "Parcel#1")
    fields = machine.entity("Parcel#1").fields
    assert (fields["order"], fields["size"], fields["heavy"], fields["in_packing"]) == (thing, 2, True, True)


def test_nobody_stands_behind_a_delivery() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    machine.deliver(thing, "Parcel#1")
    assert machine.entity("Parcel#1").fields["by"] is None
    assert machine.entity(thing).fields["who"] is None


def test_if_the_target_refuses_only_error_happens() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    machine.deliver(thing, "Parcel#1")
    machine.act(thing, "cancel")
    machine.deliver(thing)
    assert (machine.entity(thing).state, machine.entity("Parcel#1").state) == ("open", "gone")
    machine.act(thing, "pack")
    machine.deliver(thing, "Parcel#2")
    machine.act(thing, "tell")
    machine.notify(thing, "tell")
    assert machine.entity("Parcel#2").state == "gone"


def test_a_refused_call_has_the_cause_refused() -> None:
    machine = Machine(SHOP)
    thing = machine.create("Order")
    for _ in range(4):
        machine.act(thing, "pack")
        machine.deliver(thing, f"Parcel#{machine.now}")
        if machine.entity(thing).state == "packed":
            machine.act(thing, "cancel")
            machine.deliver(thing)
    machine.act(thing, "pack")
    assert machine.entity(thing).fields["size"] == 6
    before = set(machine.world.entities)
    assert machine.deliver(thing, "Parcel#99") == "done"
    assert machine.entity(thing).state == "unclear", "`failed` is possible for `refused` alone"
    assert set(machine.world.entities) == before


def test_if_ok_is_refused_nothing_of_the_target_happens() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    machine.act(thing, "block")
    assert machine.deliver(thing, "Parcel#1") == "done"
    assert machine.entity(thing).state == "unclear"
    assert "Parcel#1" not in machine.world.entities


def test_a_call_is_never_made_after_its_visit() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    machine.act(thing, "cancel")
    assert [i.effect for i in machine.entity(thing).invocations] == ["stop"]


def test_a_call_to_nobody_is_refused() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    machine.act(thing, "cancel")
    assert machine.deliver(thing) == "done"
    assert machine.entity(thing).state == "unclear"


def test_a_call_is_not_started_executed_or_late() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    assert machine.start(thing) == "stale"
    assert machine.execute(thing) == "stale"
    assert machine.end_well(thing) == "stale"
    assert machine.end_badly(thing) == "stale"


def test_each_makes_one_for_every_member_all_or_none() -> None:
    machine = Machine(SHOP)
    thing = machine.create("Order")
    machine.act(thing, "want", wanted=frozenset({"a"}))
    assert machine.deliver(thing, "Parcel#1") == "done"
    assert machine.entity(thing).state == "packed"
    assert machine.entity("Parcel#1").fields["size"] == 3
    other = machine.create("Order")
    machine.act(other, "want", wanted=frozenset({"a", "b"}))
    assert machine.deliver(other, "Parcel#2", "Parcel#3") == "done"
    assert machine.entity(other).state == "unclear", "9 is no size of a parcel"
    assert "Parcel#2" not in machine.world.entities


def test_each_of_none_is_ok_at_once() -> None:
    machine = Machine(SHOP)
    thing = machine.create("Order")
    machine.act(thing, "want", wanted=frozenset())
    assert machine.deliver(thing) == "done"
    assert machine.entity(thing).state == "packed"


def test_a_notice_that_is_a_call_is_taken_or_dropped() -> None:
    machine = Machine(SHOP)
    thing = order(machine)
    machine.deliver(thing, "Parcel#1")
    machine.act(thing, "chat")
    machine.act(thing, "chat")
    assert machine.notify(thing, "whisper") == "done"
    assert machine.entity("Parcel#1").state == "gone"
    assert machine.notify(thing, "whisper") == "done", "refused, and nobody minds"
    assert machine.notify(thing, "whisper") == "stale"
