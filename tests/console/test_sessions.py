"""Signing in and out, and what somebody with fewer roles is shown."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import Opening
from tests.console.test_pages import violations
from tests.console.world import World, world

REFUSED = ("Failed to load resource: the server responded with a status of 4",)
SECRETIVE = {
    "app.toml": b"""app = "secretive"
[role]
keeper = "keeps"
passer = "passes by"
""",
    "vault.blueprint.toml": b"""blueprint = "Vault"
[read]
by = "role:keeper"
[state]
shut = { initial = true, waits = "a keeper opens it" }
ajar = { final = true }
[field]
inside = { type = "text", max = 80 }
[action]
create = { by = "role:keeper", sets = ["inside"] }
open_it = { from = "shut", to = "ajar", by = "role:keeper" }
""",
    "gate.blueprint.toml": b"""blueprint = "Gate"
[state]
closed = { initial = true, waits = "somebody passes" }
passed = { final = true }
[action]
create = { by = ["role:keeper", "role:passer"] }
pass_through = { from = "closed", to = "passed", by = ["role:keeper", "role:passer"] }
""",
}


@pytest.fixture
def closed() -> Iterator[World]:
    """A world in which nobody is anybody without a token."""
    with world(is_open=False, secretive=SECRETIVE) as found:
        yield found


def token_of(found: World, principal: str, *roles: str) -> str:
    headers = {"authorization": f"Bearer {found.first_token}"}
    sent = {"principal": principal, "kind": "person", "roles": roles}
    made: str = found.request("POST", "/v1/tokens", json=sent, headers=headers)["token"]
    return made


def signed_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_signing_in_and_out(tab_of: Opening, closed: World) -> None:
    tab = tab_of(closed.url, forgiven=REFUSED)
    page = tab.page
    page.goto(closed.url + "/console/apps/secretive")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not violations(page)
    page.get_by_label("Token").fill("lathe_nothing")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("LR401.token")
    signed_in(page, token_of(closed, "ann", "keeper"))
    expect(page.get_by_role("heading", name="secretive", level=1)).to_be_visible()
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("link", name="gates").first.click()
    page.get_by_role("button", name="New Gate").click()
    page.get_by_role("button", name="create").click()
    expect(page.get_by_role("region", name="Journal")).to_contain_text("ann")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.context.cookies() == []


def test_what_a_role_may_not_see_is_not_sent(tab_of: Opening, closed: World) -> None:
    keeper, passer = token_of(closed, "ann", "keeper"), token_of(closed, "ben", "passer")
    headers = {"authorization": f"Bearer {keeper}"}
    sent = {"inside": "the-crown-jewels"}
    vault = closed.request("POST", "/v1/secretive/vaults", json=sent, headers=headers)["id"]
    tab = tab_of(closed.url, forgiven=REFUSED)
    page = tab.page
    said: list[str] = []
    page.goto(closed.url + "/console/")
    page.on("response", lambda answer: said.append(_text(answer)))
    signed_in(page, passer)
    expect(page.get_by_role("link", name="gates").first).to_be_visible()
    page.goto(closed.url + f"/console/apps/secretive/entities/vaults/{vault}")
    expect(page.get_by_role("alert").first).to_contain_text("LR404.entity")
    page.goto(closed.url + "/console/audit")
    expect(page.get_by_role("alert").first).to_contain_text("LR403.scope")
    told = " ".join(said)
    assert "the-crown-jewels" not in told
    assert f"{vault}." not in told


def _text(answer: object) -> str:
    """What an answer held; a stream's is not waited for."""
    headers = getattr(answer, "headers", {})
    if "json" not in headers.get("content-type", ""):
        return ""
    return str(answer.text())  # type: ignore[attr-defined]


def test_a_request_of_another_site_is_refused(closed: World) -> None:
    """What a page of another site can make a browser send: the cookie, and no header of ours."""
    token = token_of(closed, "ann", "keeper")
    with httpx2.Client(base_url=closed.url) as client:
        assert client.post("/session", json={"token": token}).status_code == 204
        assert client.get("/v1/me").json()["principal"] == "ann"
        refused = client.post("/v1/secretive/gates", json={})
        assert (refused.status_code, refused.json()["code"]) == (403, "LR403.origin")
        taken = client.post("/v1/secretive/gates", json={}, headers={"x-lathe-request": "1"})
        assert taken.status_code == 201
