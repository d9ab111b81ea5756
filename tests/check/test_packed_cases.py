"""Small apps in which search and machine once differed, each compared in all of its states."""

from __future__ import annotations

import re

import pytest

from ..support import app_of
from .comparing import differences

LEFT_OUT = 'args = { x = { type = "int", range = [1, 3], optional = true } }'
CASES = {
    "a principal holds no roles that exclude each other": """
# --- app.toml
app = "a"
exclusive = [["clerk", "boss"]]
[role]
clerk = "c"
boss = "b"
[scope]
principals = 2
# --- thing.blueprint.toml
blueprint = "Thing"
[state]
here = { initial = true }
gone = { final = true }
[action]
create = { by = "role:clerk" }
leave = { from = "here", to = "gone", by = "role:boss" }
""",
    "an int that create is given has no value while it is created": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
size = { type = "int", range = [1, 3] }
half = { type = "int", range = [0, 3], default = 0 }
small = { type = "bool", default = true }
[action]
create = { by = "role:clerk", sets = ["size"], do = ["small = size < 3"] }
halve = { from = "here", by = "role:clerk", do = ["half = size // 2"] }
again = { from = "here", by = "role:clerk", when = "small", do = ["half = 3"] }
""",
    "arithmetic with what create is about to be given is refused": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
size = { type = "int", range = [1, 3] }
half = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk", sets = ["size"], do = ["half = size - 1"] }
""",
    "ids and texts that something begins with are values too": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
owner = { type = "id", default = "root" }
title = { type = "text", max = 8, default = "k" }
readers = { type = "set", of = { type = "id" }, max = 2, default = ["eve"] }
[ghost]
seen = { type = "text", default = "never" }
last = { type = "id", default = "nobody" }
[action]
create = { by = "role:clerk", args = { who = { type = "id", default = "ann" } }, do = ["owner = arg.who"] }
[action.look]
from = "here"
by = "role:clerk"
when = "actor in readers or owner == 'ann'"
ghost = ["seen = title", "last = actor"]
[invariant]
known = "last is not None and seen is not None"
""",
    "a text longer than its field is refused": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
title = { type = "text", max = 2 }
long = { type = "text", max = 9 }
[action]
create = { by = "role:clerk" }
name = { from = "here", by = "role:clerk", sets = ["long"] }
cut = { from = "here", by = "role:clerk", do = ["title = long"] }
fix = { from = "here", by = "role:clerk", do = ["title = 'abc' if long == 'abcdef' else 'ab'"] }
""",
    "a set larger than its field is refused": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
some = { type = "set", of = { type = "enum", of = ["a", "b", "c"] }, max = 2 }
one = { type = "set", of = { type = "enum", of = ["a", "b", "c"] }, max = 1 }
[action]
create = { by = "role:clerk" }
take = { from = "here", by = "role:clerk", do = ["one = some"] }
pair = { from = "here", by = "role:clerk", do = ["one = {'a', 'b'}"] }
[action.add]
from = "here"
by = "role:clerk"
args = { x = { type = "enum", of = ["a", "b", "c"] } }
do = ["some += arg.x"]
""",
    "what is assigned to a ghost may be None": """
blueprint = "Thing"
[state]
here = { initial = true }
[ghost]
last = { type = "id" }
[action]
create = { by = "role:clerk" }
take = { from = "here", by = "role:clerk", ghost = ["last = actor"] }
drop = { from = "here", by = "role:clerk", ghost = ["last = None"] }
[invariant]
nobody = "last is None"
""",
    "a ghost through a ref that leads elsewhere is left alone": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
other = { type = "ref", to = "Thing" }
[ghost]
count = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk" }
link = { from = "here", by = "role:clerk", sets = ["other"] }
mark = { from = "here", by = "role:clerk", ghost = ["count += 1", "other.count += 1"] }
[invariant]
few = "count < 2"
""",
    "what a condition does not come to cannot fail": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
other = { type = "ref", to = "Thing" }
size = { type = "int", range = [0, 2], default = 0 }
[action]
create = { by = "role:clerk" }
link = { from = "here", by = "role:clerk", sets = ["other", "size"] }
both = { from = "here", by = "role:clerk", when = "other is not None and other.size - 1 > 0" }
one = { from = "here", by = "role:clerk", when = "size == 0 or 2 // size == 1", do = ["size = 1"] }
if_so = { from = "here", by = "role:clerk", when = "(2 % size == 0) if size > 0 else True" }
other_way = { from = "here", by = "role:clerk", when = "2 // size == 1 and size == 7" }
""",
    "to_if leads only where it says": """
# --- app.toml
app = "a"
[role]
clerk = "c"
# --- a.blueprint.toml
blueprint = "A"
[state]
here = { initial = true }
gone = { final = true }
[field]
b = { type = "ref", to = "B" }
[action]
create = { by = "role:clerk" }
link = { from = "here", by = "role:clerk", sets = ["b"] }
go = { from = "here", by = "role:clerk", to_if = "'gone' if b.state == 'there' else 'here'" }
# --- b.blueprint.toml
blueprint = "B"
[state]
somewhere = { initial = true }
there = {}
[action]
create = { by = "role:clerk" }
move = { from = "somewhere", to = "there", by = "role:clerk" }
""",
    "an optional argument that is left out has no value": f"""
blueprint = "Thing"
[state]
here = {{ initial = true }}
there = {{}}
[field]
size = {{ type = "int", range = [1, 3], default = 1 }}
[action]
create = {{ by = "role:clerk" }}
grow = {{ from = "here", by = "role:clerk", {LEFT_OUT}, do = ["size = arg.x"] }}
[action.ask]
from = "here"
by = "role:clerk"
{LEFT_OUT}
to_if = "'here' if arg.x is None else 'there'"
""",
}


def filled(template: str, **parts: str) -> str:
    """A template with what stands for each `<part>`; a part of a table is set off by a comma."""
    for name, text in parts.items():
        template = template.replace(f", <{name}>", f", {text}" if text else "").replace(f"<{name}>", text)
    return re.sub(r",? ?<[a-z]+>", "", template)


JOINT = """
# --- app.toml
app = "a"
[role]
clerk = "c"
# --- a.blueprint.toml
blueprint = "A"
[state]
here = { initial = true }
[field]
b = { type = "ref", to = "B" }
size = { type = "int", range = [0, 4], default = 3 }
[action]
create = { by = "role:clerk", sets = ["b"] }
forget = { from = "here", by = "role:clerk", do = ["b = None"] }
shrink = { from = "here", by = "role:clerk", do = ["size -= 1"] }
[action.go]
from = "here"
by = "role:clerk"
also = [{ on = "b", action = "take", args = { x = "<give>" }, <when> }]
# --- b.blueprint.toml
blueprint = "B"
[state]
there = { initial = true }
[field]
kept = { type = "int", range = [0, 2], default = 0 }
[action]
create = { by = "role:clerk" }
take = { from = "there", by = "entity:A", args = { x = { <type> } }, <take> }
"""

CASES |= {
    "an argument with a default has to fit all the same": filled(
        JOINT,
        give="size",
        type='type = "int", range = [0, 2], default = 1',
        take='do = ["kept = arg.x"]',
    ),
    "nothing is no time": filled(JOINT, give="None", type='type = "time"', take='do = ["kept = 1"]'),
    "what goes to nobody is not worked out": filled(
        JOINT,
        give="size // (size - 3)",
        type='type = "int", range = [0, 2]',
        take='do = ["kept = arg.x"]',
    ),
    "the condition of a clause may fail": filled(
        JOINT, give="0", type='type = "int", range = [0, 2]', when='when = "1 // (size - 2) == 0"'
    ),
    "a guard of the other side comes before the values of this one": filled(
        JOINT,
        give="size",
        type='type = "int", range = [0, 4]',
        take='when = "arg.x < 2", do = ["kept = arg.x + 1"]',
    ),
}

BEYOND = """
# --- app.toml
app = "a"
[role]
clerk = "c"
# --- a.blueprint.toml
blueprint = "A"
[state]
here = { initial = true }
[field]
kept = { type = "int", range = [0, 3], default = 1, explore = [1, 3] }
size = { type = "int", range = [0, 2], default = 1 }
[action]
create = { by = "role:clerk" }
shrink = { from = "here", by = "role:clerk", do = ["size -= 1"] }
both = { from = "here", by = "role:clerk", do = ["kept = 0", "size -= 1"] }
"""
CASES["a value that does not fit is told beside one beyond `explore`"] = BEYOND

EFFECT = """
blueprint = "Thing"
[state]
here = { initial = true, run = "send" }
there = { waits = "w" }
bad = { waits = "w" }
[field]
size = { type = "int", range = [0, 3], default = 1, explore = [0, 2] }
[ghost]
sent = { type = "int", range = [0, 2], default = 0 }
note = { type = "text", max = 9 }
[action]
create = { by = "role:clerk", <create> }
ok = { from = "here", to = "there", by = "role:clerk", <ok> }
error = { from = "here", to = "bad", by = "role:clerk", <error> }
again = { from = "*", to = "here", by = "role:clerk", <again> }
[effect.send]
uses = "http"
with = { method = "POST", url = "https://example.test/", <take> }
<ends>
world = ["<world>"]
[invariant]
few = "sent < 2 and note != 'x' and size >= 0"
<more>
"""


def effect(
    *,
    ok: str = "",
    error: str = "",
    create: str = "",
    again: str = "",
    take: str = "",
    ends: str = 'ok = "ok"\nerror = "error"',
    world: str = "sent += 1",
    more: str = "",
) -> str:
    """An app that sends something; `take` are the results that it takes from the answer."""
    parts = {"ok": ok, "error": error, "create": create, "again": again, "ends": ends, "world": world}
    return filled(EFFECT, **parts, more=more, take=f"take = {{ {take} }}" if take else "")


CAUSES = '["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]'
NOTED = 'args = { message = { type = "text", max = 9 } }, ghost = ["note = arg.message"]'
CASES |= {
    "an end gives only the results that its adapter offers": effect(
        ok=f'{LEFT_OUT}, do = ["size = 0 if arg.x is None else 1"]',
        error='args = { x = { type = "int", range = [1, 2], default = 1 } }, do = ["size = arg.x"]',
    ),
    "a bad end offers its cause": effect(
        error=f'args = {{ cause = {{ type = "enum", of = {CAUSES} }} }}, '
        "do = [\"size = 2 if arg.cause == 'refused' else 1\"]",
        again='args = { cause = { type = "bool", default = true } }',
    ),
    "a bad end offers a message": effect(error=NOTED),
    "a refused end has a message of its own": effect(ok='when = "size == 0"', error=NOTED),
    "a good end that is refused is a bad one": effect(
        ok='sets = ["size"], when = "arg.size != 1"', take='size = "body.size"'
    ),
    "a step beyond `explore` is cut, and no refusal": effect(
        ok='do = ["size += 1"]', error='do = ["size = 1"]'
    ),
    "an argument that an execution reads may be left out": effect(
        create=LEFT_OUT, again=LEFT_OUT, world="sent = 2 if arg.x is None else arg.x - 1"
    ),
    "a claim that another holds makes an end a bad one": effect(
        ok='sets = ["size"]',
        take='size = "body.size"',
        more='[unique]\nonce = { fields = ["size"], in = ["there"] }',
    ),
    "a notice happens once or, if it may repeat, more often": effect(ends=""),
    "an idempotent notice happens once": effect(ends="idempotent = true"),
    "a notice remembers with what it was asked for": effect(
        ends="", world="sent = size", again='do = ["size = 2"]'
    ),
    "a delivery from outside gives only what it is said to have": """
blueprint = "Thing"
[state]
here = { initial = true }
[field]
size = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:clerk" }
[action.take]
from = "here"
args = { x = { type = "int", range = [1, 3], default = 2 }, y = { type = "bool", optional = true } }
do = ["size = arg.x if arg.y is None else 0"]
[inbound.came]
path = "came"
find = { id = "body.id" }
action = "take"
args = { x = "body.x" }
[invariant]
small = "size < 3"
""",
}

CALL = """
# --- app.toml
app = "a"
[role]
clerk = "c"
# --- a.blueprint.toml
blueprint = "A"
[state]
here = { initial = true, waits = "w" }
busy = { run = "reach" }
done = { final = true }
failed = { waits = "w" }
[field]
b = { type = "ref", to = "B" }
more = { type = "set", of = { type = "ref", to = "B" }, max = 2 }
who = { type = "set", of = { type = "id" }, max = 2 }
size = { type = "int", range = [0, 3], default = 1 }
[ghost]
told = { type = "text", max = 20 }
[action]
create = { by = "role:clerk" }
link = { from = "here", by = "role:clerk", sets = ["b", "more"] }
count = { from = "here", by = "role:clerk", do = ["size = len(who)"] }
name = { from = "here", by = "role:clerk", args = { x = { type = "id" } }, do = ["who += arg.x"] }
go = { from = "here", to = "busy", by = "role:clerk", do = ["size += 1"] }
ok = { from = "busy", to = "done", by = "role:clerk", <ok> }
[action.error]
from = "busy"
to = "failed"
by = "role:clerk"
args = { message = { type = "text", max = 7, optional = true } }
ghost = ["told = arg.message"]
[effect.reach]
<ends>
<reach>
[invariant]
silent = "told != 'it was '"
# --- b.blueprint.toml
blueprint = "B"
[state]
there = { initial = true, waits = "w" }
gone = { final = true }
[field]
kept = { type = "int", range = [0, 2], default = 0 }
owner = { type = "id" }
weight = { type = "int", range = [1, 2] }
[action.create]
by = ["role:clerk", "entity:A"]
sets = ["weight"]
args = { x = { type = "int", range = [0, 2], default = 0 }, y = { type = "id", optional = true } }
when = "arg.x < 2 and not weight < 9"
do = ["kept = arg.x", "owner = arg.y"]
[action.take]
from = "there"
to = "gone"
by = ["entity:A", "role:clerk"]
args = { x = { type = "int", range = [0, 2], default = 1 } }
do = ["kept = arg.x"]
[invariant]
little = "kept < 2 and owner != 'p2'"
"""


def call(uses: str, settings: str, *, ok: str = "", ends: str = 'ok = "ok"\nerror = "error"') -> str:
    """An app in which A calls or creates B."""
    return filled(CALL, reach=f'uses = "{uses}"\nwith = {{ {settings} }}', ok=ok, ends=ends)


MADE = 'args = { made = { type = "ref", to = "B", optional = true } }, do = ["b = arg.made"]'
CASES |= {
    "a call reaches its target or is refused": call(
        "call", 'on = "b", action = "take", args = { x = "size" }'
    ),
    "a call for each is done for all or none": call("call", 'on = "item", each = "more", action = "take"'),
    "settings read the state that the action left": call(
        "call", 'on = "b", action = "take", args = { x = "1 if state == \'busy\' else 2" }'
    ),
    "a creation waits for room, and gives what it made": call(
        "create", 'blueprint = "B", args = { weight = "1", x = "size - 1" }', ok='sets = ["b"]'
    ),
    "a creation for each is made in the order of its members": call(
        "create", 'blueprint = "B", each = "who", args = { weight = "2", y = "item" }', ok=MADE
    ),
    "the guard of `ok` has no value before what is created refuses its arguments": call(
        "create", 'blueprint = "B", args = { weight = "b.weight" }', ok='when = "b.weight + 1 == 2"'
    ),
    "a creation that nobody waits for is held up by the scope alone": call(
        "create", 'blueprint = "B", args = { weight = "1", x = "size - 1" }', ends=""
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("instances", [1, 2])
def test_search_and_machine_agree_that(case: str, instances: int) -> None:
    sample = None if instances == 1 else 12
    assert differences(app_of(CASES[case]), instances, sample=sample) == []
