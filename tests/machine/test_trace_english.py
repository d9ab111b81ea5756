"""Each kind of step as a sentence, and a trace as a chart."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from lathe.lang import App, read_app
from lathe.machine.sequence import sequence_chart
from lathe.machine.trace import HIDDEN, FalseClause, Trace, TracePart, TraceStep
from lathe.machine.trace_english import sentence, value

TEXT = """
blueprint = "Rollout"

[state]
planned = { initial = true, waits = "an operator starts it" }
rolling = { run = "patch", after = "15m", then = "fail" }
done = { final = true }

[field]
image = { type = "text", max = 200 }
key = { type = "text", max = 20, secret = true }
ready = { type = "int", range = [0, 5], default = 0 }
attempts = { type = "int", range = [0, 3], default = 0 }

[action]
create = { by = "role:operator", sets = ["key"] }
start = { from = "planned", to = "rolling", by = "role:operator", sets = ["image"], do = ["attempts += 1"] }
rolled = { from = "rolling", to = "done" }
fail = { from = "rolling", to = "planned" }
progress = { from = "rolling", by = "effect:patch", do = ["ready += 1"] }

[effect.patch]
uses = "http"
with = { url = "{env.A}" }
ok = "rolled"
error = "fail"
"""


@pytest.fixture(scope="module")
def app() -> App:
    reading = read_app({"rollout.blueprint.toml": TEXT.encode()})
    assert reading.app is not None, [d.message for d in reading.diagnostics]
    return reading.app


STARTED = {"state": ("planned", "rolling"), "image": (None, "b"), "attempts": (0, 1)}
STEPS = {
    "an operator takes `start` on Rollout#1 with image = b: planned → rolling, attempts 0 → 1": TraceStep(
        "act", (TracePart("Rollout#1", "start", "role:operator", {"image": "b"}, STARTED),), "role:operator"
    ),
    "somebody who is a clerk and an operator (ann) tries `start` on Rollout#1: its guard is false": TraceStep(
        "act", (TracePart("Rollout#1", "start", ""),), "role:clerk+operator", actor="ann",
        refused="its guard is false",
    ),
    f"an operator creates Rollout#1 with key = {HIDDEN}: in planned": TraceStep(
        "create",
        (TracePart(
            "Rollout#1", "create", "", {"key": "hunter2"},
            {"state": (None, "planned"), "key": (None, "hunter2"), "ready": (None, 0), "attempts": (None, 0)},
        ),),
        "role:operator",
    ),
    "`patch` takes `progress` on Rollout#1: ready 0 → 1": TraceStep(
        "act", (TracePart("Rollout#1", "progress", "", {}, {"ready": (0, 1)}),), "effect:patch",
        effect="patch",
    ),
    "the event `hook` from outside takes `progress` on Rollout#1": TraceStep(
        "act", (TracePart("Rollout#1", "progress", ""),), "inbound:hook"
    ),
    "somebody takes `start` on Rollout#1": TraceStep("act", (TracePart("Rollout#1", "start", ""),), "any"),
    "time is up for Rollout#1, so `fail` is taken: rolling → planned": TraceStep(
        "timer", (TracePart("Rollout#1", "fail", "timer", {}, {"state": ("rolling", "planned")}),), "timer"
    ),
    "the deadline `due` of Rollout#1 has come, but `fail` is refused: too early": TraceStep(
        "timer", (TracePart("Rollout#1", "fail", ""),), "timer", timer="due",
        refused="too early",
    ),
    "`patch` of Rollout#1 starts": TraceStep(
        "start", (TracePart("Rollout#1", None, ""),), "", effect="patch"
    ),
    "`patch` of Rollout#1 happens outside: charged 0 → 1": TraceStep(
        "execute", (TracePart("Rollout#1", None, ""),), "", effect="patch", world={"charged": (0, 1)}
    ),
    "`patch` of Rollout#1 ends well (status = 200), so `rolled` is taken: rolling → done": TraceStep(
        "end", (TracePart("Rollout#1", "rolled", "", {}, {"state": ("rolling", "done")}),), "",
        effect="patch", ok=True, results={"status": 200},
    ),
    "`patch` of Rollout#1 ends badly (timeout), so `fail` is taken: rolling → planned": TraceStep(
        "end", (TracePart("Rollout#1", "fail", "", {}, {"state": ("rolling", "planned")}),), "",
        effect="patch", ok=False, cause="timeout",
    ),
    "`patch` of Rollout#1 ends badly (timeout), and that end is lost: its guard is false": TraceStep(
        "end", (TracePart("Rollout#1", None, ""),), "", effect="patch", ok=False, cause="timeout",
        refused="its guard is false",
    ),
    "`patch` of Rollout#1 was told to stop and has stopped": TraceStep(
        "stop", (TracePart("Rollout#1", None, ""),), "", effect="patch"
    ),
    "`patch` of Rollout#1 happens after all, when it was already over here: ready 0 → 1": TraceStep(
        "late", (TracePart("Rollout#1", None, "", {}, {"ready": (0, 1)}),), "", effect="patch"
    ),
    "`patch` of Rollout#1 is sent": TraceStep(
        "notify", (TracePart("Rollout#1", None, ""),), "", effect="patch"
    ),
    "`patch` of Rollout#1 arrives, so `rolled` is taken: rolling → done; with it Rollout#2 is created"
    ", in planned; with it `start` on Rollout#3 with image = b; Rollout#4 ready 0 → 1": TraceStep(
        "deliver",
        (
            TracePart("Rollout#1", "rolled", "", {}, {"state": ("rolling", "done")}),
            TracePart("Rollout#2", "create", "", {}, {"state": (None, "planned"), "ready": (None, 0)}),
            TracePart("Rollout#3", "start", "", {"image": "b"}),
            TracePart("Rollout#4", None, "", {}, {"ready": (0, 1)}),
        ),
        "", effect="patch",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", STEPS)
def test_a_step_in_words(app: App, words: str) -> None:
    assert sentence(STEPS[words], app) == words


def test_a_stored_argument_shows_what_it_replaced(app: App) -> None:
    part = TracePart("Rollout#1", "start", "", {"image": "b"}, {"image": ("a", "b")})
    assert sentence(TraceStep("act", (part,), "role:operator"), app).endswith("with image = b: image a → b")


def test_a_secret_is_hidden_wherever_it_stands(app: App) -> None:
    part = TracePart("Rollout#1", "start", "", {"key": "hunter2"}, {"key": ("hunter2", "hunter3")})
    step = TraceStep("end", (part,), "role:operator", effect="patch", ok=True, results={"key": "hunter2"})
    other = TraceStep("act", (TracePart("unheard-of", "x", "", {"key": "hunter2"}),), "role:operator")
    told = sentence(step, app) + sentence(other, app)
    told += sequence_chart(Trace("", "", "", (step, other), (FalseClause("key", {"key": "hunter2"}),)), app)
    assert "hunter" not in told
    assert HIDDEN in told


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "unset"),
        (True, "true"),
        (3, "3"),
        ("planned", "planned"),
        ("two words", "'two words'"),
        ("", "''"),
        (["a", "b"], "{a, b}"),
        ({"a": 1}, "{a = 1}"),
        ("x" * 90, "x" * 47 + "…"),
        ("line\nbreak", r"'line\nbreak'"),
    ],
)
def test_a_value_is_written_as_its_author_would(data: object, text: str) -> None:
    assert value(data) == text  # type: ignore[arg-type]


def trace(*, loop_from: int | None = None) -> Trace:
    clause = FalseClause("ready <= 1", {"ready": 2})
    return Trace("t", "rollout", "", tuple(STEPS.values()), (clause,), loop_from)


def test_the_chart_is_the_golden_file(app: App) -> None:
    golden = Path(__file__).parents[1] / "golden" / "render" / "sequence.mmd"
    chart = sequence_chart(trace(loop_from=2), app)
    if os.environ.get("LATHE_UPDATE_GOLDEN"):
        golden.write_text(chart, encoding="utf-8")
    assert chart == golden.read_text(encoding="utf-8")


def test_the_chart_has_the_statements_that_we_wrote_and_no_more(app: App) -> None:
    evil = "x\nend\nalert;%%{init}-->>:<b>#quot;"
    step = TraceStep(
        "act", (TracePart(evil, evil, "", {evil: evil}),), f"role:{evil}", actor=evil, refused=evil
    )
    clause = FalseClause(evil, {evil: evil})
    chart = sequence_chart(Trace("", "", "", (step, *STEPS.values()), (clause,), 1), app)
    label = r"(?:[^\W]|[ .,/+*()|=·→'?!•…]|#\d+;)+"
    statement = re.compile(
        rf"sequenceDiagram|  (?:actor|participant) p\d+ as {label}|  p\d+(?:->>|-->>|-x)p\d+: {label}"
        rf"|  Note over p\d+(?:,p\d+)?: {label}|  loop from here on, again and again|  end"
    )
    for line in chart.splitlines():
        assert statement.fullmatch(line), line
    assert chart.count("\n  end\n") == chart.count("\n  loop ") == 1
