"""The pictures of the tutorials: what somebody sees who does what they say."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect
from tests.console.conftest import WIDE, Opening
from tests.console.populated import patching, rollout
from tests.console.reviewing import report_of
from tests.console.test_review_pictures import LAID_OUT_MS, VIEW, compared
from tests.console.world import NOON_MS, World, world

from lathe.effect.base import Ending

IMAGES = Path(__file__).parents[2] / "docs" / "images" / "tutorial"
UPPER: FloatRect = {**VIEW, "height": 620}
SECONDS = 30.0
PICTURES = {"let-it-live", "first-counterexample", "two-agents-two-people"}


@pytest.fixture
def rolled_back() -> Iterator[tuple[World, str]]:
    """A rollout of an image that never comes up, rolled back: the second part of *Let it live*."""
    with world("rollout") as found:
        found.adapter.scripts |= {"patch": patching(found), "restore": patching(found)}
        name = rollout(found, 3, "broken:1", "failed", 2)
        found.clock.ms += 41_000
        found.act("rollout", "rollouts", name, "roll_back")
        found.until(f"/v1/rollout/rollouts/{name}", "rolled_back")
        found.clock.ms = NOON_MS
        yield found, name


def first_of(found: World, path: str) -> str:
    """The first entity of a list, once there is one."""
    end = time.monotonic() + SECONDS
    while not (items := found.request("GET", path)["items"]):
        assert time.monotonic() < end, f"nothing at {path}"
        time.sleep(0.02)
    return str(items[0]["id"])


@pytest.fixture
def asked() -> Iterator[World]:
    """Ada, Ann's agent, asks to settle a payment that ended unclear."""
    with world("order") as found:
        refused = Ending(ok=False, cause="refused")
        found.adapter.scripts |= {"charge": lambda attempt: refused, "void": lambda attempt: refused}
        found.clock.ms = NOON_MS - 90_000

        def made(principal: str, kind: str, bearer: str = "", **more: object) -> str:
            headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
            sent = {"principal": principal, "kind": kind, **more}
            return str(found.request("POST", "/v1/tokens", json=sent, headers=headers)["token"])

        ann = made("ann", "person", roles=["customer", "support"], scopes=["decide"])
        ada = made("ada", "agent", ann, roles=["support"], scopes=["decide"], parent="self")
        found.create("order", "orders", total=2)
        payment = first_of(found, "/v1/order/payments")
        found.until(f"/v1/order/payments/{payment}", "unclear")
        found.clock.ms = NOON_MS - 20_000
        ask = {"app": "order", "plural": "payments", "entity": payment, "action": "settle"}
        reason = "the bank says that nothing was charged"
        headers = {"authorization": f"Bearer {ada}"}
        found.request("POST", "/v1/decisions", json={**ask, "reason": reason}, headers=headers)
        found.clock.ms = NOON_MS
        yield found


def test_a_rollout_that_was_rolled_back(tab_of: Opening, rolled_back: tuple[World, str]) -> None:
    found, name = rolled_back
    page = tab_of(found.url, size=WIDE, still=True).go(f"/console/apps/rollout/entities/rollouts/{name}")
    page.wait_for_selector(".journal li")
    page.wait_for_load_state("networkidle")
    compared(page, IMAGES / "let-it-live.png", VIEW)


def test_the_first_counterexample(tab_of: Opening, rolled_back: tuple[World, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lathe.cli", "new", "ticket"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    files = {path.name: path.read_text() for path in (tmp_path / "ticket").glob("*.toml")}
    files["ticket.blueprint.toml"] = files["ticket.blueprint.toml"].replace(', do = ["owner = None"]', "")
    page = tab_of(rolled_back[0].url, size=WIDE, still=True).go("/console/open")
    data = json.dumps(report_of(files)).encode()
    page.set_input_files(
        "input[type=file]", {"name": "report.json", "mimeType": "application/json", "buffer": data}
    )
    page.get_by_role("link", name="Walk through").first.click()
    page.wait_for_selector(".graph svg .node", timeout=LAID_OUT_MS)
    compared(page, IMAGES / "first-counterexample.png", VIEW)


def test_what_an_agent_asks(tab_of: Opening, asked: World) -> None:
    page = tab_of(asked.url, size=WIDE, still=True).go("/console/decisions")
    page.locator('[data-do="approve"]').click()
    page.wait_for_load_state("networkidle")
    compared(page, IMAGES / "two-agents-two-people.png", UPPER)


def test_every_picture_of_a_tutorial_is_made_here() -> None:
    assert {path.stem for path in IMAGES.glob("*.png")} == PICTURES
