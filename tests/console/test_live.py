"""A person's path on a live `lathe dev`: a rollout starts, moves, fails, and is rolled back."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests import children
from tests.console.conftest import Opening
from tests.runtime.processes import free_port

ROLLOUT = Path(__file__).parents[2] / "examples" / "rollout"
START_SECONDS = 60


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `lathe dev examples/rollout`."""
    folder, port = tmp_path_factory.mktemp("dev"), free_port()
    with (folder / "log").open("wb") as log:
        running = children.begin(
            [sys.executable, "-m", "lathe.cli", "dev", str(ROLLOUT), "--port", str(port), "--data", "data"],
            cwd=folder, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        until = time.monotonic() + START_SECONDS
        while "/v1/rollout/rollouts" not in (folder / "log").read_text():
            assert running.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.05)
        assert f"the console is at http://127.0.0.1:{port}/console/" in (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(running.pid, signal.SIGINT)
        running.wait(30)


def test_a_rollout_is_seen_to_start_move_fail_and_be_rolled_back(tab_of: Opening, dev: str) -> None:
    page = tab_of(dev).go()
    watching = tab_of(dev).go("/console/apps/rollout")
    page.get_by_role("link", name="rollouts").first.click()
    page.get_by_role("button", name="New Rollout").click()
    page.get_by_label("replicas").fill("3")
    page.get_by_role("button", name="create").click()
    expect(page).to_have_url(re.compile(r"/entities/rollouts/[0-9a-z]{26}$"))
    page.get_by_role("button", name="start").click()
    page.get_by_label("image").fill("broker:2-broken")
    page.locator(".act").get_by_role("button", name="start").click()
    way = page.get_by_label("States, in order")
    expect(way).to_contain_text(re.compile("planned.*rolling.*failed"))
    expect(watching.get_by_role("link", name="failed 1")).to_be_visible()
    watching.get_by_role("link", name="failed 1").click()
    watching.locator("tbody a.id").click()
    expect(watching.get_by_role("region", name="Now")).to_contain_text("an operator retries or rolls back")
    watching.get_by_role("button", name="roll_back").click()
    watching.locator(".act").get_by_role("button", name="roll_back").click()
    for one in (page, watching):
        expect(one.get_by_label("States, in order")).to_contain_text(
            re.compile("failed.*rolling_back.*rolled_back")
        )
        expect(one.get_by_role("region", name="Now")).to_contain_text("It is over")


def test_a_rollout_that_goes_well(tab_of: Opening, dev: str) -> None:
    page = tab_of(dev).go("/console/apps/rollout/entities/rollouts")
    expect(page.get_by_role("button", name="New Rollout")).to_be_visible()
    page.keyboard.press("n")
    page.get_by_label("replicas").fill("2")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="start").click()
    page.get_by_label("image").fill("broker:3")
    page.keyboard.press("Enter")
    expect(page.get_by_label("States, in order")).to_contain_text(
        re.compile("planned.*rolling.*verifying.*done")
    )
    expect(page.get_by_role("region", name="Fields")).to_contain_text("effect:patch")
