"""Every page as a picture, compared with the one that the docs show.

`LATHE_UPDATE_GOLDEN=1 pytest tests/console/test_pictures.py` makes them anew; look at them before you keep
them.
Without the fonts that they were made with, only the arrangement is compared.
"""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize
from tests.console.browser import has_fonts
from tests.console.conftest import NARROW, WIDE, Opening
from tests.console.test_pages import paths
from tests.console.world import World

IMAGES = Path(__file__).parents[2] / "docs" / "images" / "console"
UPDATE = os.environ.get("LATHE_UPDATE_GOLDEN") == "1"
DIFFERENT_LIMIT = 0.01
"""The share of pixels that may differ by more than a shade: another browser draws edges differently."""
SHADE = 40

COMPARE = """async ([one, other, shade]) => {
  const read = async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  };
  const [a, b] = [await read(one), await read(other)];
  if (a.width !== b.width || a.height !== b.height) return 1;
  let different = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    const by = Math.max(...[0, 1, 2].map((c) => Math.abs(a.data[i + c] - b.data[i + c])));
    if (by > shade) different += 1;
  }
  return different / (a.data.length / 4);
}"""

PICTURES: tuple[tuple[str, str, ViewportSize], ...] = (
    ("overview", "light", WIDE),
    ("overview", "dark", WIDE),
    ("overview", "light", NARROW),
    ("entities", "light", WIDE),
    ("entities", "dark", NARROW),
    ("entity", "light", WIDE),
    ("entity", "dark", WIDE),
    ("entity", "light", NARROW),
    ("intents", "light", WIDE),
    ("access", "light", WIDE),
    ("access", "dark", NARROW),
    ("audit", "light", WIDE),
    ("decisions", "light", WIDE),
)


def different(page: Page, made: bytes, kept: bytes) -> float:
    """The share of pixels in which two pictures differ, as the browser reads them."""
    page.goto("about:blank")
    found: float = page.evaluate(COMPARE, [b64encode(made).decode(), b64encode(kept).decode(), SHADE])
    return found


@pytest.mark.parametrize(("view", "scheme", "size"), PICTURES)
def test_a_page_looks_as_it_did(
    tab_of: Opening, still: World, view: str, scheme: str, size: ViewportSize
) -> None:
    tab = tab_of(still.url, size=size, scheme=scheme, still=True)
    page = tab.go(paths(still)[view])
    page.wait_for_load_state("networkidle")
    if view == "entity":
        page.get_by_role("button", name="roll_back").click()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    made = page.screenshot(animations="disabled", caret="hide")
    kept = IMAGES / f"{view}-{scheme}-{size['width']}.png"
    if UPDATE:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(made)
    if not has_fonts():
        pytest.skip("Inter and JetBrains Mono are not installed: the pictures were made with them")
    share = different(page, made, kept.read_bytes())
    if share > DIFFERENT_LIMIT:
        beside = Path(os.environ.get("LATHE_PICTURES", ".")) / f"differs-{kept.name}"
        beside.write_bytes(made)
        pytest.fail(f"{share:.2%} of {kept.name} differs; what was made is {beside}")


def test_every_picture_is_shown_in_the_docs_or_compared() -> None:
    known = {f"{view}-{scheme}-{size['width']}.png" for view, scheme, size in PICTURES}
    assert {path.name for path in IMAGES.glob("*.png")} == known
