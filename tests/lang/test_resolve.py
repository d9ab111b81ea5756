"""What a whole app means once it is read: names resolved, defaults filled in."""

from __future__ import annotations

import hashlib

import pytest

from lathe.lang import ADAPTERS, App, read_app
from lathe.lang.adapters import Adapter, Idempotence, SettingSpec
from lathe.lang.expr import Literal, Read
from lathe.lang.model import Placeholder, Principal, Scope, Template
from lathe.lang.types import Type

from .reading import ORDER, PARCEL, ROLLOUT, SHOP, read_rollout, read_shop, told

ROLE = Principal("role", "operator")


@pytest.fixture(scope="module")
def rollout() -> App:
    reading = read_rollout(ROLLOUT)
    assert reading.app is not None, told(reading)
    return reading.app


@pytest.fixture(scope="module")
def shop() -> App:
    reading = read_shop()
    assert reading.app is not None, told(reading)
    return reading.app


def test_the_example_of_the_language_page_reads_without_a_complaint(rollout: App) -> None:
    assert list(rollout.blueprints) == ["Rollout"]


def test_an_app_of_one_is_named_after_its_blueprint_and_has_the_roles_it_names(rollout: App) -> None:
    assert (rollout.name, dict(rollout.roles), rollout.scope) == ("rollout", {"operator": ""}, Scope())
    assert rollout.file == "rollout.blueprint.toml"


def test_an_app_of_one_is_named_in_snake_case() -> None:
    reading = read_rollout(ROLLOUT.replace('"Rollout"', '"BigRollOut"'))
    assert reading.app is not None and reading.app.name == "big_roll_out"


def test_an_app_of_one_does_not_take_a_path_of_the_api() -> None:
    reading = read_rollout(ROLLOUT.replace('"Rollout"', '"Audit"'))
    assert reading.app is not None and reading.app.name == "audit_app"


def test_defaults_are_filled_in(rollout: App) -> None:
    blueprint = rollout.blueprints["Rollout"]
    patch, restore, probe = (blueprint.effects[name] for name in ("patch", "restore", "probe"))
    assert blueprint.plural == "rollouts"
    assert blueprint.read is not None and blueprint.read.by == (ROLE,)
    assert probe.settings["method"] == "GET"
    assert (patch.idempotent, restore.idempotent, probe.idempotent) == (True, True, True)
    assert (probe.timeout_ms, probe.attempts, probe.backoff_ms, probe.late) == (
        30_000,
        1,
        (1_000, 300_000),
        True,
    )
    assert blueprint.fields["image"].type == Type("text", maximum=200)


def test_what_is_wired_to_an_action_admits_it(rollout: App) -> None:
    actions = rollout.blueprints["Rollout"].actions
    assert actions["rolled"].by == ()
    assert actions["rolled"].admits == (Principal("effect", "patch"),)
    assert set(map(str, actions["fail"].admits)) == {
        "effect:patch",
        "effect:restore",
        "effect:probe",
        "timer",
    }
    assert actions["start"].admits == (ROLE,)


def test_an_effect_by_method_post_may_happen_more_than_once(shop: App) -> None:
    assert shop.blueprints["Order"].effects["charge"].idempotent is False


def test_from_star_is_every_state_that_is_not_final(shop: App) -> None:
    touch = shop.blueprints["Order"].actions["touch"]
    assert touch.from_any and touch.from_states == ("open", "paying", "packing")


def test_sets_come_first_among_the_arguments_and_are_typed_by_their_fields(shop: App) -> None:
    create = shop.blueprints["Order"].actions["create"]
    assert list(create.arguments) == ["amount", "kind", "card", "who", "hours"]
    assert create.sets == ("amount", "kind", "card")
    amount, kind, card = (create.arguments[name] for name in create.sets)
    assert amount.type == Type("int", low=1, high=10) and not amount.has_default
    assert (kind.has_default, kind.default) == (True, "plain")
    assert card.secret


def test_a_set_starts_empty_unless_it_says_otherwise(shop: App) -> None:
    fields = shop.blueprints["Order"].fields
    assert (fields["parcels"].has_default, fields["parcels"].default) == (True, ())
    assert fields["tags"].default == ("a",)
    assert fields["tags"].type.maximum == 2


def test_templates_keep_their_placeholders(shop: App) -> None:
    charge = shop.blueprints["Order"].effects["charge"]
    assert charge.settings["url"] == Template(
        ("https://", Placeholder("env", "PAY"), "/v1/", Placeholder("id", "id"))
    )
    body = charge.settings["body"]
    assert isinstance(body, dict)
    assert body["note"] == Template(("order ", Placeholder("id", "id"), " {}"))
    assert body["lines"] == (1, 2.5, True, Template((Placeholder("field", "raw"),)))


def test_results_have_the_types_of_the_arguments_that_take_them(shop: App) -> None:
    order, parcel = shop.blueprints["Order"], shop.blueprints["Parcel"]
    ref = Type("ref", blueprint="Parcel")
    assert order.effects["charge"].takes["receipt"] == Type("text", maximum=40)
    assert dict(order.effects["pack"].takes) == {"made": ref, "parcel": ref}
    assert parcel.effects["weigh"].takes == {"grams": Type("int", low=0, high=9)}
    assert order.effects["told"].is_notice


def test_a_call_and_a_create_have_targets(shop: App) -> None:
    send, pack = (shop.blueprints["Order"].effects[name].target for name in ("send", "pack"))
    assert send is not None and pack is not None
    assert (send.blueprint, send.action, send.each) == ("Parcel", "go", "parcels")
    assert send.on is not None and isinstance(send.on.tree, Read) and send.on.tree.scope == "item"
    assert (pack.blueprint, pack.action, pack.on) == ("Parcel", "create", None)
    assert isinstance(pack.args["size"].tree, Literal)
    assert shop.blueprints["Order"].effects["send"].timeout_ms is None


def test_app_toml_is_read_whole(shop: App) -> None:
    assert (shop.name, shop.doc) == ("shop", "One of everything.")
    assert shop.exclusive == (("clerk", "manager"),)
    assert shop.scope == Scope({"Order": 2, "Parcel": 2}, 3, 100_000, 2.5)
    assert list(shop.ghosts) == ["total_paid"]
    assert {name: p.kind for name, p in shop.properties.items()} == {
        "one_open": "invariant",
        "bounded": "invariant",
        "only_grows": "step",
        "somebody_pays": "sometimes",
    }
    assert shop.role_spans["manager"].line == 7


def test_the_other_files_are_kept_as_they_are(shop: App) -> None:
    assert list(shop.policies) == ["extra.cedar"]
    assert shop.modules == {"modules/weigh.wasm": hashlib.sha256(b"\0asm").hexdigest()}
    assert list(shop.gauges) == ["gauges/one.json"]


def test_inbound_paths_have_no_leading_slash(shop: App) -> None:
    inbound = shop.blueprints["Order"].inbound
    assert [event.path for event in inbound.values()] == ["paid/{order}", "tagged"]
    assert inbound["paid_outside"].find == ("id", "path.order")
    assert inbound["tagged"].method == "PUT"


def test_spans_lead_to_the_entries(rollout: App) -> None:
    blueprint = rollout.blueprints["Rollout"]
    lines = ROLLOUT.split("\n")
    for table in (blueprint.states, blueprint.fields, blueprint.effects, blueprint.properties):
        for name, entry in table.items():
            line = lines[entry.span.line - 1]
            assert name in line[entry.span.column - 1 : entry.span.end_column - 1]


def test_files_that_are_no_part_of_an_app_are_left_alone() -> None:
    files = {
        "rollout.blueprint.toml": ROLLOUT.encode(),
        "README.md": b"\xff",
        "old/x.blueprint.toml": b"\xff",
    }
    assert read_app(files).app is not None


def test_an_installed_adapter_is_read_by_its_declaration() -> None:
    queue = Adapter(
        name="queue",
        doc="Puts a message on a queue.",
        settings={
            "topic": SettingSpec("word", "Where to.", required=True),
            "data": SettingSpec("json", "What."),
        },
        results={"position": Type("int", low=0, high=9)},
        idempotence=Idempotence(setting="topic", values=("exact",)),
    )
    text = ROLLOUT.replace(
        'uses = "http"\nwith = { url = "{env.KAFKA}/isr" }',
        'uses = "queue"\nwith = { topic = "exact", data = ["{image}"] }',
    )
    files = {"rollout.blueprint.toml": text.encode()}
    assert [d.code for d in read_app(files).diagnostics] == ["LT106"]
    reading = read_app(files, adapters={**ADAPTERS, "queue": queue})
    assert reading.app is not None, told(reading)
    probe = reading.app.blueprints["Rollout"].effects["probe"]
    assert probe.idempotent and probe.takes == queue.results


def test_adapters_are_named_by_their_keys() -> None:
    assert all(name == adapter.name for name, adapter in ADAPTERS.items())


def test_the_same_argument_of_every_asker_may_be_read_in_templates() -> None:
    text = ROLLOUT.replace('"{image}"', '"{arg.image}"')
    same = text.replace('when = "attempts < 3"', 'sets = ["image"], when = "attempts < 3"')
    other = text.replace('when = "attempts < 3"', 'args = { image = { type = "id" } }, when = "attempts < 3"')
    assert read_rollout(same).app is not None
    (found,) = read_rollout(other).diagnostics
    assert found.code == "LT101"
    assert found.message == "`arg.image` has another type in `retry`, which asks for `patch` too"


def test_blueprints_may_refer_to_each_other_in_a_circle() -> None:
    assert 'to = "Parcel"' in ORDER and 'to = "Order"' in PARCEL
    assert read_app({path: text.encode() for path, text in SHOP.items()}).app is not None


def test_an_event_without_a_type_has_the_name_of_its_effect() -> None:
    reading = read_shop(order=ORDER.replace('type = "order.moved", ', ""))
    assert reading.app is not None, told(reading)
    assert reading.app.blueprints["Order"].effects["told"].settings["type"] == "told"
