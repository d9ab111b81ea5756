"""A reviewer, in a real browser: names the fault of a refused change, and loads what is good."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page, Route, expect
from tests.api.test_checks import texts
from tests.console.conftest import NARROW, WIDE, Opening
from tests.console.reviewing import broken, check, created, developing, newest_check, report_of
from tests.console.world import World, world
from tests.runtime.harness import EXAMPLES

from lathe.machine import gauge

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
CURRENT = "/console/apps/rollout/versions/current"
LAID_OUT_MS = 30_000
"""The layout worker starts in a second, and in many on a machine that has other things to do."""


@pytest.fixture(scope="module")
def reviewed() -> Iterator[World]:
    """A rollout that runs, with two that live; checks are asked for by the tests."""
    with world("rollout") as found:
        found.create("rollout", "rollouts", replicas=3)
        found.create("rollout", "rollouts", replicas=2)
        yield found


@pytest.fixture(scope="module")
def refused(reviewed: World) -> dict[str, Any]:
    """A change that takes two brokers down at once."""
    return check(reviewed, broken("rollout", "drain_too_early"))


def trace_of(found: dict[str, Any]) -> str:
    name: str = found["report"]["findings"][0]["trace"]["id"][:12]
    return name


def drawn(page: Page) -> None:
    """Wait for the graph."""
    page.wait_for_selector(".graph svg .node", timeout=LAID_OUT_MS)


def test_a_reviewer_names_the_fault_of_a_refused_change_while_the_version_before_runs(
    tab_of: Opening, tmp_path: Path
) -> None:
    with developing("rollout", tmp_path) as dev:
        page = tab_of(dev.url).go()
        expect(page.get_by_role("link", name="rollout", exact=True).first).to_be_visible()
        good = texts(dev.folder)
        dev.write(broken("rollout", "drain_too_early"))
        banner = page.locator(".refusal")
        expect(banner).to_contain_text("rollout: the newest text is not loaded", timeout=LAID_OUT_MS)
        expect(banner).to_contain_text("one_broker_down")
        banner.get_by_role("link", name="Read the report").click()
        finding = page.locator(".finding").first
        expect(finding.locator("h2")).to_have_text(re.compile("LT401.*one_broker_down"))
        expect(finding.locator(".clause code")).to_have_text("replicas - ready <= 1")
        expect(finding.locator(".clause dl")).to_have_text(re.compile("replicas *2 *ready *0"))
        expect(finding.locator(".source .error")).to_contain_text('one_broker_down = "replicas - ready <= 1"')
        expect(finding.locator(".help")).to_contain_text("let drain at line 48 refuse it")
        expect(page.locator(".verdict.refused")).to_be_visible()
        name = created(dev, "/v1/rollout/rollouts", replicas=2)
        assert name, "the version before runs on"
        held: list[Route] = []
        page.route("**/v1/events*", lambda route: held.append(route))
        page.goto(f"{dev.url}/console/")
        expect(banner).to_be_visible()
        dev.write(good)
        while not newest_check(dev)["in_force"]:  # it is told on a stream that is not open yet
            page.wait_for_timeout(50)
        held[0].continue_()
        expect(banner).to_have_count(0, timeout=LAID_OUT_MS)


def test_the_run_is_walked_through_with_the_arrow_keys(
    tab_of: Opening, reviewed: World, refused: dict[str, Any]
) -> None:
    page = tab_of(reviewed.url).go(f"/console/checks/{refused['id']}/traces/{trace_of(refused)}")
    drawn(page)
    current = page.locator('.steps [aria-current="step"]')
    expect(current).to_contain_text("drain")
    expect(page.get_by_role("heading", name="False now")).to_be_visible()
    expect(page.locator(".changed tbody tr")).to_have_text(["ready10"])
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".changed tbody tr")).to_have_text(["ready21"])
    expect(page.get_by_role("heading", name="False at the end")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    expect(current).to_contain_text("start")
    expect(page.locator(".changed tbody tr").filter(has_text="state")).to_have_text("stateplannedrolling")
    drawn(page)
    expect(page.locator(".node.at .name")).to_have_text("rolling")
    expect(page.locator(".edge.taken .action")).to_have_text("start")
    expect(page.locator(".message.is")).to_contain_text("start")
    expect(page).to_have_url(re.compile(r"\?step=2$"))
    page.reload()
    expect(current).to_contain_text("start")
    page.keyboard.press("Home")
    expect(current).to_contain_text("before anything")
    page.keyboard.press("End")
    page.keyboard.press("a")
    expect(page.locator(".changed tbody tr")).to_have_count(7)
    expect(page.locator(".changed tbody tr.is")).to_have_count(1)
    page.locator(".message").first.click()
    expect(current).to_contain_text("create")


def test_a_run_is_copied_for_an_agent_and_kept_as_a_gauge(
    tab_of: Opening, reviewed: World, refused: dict[str, Any], tmp_path: Path
) -> None:
    page = tab_of(reviewed.url).go(f"/console/checks/{refused['id']}/traces/{trace_of(refused)}")
    page.get_by_role("button", name="Copy for an agent").click()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("# LT401 one_broker_down\n")
    assert '>   91 | one_broker_down = "replicas - ready <= 1"' in text
    assert re.search(r"^  4 effect:patch +drain +ready 1 → 0$", text, re.MULTILINE)
    assert "False: `replicas - ready <= 1` with replicas = 2, ready = 0" in text
    assert "Help: let `drain` at line 48 refuse it" in text
    page.get_by_role("button", name="Save as gauge").click()
    page.get_by_label(re.compile("caught")).check()
    with page.expect_download() as loading:
        page.get_by_role("link", name="Save one_broker_down.json").click()
    loading.value.save_as(tmp_path / "gauge.json")
    saved = gauge.load((tmp_path / "gauge.json").read_bytes(), "gauge.json")
    assert saved.expect == "refused: one_broker_down"
    assert saved.trace.id.startswith(trace_of(refused))


def test_a_replay_says_whether_the_fault_is_there_and_changes_nothing(
    tab_of: Opening, reviewed: World, refused: dict[str, Any]
) -> None:
    before = reviewed.request("GET", "/v1/apps")
    page = tab_of(reviewed.url).go(f"/console/checks/{refused['id']}/traces/{trace_of(refused)}")
    page.get_by_role("button", name="Replay on rollout in force").click()
    expect(page.locator(".replayed")).to_contain_text("goes otherwise at event 5, drain", timeout=LAID_OUT_MS)
    expect(page.locator(".replayed")).to_contain_text("its guard is false")
    page.get_by_role("button", name="Replay on this check").click()
    expect(page.locator(".replayed")).to_contain_text("goes as recorded", timeout=LAID_OUT_MS)
    expect(page.locator(".replayed .clause code")).to_have_text("replicas - ready <= 1")
    assert reviewed.request("GET", "/v1/apps") == before


def test_the_graph_has_live_counts_coverage_and_what_is_picked(tab_of: Opening, reviewed: World) -> None:
    page = tab_of(reviewed.url).go(CURRENT)
    drawn(page)
    planned = page.locator('.node[data-state="planned"]')
    expect(planned.locator(".badge")).to_have_text(re.compile("[1-9]"))
    count = int(planned.locator(".badge").text_content() or "")
    reviewed.create("rollout", "rollouts", replicas=1)
    expect(planned.locator(".badge")).to_have_text(str(count + 1))
    planned.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="planned state")).to_be_visible()
    expect(page.locator(".picked-facts")).to_contain_text("left bystart")
    page.locator(".label", has_text="retry").click()
    expect(page.locator(".picked-facts")).to_contain_text("attempts < 3")
    expect(page).to_have_url(re.compile("pick=retry"))
    page.keyboard.press("Escape")
    expect(page.locator(".picked-facts")).to_have_count(0)


def test_without_a_layout_worker_there_is_a_graph_all_the_same(tab_of: Opening, reviewed: World) -> None:
    tab = tab_of(reviewed.url, forgiven=("Failed to load resource", "page error", "Failed to load"))
    tab.page.route("**/elk-worker.min.js", lambda route: route.abort())
    page = tab.go(CURRENT)
    drawn(page)
    expect(page.locator(".node .name")).to_have_count(7)
    expect(page.locator(".edge .tip").first).to_be_attached()


def test_a_difference_is_told_by_what_it_means_and_drawn(tab_of: Opening, reviewed: World) -> None:
    found = check(reviewed, broken("rollout", "dead_end"))
    page = tab_of(reviewed.url).go(f"/console/checks/{found['id']}/changes")
    expect(page.locator(".differences li")).to_contain_text(["Rollout state rolled_back"])
    expect(page.locator(".differences del")).to_have_text("final")
    drawn(page)
    expect(page.locator(".node.changed .name")).to_have_text("~ rolled_back")


def test_who_may_do_what_is_a_table_and_what_changed_is_marked(tab_of: Opening, reviewed: World) -> None:
    files = texts(EXAMPLES / "rollout")
    files["app.toml"] = files["app.toml"].replace("[role]", '[role]\nauditor = "looks"')
    blueprint = files["rollout.blueprint.toml"]
    files["rollout.blueprint.toml"] = blueprint.replace(
        'to = "rolling_back", by = "role:operator"',
        'to = "rolling_back", by = ["role:operator", "role:auditor"]',
    )
    found = check(reviewed, files)
    page = tab_of(reviewed.url).go(f"/console/checks/{found['id']}/permissions")
    row = page.locator(".matrix tr", has=page.get_by_role("rowheader", name="roll_back"))
    expect(row.locator(".changed")).to_have_text(re.compile("yes.*was no"))
    expect(row.locator(".cell.yes")).to_have_count(2)


def test_a_swap_is_planned_confirmed_and_rolled_back(tab_of: Opening) -> None:
    with world("rollout") as own:
        own.create("rollout", "rollouts", replicas=3)
        old = own.request("GET", "/v1/blueprints/rollout")["digest"]
        files = texts(EXAMPLES / "rollout")
        blueprint = files["rollout.blueprint.toml"]
        more = blueprint.replace("[invariant]", '[invariant]\nno_more_ready = "ready <= replicas"')
        found = check(own, {**files, "rollout.blueprint.toml": more})
        page = tab_of(own.url).go(f"/console/checks/{found['id']}/plan")
        expect(page.locator(".figures")).to_contain_text("live entities1", timeout=LAID_OUT_MS)
        assert own.request("GET", "/v1/blueprints/rollout")["digest"] == old, "a plan loads nothing"
        page.get_by_role("button", name="Load it").click()
        page.get_by_label("Why").fill("one more step")
        page.get_by_role("dialog").get_by_role("button", name="Load it").click()
        page.wait_for_url(re.compile("versions/current"), timeout=LAID_OUT_MS)
        assert own.request("GET", "/v1/blueprints/rollout")["digest"] == found["digest"]
        page.get_by_role("link", name="versions", exact=True).click()
        expect(page.locator(".versions li").first).to_contain_text("one more step")
        page.get_by_role("link", name="roll back to it").click()
        page.get_by_role("button", name="Roll back").click(timeout=LAID_OUT_MS)
        page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        page.wait_for_url(re.compile("versions/current"), timeout=LAID_OUT_MS)
        assert own.request("GET", "/v1/blueprints/rollout")["digest"] == old


def test_a_roll_back_that_has_no_place_for_what_may_live_says_why(tab_of: Opening) -> None:
    with world("rollout") as own:
        old = own.request("GET", "/v1/blueprints/rollout")["digest"]
        found = check(own, texts(EXAMPLES / "rollout" / "versions" / "applies"))
        own.request("PUT", "/v1/blueprints", json={"check": found["id"], "confirm": "any", "breaking": True})
        page = tab_of(own.url).go(f"/console/apps/rollout/versions/{old}/plan")
        said = page.get_by_role("alert")
        expect(said).to_contain_text("In place of what runs the verifier says: refused", timeout=LAID_OUT_MS)
        expect(said).to_contain_text("apply is in flight")
        expect(page.get_by_role("button", name="Roll back")).to_be_disabled()
        said.get_by_role("link", name="Read the report").click()
        expect(page.locator(".finding").first).to_contain_text("apply is in flight")


def test_survivors_are_asked_for_and_lead_to_their_lines(tab_of: Opening) -> None:
    door = {
        "app.toml": 'app = "door"\n[role]\nuser = "opens it"\n',
        "door.blueprint.toml": (
            'blueprint = "Door"\n[state]\nshut = { initial = true, waits = "a user" }\n'
            'open = { waits = "a user" }\n[field]\nuses = { type = "int", range = [0, 3], default = 0 }\n'
            "[action]\n"
            'create = { by = "role:user" }\n'
            'lock = { from = "open", to = "shut", by = "role:user", do = ["uses = 0"] }\n'
            'unlock = { from = "shut", to = "open", by = "role:user", do = ["uses = 1"] }\n'
        ),
    }
    with world("rollout") as own:
        found = check(own, door)
        assert found["verdict"] == "admitted", found
        page = tab_of(own.url).go(f"/console/checks/{found['id']}")
        page.get_by_role("button", name="Try changes").click()
        survivor = page.locator(".survivors li").first
        expect(survivor).to_contain_text("nothing would notice", timeout=LAID_OUT_MS)
        survivor.get_by_role("link").click()
        expect(page.locator(".source li.is")).to_be_visible()


def opened(page: Page, name: str, data: object) -> None:
    """Choose a file on the page that opens one."""
    payload = {"name": name, "mimeType": "application/json", "buffer": json.dumps(data).encode()}
    page.set_input_files("input[type=file]", payload)  # type: ignore[arg-type]


def test_a_report_from_a_file_is_read_without_a_check_by_the_server(tab_of: Opening, reviewed: World) -> None:
    page = tab_of(reviewed.url).go("/console/open")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    opened(page, "refused.json", report_of(broken("subscription", "another_card_starts_over")))
    finding = page.locator(".finding").first
    expect(finding).to_contain_text("is_decided fails: a fair run can go round for ever")
    expect(finding.locator(".source .error")).to_contain_text("is_decided")
    finding.get_by_role("link", name=re.compile("Walk through")).click()
    expect(page.locator(".steps .round")).to_have_text("from here on, again and again")
    expect(page.locator(".steps .lasso")).to_have_count(4)
    expect(page.locator(".sequence .lasso")).to_contain_text("again")
    drawn(page)
    expect(page.locator(".node.at .name")).to_have_text("charging")
    assert set(asked) <= {"GET"}, "it is read in the tab"


def test_a_trace_alone_is_walked_through_and_what_is_neither_is_said(
    tab_of: Opening, reviewed: World
) -> None:
    page = tab_of(reviewed.url).go("/console/checks")
    for name, data in (("a.json", [1, 2]), ("b.json", {"findings": 1})):
        opened(page, name, data)
        expect(page.get_by_role("alert")).to_contain_text("it is neither a report")
    trace = report_of(broken("saga", "half_a_trip"))["findings"][0]["trace"]
    opened(page, "c.json", {"expect": "refused: has_both", "trace": trace})
    expect(page.locator(".clause code")).to_have_text("len(legs) == 2")
    expect(page.locator(".sequence .joint")).to_have_count(2)
    page.get_by_label("Whose states").select_option("Trip#1")
    failure = {
        "ok": False,
        "violation": {"cause": "invariant", "said": "`has_both` is false"},
        "trace": trace,
    }
    drawn(page)
    expect(page.locator(".node.at .name")).to_have_text("booked")
    page.goto(f"{reviewed.url}/console/open")
    opened(page, "seed.json", failure)
    expect(page.locator("h1")).to_have_text("invariant")
    expect(page.locator(".trace-head .about")).to_have_text("has_both is false")


HOSTILE = {
    "script": "<img src=x onerror=window.__hit=1><script>window.__hit=1</script>",
    "long": "w" * 4_000,
    "rtl": "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_words_are_shown_and_do_nothing(tab_of: Opening, reviewed: World, kind: str) -> None:
    word = HOSTILE[kind]
    report = report_of(broken("rollout", "drain_too_early"))
    said = json.loads(json.dumps(report).replace("one_broker_down", json.dumps(word)[1:-1]))
    for step in said["findings"][0]["trace"]["steps"]:
        step["by"], step["action"] = word, word
        step["changes"] = {word: [word, word + "x"], "state": [None, word]}
    page = tab_of(reviewed.url, size=NARROW).go("/console/open")
    opened(page, f"{word[:40]}.json", said)
    expect(page.locator(".finding h2 code")).to_have_text(word)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.get_by_role("link", name=re.compile("Walk through")).click()
    drawn(page)
    expect(page.locator(".sequence .message")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert page.evaluate("window.__hit") is None


def views(found: dict[str, Any]) -> dict[str, str]:
    """A view of every kind."""
    one = f"/console/checks/{found['id']}"
    return {
        "checks": "/console/checks",
        "report": one,
        "graph": f"{one}/graph?pick=rolling",
        "source": f"{one}/source",
        "permissions": f"{one}/permissions",
        "changes": f"{one}/changes",
        "plan": f"{CURRENT}/plan",
        "trace": f"{one}/traces/{trace_of(found)}",
        "history": "/console/apps/rollout/history",
        "open": "/console/open",
    }


KINDS = ("checks", "report", "graph", "source", "permissions", "changes", "plan", "trace", "history", "open")


@pytest.mark.parametrize("view", KINDS)
def test_a_view_is_accessible_and_fits_a_phone(
    tab_of: Opening, reviewed: World, refused: dict[str, Any], view: str
) -> None:
    for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
        page = tab_of(reviewed.url, size=size, scheme=scheme).go(views(refused)[view])
        if view in ("graph", "changes", "trace"):
            drawn(page)
        if view in ("report", "permissions"):
            page.wait_for_selector("table", timeout=LAID_OUT_MS)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.evaluate(AXE)
        wrong = page.evaluate(RULES)["violations"]
        assert not [f"{one['id']}: {node['html'][:160]}" for one in wrong for node in one["nodes"]]
