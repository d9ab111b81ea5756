"""Level 1's proofs as files: SMT-LIB 2, for a solver that did not find them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic

from lathe.check.algebra.level import prove_app
from lathe.check.algebra.tell import algebra_level
from lathe.lang import digest, read_app

DEFAULT_SECONDS = 60.0


def obligations(files: Mapping[str, bytes], seconds: float | None = None) -> dict[str, bytes]:
    """The obligations of an app's files, each with `unsat` as its answer, and `index.json`.

    Nothing but the index is given for files that cannot be read, or a system that is too large.
    """
    app = read_app(files).app
    found = None
    if app is not None:
        found = prove_app(app, None, monotonic, DEFAULT_SECONDS if seconds is None else seconds, keeps=True)
    written = {f"{o.name}.smt2": _document(o.smt) for o in found.proofs.obligations} if found else {}
    index = {
        "v": 1,
        "app": app.name if app else "",
        "digest": digest(app) if app else "",
        "instances": dict(found.instances) if found else {},
        "properties": list(algebra_level(app, found, 0.0)[1]) if app and found else [],
        "by_k_induction": list(found.proofs.unrolled) if found else [],
        "by_spacer": list(found.proofs.spacer) if found else [],
        "answer": "unsat",
        "files": sorted(written),
    }
    text = json.dumps(index, indent=1, ensure_ascii=False) + "\n"
    return {**written, "index.json": text.encode()}


def _document(smt: str) -> bytes:
    """The query, with the logic that it needs."""
    body = "\n".join(line for line in smt.splitlines() if not line.startswith(("(set-info", "; ")))
    return f"(set-logic ALL)\n{body}\n".encode()
