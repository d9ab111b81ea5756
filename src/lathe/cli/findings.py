"""The findings of a report that came as JSON, from a runtime or a child: a line each, and its cure."""

from __future__ import annotations

from lathe.cli.output import clean
from lathe.lang.model import Json

FINDINGS_LIMIT = 20


def finding_lines(report: Json) -> list[str]:
    """What keeps an app from being admitted."""
    found = report.get("findings") if isinstance(report, dict) else None
    if not isinstance(report, dict) or not isinstance(found, list):
        return []
    lines: list[str] = []
    errors = [one for one in found if isinstance(one, dict) and one.get("severity") == "error"]
    for one in errors[:FINDINGS_LIMIT]:
        place = f"{one.get('file')}:{one.get('line')}:{one.get('column')}"
        lines.append(f"  {place}: {one.get('code')}: {one.get('message')}")
        if one.get("help"):
            lines.append(f"    {one['help']}")
    if len(errors) > FINDINGS_LIMIT:
        lines.append(f"  and {len(errors) - FINDINGS_LIMIT} more: `lathe check` lists them all")
    if report.get("why"):
        lines.append(f"  {report['why']}")
    return [clean(line) for line in lines]
