"""The Chromium that the tests of the console drive, and the fonts that their pictures are made with.

    python tests/console/browser.py

finds one, or sets it up: Debian's own where this is root on Debian, else the one that Playwright carries.
`LATHE_CHROMIUM` names another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

SHELL = "chromium-headless-shell"
"""Chromium without its own windows, for whose contents the whole one begins a process beside each page."""
NAMES = (SHELL, "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FONT_PACKAGES = ("fonts-inter", "fonts-jetbrains-mono", "fontconfig")
FONTS = ("Inter", "JetBrains Mono")
MISSING = """\
there is no Chromium for the tests of the console. One of these brings it:
  apt-get install chromium-headless-shell fonts-inter fonts-jetbrains-mono     (Debian, as root)
  .venv/bin/python -m playwright install chromium               (where its downloads can be reached)
  LATHE_CHROMIUM=/path/to/chromium                              (any other)"""


def chromium() -> str | None:
    """The path of a Chromium, if there is one."""
    given = os.environ.get("LATHE_CHROMIUM")
    if given:
        return shutil.which(given)
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    return found or _carried()


def _carried() -> str | None:
    from playwright.sync_api import sync_playwright  # late: it starts a process to tell its paths

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def has_fonts() -> bool:
    """Whether the pictures can be made with the fonts that the golden ones were made with."""
    if shutil.which("fc-list") is None:
        return False
    listed = subprocess.run(["fc-list", ":", "family"], capture_output=True, text=True, check=True).stdout
    return all(font in listed for font in FONTS)


def set_up() -> int:
    """Find a Chromium, or install one. 0: there is one."""
    given = os.environ.get("LATHE_CHROMIUM")
    if given and chromium() is None:
        sys.stderr.write(f"LATHE_CHROMIUM names `{given}`, which cannot be run\n{MISSING}\n")
        return 1
    if chromium() is None or not has_fonts():
        if os.geteuid() == 0 and shutil.which("apt-get"):
            _install()
        elif chromium() is None:
            subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
    if chromium() is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    return 0


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def apt_get(*words: str) -> bool:
        command = ["apt-get", *words]
        quiet = subprocess.DEVNULL
        return subprocess.run(command, env=environment, check=False, stdout=quiet).returncode == 0

    def install(*packages: str) -> bool:
        return apt_get("install", "-y", "-qq", "--no-install-recommends", *packages)

    apt_get("update", "-qq")
    install(SHELL, *FONT_PACKAGES) or install("chromium", *FONT_PACKAGES)


if __name__ == "__main__":
    sys.exit(set_up())
