"""The console in a real Chromium: first paint, events on the screen, rest, a hundred thousand rows, bytes.

    python bench/console.py [--json] [--quick]

A server of its own on SQLite with 100,000 entities, on this machine and its cores. Paint is the browser's own
first contentful paint of a page that was never loaded. An event is on the screen when its line is in the
page; it is told from the answer to its step. Frames are those of a list that is scrolled from its first row
to its last. Rest is the page's thread over ten seconds in which nothing happens. Bytes are all files,
compressed.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
from common import ROOT, Row, at_most, is_quick, report
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(ROOT))

PORT = 7498
URL = f"http://127.0.0.1:{PORT}"
ENTITIES = 100_000
FILLED_AT_ONCE = 2_000
EVENTS_A_SECOND = 200
EVENT_SECONDS = 5
REST_SECONDS = 10
PAINTS = 7
MOST_PAINT_MS = 300.0
MOST_EVENT_MS = 100.0
MOST_REST_PERCENT = 1.0
MOST_USED_MS = 16.0
MOST_FRAME_MS = 50.0
MOST_KILOBYTES = 700.0

APP = b"""app = "bench"
[role]
worker = "works"
"""
BLUEPRINT = b"""blueprint = "Task"
[state]
open = { initial = true, waits = "somebody closes it" }
closed = { final = true }
[field]
owner = { type = "text", max = 50 }
total = { type = "int", range = [0, 1000000000], default = 0 }
[action]
create = { by = "role:worker", sets = ["owner", "total"] }
close = { from = "open", to = "closed", by = "role:worker" }
"""
FILES = {"app.toml": APP, "task.blueprint.toml": BLUEPRINT}

FRAMES = """async () => {
  const frame = document.querySelector(".frame");
  const times = [];
  let before = performance.now();
  let still = 0;
  while (still < 200) {
    const top = frame.scrollTop;
    frame.scrollTop = top + 1500;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - before);
    before = now;
    still = frame.scrollTop === top ? still + 1 : 0;
  }
  return { times, rows: Math.round(frame.scrollHeight / 33) };
}"""
SEEN = """() => {
  window.seen = new Map();
  const look = () => {
    for (const line of document.querySelectorAll("[data-event]")) {
      if (!seen.has(line.dataset.event)) seen.set(line.dataset.event, Date.now());
    }
  };
  new MutationObserver(look).observe(document.querySelector("main"), { childList: true, subtree: true });
}"""


async def served(folder: str, count: int) -> None:
    """A server with so many entities: the other process of this bench."""
    from lathe.api.server import assemble, serve
    from lathe.console.app import Console
    from lathe.gate.judge import ChildGate
    from lathe.lang import digest, read_app
    from lathe.machine.event import Caller, Create
    from lathe.machine.snapshot import Value
    from lathe.runtime.config import Config, LimitSettings, Server, StoreSettings
    from lathe.runtime.engine import Command
    from lathe.store.base import Apply
    from lathe.store.records import Version
    from lathe.store.sqlite.store import SqliteStore

    tenant = "main"
    limits = LimitSettings(per_principal_per_second=1_000_000, burst=1_000_000)
    config = Config(
        server=Server("127.0.0.1", PORT, "k" * 32), store=StoreSettings(f"sqlite:{folder}"), limits=limits
    )
    app = read_app(FILES).app
    assert app is not None
    store = SqliteStore(Path(folder))
    await store.open()
    await store.apply(Apply(Version(tenant, "bench", digest(app), FILES, b"{}", 0, "bench"), None))
    await store.close()
    store = SqliteStore(Path(folder))
    assembly = assemble(config, store, ChildGate(), key=b"k" * 32, mode="dev")
    engine = assembly.node.engine
    caller = Caller("role", None, frozenset({"worker"}), "bench")

    def made(number: int) -> Command:
        name = engine.ids.new()
        args: dict[str, Value] = {"owner": f"owner {number % 97}", "total": number}
        told = {"blueprint": "Task", "args": args}
        return Command(
            tenant, "bench", name, "create", lambda now: Create("Task", name, args, caller, now), told, "dev"
        )

    async def fill() -> None:
        for start in range(0, count, FILLED_AT_ONCE):
            numbers = range(start, min(start + FILLED_AT_ONCE, count))
            await asyncio.gather(*(engine.execute(made(number)) for number in numbers))

    listening = asyncio.Event()

    async def filling() -> None:
        await listening.wait()
        await fill()
        Path(folder, "filled").touch()

    task = asyncio.create_task(filling())
    await serve(assembly, listening=listening, application=Console(assembly.api))
    await task


@contextmanager
def server(count: int) -> Iterator[None]:
    """The server as a process, once it is filled."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        running = subprocess.Popen([sys.executable, __file__, "--serve", str(data), str(count)])
        try:
            while not (data / "filled").exists():
                assert running.poll() is None, "the server does not come up"
                time.sleep(0.1)
            yield
        finally:
            running.terminate()
            running.wait(60)


def opened(browser: Browser, path: str) -> Page:
    """A page that was never loaded before."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(URL + path)
    page.wait_for_selector("main h1")
    return page


def paint_ms(browser: Browser) -> float:
    """The median of the first contentful paint, each in a context that has nothing."""
    found = []
    for _ in range(PAINTS):
        page = opened(browser, "/console/")
        said = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        while (painted := page.evaluate(said)) is None:
            time.sleep(0.02)
        found.append(float(painted))
        page.context.close()
    return statistics.median(found)


async def happening(seconds: float) -> dict[str, float]:
    """Entities created at the rate that is asked; when each was, by its event's id, in milliseconds."""
    made: dict[str, float] = {}
    limits = httpx2.Limits(max_connections=32)
    async with httpx2.AsyncClient(base_url=URL, limits=limits, timeout=30) as client:

        async def one(number: int) -> None:
            sent = {"owner": "event", "total": number}
            answer = (await client.post("/v1/bench/tasks", json=sent)).json()
            made[answer["event"]] = time.time() * 1_000

        begun, tasks = time.monotonic(), []
        for number in range(int(seconds * EVENTS_A_SECOND)):
            await asyncio.sleep(max(0.0, begun + number / EVENTS_A_SECOND - time.monotonic()))
            tasks.append(asyncio.create_task(one(number)))
        await asyncio.gather(*tasks)
    return made


def event_ms(browser: Browser, seconds: float) -> tuple[float, float]:
    """From an answered, so committed, step to the screen: median and 95th of a hundred.

    More events than the page has lines for come in one frame: one without a line of its own is on the screen
    with the next that has one.
    """
    page = opened(browser, "/console/apps/bench")
    page.wait_for_selector(".feed, .empty")
    page.evaluate(SEEN)
    # Playwright's own loop runs in this thread: the load has a thread of its own.
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(asyncio.run, happening(seconds))
        while not load.done():
            page.wait_for_timeout(100)
        made = load.result()
    page.wait_for_timeout(500)
    seen: dict[str, float] = dict(page.evaluate("[...seen]"))
    page.context.close()
    shown, late = float("inf"), list[float]()
    for name, at in sorted(made.items(), key=lambda pair: -pair[1]):
        shown = seen.get(name, shown)
        assert shown < float("inf"), "the last event is seen"
        late.append(max(0.0, shown - at))
    late.sort()
    return statistics.median(late), late[int(len(late) * 0.95)]


def busy_of(page: Page) -> Callable[[], float]:
    """What tells the seconds of processor that the page's thread has used."""
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    return busy


def rest_percent(browser: Browser, seconds: float) -> float:
    """How busy the page's thread is while nothing happens."""
    page = opened(browser, "/console/")
    page.wait_for_timeout(3_000)
    busy = busy_of(page)
    before = busy()
    page.wait_for_timeout(seconds * 1_000)
    found = (busy() - before) / seconds * 100
    page.context.close()
    return found


def frames(browser: Browser) -> tuple[float, float, float, int]:
    """Of a list scrolled to its end: processor a frame, median and 99th of the frames, and its rows."""
    page = opened(browser, "/console/apps/bench/entities/tasks?sort=id")
    page.wait_for_selector("tbody tr[data-row]")
    page.set_default_timeout(600_000)
    busy = busy_of(page)
    before = busy()
    found = page.evaluate(FRAMES)
    times = sorted(found["times"])
    used = (busy() - before) / len(times) * 1_000
    page.context.close()
    return used, statistics.median(times), times[int(len(times) * 0.99)], int(found["rows"])


def kilobytes() -> float:
    """Every file of the console as it is sent to who takes gzip."""
    from lathe.console.files import FOLDER, KINDS, Files

    files = Files()
    sizes = [len(files.page.body(takes_gzip=True))]
    for path in FOLDER.rglob("*"):
        if path.suffix in KINDS and path.suffix not in (".md", ".LICENSE", ".html"):
            found = files.get(path.relative_to(FOLDER).as_posix())
            assert found is not None
            sizes.append(len(found.body(takes_gzip=True)))
    return sum(sizes) / 1_000


def measured(browser: Browser, count: int) -> list[Row]:
    """Every figure."""
    quick = is_quick()
    paint = paint_ms(browser)
    middle, most = event_ms(browser, 2 if quick else EVENT_SECONDS)
    rest = rest_percent(browser, 3 if quick else REST_SECONDS)
    used, frame, slow, rows = frames(browser)
    assert rows >= count, f"{rows} rows of {count}"
    return [
        at_most("first contentful paint, cold", round(paint, 1), "ms", MOST_PAINT_MS),
        Row("an event on the screen, median", round(middle, 1), "ms"),
        at_most("an event on the screen, 95th", round(most, 1), "ms", MOST_EVENT_MS),
        at_most("the page's thread at rest", round(rest, 2), "%", MOST_REST_PERCENT),
        at_most(f"processor for a frame while {rows:,} rows scroll", round(used, 1), "ms", MOST_USED_MS),
        Row(f"a frame while {rows:,} rows scroll, median", round(frame, 1), "ms"),
        at_most(f"a frame while {rows:,} rows scroll, 99th", round(slow, 1), "ms", MOST_FRAME_MS),
        Row("the whole console, compressed", round(kilobytes(), 1), "kB", "bound", MOST_KILOBYTES),
    ]


def main() -> int:
    """Measure, and say whether each bound is kept."""
    from tests.console.browser import MISSING, chromium

    path = chromium()
    if path is None:
        sys.exit(MISSING)
    count = ENTITIES // 10 if is_quick() else ENTITIES
    with server(count), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rows = measured(browser, count)
        browser.close()
    return report(rows, sys.argv[1:])


if __name__ == "__main__":
    if "--serve" in sys.argv:
        at = sys.argv.index("--serve")
        asyncio.run(served(sys.argv[at + 1], int(sys.argv[at + 2])))
        sys.exit(0)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
