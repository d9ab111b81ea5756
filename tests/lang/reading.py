"""Apps that the tests of reading begin with: the rollout of the language page, and one of everything."""

from __future__ import annotations

from pathlib import Path

from lathe.errors import Diagnostic
from lathe.lang.resolve import Reading, read_app

EXAMPLES = Path(__file__).parents[2] / "examples"

ROLLOUT = """\
blueprint = "Rollout"
doc = "Replace a cell's broker image one broker at a time; never two brokers down."

[state]
planned = { initial = true, waits = "an operator starts it" }
rolling = { run = "patch", after = "15m", then = "fail" }
verifying = { run = "probe", after = "10m", then = "fail" }
failed = { waits = "an operator retries or rolls back" }
rolling_back = { run = "restore", after = "15m", then = "fail" }
done = { final = true }
rolled_back = { final = true }

[field]
image = { type = "text", max = 200 }
replicas = { type = "int", range = [1, 5], frozen = true }
ready = { type = "int", range = [0, 5], default = 0 }
attempts = { type = "int", range = [0, 3], default = 0 }

[action]
create = { by = "role:operator", sets = ["replicas"], do = ["ready = arg.replicas"] }
start = { from = "planned", to = "rolling", by = "role:operator", sets = ["image"], do = ["attempts = 1"] }
retry = { from = "failed", to = "rolling", by = "role:operator", when = "attempts < 3", \
do = ["attempts += 1"] }
roll_back = { from = "failed", to = "rolling_back", by = "role:operator" }
rolled = { from = "rolling", to = "verifying", when = "ready == replicas" }
passed = { from = "verifying", to = "done" }
restored = { from = "rolling_back", to = "rolled_back", when = "ready == replicas" }
fail = { from = ["rolling", "verifying", "rolling_back"], to = "failed" }

[action.drain] # the adapter asks before it takes a broker down
from = ["rolling", "rolling_back"]
by = ["effect:patch", "effect:restore"]
when = "ready == replicas"
do = ["ready -= 1"]

[action.progress]
from = ["rolling", "rolling_back"]
by = ["effect:patch", "effect:restore"]
when = "ready < replicas"
do = ["ready += 1"]

[effect.patch]
uses = "http"
with = { method = "PUT", url = "{env.K8S}/statefulset", body = { image = "{image}" } }
ok = "rolled"
error = "fail"

[effect.restore]
uses = "http"
with = { method = "POST", url = "{env.K8S}/undo" }
idempotent = true
ok = "restored"
error = "fail"

[effect.probe]
uses = "http"
with = { url = "{env.KAFKA}/isr" }
ok = "passed"
error = "fail"

[invariant]
one_broker_down = "replicas - ready <= 1"

[eventually]
settles = { from = ["rolling", "verifying", "rolling_back"], to = ["done", "failed", "rolled_back"] }
"""

APP = """\
app = "shop"
doc = "One of everything."
exclusive = [["clerk", "manager"]]

[role]
clerk = "takes orders"
manager = "approves them"

[scope]
Order = 2
Parcel = 2
principals = 3
budget_states = 100_000
budget_seconds = 2.5

[ghost]
total_paid = { type = "int", range = [0, 99], default = 0 }

[invariant]
one_open = "all(a == b or a.customer != b.customer for a in Order for b in Order if a.state == 'open')"
bounded = { that = "total_paid <= 99", when = "total_paid > 0", doc = "saturates" }

[step]
only_grows = "total_paid >= old.total_paid"

[sometimes]
somebody_pays = "total_paid > 0"
"""

ORDER = """\
blueprint = "Order"
plural = "orders"
retain = "30d"
read = { by = ["role:clerk", "role:manager"], when = "state != 'open' or actor == customer" }

[state]
open = { initial = true, waits = "the customer pays" }
paying = { run = ["charge", "told"], after = "1h", then = "expire", doc = "money is moving" }
packing = { run = "pack" }
shipped = { final = true }
failed = { final = true, run = "told" }

[field]
customer = { type = "id" }
amount = { type = "int", range = [1, 10], frozen = true }
kind = { type = "enum", of = ["plain", "gift"], default = "plain" }
note = { type = "text", max = 80 }
card = { type = "text", max = 20, secret = true }
parcel = { type = "ref", to = "Parcel" }
parcels = { type = "set", of = { type = "ref", to = "Parcel" }, max = 3 }
tags = { type = "set", of = { type = "enum", of = ["a", "b"] }, default = ["a"] }
due = { type = "time" }
raw = { type = "json", max = 1_000 }
last_status = { type = "int", range = [0, 599], default = 0, explore = [0, 2] }
paid = { type = "bool", default = false }

[ghost]
charged = { type = "int", range = [0, 3], default = 0 }

[action.create]
by = ["role:clerk", "any"]
sets = ["amount", "kind", "card"]
args = { who = { type = "id" }, hours = { type = "int", range = [1, 48], default = 24 } }
do = ["customer = arg.who", "due = now + arg.hours * 3600"]

[action.pay]
from = "open"
to = "paying"
by = "role:clerk"
when = "actor != customer and amount > 0"
args = { reference = { type = "text", max = 40, optional = true } }
fenced = true

[action.paid_up]
from = "paying"
to_if = "'packing' if arg.status < 300 else 'failed'"
args = { status = { type = "int", range = [100, 599] }, receipt = { type = "text", max = 40 } }
do = ["last_status = arg.status", "paid = True", "note = arg.receipt"]
ghost = ["total_paid += amount", "charged = charged"]

[action.expire]
from = ["paying", "open"]
to = "failed"

[action.expire.args.cause]
type = "enum"
of = ["timeout", "unreachable", "refused", "invalid", "crashed", "cancelled"]
optional = true

[action.packed]
from = "packing"
sets = ["parcel"]
to = "packing"
run = "send"

[action.sent]
from = "packing"
to = "shipped"

[action.tag]
from = "*"
by = "inbound:tagged"
args = { tag = { type = "enum", of = ["a", "b"] } }
do = ["tags += arg.tag"]

[action.touch]
from = "*"
by = ["role:manager", "inbound:tagged", "timer"]
fair = true
when = "parcel is None or parcel.state == 'new'"
also = [{ on = "parcel", action = "touch", args = { by_whom = "customer" }, when = "parcel is not None" }]

[timer]
overdue = { at = "due", then = "touch", doc = "somebody looks" }

[effect.charge]
uses = "http"
ok = "paid_up"
error = "expire"
timeout = "10s"
attempts = 3
backoff = "1s..1m"
world = ["charged += 1", "total_paid = total_paid"]
late = false

[effect.charge.with]
method = "POST"
url = "https://{env.PAY}/v1/{id}"
headers = { "X-Key" = "{secret.PAY}", token = "{token}" }
body.amount = "{amount}"
body.note = "order {id} {{}}"
body.reference = "{arg.reference}"
body.lines = [1, 2.5, true, "{raw}"]
take = { receipt = "body.receipt.id" }

[effect.told]
uses = "emit"
with = { type = "order.moved", data = { id = "{id}", tags = "{tags}" }, to = "{env.HOOK}/x" }

[effect.pack]
uses = "create"
with = { blueprint = "Parcel", args = { owner = "self", size = 3 } }
ok = "packed"
error = "expire"

[effect.send]
uses = "call"
with = { on = "item", action = "go", args = { speed = "amount + 1" }, each = "parcels" }
ok = "sent"
error = "expire"

[inbound.paid_outside]
path = "paid/{order}"
signed = { scheme = "stripe", secret = "PAY_HOOK" }
once = "header.webhook-id"
find = { id = "path.order" }
action = "paid_up"
args = { status = "body.data.status", receipt = "query.receipt" }

[inbound.tagged]
path = "/tagged"
method = "PUT"
signed = { scheme = "github", secret = "HUB" }
find = { note = "body.note" }
action = "tag"
args = { tag = "body.tag" }

[invariant]
not_twice = { that = "charged <= 1", when = "paid", in = ["packing", "shipped"], doc = "never twice" }
has_customer = "customer is not None or state == 'open'"

[step]
stays_paid = "not old.paid or paid"

[sometimes]
ships = { that = "state == 'shipped'" }

[eventually]
ends = { from = ["paying"], to = ["shipped", "failed", "packing"] }

[unique]
by_note = { fields = ["note"], in = ["open", "paying"] }

[cannot]
clerk_touches = { role = "clerk", do = ["touch", "read"], when = "state == 'shipped' and amount > 3" }

[migrate]
state = { fresh = "open" }
field = { amount = "old.cents // 100", kind = "'gift' if old.is_gift else 'plain'" }
"""

PARCEL = """\
blueprint = "Parcel"

[state]
new = { initial = true, waits = "it goes" }
going = { run = ["weigh", "print"], after = "2h", then = "stop" }
gone = { final = true }

[field]
order = { type = "ref", to = "Order" }
size = { type = "int", range = [1, 9] , default = 1 }

[action]
go = { from = "new", to = "going", by = "entity:Order", args = { speed = { type = "int", range = [0, 99] } } }
touch = { from = "*", by = "entity:Order", args = { by_whom = { type = "id" } } }
weighed = { from = "going", args = { grams = { type = "int", range = [0, 9] } }, when = "order.amount > 0" }
stop = { from = "going", to = "gone" }

[action.create]
by = "entity:Order"
sets = ["size"]
args = { owner = { type = "ref", to = "Order" } }
do = ["order = arg.owner"]

[action.printed]
from = "going"
to = "gone"
args = { exit = { type = "int", range = [0, 255] }, stdout = { type = "text", max = 99 } }

[effect.weigh]
uses = "wasm"
with = { module = "weigh", input = { speed = "{arg.speed}", size = "{size}" } }
ok = "weighed"
error = "stop"

[effect.print]
uses = "process"
with = { argv = ["label", "{id}", "{arg.speed}"], stdin = "{size} {visit}" }
ok = "printed"
error = "stop"
"""

SHOP: dict[str, str] = {
    "app.toml": APP,
    "order.blueprint.toml": ORDER,
    "parcel.blueprint.toml": PARCEL,
    "extra.cedar": 'forbid (principal, action, resource) when { resource.state == "gone" };',
    "modules/weigh.wasm": "\0asm",
    "gauges/one.json": '{"trace": {}, "expect": "admitted"}',
}


def read_rollout(text: str) -> Reading:
    """Read the rollout, or a variant of it."""
    return read_app({"rollout.blueprint.toml": text.encode()})


def read_shop(**changed: str) -> Reading:
    """Read the shop, with the texts of `app`, `order` or `parcel` changed."""
    names = {"app": "app.toml", "order": "order.blueprint.toml", "parcel": "parcel.blueprint.toml"}
    files = {**SHOP, **{names[key]: text for key, text in changed.items()}}
    return read_app({path: text.encode() for path, text in files.items()})


def told(reading: Reading) -> str:
    """The diagnostics as lines, for messages of failing tests."""
    return "\n".join(f"{d.span} {d.code} {d.message} [{d.help}]" for d in reading.diagnostics)


def mend(text: str, diagnostic: Diagnostic) -> str:
    """The text with the diagnostic's edit made."""
    assert diagnostic.edit is not None
    span = diagnostic.edit.span
    lines = text.split("\n")
    before = "\n".join([*lines[: span.line - 1], lines[span.line - 1][: span.column - 1]])
    after = "\n".join([lines[span.end_line - 1][span.end_column - 1 :], *lines[span.end_line :]])
    return before + diagnostic.edit.text + after
