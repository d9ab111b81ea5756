"""Reading a file: every byte string gives a source or diagnostics, and every place is where it should be."""

from __future__ import annotations

import math
import sys
import time
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lathe.errors import Diagnostic, Span, UnreadableError
from lathe.lang.scan import MAX_NESTING
from lathe.lang.source import MAX_BYTES, Source, bare_place, read_source

ROLLOUT = """\
#:schema blueprint.schema.json
blueprint = "Rollout" # a comment with = and "quotes"

[state]
planned = { initial = true, waits = "an operator starts it" }
"quoted key".inner = 1

[action]
start = { from = ["planned", 'failed'], do = ["attempts = 1", 'ready = 2'] }

[action.drain] # why
when = "image == \\"x\\" and \\u00e9 == 1"
doc = \"\"\"
first \\
   second\"\"\"

[[extra]]
n = 1
[[extra]]
n = 2
[extra.deep]
at = 1979-05-27 07:32:00 # with a space
"""


def at(source: Source, span: Span) -> str:
    """The text under a span."""
    lines = source.text.split("\n")
    if span.line == span.end_line:
        return lines[span.line - 1][span.column - 1 : span.end_column - 1]
    first = lines[span.line - 1][span.column - 1 :]
    middle = lines[span.line : span.end_line - 1]
    return "\n".join([first, *middle, lines[span.end_line - 1][: span.end_column - 1]])


def read(text: str) -> Source:
    return read_source("f.toml", text.encode())


def refused(raw: bytes) -> Diagnostic:
    with pytest.raises(UnreadableError) as caught:
        read_source("f.toml", raw)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.severity == "error"
    assert diagnostic.span.file == "f.toml"
    return diagnostic


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("blueprint",), "blueprint", '"Rollout"'),
        (("state",), "state", "[state]"),
        (("state", "planned"), "planned", '{ initial = true, waits = "an operator starts it" }'),
        (("state", "planned", "initial"), "initial", "true"),
        (("state", "quoted key"), '"quoted key"', '"quoted key"'),
        (("state", "quoted key", "inner"), "inner", "1"),
        (("action", "start", "from", 1), "'failed'", "'failed'"),
        (("action", "start", "do", 0), '"attempts = 1"', '"attempts = 1"'),
        (("action", "drain"), "drain", "[action.drain]"),
        (("action", "drain", "doc"), "doc", '"""\nfirst \\\n   second"""'),
        (("extra",), "extra", "[[extra]]"),
        (("extra", 1), "[[extra]]", "[[extra]]"),
        (("extra", 1, "n"), "n", "2"),
        (("extra", 1, "deep", "at"), "at", "1979-05-27 07:32:00"),
    ],
)
def test_key_and_value_have_their_places(path: tuple[str | int, ...], key: str, value: str) -> None:
    source = read(ROLLOUT)
    assert at(source, source.key(path)) == key
    assert at(source, source.place(path).span) == value


def test_unknown_path_falls_back_to_what_is_around_it() -> None:
    source = read(ROLLOUT)
    assert source.key(("action", "drain", "from")) == source.key(("action", "drain"))
    assert source.place(("action", "start", "from", 7)).span == source.place(("action", "start", "from")).span
    assert source.key(("nowhere", "at", "all")) == Span("f.toml", 1, 1, 1, 31)
    assert source.key(()) == source.place(()).span == Span("f.toml", 1, 1, 1, 31)


def test_place_within_maps_decoded_offsets_through_escapes() -> None:
    source = read(ROLLOUT)
    place = source.place(("action", "drain", "when"))
    value = source.data["action"]["drain"]["when"]
    assert at(source, place.within(value.index('"'), value.index(" and"))) == '\\"x\\"'
    assert at(source, place.within(value.index("é"), len(value))) == "\\u00e9 == 1"


def test_place_within_maps_decoded_offsets_over_lines() -> None:
    source = read(ROLLOUT)
    place = source.place(("action", "drain", "doc"))
    value = source.data["action"]["drain"]["doc"]
    assert value == "first second"
    assert at(source, place.within(0, 5)) == "first"
    assert at(source, place.within(6, 12)) == "second"
    assert at(source, place.within(0, 12)) == "first \\\n   second"


def test_place_within_is_drawn_in_beyond_the_string() -> None:
    source = read("a = 'bcd'\nn = 5\ne = ''\nm = '''\n'''")
    assert at(source, source.place(("a",)).within(1, 99)) == "cd"
    assert at(source, source.place(("a",)).within(50, 99)) == ""
    assert at(source, source.place(("a",)).within(-5, 1)) == "b"
    assert at(source, source.place(("n",)).within(3, 4)) == "5"
    assert source.place(("e",)).within(0, 1) == Span("f.toml", 3, 6, 3, 6)
    assert source.place(("m",)).within(0, 1).line == 5


def test_crlf_counts_as_one_character_and_no_column() -> None:
    source = read('a = 1\r\n[t]\r\nb = """x\r\ny"""\r\n')
    assert source.place(("t", "b")).within(2, 3) == Span("f.toml", 4, 1, 4, 2)
    assert source.line(1) == "a = 1"
    assert source.place(("a",)).span == Span("f.toml", 1, 5, 1, 6)


def test_line_is_empty_outside_the_file() -> None:
    source = read("a = 1\nb = 2")
    assert [source.line(n) for n in (0, 1, 2, 3)] == ["", "a = 1", "b = 2", ""]


def test_written_decodes_to_what_was_meant() -> None:
    source = read("a = \"x\"\nb = 'x'\nc = '''x'''")
    new = "state == 'a' or \"b\\\\\""
    assert tomllib.loads(f'v = "{source.place(("a",)).written(new)}"')["v"] == new
    assert source.place(("b",)).written("'a'") == '"a"'
    assert source.place(("c",)).written("'a'") == "'a'"
    assert bare_place("x").written("'a'") == "'a'"


def test_bare_place_maps_offsets_to_themselves() -> None:
    assert bare_place("ab\ncd", "<where>").within(3, 5) == Span("<where>", 2, 1, 2, 3)
    assert bare_place("").within(0, 4) == Span("<text>", 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("raw", "place", "says"),
    [
        (b"a = \n", (1, 5), "invalid value"),
        (b"a = 1\nb", (2, 2), "expected '='"),
        (b"x = 1 1", (1, 7), "expected newline"),
        (b'a = "', (1, 6), "unterminated string"),
        (b"\xef\xbb\xbfa = 1", (1, 1), "byte order mark"),
        (b"a = 1\nb\xff = 1", (2, 2), "byte 8 is 0xff"),
        (b"a = '\x00'", (1, 6), "invalid character"),
    ],
)
def test_not_toml_is_lt001_where_it_is(raw: bytes, place: tuple[int, int], says: str) -> None:
    found = refused(raw)
    assert found.code == "LT001"
    assert (found.span.line, found.span.column) == place
    assert says in found.message


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"a = True", "TOML writes `true`"),
        (b"a = None", "TOML has no such value: leave the key out"),
        (
            b'[action]\ngo = { from = "open",\n  to = "done" }',
            "an inline table `{ … }` stands on one line: or write a header, `[…go]`, and a key a line",
        ),
        (b'a = { b = "}" } }', ""),
        (b"a = 1 1", ""),
    ],
)
@pytest.mark.skipif(sys.version_info >= (3, 15), reason="its TOML lets inline tables go over lines")
def test_what_is_often_taken_for_toml_has_a_cure(raw: bytes, says: str) -> None:
    assert refused(raw).help == says


@pytest.mark.parametrize(
    ("raw", "name", "second", "first"),
    [
        (b"a = 1\nb = 3\na = 2", "a", (3, 1), (1, 1)),
        (b"[a]\n[b]\n[a]", "a", (3, 2), (1, 2)),
        (b"t = { b = 1, b = 2 }", "t.b", (1, 14), (1, 7)),
        (b"[a]\nb.c = 1\n[a.b]", "a.b", (3, 4), (2, 1)),
        (b"[[a]]\n[a]", "a", (2, 2), (1, 3)),
        (b"a = []\n[[a]]", "a", (2, 3), (1, 1)),
        (b"a.b = 1\na = 2", "a", (2, 1), (1, 1)),
        (b"a = { b = 1 }\na.c = 2", "a.c", (2, 3), (1, 1)),
        (b"a = { b = 1 }\n[a.c]", "a.c", (2, 4), (1, 1)),
        (b"a = 1\na.b = 2", "a.b", (2, 3), (1, 1)),
    ],
)
def test_given_twice_is_lt006_with_both_places(
    raw: bytes, name: str, second: tuple[int, int], first: tuple[int, int]
) -> None:
    found = refused(raw)
    assert found.code == "LT006"
    assert found.message == f"`{name}` is given twice"
    assert (found.span.line, found.span.column) == second
    ((where, _),) = found.related
    assert (where.line, where.column) == first


@pytest.mark.parametrize(
    "raw",
    [
        b"a = 1\n" + b"#" * MAX_BYTES,
        b"x = " + b"[" * 30_000,
        b"x = " + b"{a=" * 15_000,
        b"x = " + b"[" * (MAX_NESTING + 1) + b"]" * (MAX_NESTING + 1),
        b"[" + b".".join([b"a"] * 50) + b"]",
        b".".join([b"a"] * 30_000) + b" = 1",
        b"x = " + b"9" * 5_000,
        b"x = [1, -" + b"9_9" * 4_000 + b"]",
    ],
    ids=["bytes", "arrays", "tables", "one too deep", "header", "dotted", "digits", "digits inside"],
)
def test_over_a_limit_is_lt005_and_fast(raw: bytes) -> None:
    before = time.process_time()
    assert refused(raw).code == "LT005"
    assert time.process_time() - before < 10


def test_deepest_allowed_nesting_is_read() -> None:
    depth = MAX_NESTING
    source = read("x = " + "[" * depth + "]" * depth)
    assert at(source, source.place(("x",) + (0,) * (depth - 1)).span) == "[]"


@given(st.binary(max_size=200))
def test_any_bytes_give_a_source_or_diagnostics(raw: bytes) -> None:
    try:
        read_source("f", raw)
    except UnreadableError as error:
        assert error.diagnostics


@given(
    st.lists(st.sampled_from([*"ab.=[]{}\"'#\n\r \t,\\1u-_:T", '"""', "'''", "\r\n", "é", "[["]), max_size=40)
)
def test_any_text_of_toml_signs_gives_a_source_or_diagnostics(parts: list[str]) -> None:
    try:
        source = read_source("f", "".join(parts).encode())
    except UnreadableError as error:
        assert error.diagnostics
        return
    check_places(source)


NAMES = st.sampled_from(["a", "b", "c-d", "1", '"a"', '"x.y"', "'b'", '"\\u00e9\\t"', '""'])
KEYS = st.lists(NAMES, min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from([".", " . ", "\t."]).map(lambda dot: dot.join(parts))
)
SCALARS = st.sampled_from(
    [
        "1", "-1_000", "0x1F", "1.5e3", "inf", "true", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00",
        "07:32:00", '"plain"', '"e\\\\s\\"c\\u00e9\\U0001F600"', "'lit\\eral'", "''", '""',
        '"""many\nlines""""', '""""""',
        '"""\\\n   \n  cont\\"\\"\\"inued  \\\n"""', "'''\nraw ''quoted'''''",
        '"""a""b"""', '"# no [comment] {}"',
        '"""\r\nx\r\ny"""', '"😀é"',
    ]
)  # fmt: skip
BLANKS = st.sampled_from(["", " ", "\n", " # c ]}\n ", "\r\n"])


def arrays(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    item = st.tuples(BLANKS, inner, BLANKS).map("".join)
    return st.tuples(st.lists(item, max_size=3), st.booleans()).map(
        lambda parts: f"[{','.join(parts[0])}{',' if parts[0] and parts[1] else ''}]"
    )


def tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    entry = st.tuples(KEYS, inner).map(lambda pair: f"{pair[0]} = {pair[1]}")
    return st.lists(entry, max_size=3).map(lambda entries: f"{{ {' , '.join(entries)} }}")


VALUES = st.recursive(SCALARS, lambda inner: arrays(inner) | tables(inner), max_leaves=6)
STATEMENTS = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    KEYS.map(lambda key: f"[{key}]"),
    KEYS.map(lambda key: f"[[ {key} ]]"),
    st.just("# a comment = 1"),
    st.just(""),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Statements, of which those that would make the file invalid are left out."""
    text, end = "", draw(st.sampled_from(["\n", "\r\n", " # c\n"]))
    for statement in draw(st.lists(STATEMENTS, max_size=12)):
        try:
            tomllib.loads(text + statement + end)
        except tomllib.TOMLDecodeError:
            continue
        text += statement + end
    return text


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, child in children:
        found += paths(child, (*path, name))
    return found


def valued(data: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return bool(left == right)


def check_places(source: Source) -> None:
    """Each key and value that tomllib knows stands where the scanner says, and there are no others."""
    known = paths(source.data)
    assert set(source._found().values) == set(known)
    for path in known:
        value = valued(source.data, path)
        written = at(source, source.place(path).span)
        if not is_header(source, path, value):
            assert same(tomllib.loads(f"v = {written}")["v"], value)
        if isinstance(path[-1], str):
            assert tomllib.loads(f"{at(source, source.key(path))} = 1") == {path[-1]: 1}
        if isinstance(value, str):
            check_characters(source, path, value)


def is_header(source: Source, path: tuple[str | int, ...], value: Any) -> bool:
    """Whether the place of a table is the header, or the part of a dotted key, that made it."""
    span, key = source.place(path).span, source.key(path)
    if isinstance(value, dict):
        return not at(source, span).startswith("{")
    return isinstance(path[-1], str) and (span.line, span.column) < (key.line, key.column)


def check_characters(source: Source, path: tuple[str | int, ...], value: str) -> None:
    place = source.place(path)
    is_raw = at(source, place.span).startswith("'")
    for index, character in enumerate(value):
        written = at(source, place.within(index, index + 1)).replace("\r\n", "\n")
        if not is_raw and written.startswith("\\"):
            written = tomllib.loads(f'v = """{written}"""')["v"]
        assert written == character


@given(documents())
@settings(max_examples=200, deadline=None)
def test_places_agree_with_tomllib(text: str) -> None:
    check_places(read(text))


def test_reading_and_placing_64_kib_is_fast() -> None:
    line = 'name{} = {{ from = ["a", "b"], to = "c", when = "x == 1 and y == \\"z\\"" }}\n'
    text = "[action]\n" + "".join(line.format(n) for n in range(800))
    assert len(text) < MAX_BYTES
    source = read(text)
    best = min(timed(lambda: read(text).place(("action", "name7", "when"))) for _ in range(3))
    assert at(source, source.place(("action", "name7", "to")).span) == '"c"'
    assert best < 0.5


def timed(call: Any) -> float:
    before = time.process_time()
    call()
    return time.process_time() - before
