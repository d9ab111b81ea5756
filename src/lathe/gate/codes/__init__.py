"""Every finding's page: cause, example and cure, one `LTnnn.md` a code, read only when asked for."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.errors import NotFoundError, Severity

DOCS_FOLDER = "reference/errors"
"""Where the copies of the pages stand, under `docs/`."""

_SEVERITIES: Mapping[str, Severity] = {"error": "error", "warning": "warning", "note": "note"}
_GROUPS = {
    "LT0": "The text (level 0; they stop the rest)",
    "LT1": "Names and types (level 0; they stop the rest)",
    "LT2": "States, actions and values",
    "LT3": "Getting on",
    "LT4": "The author's properties",
    "LT5": "Effects and joint steps",
    "LT6": "Who may",
    "LT7": "Replacing a version",
    "LT8": "What was not decided",
    "LT9": "Ourselves",
}


def codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    from importlib import resources  # lazy: a check that finds nothing never needs it

    names = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def page(code: str) -> str:
    """The page of a code, in Markdown. Raises NotFoundError if there is none."""
    from importlib import resources  # lazy: as above

    if code not in codes():
        raise NotFoundError(f"`{code}` is no code that has a page")
    return resources.files(__name__).joinpath(f"{code}.md").read_text(encoding="utf-8")


def title(code: str) -> str:
    """What the finding is, in a few words. Raises NotFoundError if there is no such code."""
    return page(code).partition("\n")[0].removeprefix(f"# {code}: ")


def severity(code: str) -> Severity:
    """How grave the finding is. Raises NotFoundError if there is no such code."""
    _, _, rest = page(code).partition("Severity: **")
    return _SEVERITIES[rest.partition("**")[0]]


def documents() -> dict[str, str]:
    """The generated part of the docs: the text of each file, by its path under `docs/`."""
    pages = {f"{DOCS_FOLDER}/{code}.md": page(code) for code in codes()}
    return {f"{DOCS_FOLDER}/README.md": _index(), **pages}


def _index() -> str:
    lines = [
        "# Findings",
        "",
        "What `lathe check` may say of a blueprint. Each page has the cause, a complete example and",
        "the cure; `lathe explain CODE` prints it. An *error* refuses the app or leaves it unknown;",
        "a *warning* and a *note* are shown and refuse nothing.",
    ]
    group = ""
    for code in codes():
        if code[:3] != group:
            group = code[:3]
            lines += ["", f"## {_GROUPS[group]}", "", "| code | severity | finding |", "|---|---|---|"]
        lines.append(f"| [{code}]({code}.md) | {severity(code)} | {title(code)} |")
    return "\n".join(lines) + "\n"
