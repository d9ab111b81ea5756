"""The simulator's pages: a campaign is begun, watched and ended, and a failure is walked through."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect
from tests.console.conftest import NARROW, WIDE, Opening
from tests.console.reviewing import broken, check, ended
from tests.console.test_pages import violations
from tests.console.world import World, world

PATH = "/v1/simulations"
SECONDS = 60.0
SLOW_MS = 60_000
"""How long a page may wait for what a child process computes."""


@pytest.fixture(scope="module")
def simulated() -> Iterator[World]:
    """A world in which a refused change was checked."""
    with world("rollout") as found:
        check(found, broken("rollout", "drain_too_early"))
        yield found


@pytest.fixture(scope="module")
def campaign(simulated: World) -> dict[str, Any]:
    """A campaign that found something, over."""
    name = simulated.request("GET", "/v1/checks")["items"][0]["id"]
    return ended(simulated, check=name, seeds=4, mix="calm")


def test_a_campaign_is_begun_watched_and_its_failure_walked_through(
    tab_of: Opening, simulated: World
) -> None:
    page = tab_of(simulated.url).go("/console/simulations")
    refused = simulated.request("GET", "/v1/checks")["items"][0]["id"]
    page.get_by_label("Of", exact=True).select_option(f"check {refused}")
    page.get_by_label("How many seeds").fill("3")
    page.locator(".begin .call summary").click()
    expect(page.locator(".begin .call")).to_contain_text("lathe sim FOLDER --seeds 3")
    expect(page.locator(".begin .call")).to_contain_text('"seeds":3')
    page.get_by_role("button", name="Simulate").click()
    expect(page).to_have_url(re.compile(r"/console/simulations/[0-9a-z]{26}$"))
    found = page.get_by_role("region", name="property:one_broker_down")
    expect(found).to_contain_text("replicas - ready <= 1", timeout=SLOW_MS)
    expect(page.locator(".head")).to_contain_text("found something", timeout=SLOW_MS)
    expect(page.locator(".figures")).to_contain_text("of 9")
    expect(page.get_by_role("region", name="Actions taken")).to_contain_text("Rollout.create")
    line = found.locator("pre").text_content() or ""
    assert re.fullmatch(r"lathe sim FOLDER --seed \d+ --mix (calm|moderate|chaos)", line)
    found.get_by_role("link", name="Walk through").click()
    expect(page.get_by_role("region", name="False now")).to_contain_text(
        "replicas - ready <= 1", timeout=SLOW_MS
    )
    expect(page.locator(".repeat pre")).to_have_text(line)
    expect(page.get_by_role("region", name="What it breaks")).to_contain_text("one_broker_down")
    page.get_by_role("button", name="Copy for an agent").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f"Repeat it: `{line}`" in copied and "[invariant]" in copied and "False:" in copied
    page.reload()
    expect(page.get_by_role("region", name="False now")).to_be_visible(timeout=SLOW_MS)


def test_a_campaign_is_ended_and_what_is_known_stays(tab_of: Opening, simulated: World) -> None:
    begun = simulated.request("POST", PATH, json={"app": "rollout", "seconds": 500, "mix": "calm"})
    page = tab_of(simulated.url).go("/console/simulations")
    row = page.locator(".campaigns li").first
    expect(row).to_contain_text(re.compile(r"[1-9]\d* seeds"), timeout=SLOW_MS)
    row.get_by_role("link").click()
    page.get_by_role("button", name="End it").click()
    expect(page.locator(".head")).to_contain_text("ended early")
    expect(page.get_by_role("button", name="End it")).to_have_count(0)
    assert simulated.request("GET", f"{PATH}/{begun['id']}")["progress"]["seeds"] > 0


def test_the_pages_are_accessible_and_fit_a_phone(
    tab_of: Opening, simulated: World, campaign: dict[str, Any]
) -> None:
    one = f"/console/simulations/{campaign['id']}"
    run = campaign["progress"]["causes"][0]["runs"][0]
    for path in ("/console/simulations", one, f"{one}/runs/{run['mix']}/{run['seed']}"):
        for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
            page = tab_of(simulated.url, size=size, scheme=scheme).go(path)
            for summary in page.locator("details > summary").all():
                summary.click()
            assert not violations(page)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


def test_the_pages_are_markdown_too(simulated: World, campaign: dict[str, Any]) -> None:
    def text_of(path: str) -> str:
        answer = httpx2.get(f"{simulated.url}{path}", headers={"accept": "text/markdown"}, timeout=SECONDS)
        assert answer.status_code == 200, answer.text
        return answer.text

    one = f"/console/simulations/{campaign['id']}"
    assert campaign["id"] in text_of("/console/simulations")
    told = text_of(one)
    assert "**property:one_broker_down**" in told and "steps a second" in told
    seed, mix = re.findall(r"--seed (\d+) --mix (\w+)", told)[0]
    run = text_of(f"{one}/runs/{mix}/{seed}")
    assert "False: `replicas - ready <= 1`" in run and "`create` `Rollout#1`" in run
