"""Fork: a run is gone on with by hand, from any step, on the model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

import httpx2
import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import NARROW, WIDE, Opening
from tests.console.reviewing import broken, check
from tests.console.test_pages import violations
from tests.console.world import World, world

SLOW_MS = 60_000
"""How long a page may wait for what a child process computes."""


@pytest.fixture(scope="module")
def reviewed() -> Iterator[World]:
    """A world in which nothing lives yet."""
    with world("rollout") as found:
        yield found


@pytest.fixture(scope="module")
def refused(reviewed: World) -> dict[str, Any]:
    """A refused change, with a run of five events."""
    return check(reviewed, broken("rollout", "drain_too_early"))


def trace_of(found: dict[str, Any]) -> str:
    return f"/console/checks/{found['id']}/traces/{found['report']['findings'][0]['trace']['id'][:12]}"


def taken(page: Page, number: int, *, steps: int) -> None:
    """Take a choice by its key, and wait until the model has answered."""
    expect(page.locator(".take").first).to_be_enabled(timeout=SLOW_MS)
    page.keyboard.press(str(number))
    own = page.get_by_role("region", name="Steps").locator("li")
    expect(own).to_have_count(steps + 1, timeout=SLOW_MS)
    expect(page.locator(".take").first).to_be_enabled(timeout=SLOW_MS)


def test_a_run_is_gone_on_with_from_a_step_and_breaks_what_it_says(
    tab_of: Opening, reviewed: World, refused: dict[str, Any]
) -> None:
    before = len(reviewed.request("GET", "/v1/rollout/rollouts")["items"])
    page = tab_of(reviewed.url).go(f"{trace_of(refused)}?step=4")
    page.keyboard.press("f")
    expect(page).to_have_url(re.compile(r"/fork\?step=4$"))
    next_ = page.get_by_role("region", name="What may happen next")
    drain = next_.locator("li", has_text="drain")
    expect(drain).to_contain_text("breaks one_broker_down", timeout=SLOW_MS)
    drain.locator(".take").click()
    expect(page.get_by_role("region", name="False now: one_broker_down")).to_contain_text(
        "replicas - ready <= 1", timeout=SLOW_MS
    )
    expect(page.get_by_role("region", name="Steps")).to_contain_text("from here on by hand")
    page.get_by_role("button", name="Copy for an agent").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "False: `replicas - ready <= 1`" in copied
    page.get_by_role("button", name="Save as gauge").click()
    page.get_by_role("dialog").get_by_text("caught:").click()
    with page.expect_download() as download:
        page.get_by_role("dialog").get_by_role("link", name="Save").click()
    saved = json.loads(download.value.path().read_text())
    assert saved["expect"] == "refused: one_broker_down"
    assert len(saved["trace"]["steps"]) == 5
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(next_).to_contain_text("breaks one_broker_down", timeout=SLOW_MS)
    assert "then" not in parse_qs(urlparse(page.url).query)
    assert len(reviewed.request("GET", "/v1/rollout/rollouts")["items"]) == before, "nothing lives by it"


def test_from_nothing_by_keyboard_with_other_values_and_the_address_holds_it(
    tab_of: Opening, reviewed: World
) -> None:
    page = tab_of(reviewed.url).go("/console/apps/rollout/versions/current")
    page.get_by_role("link", name="What if").click()
    expect(page.get_by_role("region", name="What is there")).to_contain_text("Nothing yet", timeout=SLOW_MS)
    page.get_by_role("button", name="With other values: create").click()
    page.get_by_label("replicas").fill("4")
    page.get_by_label("who").fill("ann")
    page.get_by_role("button", name="Take it").click()
    there = page.get_by_role("region", name="What is there")
    expect(there).to_contain_text(re.compile("Rollout#1.*planned.*replicas 4"), timeout=SLOW_MS)
    expect(page.get_by_role("region", name="Steps")).to_contain_text("role:operator ann")
    taken(page, 1, steps=2)
    expect(there).to_contain_text("rolling")
    page.reload()
    expect(there).to_contain_text("rolling", timeout=SLOW_MS)
    page.get_by_role("region", name="Steps").get_by_role("button", name=re.compile("create")).click()
    page.get_by_role("button", name="Go on from here instead").click()
    expect(there).to_contain_text("planned", timeout=SLOW_MS)
    (then,) = parse_qs(urlparse(page.url).query)["then"]
    assert [step["action"] for step in json.loads(then)] == ["create"]


def test_what_the_model_refuses_is_said(tab_of: Opening, reviewed: World) -> None:
    page = tab_of(reviewed.url).go("/console/apps/rollout/versions/current/fork")
    page.get_by_role("button", name="With other values: create").click(timeout=SLOW_MS)
    page.get_by_label("replicas").fill("99")
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_role("alert")).to_contain_text("Event 1 is refused here", timeout=SLOW_MS)
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("alert")).to_have_count(0, timeout=SLOW_MS)


def test_what_happened_to_an_entity_is_a_run_and_gone_on_with_on_the_model_alone(
    tab_of: Opening, reviewed: World
) -> None:
    name = reviewed.create("rollout", "rollouts", replicas=2)
    one = f"/console/apps/rollout/entities/rollouts/{name}"
    page = tab_of(reviewed.url).go(one)
    page.get_by_role("link", name="As a run").click()
    expect(page.get_by_role("region", name="Steps")).to_contain_text("create", timeout=SLOW_MS)
    page.get_by_role("link", name="Fork").click()
    choice = page.locator(".next li", has_text="start").locator(".take")
    expect(choice).to_be_enabled(timeout=SLOW_MS)
    choice.click()
    expect(page.get_by_role("region", name="What is there")).to_contain_text("rolling", timeout=SLOW_MS)
    taken(page, 1, steps=3)
    assert reviewed.request("GET", f"/v1/rollout/rollouts/{name}")["state"] == "planned", "it is as it was"
    for path in (f"{one}/trace", f"{one}/trace/fork"):
        told = httpx2.get(reviewed.url + path, headers={"accept": "text/markdown"}).text
        assert "`create`" in told or "/v1/blueprints/rollout/current/fork" in told, told


def test_the_page_is_accessible_and_fits_a_phone(
    tab_of: Opening, reviewed: World, refused: dict[str, Any]
) -> None:
    for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
        page = tab_of(reviewed.url, size=size, scheme=scheme).go(f"{trace_of(refused)}/fork?step=4")
        expect(page.locator(".take").first).to_be_visible(timeout=SLOW_MS)
        closed = page.locator(".next button[aria-expanded=false]")
        while closed.count():
            closed.first.click()
        assert not violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
