"""The page `docs/reference/semantics.md` against the vectors of `conformance/`: TLC works out each step.

    python bench/semantics.py [--json]

The module on the page is given the apps and the worlds as data, and every answer is compared. A vector with
an argument of another type is left out, because TLC does not compare text with numbers. TLC is had as in
`tlc.py`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter

from common import ROOT, Row, at_least, report
from tlc import tlc_jar

from lathe.lang import App, digest, read_app
from lathe.lang.canon import app_data, tree_data
from lathe.lang.expr import Arithmetic, Node, SetChange

PAGE = ROOT / "docs" / "reference" / "semantics.md"
VECTORS = ROOT / "conformance" / "steps.jsonl"
Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]


def main() -> int:
    """Compare, print, and answer 1 if anything differs."""
    with tempfile.TemporaryDirectory() as place:
        jar = tlc_jar(place)
        if jar is None:
            return report([Row("TLC is missing: not compared", 0, "vectors")], sys.argv[1:])
        apps = {digest(app): app for app in map(_app, sorted((ROOT / "conformance" / "sources").iterdir()))}
        vectors = [json.loads(line) for line in VECTORS.read_text(encoding="utf-8").splitlines()]
        typed = [vector for vector in vectors if not is_ill_typed(apps[vector["app"]], vector)]
        start = perf_counter()
        wrong = [number for name, app in apps.items() for number in differing(jar, app, name, typed)]
        seconds = perf_counter() - start
    print(*(f"vector {number} differs" for number in wrong), sep="\n", file=sys.stderr)
    right = len(typed) - len(wrong)
    rows = [
        at_least("vectors that TLC works out as the machine does", right, "vectors", len(typed)),
        Row("tried", len(typed), "vectors", "in all", len(vectors)),
        Row("time, a start of TLC for each app included", round(seconds, 1), "s"),
    ]
    return report(rows, sys.argv[1:])


def _app(folder: Path) -> App:
    app = read_app({path.name: path.read_bytes() for path in folder.iterdir()}).app
    assert app is not None, folder
    return app


def is_ill_typed(app: App, vector: Mapping[str, Data]) -> bool:
    """Whether an argument of the event is of another type than the app says."""
    event = vector["event"]
    assert isinstance(event, dict)
    given = event.get("args", event.get("results", {}))
    assert isinstance(given, dict)
    kinds: dict[str, set[type]] = {}
    for blueprint in app.blueprints.values():
        for action in blueprint.actions.values():
            for name, argument in action.arguments.items():
                kinds.setdefault(name, set()).add(_PYTHON.get(argument.type.kind, str))
    return any(
        value is not None and name in kinds and type(value) not in kinds[name]
        for name, value in given.items()
    )


_PYTHON: Mapping[str, type] = {"int": int, "bool": bool, "set": list, "time": int}


def differing(jar: str, app: App, name: str, vectors: list[dict[str, Data]]) -> list[int]:
    """The numbers of the vectors of one app that TLC answers otherwise."""
    mine = [vector for vector in vectors if vector["app"] == name]
    lines = ["---- MODULE check ----", "EXTENDS TLC, Integers, Sequences, FiniteSets"]
    lines += ["CONSTANTS None, Wrong, Refused", "VARIABLE world"]
    ids = sorted({i for vector in mine for i in _ids(vector)}, key=str)
    lines += [f"app == {tla_app(app)}", f"order == <<{', '.join(json.dumps(i) for i in ids)}>>"]
    lines += ["INSTANCE Blueprint WITH App <- app, Order <- order, Events <- {}"]
    lines += ['Look(number, got, wanted) == IF got = wanted THEN TRUE ELSE PrintT(<<"differs", number>>)']
    for vector in mine:
        wanted = "Refused" if "refused" in vector else tla_world(after(vector))
        got = f"Step({tla_world(vector['before'])}, {tla(vector['event'])})"
        lines.append(f"ASSUME Look({vector['number']}, {got}, {wanted})")
    lines += ["Begin == world = 0", "Go == world < 0 /\\ world' = world", "====", ""]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Blueprint.tla").write_text(module(), encoding="utf-8")
        Path(folder, "check.tla").write_text("\n".join(lines), encoding="utf-8")
        Path(folder, "check.cfg").write_text(
            "CONSTANTS None = None Wrong = Wrong Refused = Refused\nINIT Begin\nNEXT Go\n"
        )
        command = ("java", "-Xss64m", "-XX:+UseParallelGC", "-cp", jar, "tlc2.TLC", "-deadlock", "check.tla")
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    if "Error:" in said or "Finished" not in said:
        sys.exit(f"{app.name}:\n{said[-4000:]}")
    return [int(number) for number in re.findall(r'<<"differs", (\d+)>>', said)]


def module() -> str:
    """The TLA+ module of the page."""
    found = re.search(r"^```tla\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None, "the page has its module"
    return found[1]


def after(vector: dict[str, Data]) -> Data:
    """The whole world after a vector's step."""
    before, step = vector["before"], vector["after"]
    assert isinstance(before, dict) and isinstance(step, dict)
    old, new = before["entities"], step["written"]
    assert isinstance(old, dict) and isinstance(new, dict)
    return {"entities": {**old, **new}, "ghosts": step["ghosts"]}


def _ids(data: Data) -> set[str]:
    """Every text that a set may hold, so that sets can be gone through in their order."""
    if isinstance(data, dict):
        return {i for key, value in data.items() for i in {key, *_ids(value)}}
    if isinstance(data, list):
        return {i for value in data for i in _ids(value)}
    return {data} if isinstance(data, str) else set()


def tla_world(world: Data) -> str:
    """A world: maps by ids are functions, everything else records."""
    assert isinstance(world, dict)
    entities = world["entities"]
    assert isinstance(entities, dict)
    held = [f"({json.dumps(name)} :> {tla(entity)})" for name, entity in entities.items()]
    return f"[entities |-> {' @@ '.join(held) or '<<>>'}, ghosts |-> {tla(world['ghosts'], 'ghosts')}]"


def tla_app(app: App) -> str:
    """An app: its canonical JSON, with the operators of sets and times told apart."""
    return tla(_told_apart(app), is_app=True)


def _told_apart(app: App) -> Data:
    """Canonical JSON whose expressions come from the typed trees."""
    import lathe.lang.canon as canon  # its own walk, with one node said otherwise

    plain = tree_data

    def apart(node: Node) -> Data:
        match node:
            case SetChange():
                right = apart(node.right)
                several = right if node.right.type.kind == "set" else ["members", right]
                return [f"set{node.op}", apart(node.left), several]
            case Arithmetic() if node.type.kind == "time":
                return ["time+", apart(node.left), apart(node.right)]
        return plain(node)

    canon.tree_data = apart
    try:
        data = app_data(app)
    finally:
        canon.tree_data = plain
    assert isinstance(data, dict)
    return {name: part for name, part in data.items() if name != "scope"}


HOLDS_VALUES = frozenset({"fields", "args", "ghosts", "results"})
"""Records of values, where a list is a set; in an app, where `args` holds expressions, only defaults are."""


def tla(data: Data, inside: str = "", *, is_app: bool = False) -> str:
    """JSON as TLA+. `inside` is the key that it stands at, `*` for a value."""
    match data:
        case None:
            return "None"
        case bool():
            return "TRUE" if data else "FALSE"
        case int():
            return str(data) if data >= 0 else f"({data})"
        case str():
            return json.dumps(data, ensure_ascii=False)
        case list():
            listed = ", ".join(tla(one, is_app=is_app) for one in data)
            return f"{{{listed}}}" if inside in ("*", "default", "roles") else f"<<{listed}>>"
        case dict():
            holds = "*" if inside in HOLDS_VALUES and not is_app else ""
            parts = [f"{name} |-> {tla(one, holds or name, is_app=is_app)}" for name, one in data.items()]
            return f"[{', '.join(parts)}]" if parts else "<<>>"
    raise AssertionError(data)


if __name__ == "__main__":
    sys.exit(main())
