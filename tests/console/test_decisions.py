"""An agent is denied and asks; a person reads why, approves it once, and it passes once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import expect
from tests.console.conftest import Opening
from tests.console.test_pages import violations
from tests.console.test_sessions import REFUSED, signed_in
from tests.console.world import World, world
from tests.runtime.harness import example

EXPENSES = "/v1/expense/expenses"


class Tokens:
    """Ann, who may hand in nothing here, her agent, and bob, who decides."""

    def __init__(self, found: World) -> None:
        self.world = found
        self.ann = self.made(found.first_token, "ann", kind="person", roles=["accountant"])
        self.bot = self.made(self.ann, "bot", roles=["accountant"], parent="self")
        self.bob = self.made(found.first_token, "bob", kind="person", scopes=["decide"])

    def made(self, by: str, principal: str, **more: object) -> str:
        headers = {"authorization": f"Bearer {by}"}
        sent = {"principal": principal, **more}
        text: str = self.world.request("POST", "/v1/tokens", json=sent, headers=headers)["token"]
        return text

    def hand_in(self, token: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"}
        return httpx2.post(f"{self.world.url}{EXPENSES}", json={"amount": 3}, headers=headers)

    def ask(self, token: str) -> str:
        denied = self.hand_in(token)
        assert denied.json()["code"] == "LR403.denied"
        sent = {**denied.json()["ask"], "reason": "<b>lunch</b> with the auditors"}
        headers = {"authorization": f"Bearer {token}"}
        found: str = self.world.request("POST", "/v1/decisions", json=sent, headers=headers)["id"]
        return found


@pytest.fixture
def tokens() -> Iterator[Tokens]:
    """A house in which expenses are handed in."""
    with world("expense", is_open=False) as found:
        yield Tokens(found)


def test_a_request_of_an_agent_is_read_and_approved_once(tab_of: Opening, tokens: Tokens) -> None:
    tokens.ask(tokens.bot)
    page = tab_of(tokens.world.url, forgiven=REFUSED).page
    page.goto(tokens.world.url + "/console/decisions")
    signed_in(page, tokens.bob)
    card = page.locator("[data-decision]")
    expect(card).to_contain_text("bot for ann asks to create")
    expect(card).to_contain_text("<b>lunch</b> with the auditors")
    expect(card).to_contain_text("holds: accountant")
    page.keyboard.press("a")
    expect(card.get_by_label("Once")).to_be_checked()
    assert not violations(page)
    card.get_by_role("button", name="Approve once").click()
    expect(card).to_have_count(0)
    assert tokens.hand_in(tokens.bot).status_code == 201
    assert tokens.hand_in(tokens.bot).status_code == 403
    page.get_by_role("button", name="used").click()
    expect(card).to_contain_text("bob")


def test_a_request_appears_while_somebody_looks_and_nobody_asks_again(
    tab_of: Opening, tokens: Tokens
) -> None:
    page = tab_of(tokens.world.url, forgiven=REFUSED).page
    page.goto(tokens.world.url + "/console/decisions")
    with page.expect_response(lambda response: "/v1/events" in response.url and response.ok):
        signed_in(page, tokens.bob)
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/decisions" in request.url else None)
    first = tokens.ask(tokens.bot)
    card = page.locator("[data-decision]")
    expect(card).to_contain_text("bot for ann asks to create")
    headers = {"authorization": f"Bearer {tokens.ann}"}
    tokens.world.request("POST", f"/v1/decisions/{first}/withdraw", json={}, headers=headers)
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    assert len(asked) == 2, asked
    with page.expect_response(lambda response: "/v1/events" in response.url):
        page.goto(tokens.world.url + "/console/")
    tile = page.locator(".figures div").filter(has_text="decisions")
    expect(tile).to_contain_text("0")
    tokens.ask(tokens.bot)
    expect(tile).to_contain_text("1")


def test_a_request_is_denied_by_keyboard(tab_of: Opening, tokens: Tokens) -> None:
    tokens.ask(tokens.bot)
    page = tab_of(tokens.world.url, forgiven=REFUSED).page
    page.goto(tokens.world.url + "/console/decisions")
    signed_in(page, tokens.bob)
    card = page.locator("[data-decision]")
    expect(card).to_be_visible()
    page.keyboard.press("d")
    page.get_by_label("Why").focus()
    page.keyboard.type("not on the company")
    page.keyboard.press("Enter")
    expect(card).to_have_count(0)
    assert tokens.hand_in(tokens.bot).status_code == 403


def test_whoever_asks_decides_nothing(tab_of: Opening, tokens: Tokens) -> None:
    tokens.ask(tokens.bot)
    page = tab_of(tokens.world.url, forgiven=REFUSED).page
    page.goto(tokens.world.url + "/console/decisions")
    signed_in(page, tokens.ann)
    card = page.locator("[data-decision]")
    expect(card).to_contain_text("bot for ann")
    expect(card.get_by_role("button", name="Approve")).to_have_count(0)
    card.get_by_role("button", name="Withdraw").click()
    card.get_by_role("button", name="Withdraw it").click()
    expect(card).to_have_count(0)


def test_what_would_be_applied_is_seen_before_it_is_approved(tab_of: Opening, tokens: Tokens) -> None:
    maker = tokens.made(tokens.world.first_token, "maker", scopes=["apply"])
    headers = {"authorization": f"Bearer {maker}"}
    files = {path: data.decode() for path, data in example("expense").items()}
    weaker = files["expense.blueprint.toml"].replace("in_cash or amount <= 2", "in_cash or amount <= 3")
    sent = {"files": {**files, "expense.blueprint.toml": weaker}, "confirm": "any", "breaking": True}
    held = tokens.world.request("PUT", "/v1/blueprints", json=sent, headers=headers)["decision"]
    page = tab_of(tokens.world.url, forgiven=REFUSED).page
    page.goto(tokens.world.url + "/console/decisions")
    signed_in(page, tokens.bob)
    card = page.locator("[data-decision]")
    expect(card).to_contain_text("promises less")
    page.get_by_text("the files, as they are applied").click()
    expect(card).to_contain_text('little_cash = "not in_cash or amount <= 3"')
    assert not violations(page)
    page.keyboard.press("a")
    page.get_by_role("button", name="Approve once").click()
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    sent = {"decision": held["id"], "confirm": "any", "breaking": True}
    made = tokens.world.request("PUT", "/v1/blueprints", json=sent, headers=headers)
    assert made["applied"] == held["apply"]
