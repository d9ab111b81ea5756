"""A step of the trace explorer's scrubber, in a real Chromium.

    python bench/scrubber.py [--json] [--quick]

The run of a refused change is walked through with the arrow key, one key at a time: 24 events of three
entities with their graph and their sequence chart. Work is the processor time of the page's thread for one
step, script, style and layout. Painted is from the key to the frame after which it is on the screen.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import threading

from common import ROOT, Row, at_most, is_quick, report
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(ROOT))

EVENTS = 24
MOST_STEP_MS = 16.0
STEPS = 400

STEP = """async ([key, steps]) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => done(performance.now());
    after.port2.postMessage(0);
  }));
  const times = [];
  for (let i = 0; i < steps; i++) {
    const begun = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    times.push((await painted()) - begun);
    await painted();
  }
  return times;
}"""


def report_of_long_run() -> dict[str, object]:
    """A report whose finding has a long run: orders that are placed, paid and shipped."""
    from tests.console.reviewing import broken, report_of

    found = report_of(broken("order", "double_charge"))
    finding = next(f for f in found["findings"] if "trace" in f)
    steps = finding["trace"]["steps"]
    finding["trace"]["steps"] = [steps[i % len(steps)] for i in range(EVENTS)]
    return {**found, "findings": [finding]}


def opened(browser: Browser, url: str) -> Page:
    """The explorer with the run, laid out."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(f"{url}/console/open")
    data = json.dumps(report_of_long_run()).encode()
    payload = {"name": "run.json", "mimeType": "application/json", "buffer": data}
    page.set_input_files("input[type=file]", payload)  # type: ignore[arg-type]
    page.get_by_role("link", name="Walk through").click()
    page.wait_for_selector(".graph svg .node", timeout=60_000)
    return page


def measured(browser: Browser, url: str) -> list[Row]:
    """The figures of a step."""
    page = opened(browser, url)
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy_ms() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return 1_000 * float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    steps = STEPS // 4 if is_quick() else STEPS
    page.evaluate(STEP, ["ArrowLeft", EVENTS])
    times, before = [], busy_ms()
    for turn in range(steps // EVENTS):
        times += page.evaluate(STEP, ["ArrowRight" if turn % 2 == 0 else "ArrowLeft", EVENTS])
    work = (busy_ms() - before) / len(times)
    times.sort()
    return [
        at_most("a step of the scrubber, work of the page's thread", round(work, 2), "ms", MOST_STEP_MS),
        Row("a step of the scrubber, painted, median", round(statistics.median(times), 1), "ms"),
        Row("a step of the scrubber, painted, 95th", round(times[int(len(times) * 0.95)], 1), "ms"),
    ]


def served() -> str:
    """The console alone, in a thread: the report is read in the tab, so no API is needed for it."""
    import uvicorn
    from tests.runtime.processes import free_port

    from lathe.api.wire.answers import Receive, Scope, Send, answer
    from lathe.console.app import Console

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, b'{"items": [], "position": 0, "scopes": []}')

    port = free_port()
    server = uvicorn.Server(uvicorn.Config(Console(nothing), port=port, log_level="error", lifespan="off"))
    threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True).start()
    return f"http://127.0.0.1:{port}"


def main() -> int:
    """Measure, and say whether the bound is kept."""
    from tests.console.browser import MISSING, chromium

    path = chromium()
    if path is None:
        sys.exit(MISSING)
    url = served()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rows = measured(browser, url)
        browser.close()
    return report(rows, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
