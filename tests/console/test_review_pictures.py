"""The pictures of a refused change that the docs show, made and compared as the other pages' are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import FloatRect, Page, Route
from tests.console.conftest import WIDE, Opening
from tests.console.reviewing import broken, check, ended
from tests.console.test_pictures import DIFFERENT_LIMIT, UPDATE, different, has_fonts
from tests.console.world import NOON_MS, World, world

IMAGES = Path(__file__).parents[2] / "docs" / "images" / "review"
LAID_OUT_MS = 60_000
VIEW: FloatRect = {"x": 216, "y": 0, "width": WIDE["width"] - 216, "height": WIDE["height"]}
"""Without the navigation: what else there is, is no part of these pages."""
THERE = {"report": ".properties", "simulation": ".finding", "fork": ".fork .graph svg .node"}
"""What is waited for, where it is no graph."""
PICTURES = ("report-light", "trace-dark", "changes-light", "graph-light", "simulation-light", "fork-light")


def at_one_speed(route: Route) -> None:
    """A campaign as it would be told on a machine that does it in two seconds."""
    answer = route.fetch()
    told = answer.json()
    told["progress"]["seconds"] = 2.0
    route.fulfill(response=answer, json=told)


@pytest.fixture(scope="module")
def campaign(standing: World) -> str:
    """The id of a campaign that found something, over."""
    found = check(standing, broken("rollout", "drain_too_early"))
    return str(ended(standing, check=found["id"], seeds=20)["id"])


@pytest.fixture(scope="module")
def standing() -> Iterator[World]:
    """A rollout that runs, and a change to it that was refused, at noon."""
    with world("rollout") as found:
        for replicas in (3, 5, 2):
            found.create("rollout", "rollouts", replicas=replicas)
        found.clock.ms = NOON_MS
        yield found


def compared(page: Page, kept: Path, clip: FloatRect) -> None:
    """Compare a part of a page with the picture that is kept; or keep it, if that is asked."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    made = page.screenshot(animations="disabled", caret="hide", clip=clip)
    if UPDATE:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(made)
    if not has_fonts():
        pytest.skip("Inter and JetBrains Mono are not installed: the pictures were made with them")
    share = different(page, made, kept.read_bytes())
    if share > DIFFERENT_LIMIT:
        pytest.fail(f"{share:.2%} of {kept.name} differs")


@pytest.mark.parametrize("picture", PICTURES)
def test_a_page_looks_as_it_did(tab_of: Opening, standing: World, campaign: str, picture: str) -> None:
    view, _, scheme = picture.partition("-")
    found = check(standing, broken("rollout", "drain_too_early"))
    one = f"/console/checks/{found['id']}"
    trace = found["report"]["findings"][0]["trace"]["id"][:12]
    tab = tab_of(standing.url, size=WIDE, scheme=scheme, still=True)
    tab.page.route("**/v1/simulations/*", at_one_speed)
    page = tab.go(
        {
            "report": one,
            "trace": f"{one}/traces/{trace}",
            "changes": f"{one}/changes",
            "graph": "/console/apps/rollout/versions/current?pick=retry",
            "fork": f"{one}/traces/{trace}/fork?step=4",
            "simulation": f"/console/simulations/{campaign}",
        }[view]
    )
    page.wait_for_selector(THERE.get(view, ".graph svg .node"), timeout=LAID_OUT_MS)
    compared(page, IMAGES / f"{picture}.png", VIEW)


def test_every_picture_is_made_here() -> None:
    assert {path.stem for path in IMAGES.glob("*.png")} == set(PICTURES)
