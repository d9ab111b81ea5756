"""What lives in the world of the pictures: rollouts in every state, and documents on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2
from tests.console.world import NOON_MS, World, world
from tests.runtime.harness import act

from lathe.effect.base import Attempt, Ending
from lathe.machine.event import Caller

MINUTE_MS = 60_000
ROLLOUTS = "/v1/rollout/rollouts"


@contextmanager
def populated() -> Iterator[World]:
    """The world of the pictures, standing still at noon."""
    with world("rollout", "approval") as found:
        found.adapter.scripts |= {"patch": patching(found), "restore": patching(found)}
        live(found)
        tokens(found)
        found.clock.ms = NOON_MS
        found.request("GET", "/v1/apps")
        yield found


async def unending(found: World) -> None:
    """Work that goes on until the world ends, whatever it is told: a real clock would time it out."""
    while not found.over.is_set():
        with suppress(asyncio.CancelledError):
            await found.over.wait()


def patching(found: World) -> Callable[[Attempt], Awaitable[Ending]]:
    """The other side of `patch` and `restore`: it replaces brokers, and fails where the image is broken."""

    async def patch(attempt: Attempt) -> Ending:
        assert found.node is not None
        entity = attempt.id.partition(".")[0]
        live = found.node.engine.catalog.live(attempt.tenant, attempt.app)
        caller = Caller("effect", attempt.effect)
        held = await found.node.engine.read(live, entity)
        assert held is not None
        fields = held.entity.fields
        image, replicas = str(fields["image"]), int(str(fields["replicas"]))
        if "stuck" in image and attempt.effect == "patch":
            await unending(found)
        down = replicas - int(str(fields["ready"]))
        for broker in range(replicas):
            if broker >= down:
                found.clock.ms += 700
                await act(found.node, live.app, entity, "drain", caller)
            found.clock.ms += 2_900
            if "broken" in image and attempt.effect == "patch":
                return Ending(ok=False, cause="refused", log="broker 1 does not come up")
            await act(found.node, live.app, entity, "progress", caller)
            if attempt.effect == "restore":
                break
        return Ending(ok=True)

    return patch


def rollout(found: World, minutes: float, image: str, until: str, replicas: int = 3) -> str:
    """A rollout that was created so many minutes ago, started half a minute later, and came to a state."""
    found.clock.ms = NOON_MS - int(minutes * MINUTE_MS)
    name = found.create("rollout", "rollouts", replicas=replicas)
    if image:
        found.clock.ms += 31_000
        found.act("rollout", "rollouts", name, "start", image=image)
    found.until(f"{ROLLOUTS}/{name}", until)
    return name


def document(found: World, minutes: float, body: str, *, is_submitted: bool = True) -> None:
    """A document that was written so many minutes ago."""
    found.clock.ms = NOON_MS - int(minutes * MINUTE_MS)
    name = found.create("approval", "documents", body=body)
    if is_submitted:
        found.clock.ms += 90_000
        found.act("approval", "documents", name, "submit")


def live(found: World) -> None:
    """Rollouts in every state and documents on their way, in the order of time."""
    found.adapter.scripts["probe"] = lambda attempt: Ending(ok=True)
    rollout(found, 190, "registry.example/broker:3.0", "done")
    rollout(found, 171, "registry.example/broker:3.1", "done", 4)
    document(found, 140, "Minutes of the review")
    rollout(found, 118, "registry.example/broker:3.2", "done", 5)
    rollout(found, 96, "registry.example/broker:3.3", "done")
    rollout(found, 74, "registry.example/broker:3.4", "done", 4)
    back = rollout(found, 66, "registry.example/broker:4.0-broken", "failed")
    found.clock.ms += 11 * MINUTE_MS
    found.act("rollout", "rollouts", back, "roll_back")
    found.until(f"{ROLLOUTS}/{back}", "rolled_back")
    document(found, 50, "Runbook: brokers")
    rollout(found, 21, "registry.example/broker:4.1-broken", "failed", 5)
    document(found, 12, "Retention policy", is_submitted=False)
    rollout(found, 9, "", "planned", 4)
    rollout(found, 1.5, "", "planned", 1)
    refusals(found)
    rollout(found, 0.6, "registry.example/broker:4.2-stuck", "rolling", 4)


def tokens(found: World) -> None:
    """Somebody with an agent that acts for them, services, and a token that is over."""

    def made(principal: str, kind: str, bearer: str = "", **more: object) -> dict[str, str]:
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        sent = {"principal": principal, "kind": kind, **more}
        answer: dict[str, str] = found.request("POST", "/v1/tokens", json=sent, headers=headers)
        return answer

    ann = made("ann", "person", roles=["operator", "clerk"], expires_in=30 * 86_400)
    bot = made(
        "release-bot", "agent", ann["token"], roles=["operator"],
        parent="self", expires_in=8 * 3_600, note="rolls out what is merged",
    )  # fmt: skip
    # What the bot may not do, it asks for.
    headers = {"authorization": f"Bearer {bot['token']}"}
    sent = {
        "app": "approval",
        "plural": "documents",
        "action": "create",
        "args": {"body": "Notes of the rollout"},
    }
    reason = "the rollout of 4.2 ends tonight; its notes are due with it"
    found.request("POST", "/v1/decisions", json={**sent, "reason": reason}, headers=headers)
    made("ci", "service", scopes=["apply"], apps=["rollout"], note="loads versions")
    made("ben", "person", roles=["manager"])
    old = made("scraper", "service", scopes=["metrics"])
    found.request("DELETE", f"/v1/tokens/{old['id']}")


def refusals(found: World) -> None:
    """What somebody wished for and did not get: the intents."""

    async def asking(at: World) -> None:
        assert at.api is not None and at.node is not None
        transport = httpx2.ASGITransport(at.api, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            items = (await client.get(f"{ROLLOUTS}?limit=200")).json()["items"]
            for item in items:
                if item["state"] in ("done", "rolled_back"):
                    for action in ("pause", "pause", "roll_back", "pause", "retry"):
                        await client.post(f"{ROLLOUTS}/{item['id']}/{action}", json={})
        await at.api.intents.write_down(at.node.store)

    found.do(asking)
