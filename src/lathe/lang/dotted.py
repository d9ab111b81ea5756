"""What stands at a dotted place of a JSON document, as `take`, `args`, `find` and `once` name it."""

from __future__ import annotations

import re

from lathe.lang.model import Json

_POSITION = re.compile(r"[0-9]{1,9}")


def at(document: Json, path: str) -> Json:
    """What a path of members and of positions in lists leads to; None if nothing is there."""
    found = document
    for step in path.split(".") if path else ():
        if isinstance(found, dict):
            found = found.get(step)
        elif isinstance(found, list) and _POSITION.fullmatch(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found
