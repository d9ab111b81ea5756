"""Real Chromium, and pages that fail their test on any console error, page error or breach of the policy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize, sync_playwright
from tests.console.browser import MISSING, chromium
from tests.console.populated import populated
from tests.console.world import NOON, World

WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}
HERE = Path(__file__).parent

BREACHES = """
window.__breaches = [];
addEventListener("securitypolicyviolation", (e) =>
  __breaches.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one module: Playwright keeps a loop running, in which no other test could run one."""
    path = chromium()
    if path is None:
        pytest.fail(MISSING, pytrace=False)
    environment = {**os.environ, "FONTCONFIG_FILE": str(HERE / "fonts.conf")}
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=path,
            args=[
                "--no-sandbox",
                "--font-render-hinting=none",
                "--disable-lcd-text",
                "--force-color-profile=srgb",
            ],
            env=environment,
        )
        yield found
        found.close()


LOUD = ("error", "warning")


def told(said: ConsoleMessage) -> str:
    """What the browser's console says, and of which address."""
    return f"{said.text} ({said.location['url']})"


@dataclass
class Tab:
    """A page of a console, and what went wrong on it. `forgiven` are beginnings of errors that are meant."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    forgiven: tuple[str, ...] = ()

    def go(self, path: str = "/console/") -> Page:
        """Open a view, and wait until it is there."""
        self.page.goto(self.url + path)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Until the view is loaded and nothing is waited for."""
        self.page.wait_for_selector("main h1")
        self.page.wait_for_selector("main .waiting", state="detached")

    def faults(self) -> list[str]:
        """What went wrong, the forgiven left out."""
        found = [*self.wrong, *self.page.evaluate("window.__breaches ?? []")]
        return [said for said in found if not said.startswith(self.forgiven)] if self.forgiven else found


Opening = Callable[..., Tab]


@pytest.fixture
def tab_of(browser: Browser) -> Iterator[Opening]:
    """Opens tabs on a server; whatever went wrong in any of them fails the test."""
    tabs: list[Tab] = []

    def opening(
        url: str,
        *,
        size: ViewportSize = WIDE,
        scheme: str = "light",
        still: bool = False,
        forgiven: tuple[str, ...] = (),
    ) -> Tab:
        context = browser.new_context(
            viewport=size,
            color_scheme=scheme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            timezone_id="UTC",
            locale="en-GB",
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        tab = Tab(page, url, forgiven=forgiven)
        page.add_init_script(BREACHES)
        page.on("pageerror", lambda error: tab.wrong.append(f"page error: {error} {error.stack}"))
        page.on("console", lambda said: tab.wrong.append(told(said)) if said.type in LOUD else None)
        if still:
            page.clock.set_fixed_time(NOON)
        tabs.append(tab)
        return tab

    yield opening
    faults = [fault for tab in tabs for fault in tab.faults()]
    for tab in tabs:
        tab.page.context.close()
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def still() -> Iterator[World]:
    """The world of the pictures: it stands still, and no test changes it."""
    with populated() as found:
        yield found
