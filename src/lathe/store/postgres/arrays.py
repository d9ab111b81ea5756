"""Columns of values as PostgreSQL's array literals, to be cast there.

The driver encodes an array element by element, with a look at the type of each; one string for a column costs
a fifth of that.
"""

from __future__ import annotations

from collections.abc import Sequence


def literal(kind: str, column: Sequence[object]) -> str:
    """The text of an array of `kind`: bigint, bytea, or one whose elements are texts."""
    match kind:
        case "bigint":
            return "{" + ",".join(map(str, column)).replace("None", "NULL") + "}"
        case "bytea":
            return "{" + ",".join([_bytes(x) for x in column]) + "}"
    return _texts(column)


def _bytes(value: object) -> str:
    if value is None:
        return "NULL"
    assert isinstance(value, bytes), "a column of bytes"
    return f'"\\\\x{value.hex()}"'


def _texts(column: Sequence[object]) -> str:
    try:
        joined = '","'.join(column)  # type: ignore[arg-type]
    except TypeError:  # one of them is None
        joined = "\\"
    if "\\" not in joined and joined.count('"') == 2 * (len(column) - 1):
        return '{"' + joined + '"}'
    return "{" + ",".join(map(_text, column)) + "}"


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    assert isinstance(value, str), "a column of texts"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
