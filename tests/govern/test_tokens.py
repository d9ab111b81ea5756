"""Tokens through the API: what they open, what they do not, and every way of making one reach further."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Sequence

import msgspec
import pytest
from tests.api.client import until
from tests.govern.house import ORDER, House, code, house, install_for
from tests.runtime.harness import example

from lathe.govern.principal import GovernError
from lathe.govern.token import hash_of, parts_of
from lathe.runtime.clock import SystemClock
from lathe.store.audit import unchained
from lathe.store.memory import MemoryStore
from lathe.store.records import Answer, Intent, Outgoing, Write

WITHOUT = ("/v1/me", "/v1/tokens", "/v1/audit", ORDER, "/v1/events", "/v1/intents?app=order", "/metrics")


def test_nobody_is_anybody_without_a_token() -> None:
    async def main() -> None:
        async with house() as one:
            for path in (*WITHOUT, "/openapi.json"):
                answer = await one.ask(None, "GET", path)
                assert (answer.status_code, code(answer)) == (401, "LR401.token"), path
                assert answer.headers["www-authenticate"].startswith("Bearer")
            claims = {"x-user": "ann", "x-forwarded-user": "ann", "remote-user": "ann", "cookie": "user=ann"}
            assert code(await one.ask(None, "POST", ORDER, {"total": 1}, **claims)) == "LR401.token"
            assert code(await one.ask(None, "GET", "/healthz")) == "200"
            assert code(await one.ask(None, "GET", "/readyz")) == "200"

    asyncio.run(main())


def test_the_first_token_is_made_once_and_only_its_hash_is_kept() -> None:
    async def main() -> None:
        async with house() as one:
            assert await one.keyring.first() is None
            me = (await one.ask(one.operator, "GET", "/v1/me")).json()
            assert (me["principal"], me["scopes"], me["roles"]) == (
                "operator", ["apply", "decide", "metrics", "operator"], [],
            )  # fmt: skip
            parts = parts_of(one.operator)
            assert parts is not None
            dumped = [data async for _, data in one.store.dump()]
            assert not any(parts[1].encode() in data for data in dumped)
            assert any(parts[0].encode() in data for data in dumped)

    asyncio.run(main())


def test_what_is_no_token_opens_nothing() -> None:
    async def main() -> None:
        async with house() as one:
            parts = parts_of(one.operator)
            assert parts is not None
            name, secret = parts
            forged = [
                "", "x", "lathe_", f"lathe_{name}_", f"lathe__{secret}", f"lathe_{name}_{secret[:-1]}",
                f"lathe_{name}_{secret}x", f"lathe_{'0' * 26}_{secret}", f"LATHE_{name}_{secret}",
                f"lathe_{name}_{hash_of(secret).hex()}", "lathe_" + "a" * 10_000, "..",
                "eyJhbGciOiJub25lIn0..",
                urlsafe_b64encode(b'["main","order","Order","x",1,1,"e",9999999999999]').decode() + ".c2ln",
            ]  # fmt: skip
            for text in forged:
                one.seconds += 60
                assert code(await one.ask(text, "GET", "/v1/me")) == "LR401.token", text
            async with one.client(None, authorization=f"Basic {one.operator}") as client:
                assert code(await client.get("/v1/me")) == "LR401.token"

    asyncio.run(main())


def test_a_token_ends_in_time_and_a_part_of_it_no_later() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"], expires_in=600)
            bot = await one.made(ann, "bot")
            assert await one.refused(ann, "bot", expires_in=601) == "LR403.scope"
            assert code(await one.ask(bot, "POST", ORDER, {"total": 1})) == "201"
            one.clock.later_ms = 600_000
            for token in (ann, bot):
                assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "LR401.token"

    asyncio.run(main())


def test_whoever_is_sent_acts_for_who_sent_them() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            carl = await one.made(one.operator, "carl", kind="person", roles=["customer"])
            bot, other = await one.made(ann, "bot"), await one.made(carl, "bot")
            me = (await one.ask(bot, "GET", "/v1/me")).json()
            assert (me["chain"], me["actor"], me["kind"], me["roles"]) == (
                ["bot", "ann"], "ann", "agent", ["customer"],
            )  # fmt: skip
            order = (await one.ask(bot, "POST", ORDER, {"total": 1})).json()
            assert order["fields"]["customer"] == "ann"
            place = f"{ORDER}/{order['id']}"
            async with one.client(ann) as client:
                await until(client, place, "awaiting")
            assert code(await one.ask(other, "POST", f"{place}/cancel")) == "LR409.guard"
            cancelled = await one.ask(ann, "POST", f"{place}/cancel")
            assert cancelled.json()["state"] == "cancelled"
            journal = (await one.ask(ann, "GET", f"{place}/journal")).json()["items"]
            assert journal[0]["chain"] == ["bot", "ann"] and journal[-1]["actor"] == "ann"

    asyncio.run(main())


def test_the_same_key_of_whoever_acts_for_another_is_another_request() -> None:
    async def main() -> None:
        async with house() as one:
            key = {"idempotency-key": "k"}
            answers = []
            for name in ("ann", "carl"):
                person = await one.made(one.operator, name, kind="person", roles=["customer"])
                bot = await one.made(person, "bot")
                answers.append(await one.ask(bot, "POST", ORDER, {"total": 1}, **key))
            assert [a.json()["fields"]["customer"] for a in answers] == ["ann", "carl"]

    asyncio.run(main())


def test_a_token_reaches_no_further_than_it_says() -> None:
    async def main() -> None:
        async with house() as one:
            made = {"kind": "service", "roles": ["customer"]}
            other = await one.made(one.operator, "a", apps=["rollout"], **made)
            assert code(await one.ask(other, "POST", ORDER, {"total": 1})) == "LR403.scope"
            assert code(await one.ask(other, "GET", ORDER)) == "LR403.scope"
            assert code(await one.ask(other, "GET", "/v1/events?app=order")) == "LR403.scope"
            assert code(await one.ask(other, "GET", "/v1/intents?app=order")) == "LR403.scope"
            only = await one.made(one.operator, "b", actions=["Order.create"], **made)
            order = await one.ask(only, "POST", ORDER, {"total": 1})
            assert order.status_code == 201
            place = f"{ORDER}/{order.json()['id']}"
            assert code(await one.ask(only, "POST", f"{place}/cancel")) == "LR403.scope"
            assert code(await one.ask(only, "GET", place)) == "LR403.scope"
            assert code(await one.ask(only, "GET", ORDER)) == "LR403.scope"
            assert code(await one.ask(only, "GET", f"{place}/journal")) == "LR403.scope"
            reads = await one.made(one.operator, "b", actions=["read"], **made)
            assert code(await one.ask(reads, "GET", place)) == "200"
            assert code(await one.ask(reads, "POST", ORDER, {"total": 1})) == "LR403.scope"
            none = await one.made(one.operator, "c", kind="service")
            assert code(await one.ask(none, "POST", ORDER, {"total": 1})) == "LR403.denied"
            for path in ("/metrics", "/v1/audit"):
                assert code(await one.ask(none, "GET", path)) == "LR403.scope"
            scraper = await one.made(one.operator, "prometheus", kind="service", scopes=["metrics"])
            assert code(await one.ask(scraper, "GET", "/v1/audit")) == "LR403.scope"
            assert (await one.ask(scraper, "GET", "/metrics")).status_code == 200

    asyncio.run(main())


@pytest.mark.parametrize(
    "wider",
    [
        {"roles": ["customer", "support"]},
        {"scopes": ["operator"]},
        {"scopes": ["apply"]},
        {"apps": ["order", "rollout"]},
        {"actions": ["Order.create", "cancel"]},
        {"actions": ["create"]},
        {"actions": ["Order.create", "read"]},
        {"expires_in": 86_400},
        {"tenant": "other"},
    ],
    ids=str,
)
def test_a_part_is_never_wider_than_the_whole(wider: dict[str, object]) -> None:
    async def main() -> None:
        async with house() as one:
            limits = {
                "roles": ["customer"],
                "apps": ["order"],
                "actions": ["Order.create"],
                "expires_in": 3_600,
            }
            whole = await one.made(one.operator, "ann", kind="person", **limits)
            assert await one.refused(whole, "bot", **wider) == "LR403.scope"
            assert await one.refused(whole, "bot", parent="self", **wider) == "LR403.scope"
            part = (await one.ask(whole, "POST", "/v1/tokens", {"principal": "bot"})).json()
            assert {key: part[key] for key in ("roles", "apps", "actions", "scopes")} == {
                "roles": ["customer"], "apps": ["order"], "actions": ["Order.create"], "scopes": [],
            }  # fmt: skip

    asyncio.run(main())


def test_of_an_app_that_a_token_is_not_for_nothing_is_told_or_kept() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        for name in ("order", "rollout"):
            await install_for(store, "main", example(name))
        async with house(store) as one:
            made = {"kind": "service", "roles": ["customer"]}
            other = await one.made(one.operator, "a", apps=["rollout"], **made)
            for path in ("/v1/order/nothing", f"{ORDER}/x/fly", ORDER, "/v1/nothing/nothing"):
                answer = await one.ask(other, "POST", path, {"total": 1})
                assert code(answer) == "LR403.scope" and "help" not in answer.json(), answer.text
            ours = await one.made(one.operator, "b", **made)
            assert (await one.ask(ours, "GET", "/v1/intents?app=order")).json()["items"] == []
            for token, apps in ((other, {"rollout"}), (ours, {"order", "rollout"}), (other, {"rollout"})):
                paths = (await one.ask(token, "GET", "/openapi.json")).json()["paths"]
                named = {
                    path.split("/")[2] for path in paths if path.startswith(("/v1/order", "/v1/rollout"))
                }
                assert named == apps

    asyncio.run(main())


def test_what_was_refused_is_told_to_whom_reads() -> None:
    async def main() -> None:
        async with house() as one:
            made = {"kind": "service", "roles": ["customer"]}
            ann = await one.made(one.operator, "ann", **made)
            order = (await one.ask(ann, "POST", ORDER, {"total": 1})).json()["id"]
            await one.node.engine.store.count_intents(
                [Intent("main", "order", "Order", "approve", "", "denied", "", 1, 0, 0, order)]
            )
            creates = await one.made(one.operator, "b", actions=["create"], **made)
            reads = await one.made(one.operator, "c", actions=["Order.read"], **made)
            outgoing = Outgoing("main", "order", "Order", "e", 1, "open_payment", 1, "started", "d", 0, b"{}")
            effect = one.tokens.mint(outgoing, 60_000)
            for token, count in ((ann, 1), (reads, 1), (creates, 0), (effect, 0)):
                items = (await one.ask(token, "GET", "/v1/intents?app=order")).json()["items"]
                assert len(items) == count

    asyncio.run(main())


def test_a_row_that_says_more_than_its_parent_counts_for_no_more() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"], apps=["order"])
            bot = await one.made(ann, "bot")
            parts = parts_of(bot)
            assert parts is not None
            row = (await one.store.lineage(parts[0]))[0]
            body = msgspec.json.decode(row.body)
            wide = {
                "kind": "person", "roles": ["customer", "support"], "scopes": ["operator"], "apps": None,
            }  # fmt: skip
            forged = msgspec.structs.replace(row, body=msgspec.json.encode(body | wide))
            one.store._rules.tokens[row.id] = forged  # type: ignore[attr-defined]
            me = (await one.ask(bot, "GET", "/v1/me")).json()
            assert (me["roles"], me["scopes"], me["apps"], me["kind"]) == (
                ["customer"],
                [],
                ["order"],
                "person",
            )

    asyncio.run(main())


def test_an_agent_sends_no_person_and_hands_on_only_so_often() -> None:
    async def main() -> None:
        async with house() as one:
            agent = await one.made(one.operator, "bot", roles=["customer"])
            assert await one.refused(agent, "ann", kind="person") == "LR403.scope"
            token = agent
            for depth in range(7):
                token = await one.made(token, f"bot{depth}")
            assert await one.refused(token, "bot8") == "LR403.scope"
            me = (await one.ask(token, "GET", "/v1/me")).json()
            assert me["chain"][0] == "bot6" and me["actor"] == "bot"

    asyncio.run(main())


def test_what_is_revoked_and_all_that_came_from_it_is_over_at_once() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            bot = await one.made(ann, "bot")
            sub = await one.made(bot, "sub")
            carl = await one.made(one.operator, "carl", kind="person", roles=["customer"])
            for token in (ann, bot, sub, carl):
                assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "201"
            name = (parts_of(bot) or ("",))[0]
            for nobody in (carl, sub):
                assert code(await one.ask(nobody, "DELETE", f"/v1/tokens/{name}")) == "LR404.token"
            assert (await one.ask(ann, "DELETE", f"/v1/tokens/{name}")).json()["revoked"]
            assert code(await one.ask(ann, "DELETE", f"/v1/tokens/{name}")) == "LR404.token"
            for token in (bot, sub):
                assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "LR401.token"
            for token in (ann, carl):
                assert code(await one.ask(token, "POST", ORDER, {"total": 1})) == "201"

    asyncio.run(main())


def test_a_command_that_was_let_in_before_the_revocation_is_not_committed_after_it() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            await one.ask(ann, "GET", "/v1/me")
            commit = one.store.commit
            reached, revoked = asyncio.Event(), asyncio.Event()

            async def held(group: Sequence[Write]) -> list[Answer]:
                reached.set()
                await revoked.wait()
                return await commit(group)

            one.store.commit = held  # type: ignore[method-assign]
            asking = asyncio.create_task(one.ask(ann, "POST", ORDER, {"total": 1}))
            await reached.wait()
            await one.ask(one.operator, "DELETE", f"/v1/tokens/{(parts_of(ann) or ('',))[0]}")
            revoked.set()
            assert code(await asking) == "LR401.token"
            assert await one.store.position() == 0

    asyncio.run(main())


def test_rotation_gives_another_secret_and_the_one_before_counts_as_long_as_was_said() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            name = (parts_of(ann) or ("",))[0]
            assert code(await one.ask(ann, "GET", "/v1/me")) == "200"
            new = (await one.ask(ann, "POST", f"/v1/tokens/{name}:rotate", {"overlap": 60})).json()["token"]
            for token in (ann, new):
                assert code(await one.ask(token, "GET", "/v1/me")) == "200"
            one.clock.later_ms = 61_000
            newer = (await one.ask(new, "POST", f"/v1/tokens/{name}:rotate")).json()["token"]
            for token in (ann, new):
                assert code(await one.ask(token, "GET", "/v1/me")) == "LR401.token"
            assert (await one.ask(newer, "GET", "/v1/me")).json()["token"] == name

    asyncio.run(main())


def test_tenants_do_not_know_each_other() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        await install_for(store, "main", example("order"))
        await install_for(store, "other", example("order"))
        async with house(store) as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            theirs = await one.made(one.operator, "op", kind="person", scopes=["operator"], tenant="other")
            bob = await one.made(theirs, "bob", kind="person", roles=["customer"])
            order = (await one.ask(ann, "POST", ORDER, {"total": 1})).json()
            assert code(await one.ask(bob, "GET", f"{ORDER}/{order['id']}")) == "LR404.entity"
            assert (await one.ask(bob, "GET", ORDER)).json()["items"] == []
            assert code(await one.ask(bob, "POST", f"{ORDER}/{order['id']}/cancel")) == "LR404.entity"
            name = (parts_of(ann) or ("",))[0]
            for method, path in (("DELETE", name), ("POST", f"{name}:rotate")):
                assert code(await one.ask(theirs, method, f"/v1/tokens/{path}")) == "LR404.token"
            assert await one.refused(theirs, "x", tenant="main") == "LR403.scope"
            assert await one.refused(theirs, "x", parent=name) == "LR404.token"
            listed = (await one.ask(theirs, "GET", "/v1/tokens?tenant=main")).json()["items"]
            assert {row["tenant"] for row in listed} <= {"other"}
            audit = (await one.ask(theirs, "GET", "/v1/audit")).json()["items"]
            assert audit and {line["tenant"] for line in audit} == {"other"}

    asyncio.run(main())


def test_an_effects_token_is_for_its_entity_and_opens_nothing_else() -> None:
    async def main() -> None:
        async with house() as one:
            outgoing = Outgoing("main", "order", "Order", "e", 1, "open_payment", 1, "started", "d", 0, b"{}")
            token = one.tokens.mint(outgoing, 60_000)
            assert (await one.ask(token, "GET", "/v1/me")).json()["principal"] == "effect:order/e.1"
            assert await one.refused(token, "bot") == "LR403.scope"
            for path in ("/metrics", "/v1/audit"):
                assert code(await one.ask(token, "GET", path)) == "LR403.scope"
            assert code(await one.ask(token, "GET", f"{ORDER}/other")) == "LR404.entity"
            assert (await one.ask(token, "GET", "/v1/tokens")).json()["items"] == []

    asyncio.run(main())


def test_no_one_holds_what_excludes_each_other_by_one_token_or_by_two() -> None:
    files = dict(example("order"))
    files["app.toml"] = files["app.toml"].replace(
        b"[role]", b'exclusive = [["customer", "accountant"]]\n\n[role]', 1
    )

    async def main() -> None:
        async with house(files=files) as one:
            op = one.operator
            both = {"kind": "person", "roles": ["customer", "accountant"]}
            assert await one.refused(op, "ann", **both) == "LR409.exclusive"
            customer = await one.made(op, "ann", kind="person", roles=["customer"])
            assert await one.refused(op, "ann", kind="person", roles=["accountant"]) == "LR409.exclusive"
            await one.made(op, "carl", kind="person", roles=["accountant"])
            await one.made(op, "ann", **both, apps=["rollout"])
            await one.ask(op, "DELETE", f"/v1/tokens/{(parts_of(customer) or ('',))[0]}")
            await one.made(op, "ann", kind="person", roles=["accountant"])

    asyncio.run(main())


def test_an_exclusion_that_came_later_is_kept_when_the_token_is_used() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer", "accountant"])
            assert code(await one.ask(ann, "POST", ORDER, {"total": 1})) == "201"
            files = dict(example("order"))
            old = b"[role]"
            files["app.toml"] = files["app.toml"].replace(
                old, b'exclusive = [["customer", "accountant"]]\n\n[role]', 1
            )
            await install_for(one.store, "main", files)
            await one.node.engine.catalog.refresh()
            assert code(await one.ask(ann, "POST", ORDER, {"total": 1})) == "LR403.exclusive"

    asyncio.run(main())


@pytest.mark.parametrize(
    "bad",
    [
        {"principal": ""}, {"principal": "oidc:ann"}, {"principal": "a b"}, {"principal": "a" * 101},
        {"kind": "god"}, {"scopes": ["everything"]}, {"roles": ["a-b"]}, {"apps": ["a.b"]},
        {"expires_in": 0}, {"expires_in": 10**9}, {"note": "x" * 501}, {"tenant": "A"}, {"unknown": 1},
        {"roles": [f"r{n}" for n in range(101)]}, {"scopes": ["operator"], "apps": ["order"]},
    ],
    ids=lambda bad: str(bad)[:40],
)  # fmt: skip
def test_what_can_be_no_token_is_refused_with_its_reason(bad: dict[str, object]) -> None:
    async def main() -> None:
        async with house() as one:
            answer = await one.ask(one.operator, "POST", "/v1/tokens", {"principal": "x", **bad})
            assert code(answer) in ("LR422.token", "LR400.body") and answer.json()["detail"]

    asyncio.run(main())


def test_all_that_is_governed_is_in_one_chain() -> None:
    async def main() -> None:
        async with house() as one:
            ann = await one.made(one.operator, "ann", kind="person", roles=["customer"])
            name = (parts_of(ann) or ("",))[0]
            await one.ask(ann, "POST", f"/v1/tokens/{name}:rotate")
            await one.ask(one.operator, "DELETE", f"/v1/tokens/{name}")
            entries = await one.store.audit()
            assert [(e.kind, e.by) for e in entries] == [
                ("token.created", "lathe"), ("token.created", "operator"), ("token.rotated", "ann"),
                ("token.revoked", "operator"),
            ]  # fmt: skip
            assert [*unchained(entries)] == []
            secret = (parts_of(ann) or ("", ""))[1].encode()
            assert not any(secret in e.body for e in entries)
            told = (await one.ask(one.operator, "GET", "/v1/audit?limit=2")).json()
            assert [line["number"] for line in told["items"]] == [1, 2] and told["next"] == 2

    asyncio.run(main())


def test_two_first_starts_make_one_token() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms, is_shared=True)
        one, two = House(store), House(store)
        found = await asyncio.gather(one.keyring.first(), two.keyring.first())
        assert sum(made is not None for made in found) == 1
        assert len(await store.tokens("main")) == 1

    asyncio.run(main())


def test_scopes_are_needed_by_name() -> None:
    from lathe.govern.principal import Principal

    applier = Principal("ci", frozenset(), scopes=frozenset({"apply"}))
    applier.needs("apply")
    with pytest.raises(GovernError, match="metrics"):
        applier.needs("metrics")


def test_a_role_that_no_app_has_is_warned_of_and_may_come_later() -> None:
    async def main() -> None:
        async with house() as one:

            async def warned(**more: object) -> list[str]:
                answer = await one.ask(one.operator, "POST", "/v1/tokens", {"principal": "ann", **more})
                assert answer.status_code == 201, answer.text
                found: list[str] = answer.json()["warnings"]
                return found

            assert await warned(roles=["customer", "support"], apps=["order"]) == []
            (near,) = await warned(roles=["customer", "suport"])
            assert near == "the role `suport`: no app that is loaded has it; did you mean `support`?"
            (far,) = await warned(roles=["astronaut"], apps=["order"])
            assert far.startswith("the role `astronaut`: no app that the token is for has it; there are ")
            app, role = await warned(roles=["clerk"], apps=["ordre"])
            assert app == "the app `ordre`: no such app is loaded; did you mean `order`?"
            assert role.endswith("there are none")
            listed = (await one.ask(one.operator, "GET", "/v1/tokens")).json()["items"]
            assert all("warnings" not in row for row in listed)

    asyncio.run(main())
