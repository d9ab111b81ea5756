"""Tells numpy, before it is imported, to leave AVX-512 unused where its sort is slow.

AMD's Zen 4 (family 25, with AVX-512) writes `vpcompress` to memory by microcode, and numpy's AVX-512 sort
is built on it: there the AVX2 sort is four times as fast (ADR 11). Every other processor is left alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

SWITCH = "NPY_DISABLE_CPU_FEATURES"
AVX512 = "X86_V4"
"""What numpy calls AVX-512 since 2.4; an older one ignores the name."""

_READ_BYTES = 4096
"""The first processor of the list, with its flags: the others are alike."""


def slow_features(cpuinfo: str) -> str:
    """The names of what makes numpy slower on the processor that Linux describes like this."""
    told = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in cpuinfo.splitlines())}
    is_zen = told.get("vendor_id") == "AuthenticAMD" and told.get("cpu family") == "25"
    return AVX512 if is_zen and "avx512f" in told.get("flags", "").split() else ""


def ready_numpy(environment: MutableMapping[str, str] = os.environ) -> None:
    """Switch off what is slow here, unless numpy is loaded already or somebody chose for themselves."""
    if "numpy" in sys.modules or SWITCH in environment:
        return
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            cpuinfo = file.read(_READ_BYTES).decode("ascii", "replace")
    except OSError:
        return
    unwanted = slow_features(cpuinfo)
    if unwanted:
        environment[SWITCH] = unwanted
