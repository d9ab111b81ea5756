"""Joint steps: one transaction, all or none, everything read before it."""

from __future__ import annotations

from tests.support import Machine

INN = """
# --- app.toml
app = "inn"

[role]
clerk = "c"

[ghost]
order_seen = { type = "int", range = [0, 9], default = 0 }

# --- room.blueprint.toml
blueprint = "Room"

[state]
free = { initial = true, waits = "x" }
taken = { waits = "x", run = "clean" }

[field]
uses = { type = "int", range = [0, 2], default = 0 }
guest = { type = "ref", to = "Guest" }
key = { type = "id" }
lobby = { type = "ref", to = "Room" }

[ghost]
asked = { type = "int", range = [0, 9], default = 0 }

[action]
create = { by = ["role:clerk", "entity:Guest"] }
join = { from = "free", by = "role:clerk", sets = ["lobby"] }
take.from = "free"
take.to = "taken"
take.by = "entity:Guest"
take.sets = ["guest"]
take.do = ["uses += 1", "key = actor"]
take.ghost = ["asked += 1", "order_seen = order_seen * 2 + 1"]
lift.from = "free"
lift.by = ["entity:Guest", "entity:Room"]
lift.do = ["uses = guest.money if guest is not None else 2"]
peek.from = "free"
peek.by = "entity:Guest"
peek.args.g = { type = "ref", to = "Guest" }
peek.do = ["uses = arg.g.money"]
chain = { from = "free", by = "entity:Guest", also = [{ on = "lobby", action = "lift" }] }
back.from = "free"
back.by = "entity:Guest"
back.args = { whom = { type = "ref", to = "Guest" } }
back.also = [{ on = "arg.whom", action = "paid" }]
only_small = { from = "free", by = "entity:Guest", args = { n = { type = "int", range = [0, 1] } } }
cleaned = { from = "taken" }

[effect.clean]
uses = "http"
with = { url = "https://clean.example" }
ok = "cleaned"
error = "cleaned"

# --- guest.blueprint.toml
blueprint = "Guest"

[state]
out = { initial = true, waits = "x" }
inside = { waits = "x", run = ["greet", "bill"] }

[field]
room = { type = "ref", to = "Room" }
money = { type = "int", range = [0, 2], default = 2 }

[ghost]
happy = { type = "bool", default = false }

[action]
create = { by = "role:clerk" }
book = { from = "out", by = "role:clerk", sets = ["room"] }
enter.from = "out"
enter.to = "inside"
enter.by = "role:clerk"
enter.run = "knock"
enter.do = ["money -= 1"]
enter.ghost = ["happy = True", "room.asked += 1", "order_seen = order_seen * 2"]
enter.also = [{ on = "room", action = "take", args = { guest = "self" } }]
maybe = { from = "out", by = "role:clerk", also = [{ on = "room", action = "lift", when = "money > 1" }] }
far = { from = "out", by = "role:clerk", also = [{ on = "room", action = "chain" }] }
arg_far.from = "out"
arg_far.by = "role:clerk"
arg_far.args = { r = { type = "ref", to = "Room" } }
arg_far.also = [{ on = "arg.r", action = "lift" }]
ref_far = { from = "out", by = "role:clerk", also = [{ on = "room.lobby", action = "lift" }] }
twice.from = "out"
twice.by = "role:clerk"
twice.also = [{ on = "room", action = "lift" }, { on = "room.lobby", action = "lift" }]
selfish.from = "out"
selfish.by = "role:clerk"
selfish.also = [{ on = "room", action = "back", args = { whom = "self" } }]
wide.from = "out"
wide.by = "role:clerk"
wide.also = [{ on = "room", action = "only_small", args = { n = "money" } }]
poor.from = "out"
poor.by = "role:clerk"
poor.when = "money > 0"
poor.do = ["money -= 2"]
poor.also = [{ on = "room", action = "lift" }]
spend.from = "out"
spend.by = "role:clerk"
spend.do = ["money -= 2"]
spend.also = [{ on = "room", action = "peek", args = { g = "self" } }]
paid = { from = "out", by = "entity:Room" }
greeted = { from = "inside" }

[effect.knock]
uses = "http"
with = { url = "https://knock.example" }
ok = "greeted"
error = "greeted"

[effect.greet]
uses = "http"
with = { url = "https://greet.example" }
ok = "greeted"
error = "greeted"

[effect.bill]
uses = "emit"
"""


def inn() -> tuple[Machine, str, str]:
    """A guest that has booked a free room."""
    machine = Machine(INN)
    guest, room = machine.create("Guest"), machine.create("Room")
    machine.act(guest, "book", room=room)
    return machine, guest, room


def test_both_sides_are_taken_in_one_step() -> None:
    machine, guest, room = inn()
    assert machine.act(guest, "enter", by="role:clerk@ann") == "done"
    assert machine.last is not None
    assert [(p.entity, p.action, str(p.by)) for p in machine.last.parts] == [
        (guest, "enter", "role:clerk"),
        (room, "take", "entity:Guest"),
    ]
    assert (machine.entity(guest).state, machine.entity(room).state) == ("inside", "taken")
    assert machine.entity(room).fields["guest"] == guest


def test_actor_is_the_first_callers_throughout() -> None:
    machine, guest, room = inn()
    machine.act(guest, "enter", by="role:clerk@ann")
    assert machine.entity(room).fields["key"] == "ann"


def test_a_refusal_on_any_side_refuses_the_whole() -> None:
    machine, guest, room = inn()
    machine.act(guest, "enter")
    other = machine.create("Guest")
    machine.act(other, "book", room=room)
    before = machine.world
    assert machine.act(other, "enter") == "state"
    assert machine.refusal is not None
    assert (machine.refusal.entity, machine.refusal.action) == (room, "take")
    assert machine.world is before


def test_an_unset_ref_refuses() -> None:
    machine = Machine(INN)
    assert machine.act(machine.create("Guest"), "enter") == "missing"


def test_a_clause_whose_when_is_false_is_left_out() -> None:
    machine, guest, room = inn()
    machine.act(guest, "maybe")
    assert machine.entity(room).fields["uses"] == 2
    poor = machine.create("Guest")
    machine.act(poor, "book", room=room)
    machine.act(poor, "enter")
    other = machine.create("Guest")
    assert machine.act(other, "maybe") == "missing", "its `on` is looked at where `when` holds"


def test_the_clauses_of_the_other_side_are_taken_too() -> None:
    machine, guest, room = inn()
    lobby = machine.create("Room")
    machine.act(room, "join", lobby=lobby)
    assert machine.act(guest, "far") == "done"
    assert machine.last is not None
    assert [p.entity for p in machine.last.parts] == [guest, room, lobby]


def test_on_may_be_an_argument_or_one_step_away() -> None:
    machine, guest, room = inn()
    lobby = machine.create("Room")
    assert machine.act(guest, "arg_far", r=lobby) == "done"
    assert machine.act(guest, "ref_far") == "missing"
    machine.act(room, "join", lobby=lobby)
    assert machine.act(guest, "ref_far") == "done"


def test_an_entity_takes_part_once() -> None:
    machine, guest, room = inn()
    machine.act(room, "join", lobby=room)
    assert machine.act(guest, "twice") == "twice"
    assert machine.act(guest, "selfish") == "twice", "nor does the first one again"


def test_everything_reads_the_states_before() -> None:
    machine, guest, room = inn()
    assert machine.act(guest, "spend") == "done"
    assert machine.entity(guest).fields["money"] == 0
    assert machine.entity(room).fields["uses"] == 2


def test_arguments_that_do_not_fit_the_other_side_refuse() -> None:
    machine, guest, _ = inn()
    assert machine.act(guest, "wide") == "type"


def test_guards_of_all_sides_come_before_anybodys_range() -> None:
    machine, guest, room = inn()
    machine.act(guest, "enter")
    other = machine.create("Guest")
    machine.act(other, "book", room=room)
    machine.act(machine.create("Guest"), "poor")
    assert machine.act(other, "poor") == "state", "not what its own `money` would become"


def test_ghosts_are_assigned_in_order_of_taking_part() -> None:
    machine, guest, room = inn()
    machine.act(guest, "enter")
    assert machine.entity(guest).ghosts["happy"] is True
    assert machine.entity(room).ghosts["asked"] == 2, "one step through a ref, and its own"
    assert machine.world.ghosts["order_seen"] == 1


def test_effects_are_asked_for_action_first_then_state_then_the_others() -> None:
    machine, guest, room = inn()
    machine.act(guest, "enter")
    assert machine.last is not None
    assert [(entity, i.effect) for entity, i in machine.last.requested] == [
        (guest, "knock"),
        (guest, "greet"),
        (guest, "bill"),
        (room, "clean"),
    ]


def test_a_chain_of_clauses_has_a_bounded_depth() -> None:
    machine = Machine(chain_of(9))
    names = [machine.create(f"B{i}") for i in range(9)]
    for i in range(8):
        machine.act(names[i], "link", next=names[i + 1])
    assert machine.act(names[0], "go") == "done"
    machine = Machine(chain_of(10))
    names = [machine.create(f"B{i}") for i in range(10)]
    for i in range(9):
        machine.act(names[i], "link", next=names[i + 1])
    assert machine.act(names[0], "go") == "depth"


def chain_of(count: int) -> str:
    """So many blueprints, each of which takes the next along."""
    text = '# --- app.toml\napp = "chain"\n[role]\nclerk = "c"\n'
    for i in range(count):
        has_next = i + 1 < count
        text += f'# --- b{i}.blueprint.toml\nblueprint = "B{i}"\n'
        text += '[state]\nhere = { initial = true, waits = "x" }\n'
        if has_next:
            text += f'[field]\nnext = {{ type = "ref", to = "B{i + 1}" }}\n'
        text += '[action]\ncreate = { by = "role:clerk" }\n'
        by = "role:clerk" if i == 0 else f"entity:B{i - 1}"
        also = ', also = [{ on = "next", action = "go" }]' if has_next else ""
        text += f'go = {{ from = "here", by = "{by}"{also} }}\n'
        if has_next:
            text += 'link = { from = "here", by = "role:clerk", sets = ["next"] }\n'
    return text


def test_a_new_entity_can_be_named_to_the_other_side() -> None:
    text = INN.replace(
        'create = { by = "role:clerk" }\nbook',
        'create = { by = "role:clerk", args = { r = { type = "ref", to = "Room" } }, '
        'also = [{ on = "arg.r", action = "take", args = { guest = "self" } }] }\nbook',
    )
    machine = Machine(text)
    room = machine.create("Room")
    guest = machine.create("Guest", r=room)
    assert machine.entity(room).fields["guest"] == guest


UNIQUE = """
blueprint = "Thing"

[state]
open = { initial = true, waits = "x" }
closed = { waits = "x" }

[field]
name = { type = "text", max = 9 }
size = { type = "int", range = [0, 1], default = 0 }

[action]
create.by = "role:clerk"
create.args = { name = { type = "text", max = 9, optional = true } }
create.do = ["name = arg.name"]
close = { from = "open", to = "closed", by = "role:clerk" }
reopen = { from = "closed", to = "open", by = "role:clerk" }
rename = { from = "open", by = "role:clerk", sets = ["name"] }

[unique]
one_name = { fields = ["name", "size"], in = ["open"] }
"""


def test_unique_refuses_a_second_claim_in_its_states() -> None:
    machine = Machine(UNIQUE)
    first = machine.create(name="a")
    assert machine.try_create(name="a") == "unique"
    second = machine.create(name="b")
    assert machine.act(second, "rename", name="a") == "unique"
    assert machine.act(first, "close") == "done"
    assert machine.act(second, "rename", name="a") == "done"
    assert machine.act(first, "reopen") == "unique"


def test_unset_exempts_from_unique() -> None:
    machine = Machine(UNIQUE)
    machine.create()
    machine.create()
