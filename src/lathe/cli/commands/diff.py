"""`lathe diff`."""

from __future__ import annotations

import click

from lathe.check.migration.needs import Need, needs
from lathe.cli import exitcode, output
from lathe.cli.colors import Paint
from lathe.cli.command import colour_option, command as make_command
from lathe.cli.reading import read
from lathe.lang.diff import Change, diff

SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@make_command("diff", examples=("lathe diff old/rollout examples/rollout", "lathe diff --json old new"))
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@colour_option
def command(*, old: str, new: str, as_json: bool, color: output.When) -> int:
    """Say what the app at NEW means that the app at OLD does not: parts, not lines.

    First what promises less or allows more, then what clients may notice, then the rest; then what
    `[migrate]` may have to say, which `lathe check NEW --against OLD` decides. Exit code: 0 if clients
    cannot notice, 1 if they may.
    """
    before, after = read(old), read(new)
    changes, wanted = diff(before, after), needs(before, after)
    is_breaking = any(c.is_breaking for c in changes)
    if as_json:
        output.data(_json(changes, wanted))
    else:
        output.data("\n".join(_told(changes, wanted, Paint(output.has_colour(color)))))
    return exitcode.FINDINGS if is_breaking else exitcode.DONE


def _told(changes: list[Change], wanted: list[Need], paint: Paint) -> list[str]:
    weaker = [c for c in changes if c.is_weaker]
    breaking = [c for c in changes if c.is_breaking and not c.is_weaker]
    rest = [c for c in changes if not c.is_weaker and not c.is_breaking]
    lines: list[str] = []
    for title, style, group in (
        ("promises less, or allows more", "warning", weaker),
        ("clients may notice", "error", breaking),
        ("the rest", "faint", rest),
    ):
        if group:
            lines += [*([""] if lines else []), paint(style, title), *(_line(c) for c in group)]
    if wanted:
        title = paint("warning", "`[migrate]` may have to say")
        lines += [*([""] if lines else []), title, *(output.clean(f"  {n.path}: {n.cure}") for n in wanted)]
    count = sum(c.is_breaking for c in changes)
    verdict = f"breaking for clients: {count}" if count else "compatible for clients"
    return [*lines, *([""] if lines else []), verdict if changes else "no difference"]


def _line(change: Change) -> str:
    notice = "  (clients may notice)" if change.is_breaking and change.is_weaker else ""
    texts = {
        "added": f": {change.now}" if change.now not in (*change.path.split(), "()") else "",
        "removed": f": {change.was}" if change.was not in (*change.path.split(), "()") else "",
        "changed": f": {change.was}  →  {change.now}",
    }
    return output.clean(f"  {SIGNS[change.what]} {change.path}{texts[change.what]}{notice}")


def _json(changes: list[Change], wanted: list[Need]) -> str:
    import json  # only here

    from lathe.gate.review import changes_json  # likewise

    document = {"v": 1, "breaking": any(c.is_breaking for c in changes), "changes": changes_json(changes)}
    document["migrate"] = [{"path": n.path, "help": n.cure} for n in wanted]
    return json.dumps(document, ensure_ascii=False)
