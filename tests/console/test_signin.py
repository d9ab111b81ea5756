"""A real browser signs in to a real server process by a real issuer, and is told when that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.console.conftest import Opening
from tests.console.test_pages import violations
from tests.govern.provider import Provider, provider
from tests.runtime.harness import example
from tests.runtime.processes import Process, serving

REFUSED = ("Failed to load resource: the server responded with a status of 401",)
TABLE = """
[issuer.corp]
url = "{url}"
audience = "lathe"
kind = "person"
role_claim = "groups"
role_prefix = "lathe-"
[issuer.corp.sign_in]
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, Provider, str]]:
    """A server, its issuer, and its address by a name that makes the issuer another site."""
    folder = tmp_path_factory.mktemp("served")
    with provider() as issuer:
        (folder / "lathe.toml").write_text(TABLE.format(url=issuer.url), encoding="utf-8")
        with serving(f"sqlite:{folder / 'data'}", folder) as process:
            process.apply(example("order"))
            url = f"http://localhost:{process.port}"
            issuer.redirects.add(f"{url}/session/oidc/callback")
            issuer.claimed = {"groups": ["lathe-customer"]}
            yield process, issuer, url


def test_by_an_issuer_and_back_to_the_page(tab_of: Opening, served: tuple[Process, Provider, str]) -> None:
    _, issuer, url = served
    tab = tab_of(url, forgiven=REFUSED)
    page = tab.page
    page.goto(f"{url}/console/apps/order/entities/orders?state=placed")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    way = page.get_by_role("link", name="Sign in with corp")
    expect(way).to_be_visible()
    assert not violations(page)
    way.click()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    assert page.url.startswith(f"{issuer.url}/authorize?")
    page.get_by_role("link", name="Ann").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.url == f"{url}/console/apps/order/entities/orders?state=placed"
    (cookie,) = page.context.cookies(url)
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("lathe", True, "Strict")
    page.get_by_role("button", name="New Order").click()
    page.get_by_label("total").fill("2")
    page.get_by_role("button", name="create").click()
    expect(page.get_by_role("region", name="Journal")).to_contain_text("corp:ann")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in with corp")).to_be_visible()
    assert page.context.cookies(url) == []


def test_who_is_not_let_in_is_told_so(tab_of: Opening, served: tuple[Process, Provider, str]) -> None:
    _, issuer, url = served
    tab = tab_of(url, forgiven=REFUSED)
    page = tab.page
    page.goto(f"{url}/console/decisions")
    page.get_by_role("link", name="Sign in with corp").click()
    page.get_by_role("link", name="Nobody").click()
    expect(page.get_by_role("alert")).to_contain_text("The issuer was told not to sign anybody in.")
    assert page.url == f"{url}/console/decisions?sign_in=access_denied&issuer=corp"
    assert page.context.cookies(url) == []
    assert not violations(page)
    issuer.answers["/token"] = json.dumps({"id_token": issuer.token(nonce="of another sign-in")}).encode()
    page.get_by_role("link", name="Sign in with corp").click()
    page.get_by_role("link", name="Ann").click()
    expect(page.get_by_role("alert")).to_contain_text("does not make anybody known here")
    del issuer.answers["/token"]
    page.goto(f"{url}/console/decisions?sign_in=%3Cb%3Ehello%3C/b%3E")
    expect(page.get_by_role("alert")).to_contain_text("The sign-in ended with <b>hello</b>.")
    page.get_by_role("link", name="Sign in with corp").click()
    page.get_by_role("link", name="Ann").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.url == f"{url}/console/decisions"


def test_who_signs_out_signs_out_at_the_issuer_and_comes_back(tab_of: Opening, tmp_path: Path) -> None:
    with provider() as issuer:
        table = TABLE.format(url=issuer.url) + "sign_out = true\n"
        (tmp_path / "lathe.toml").write_text(table, encoding="utf-8")
        issuer.more = {"end_session_endpoint": f"{issuer.url}/leave"}
        with serving(f"sqlite:{tmp_path / 'data'}", tmp_path) as process:
            url = f"http://localhost:{process.port}"
            issuer.redirects |= {f"{url}/session/oidc/callback", f"{url}/console/"}
            page = tab_of(url, forgiven=REFUSED).page
            page.goto(f"{url}/console/")
            page.get_by_role("link", name="Sign in with corp").click()
            page.get_by_role("link", name="Ann").click()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
            assert page.url.startswith(f"{issuer.url}/leave?")
            page.get_by_role("link", name="Back").click()
            expect(page.get_by_role("link", name="Sign in with corp")).to_be_visible()
            assert page.context.cookies(url) == []
