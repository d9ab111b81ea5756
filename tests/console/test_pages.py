"""Every page, in a real browser, on real answers: what it shows, what can be reached, what it must not do."""

from __future__ import annotations

import re
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import NARROW, WIDE, Opening
from tests.console.populated import ROLLOUTS
from tests.console.world import World, world

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
INN = {
    "app.toml": b'app = "inn"\n[role]\nguest = "books"\n',
    "room.blueprint.toml": b"""
blueprint = "Room"
[state]
free = { initial = true, waits = "somebody books it" }
[action]
create = { by = "role:guest" }
""",
    "booking.blueprint.toml": b"""
blueprint = "Booking"
[state]
asked = { initial = true, waits = "the guest comes" }
[field]
room = { type = "ref", to = "Room", frozen = true }
[action]
create = { by = "role:guest", sets = ["room"] }
""",
}
LIST = "/console/apps/rollout/entities/rollouts"


def entity_of(world: World, state: str) -> str:
    """The id of a rollout in a state."""
    found: str = world.request("GET", f"{ROLLOUTS}?state={state}")["items"][0]["id"]
    return found


def paths(world: World) -> dict[str, str]:
    """A view of every kind."""
    return {
        "overview": "/console/",
        "app": "/console/apps/rollout",
        "entities": LIST,
        "entity": f"{LIST}/{entity_of(world, 'failed')}",
        "intents": "/console/apps/rollout/intents",
        "access": "/console/access",
        "audit": "/console/audit",
        "decisions": "/console/decisions",
        "nothing": "/console/no/such/view",
    }


VIEWS = ("overview", "app", "entities", "entity", "intents", "access", "audit", "decisions", "nothing")


def violations(page: Page) -> list[str]:
    """What axe finds against the rules of WCAG 2.2 AA, and against good practice."""
    page.evaluate(AXE)
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [
        f"{one['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_accessible(tab_of: Opening, still: World, view: str) -> None:
    """By axe's rules: wide and light, narrow and dark, with everything that can be opened."""
    for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
        tab = tab_of(still.url, size=size, scheme=scheme, still=True)
        page = tab.go(paths(still)[view])
        for summary in page.locator("details > summary").all():
            summary.click()
        assert not violations(page)


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_wider_than_a_phone(tab_of: Opening, still: World, view: str) -> None:
    tab = tab_of(still.url, size=NARROW, still=True)
    page = tab.go(paths(still)[view])
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_on_a_phone_what_waits_for_somebody_comes_before_the_apps(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, size=NARROW, still=True).go()
    waits = page.get_by_role("region", name="Waits for somebody").bounding_box()
    apps = [page.get_by_role("region", name=name).bounding_box() for name in ("approval", "rollout")]
    assert waits is not None
    assert all(app is not None and waits["y"] < app["y"] for app in apps)


def test_a_reference_leads_to_whom_it_names(tab_of: Opening) -> None:
    with world(inn=INN) as found:
        room = found.request("POST", "/v1/inn/rooms", json={})["id"]
        booking = found.request("POST", "/v1/inn/bookings", json={"room": room})["id"]
        page = tab_of(found.url).go("/console/apps/inn/entities/bookings")
        page.locator("tbody tr[data-row]").get_by_role("link").nth(1).click()
        expect(page).to_have_url(re.compile(f"/inn/entities/rooms/{room}$"))
        page.goto(f"{found.url}/console/apps/inn/entities/bookings/{booking}")
        page.get_by_role("region", name="Fields").get_by_role("link", name=room).click()
        expect(page).to_have_url(re.compile(f"/inn/entities/rooms/{room}$"))


def test_the_overview_counts_what_lives(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go()
    card = page.get_by_role("region", name="rollout")
    expect(card.get_by_role("link", name="done 5")).to_be_visible()
    expect(card.get_by_role("link", name="rolling 1")).to_be_visible()
    expect(page.get_by_role("region", name="Waits for somebody")).to_contain_text("an operator starts it")
    card.get_by_role("link", name="failed 1").click()
    expect(page).to_have_url(re.compile(r"/entities/rollouts\?state=failed$"))
    expect(page.locator("tbody tr[data-row]")).to_have_count(1)


def test_apps_in_which_something_is_alive_come_first(tab_of: Opening) -> None:
    with world("approval", "rollout") as found:
        found.create("rollout", "rollouts", replicas=1)
        page = tab_of(found.url).go()
        cards = page.locator("section.app")
        expect(cards.first).to_have_attribute("aria-label", "rollout")
        expect(cards.nth(1)).to_have_attribute("aria-label", "approval")
        found.create("approval", "documents", body="x")
        expect(cards.first).to_have_attribute("aria-label", "approval")


def test_a_list_is_filtered_and_its_address_says_how(tab_of: Opening, still: World) -> None:
    tab = tab_of(still.url, still=True, forgiven=("Failed to load resource",))
    page = tab.go(LIST)
    rows = page.locator("tbody tr[data-row]")
    expect(rows).to_have_count(10)
    expect(page.locator("tr.moved")).to_have_count(0)
    expect(page.get_by_text("new one")).to_have_count(0)
    page.get_by_label("Filter", exact=True).fill("replicas > 3 and state == 'done'")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(3)
    assert "where=replicas+%3E+3" in page.url
    page.reload()
    expect(rows).to_have_count(3)
    page.get_by_label("Filter", exact=True).fill("replicas >")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("at character")
    page.go_back()
    expect(rows).to_have_count(3)


def test_an_entity_tells_its_way_who_and_why_not(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go(f"{LIST}/{entity_of(still, 'failed')}")
    expect(page.get_by_label("States, in order")).to_contain_text(re.compile("planned.*rolling.*failed"))
    journal = page.get_by_role("region", name="Journal")
    expect(journal.locator("li").first).to_contain_text("fail")
    expect(journal.locator("li").first).to_contain_text("cause: refused, broker 1 does not come up")
    expect(journal).to_contain_text("as role:operator")
    now = page.get_by_role("region", name="Now")
    expect(now).to_contain_text("an operator retries or rolls back")
    expect(now).to_contain_text(re.compile("patch ended badly .*: refused, broker 1 does not come up"))
    page.get_by_text("why not the other").click()
    expect(page.get_by_role("region", name="Actions")).to_contain_text(
        "it is possible from planned, not from failed"
    )


def test_a_running_entity_tells_what_runs_and_when_its_timer_fires(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go(f"{LIST}/{entity_of(still, 'rolling')}")
    now = page.get_by_role("region", name="Now")
    expect(now).to_contain_text("patch")
    expect(now).to_contain_text("is being tried")
    expect(now).to_contain_text("fires in 14 m")


def test_every_button_tells_its_call(tab_of: Opening, still: World) -> None:
    name = entity_of(still, "planned")
    page = tab_of(still.url, still=True).go(f"{LIST}/{name}")
    page.get_by_role("button", name="start").click()
    page.get_by_label("image").fill("it's:1")
    page.locator(".act .call summary").click()
    told = page.locator(".act .call")
    expect(told).to_contain_text(f"lathe act rollout/rollouts/{name} start 'image=it'\\''s:1' --visit 1")
    expect(told).to_contain_text("'{\"image\":\"it'\\''s:1\"}'")
    told.get_by_role("button", name="Copy").last.click()
    assert page.evaluate("navigator.clipboard.readText()").startswith("lathe act")


def test_a_form_is_typed_by_the_blueprint(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go(LIST)
    page.get_by_role("button", name="New Rollout").click()
    field = page.get_by_label("replicas")
    assert field.get_attribute("type") == "number"
    field.fill("9")
    page.get_by_role("button", name="create").click()
    expect(page.locator(".field.wrong")).to_contain_text("from 1 to 5")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_intents_are_counted(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go("/console/apps/rollout/intents")
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("pause")
    expect(first).to_contain_text("there is no such action")
    expect(first).to_contain_text("add [action.pause]")


def test_light_and_dark_are_chosen_and_kept(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go()
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.keyboard.press("t")
    dark = page.evaluate(ground)
    assert light != dark
    page.reload()
    page.wait_for_selector("main h1")
    assert page.evaluate(ground) == dark


def test_tokens_are_told_as_they_come_from_one_another(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go("/console/access")
    expect(page.get_by_role("region", name="Who you are")).to_contain_text("dev")
    rows = page.locator("tbody tr[data-row]")
    expect(rows).to_have_count(4)
    expect(rows.nth(1)).to_contain_text("release-bot")
    expect(rows.nth(1).locator(".depth")).to_have_class(re.compile("d1"))
    page.get_by_label("with those that are over").check()
    expect(rows).to_have_count(5)
    expect(page.locator("tr.over")).to_contain_text("revoked")
    page.get_by_role("button", name="service").click()
    expect(page).to_have_url(re.compile(r"kind=service$"))
    expect(rows).to_have_count(2)


def test_the_audit_is_chained(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go("/console/audit")
    expect(page.locator("tbody tr").first).to_contain_text("revoke")
    expect(page.get_by_text("lines chained")).to_be_visible()


def test_calls_and_notices_are_over_when_they_are_told(tab_of: Opening, still: World) -> None:
    """They have no end of their own in a journal, and were drawn as if they still ran."""
    page = tab_of(still.url, still=True).go()
    over = page.evaluate("""async () => {
      const main = document.querySelector("script[type=module]").src;
      const { runsOf } = await import(main.replace("main.js", "history.js"));
      const told = (kind, number) => ({ kind, number, effect: kind, ok: true, time: "2026-01-01T00:00:00Z" });
      return runsOf(["start", "deliver", "notify", "end"].map(told)).map(({ to }) => to !== null);
    }""")
    assert over == [False, True, True, True]


def test_a_step_of_a_run_tells_a_set_or_a_result_once(tab_of: Opening, still: World) -> None:
    page = tab_of(still.url, still=True).go()
    told = page.evaluate("""async () => {
      const main = document.querySelector("script[type=module]").src;
      const { stepLine } = await import(main.replace("main.js", "lazy/traces.js"));
      const changes = { state: [null, "open"], who: [null, ["a"]], log: [null, "x"] };
      const given = { args: { who: ["a"], extra: 1 }, results: { log: "x", status: 200 } };
      return stepLine({ ...given, changes, ok: true, also: [] });
    }""")
    assert told == 'with extra = 1, → open, who = ["a"], log = x; status = 200', told
