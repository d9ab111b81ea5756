"""One layout for `*.blueprint.toml` and `app.toml`: `docs/howto/format.md` tells its rules.

What a file says never changes, nor the order in which it says it: only spaces, line breaks, quotes,
and whether a table too long for its line gets a header of its own.
"""

from __future__ import annotations

import tomllib

from lathe.errors import InternalError
from lathe.frozen import mutable
from lathe.lang.source import read_source
from lathe.lang.syntax import Array, Entry, Key, Remark, Section, Table, Value, parse, take_remarks

WIDTH = 110
"""Columns (code points) beyond which an array is broken and a table may get a header."""

INDENT = "  "


def format_text(text: str, *, file: str) -> str:
    """The same TOML in the canonical layout; formatting it again changes nothing.

    Every comment is kept (but for spaces at its end), the data are equal, and so is their order. Only
    TOML is asked for: what a blueprint may say does not matter here. Raises UnreadableError as
    `read_source` does, also if the file would be over its limit once laid out.
    """
    read_source(file, text.encode("utf-8", "surrogatepass"))
    sections = _give_headers(parse(text))
    formatted = "\n".join(filter(None, map(_section, sections)))
    read_source(file, formatted.encode())
    if _comparable(formatted) != _comparable(text):
        raise InternalError(f"formatting `{file}` would change what it says")
    return formatted


def _comparable(text: str) -> dict[str, object]:
    """The data, with floats as they are written: `nan` would not equal itself."""
    return tomllib.loads(text, parse_float=str)


def _give_headers(sections: list[Section]) -> list[Section]:
    """Turn long inline tables at the end of a section into sections, where nothing has to move."""
    done: list[Section] = []
    todo = sections[::-1]
    while todo:
        section = todo.pop()
        done.append(section)
        todo.extend(_split_off(section))
    return done


def _split_off(section: Section) -> list[Section]:
    """The sections that the long tables at the end of this one become, last first."""
    found: list[Section] = []
    lines = section.lines
    while (at := _last_entry(lines)) is not None:
        entry = lines[at]
        assert isinstance(entry, Entry)
        if not isinstance(entry.value, Table) or len(entry.key) > 1 or not _is_too_long(entry):
            break
        pairs = zip(entry.value.keys, entry.value.values, strict=True)
        inside = [*(Entry(key, value) for key, value in pairs), *lines[at + 1 :]]
        del lines[at:]
        key = (*section.key, *entry.key)
        found.append(Section(take_remarks(lines), key, comment=entry.comment, lines=inside))
    return found


def _last_entry(lines: list[Entry | Remark]) -> int | None:
    return next((at for at in reversed(range(len(lines))) if isinstance(lines[at], Entry)), None)


def _is_too_long(entry: Entry) -> bool:
    flat = entry.value.flat
    return flat is None or len(_assign(entry.key)) + len(flat) > WIDTH


def _assign(key: Key) -> str:
    return f"{'.'.join(key)} = "


def _section(section: Section) -> str:
    """The section, a line end behind each line; empty if nothing is in it."""
    lines = [remark.text for remark in section.above]
    if section.key:
        name = ".".join(section.key)
        lines.append(_line(f"[[{name}]]" if section.is_array else f"[{name}]", section.comment))
    start = len(lines)
    for line in section.lines:
        if isinstance(line, Entry):
            lines.append(_line(_entry(line), line.comment))
        elif line.text or (len(lines) > start and lines[-1]):
            lines.append(line.text)
    while len(lines) > start and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\n" for line in lines)


def _line(text: str, comment: str) -> str:
    return f"{text} {comment}" if comment else text


@mutable
class _Piece:
    """A value still to be laid out: behind `used` columns, in lines that begin with `indent`."""

    value: Value
    indent: str
    used: int
    in_table: bool


def _entry(entry: Entry) -> str:
    """`key = value`, over several lines where an array is broken."""
    start = _assign(entry.key)
    done = [start]
    todo: list[str | _Piece] = [_Piece(entry.value, "", len(start), in_table=False)]
    while todo:
        piece = todo.pop()
        if isinstance(piece, str):
            done.append(piece)
        elif isinstance(piece.value, Array) and _is_broken(piece.value, piece):
            todo += reversed(_array(piece.value, piece.indent, in_table=piece.in_table))
        elif isinstance(piece.value, Table) and piece.value.flat is None:
            todo += reversed(_table(piece.value, piece.indent))
        else:
            assert piece.value.flat is not None
            done.append(piece.value.flat)
    return "".join(done)


def _is_broken(array: Array, piece: _Piece) -> bool:
    """An inline table stays on its line, so an array in one is broken by comments alone."""
    if array.flat is None or piece.in_table:
        return array.flat is None
    return array.breaks or (bool(array.elements) and piece.used + len(array.flat) > WIDTH)


def _array(array: Array, indent: str, *, in_table: bool) -> list[str | _Piece]:
    inner = indent + INDENT
    pieces: list[str | _Piece] = ["["]
    for element in array.elements:
        pieces.append(f"\n{inner}")
        if element.value is not None:
            pieces += [_Piece(element.value, inner, len(inner) + 1, in_table), ","]
            pieces += [f" {element.comment}"] if element.comment else []
        else:
            pieces.append(element.comment)
    return [*pieces, f"\n{indent}]"]


def _table(table: Table, indent: str) -> list[str | _Piece]:
    pieces: list[str | _Piece] = ["{ "]
    for key, value in zip(table.keys, table.values, strict=True):
        pieces += [_assign(key), _Piece(value, indent, 0, in_table=True), ", "]
    return [*pieces[:-1], " }"]
