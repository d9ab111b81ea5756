"""Ways through the console: by keyboard alone, with hostile names, and with the server gone and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.console.conftest import NARROW, Opening
from tests.console.world import World, world

from lathe.runtime.monitor import Alert

LIST = "/console/apps/rollout/entities/rollouts"
GONE = ("Failed to load resource: net::", "Failed to load resource: the server responded with a status of 4")
HOSTILE = """<img src=x onerror="document.title='owned'">"><script>document.title='owned'</script>"""
RIGHT_TO_LEFT = "\u202e\u05e2\u05d1\u05e8\u05d9\u05ea\u202d \u0645\u0631\u062d\u0628\u0627"
LONG = "x" * 190
# One step down, and what is in sight is drawn; whether that was the end.
SCROLL = """async () => {
  const frame = document.querySelector(".frame");
  const top = frame.scrollTop;
  frame.scrollTop += 300;
  const isDrawn = () => {
    const rows = frame.querySelectorAll("tr[data-row]");
    const placed = [frame, rows[0], rows[rows.length - 1]].map((one) => one.getBoundingClientRect());
    const [sight, first, last] = placed;
    const isLast = !frame.querySelector("tr.space:last-child");
    return (first.top <= sight.top + 40 || frame.scrollTop < 40) && (last.bottom >= sight.bottom || isLast);
  };
  for (let frames = 0; !isDrawn(); frames++) {
    if (frames > 600) throw new Error("the rows in sight are not drawn");
    await new Promise(requestAnimationFrame);
  }
  await new Promise(requestAnimationFrame);
  return frame.scrollTop === top;
}"""


@pytest.fixture
def lively() -> Iterator[World]:
    """A world of a test's own, in which effects end at once."""
    with world("rollout") as found:
        yield found


def focused(page: Page) -> str:
    """The text of what has the focus."""
    found: str = page.evaluate("document.activeElement.textContent.trim()")
    return found


def test_by_keyboard_alone(tab_of: Opening, lively: World) -> None:
    """From the overview to a new rollout, and its start, without touching a mouse."""
    page = tab_of(lively.url).go()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("rollouts")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{LIST}$"))
    expect(page.get_by_role("button", name="New Rollout")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("dialog", name="New Rollout")).to_be_visible()
    page.get_by_label("replicas").focus()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{LIST}/[0-9a-z]{{26}}$"))
    start = page.get_by_role("button", name="start")
    expect(start).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if focused(page) == "start":
            break
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("image")).to_be_visible()
    page.get_by_label("image").focus()
    page.keyboard.type("broker:2")
    page.keyboard.press("Enter")
    expect(page.get_by_label("States, in order")).to_contain_text("done")


def test_rows_are_walked_through_and_opened(tab_of: Opening, lively: World) -> None:
    for replicas in (1, 2, 3):
        lively.create("rollout", "rollouts", replicas=replicas)
    page = tab_of(lively.url).go(LIST)
    expect(page.locator("tbody tr[data-row]")).to_have_count(3)
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    second = page.locator("tbody tr[data-row]").nth(1).locator("a").text_content()
    assert focused(page) == second
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{LIST}/[0-9a-z]{{26}}$"))
    page.go_back()
    expect(page.locator("tbody tr[data-row]")).to_have_count(3)


@pytest.mark.parametrize("image", [HOSTILE, RIGHT_TO_LEFT, LONG], ids=["script", "right to left", "long"])
def test_hostile_data_is_inert(tab_of: Opening, lively: World, image: str) -> None:
    name = lively.create("rollout", "rollouts", replicas=1)
    lively.act("rollout", "rollouts", name, "start", image=image)
    lively.until(f"/v1/rollout/rollouts/{name}", "done")
    tab = tab_of(lively.url, size=NARROW)
    for path in (f"{LIST}/{name}", LIST, "/console/"):
        page = tab.go(path)
        assert "owned" not in page.title()
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        assert page.locator("main img, main script").count() == 0
    tab.go(LIST)
    held = tab.page.locator("tbody bdi").filter(has_text=image[:20])
    expect(held).not_to_have_count(0)


def test_hostile_addresses_are_inert(tab_of: Opening, lively: World) -> None:
    tab = tab_of(lively.url, forgiven=GONE)
    evil = "%3Cscript%3Edocument.title%3D'owned'%3C%2Fscript%3E"
    for path in (f"/console/apps/{evil}", f"/console/apps/rollout/entities/{evil}", f"{LIST}/{evil}"):
        tab.page.goto(lively.url + path)
        expect(tab.page.get_by_role("alert").first).to_be_visible()
        assert "script" in tab.page.title() or "rollout" in tab.page.title()
        assert tab.page.title() != "owned"


def test_the_server_gone_and_back(tab_of: Opening, lively: World) -> None:
    tab = tab_of(lively.url, forgiven=GONE)
    page = tab.go()
    expect(page.get_by_role("link", name="planned 0")).to_be_visible()
    lively.vanish()
    expect(page.get_by_text("The server does not answer.")).to_be_visible()
    expect(page.get_by_role("link", name="planned 0")).to_be_visible()
    name = lively.create("rollout", "rollouts", replicas=2)
    lively.appear()
    page.get_by_role("button", name="Ask now").click()
    expect(page.get_by_text("The server does not answer.")).to_have_count(0)
    expect(page.get_by_role("link", name="planned 1")).to_be_visible()
    expect(page.locator(".feed li").first).to_contain_text(name[-10:])


def test_an_answer_that_is_lost_is_asked_for_under_the_same_key(tab_of: Opening, lively: World) -> None:
    name = lively.create("rollout", "rollouts", replicas=1)
    tab = tab_of(lively.url, forgiven=GONE)
    page = tab.go(f"{LIST}/{name}")
    page.get_by_role("button", name="start").click()
    page.get_by_label("image").fill("broker:2")
    keys: list[str] = []
    page.route(
        "**/start", lambda route: (keys.append(route.request.headers["idempotency-key"]), route.abort())
    )
    form = page.locator(".act")
    form.get_by_role("button", name="start").click()
    expect(form.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/start")
    page.on("request", lambda request: keys.append(request.headers.get("idempotency-key", "")))
    form.get_by_role("button", name="start").click()
    expect(page.get_by_label("States, in order")).to_contain_text("done")
    assert keys[0] == next(key for key in keys[1:] if key)


def test_somebody_else_was_quicker(tab_of: Opening, lively: World) -> None:
    """What is done is done to what was seen: another visit refuses."""
    name = lively.create("rollout", "rollouts", replicas=1)
    tab = tab_of(lively.url, forgiven=GONE)
    page = tab.go(f"{LIST}/{name}")
    page.get_by_role("button", name="start").click()
    page.get_by_label("image").fill("broker:3")
    page.route(
        "**/v1/rollout/**",
        lambda route: route.abort() if route.request.method == "GET" else route.continue_(),
    )
    lively.act("rollout", "rollouts", name, "start", image="broker:2")
    page.locator(".act").get_by_role("button", name="start").click()
    expect(page.locator(".act").get_by_role("alert")).to_contain_text(re.compile("LR412.visit|LR409.state"))


def test_new_rows_are_offered_and_changed_ones_are_changed_in_place(tab_of: Opening, lively: World) -> None:
    name = lively.create("rollout", "rollouts", replicas=1)
    page = tab_of(lively.url).go(LIST)
    row = page.locator("tbody tr[data-row]").first
    expect(row).to_contain_text("planned")
    lively.act("rollout", "rollouts", name, "start", image="broker:2")
    expect(row).to_contain_text("done")
    expect(row).to_contain_text("broker:2")
    lively.create("rollout", "rollouts", replicas=2)
    page.get_by_role("button", name="1 new one: show").click()
    expect(page.locator("tbody tr[data-row]")).to_have_count(2)


def test_a_long_list_is_asked_for_as_it_is_scrolled_each_row_once(tab_of: Opening, lively: World) -> None:
    for number in range(450):
        lively.create("rollout", "rollouts", replicas=1 + number % 5)
    page = tab_of(lively.url).go(f"{LIST}?sort=id")
    ids = set[str]()
    steps_at_the_end = 0
    while len(ids) < 450 and steps_at_the_end < 100:
        ids |= set(page.locator("tbody a.id").evaluate_all("links => links.map((one) => one.title)"))
        assert page.locator("tbody tr[data-row]").count() < 80
        steps_at_the_end = steps_at_the_end + 1 if page.evaluate(SCROLL) else 0
    assert len(ids) == 450
    assert page.evaluate("document.querySelector('.frame').scrollHeight") < 33 * 455 + 40


def test_a_token_is_made_shown_once_and_ended(tab_of: Opening, lively: World) -> None:
    page = tab_of(lively.url).go("/console/access")
    page.get_by_role("button", name="New token").click()
    page.get_by_label("Who", exact=True).fill("bot")
    page.get_by_label("Roles").fill("operator")
    page.locator(".act .call summary").click()
    expect(page.locator(".act .call")).to_contain_text("lathe token create bot --kind agent --role operator")
    page.get_by_role("button", name="Make it").click()
    once = page.locator(".once")
    expect(once).to_contain_text("lathe_")
    page.get_by_role("button", name="I have it").click()
    expect(once).to_have_count(0)
    row = page.locator("tbody tr[data-row]")
    expect(row).to_contain_text("bot")
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert lively.request("GET", "/v1/tokens")["items"][0]["revoked"]


def test_a_tab_has_one_stream_wherever_it_goes(tab_of: Opening, lively: World) -> None:
    lively.create("rollout", "rollouts", replicas=1)
    tab = tab_of(lively.url)
    streams: list[str] = []
    tab.page.on("request", lambda asked: streams.append(asked.url) if "/v1/events" in asked.url else None)
    page = tab.go()
    page.get_by_role("link", name="rollouts").first.click()
    page.locator("tbody a.id").click()
    expect(page.get_by_role("region", name="Journal")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page.locator(".figures")).to_be_visible()
    assert len(streams) == 1


def test_what_is_overdue_is_told_and_leads_to_its_entity(tab_of: Opening, lively: World) -> None:
    async def without_workers(found: World) -> None:
        assert found.node is not None
        found.node.close()

    lively.do(without_workers)
    name = lively.create("rollout", "rollouts", replicas=1)
    lively.act("rollout", "rollouts", name, "start", image="broker:2")
    lively.clock.ms += 20 * 60_000
    page = tab_of(lively.url, still=True).go()
    late = page.get_by_role("region", name="Overdue")
    expect(late.locator("li")).to_have_count(2)
    expect(late).to_contain_text("patch")
    expect(late).to_contain_text("timer of rolling")
    late.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(f"{LIST}/{name}$"))


def test_what_was_false_on_a_live_step_is_told_and_leads_to_its_entity(
    tab_of: Opening, lively: World
) -> None:
    name = lively.create("rollout", "rollouts", replicas=1)
    assert lively.api is not None
    found = Alert("invariant", "main", "rollout", name, "one_broker_down", 0, "said", "drain", 7)
    lively.api.alerts = [found, found]
    page = tab_of(lively.url, still=True).go()
    told = page.get_by_role("region", name="Alerts")
    expect(told.locator("li")).to_have_count(1)
    expect(told).to_contain_text("one_broker_down is false since drain, version 7")
    told.get_by_role("link").click()
    expect(page).to_have_url(re.compile(f"{LIST}/{name}$"))
    lively.api.alerts = ()
