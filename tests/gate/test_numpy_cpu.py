"""numpy is told what to leave unused on the one family of processors where that is faster."""

from __future__ import annotations

import subprocess
import sys

from lathe.gate.numpy_cpu import AVX512, SWITCH, ready_numpy, slow_features

ZEN_4 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
flags\t\t: fpu sse2 avx2 avx512f avx512vl
"""


def test_the_slow_sort_of_zen_4_is_left_unused() -> None:
    assert slow_features(ZEN_4) == AVX512


def test_other_processors_are_left_alone() -> None:
    assert not slow_features(ZEN_4.replace("25", "26"))
    assert not slow_features(ZEN_4.replace("avx512f", "fma"))
    assert not slow_features(ZEN_4.replace("AuthenticAMD", "GenuineIntel"))
    assert not slow_features("")


def test_what_somebody_chose_is_kept() -> None:
    chosen = {SWITCH: "X86_V3"}
    ready_numpy(chosen)
    assert chosen == {SWITCH: "X86_V3"}


def test_numpy_loads_without_a_warning_where_something_was_switched_off() -> None:
    code = (
        "import os; from lathe.gate import numpy_cpu as p\n"
        "p.ready_numpy(); assert 'numpy' not in __import__('sys').modules; import numpy"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
