"""The formatter: one layout, nothing lost, nothing changed."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import lathe.lang.format as format_module
from lathe.errors import UnreadableError
from lathe.lang.canon import digest
from lathe.lang.format import format_text
from lathe.lang.resolve import read_app
from lathe.lang.syntax import Array, Entry, parse

ROOT = Path(__file__).parents[2]


def formatted(text: str) -> str:
    return format_text(text, file="a.blueprint.toml")


def test_spaces_quotes_and_blank_lines_are_made_regular() -> None:
    untidy = """

'blueprint'='Rollout'   # the kind


doc = \"\"\"one line\"\"\"
[ state ]

a={initial=true,run = [ 'x' ,"y",]}
b  =  { }


c = {}
# about fields
[field]
"""
    assert (
        formatted(untidy)
        == """\
blueprint = "Rollout" # the kind

doc = "one line"

[state]
a = { initial = true, run = ["x", "y"] }
b = {}

c = {}

# about fields
[field]
"""
    )


def test_a_long_array_stands_one_element_a_line() -> None:
    names = [f"state_number_{i}" for i in range(10)]
    listed = ", ".join(f'"{name}"' for name in names)
    lines = "".join(f'  "{name}",\n' for name in names)
    assert formatted(f"[a]\nfrom = [{listed}]\n") == f"[a]\nfrom = [\n{lines}]\n"


def test_an_array_that_ends_in_a_comma_stays_broken() -> None:
    assert formatted('do = ["a = 1",]') == 'do = [\n  "a = 1",\n]\n'
    assert formatted('do = [\n"a = 1"]') == 'do = ["a = 1"]\n'


def test_comments_inside_an_array_stay_with_their_elements() -> None:
    text = 'do = [ # first\n"a" # of a\n, # after the comma\n # before b\n "b", ["c", # of c\n]\n# last\n]'
    assert (
        formatted(text)
        == """\
do = [
  # first
  "a", # of a
  # after the comma
  # before b
  "b",
  [
    "c", # of c
  ],
  # last
]
"""
    )


def test_an_array_in_an_inline_table_is_broken_by_comments_alone() -> None:
    text = "a = { b = [1, 2,], c = { d = [\n1, # one\n] } }"
    assert formatted("x = { b = [1,\n2,] }") == "x = { b = [1, 2] }\n"
    assert formatted(f"{text}\ne = 1") == "a = { b = [1, 2], c = { d = [\n  1, # one\n] } }\ne = 1\n"


def test_long_tables_at_the_end_get_headers_and_their_comments_go_along() -> None:
    long = ", ".join(f'key_{i} = "{"x" * 20}"' for i in range(4))
    keys = long.replace(", ", "\n")
    text = f"[action]\na = {{}}\n\n# about b\nb = {{ {long} }} # of b\n\nc = {{ {long} }}\n# end\n\n[field]\n"
    assert (
        formatted(text)
        == f"""\
[action]
a = {{}}

# about b
[action.b] # of b
{keys}

[action.c]
{keys}
# end

[field]
"""
    )


def test_a_long_table_before_a_short_one_stays_where_it_is() -> None:
    long = ", ".join(f'key_{i} = "{"x" * 20}"' for i in range(4))
    text = f"[action]\na = {{ {long} }}\nb = {{}}\n"
    assert formatted(text) == text


@pytest.mark.parametrize(
    ("raw", "written"),
    [
        ("'plain'", '"plain"'),
        ("'say \"x\"'", "'say \"x\"'"),
        (r"'a\b'", r"'a\b'"),
        (r'"a\"b"', r'"a\"b"'),
        ("'''one'''", '"one"'),
        ("''''quoted''''", "\"'quoted'\""),
        ('"""a "b" c"""', '"""a "b" c"""'),
        ('"""a\nb"""', '"""a\nb"""'),
        ('"""a\\\n  b"""', '"""a\\\n  b"""'),
        ('""""""', '""'),
        ("''", '""'),
        ("1979-05-27 07:32:00", "1979-05-27 07:32:00"),
        ("0xF_F", "0xF_F"),
    ],
)
def test_strings_take_double_quotes_where_that_needs_no_escape(raw: str, written: str) -> None:
    assert formatted(f"a = {raw}") == f"a = {written}\n"


def test_dotted_and_quoted_keys_are_written_bare_where_they_may_be() -> None:
    assert formatted('"a" . \'b c\' . "d" = 1') == 'a."b c".d = 1\n'
    assert formatted("[ 'a' . \"b.c\" ]") == '[a."b.c"]\n'


def test_line_ends_become_single_and_the_last_line_has_one() -> None:
    assert formatted('a = 1\r\n# c\r\nb = """x\r\ny"""') == 'a = 1\n# c\nb = """x\ny"""\n'
    assert formatted("") == ""
    assert formatted(" \n\n") == ""
    assert formatted("# c") == "# c\n"


def test_a_number_too_long_for_decimal_digits_stays() -> None:
    assert formatted(f"a=0x{'f' * 9000}") == f"a = 0x{'f' * 9000}\n"


def test_the_schema_line_is_kept_as_it_is() -> None:
    text = '#:schema blueprint.schema.json\nblueprint = "A"\n'
    assert formatted(text) == text


def test_what_is_no_blueprint_is_laid_out_all_the_same() -> None:
    assert formatted("[[a.b]]\nc=[ ]\n[[a.b]]\n") == "[[a.b]]\nc = []\n\n[[a.b]]\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a = ", "LT001"),
        ("a = 1\na = 2", "LT006"),
        ("a = " + "[" * 5000, "LT005"),
        ("# " + "x" * 70_000, "LT005"),
        ('a = "\ud800"', "LT001"),
        ("a = 1\rb = 2", "LT001"),
        ("a = 1 \0", "LT001"),
    ],
)
def test_text_that_cannot_be_read_is_refused(text: str, code: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        formatted(text)
    assert caught.value.diagnostics[0].code == code


def test_a_file_that_would_be_too_large_laid_out_is_refused() -> None:
    with pytest.raises(UnreadableError) as caught:
        formatted("a=[" + "[1,]," * 12_000 + "]")
    assert caught.value.diagnostics[0].code == "LT005"


# --- the digest, and the page about it


APPS = sorted(path.parent for path in ROOT.glob("examples/**/app.toml"))


def tight(text: str) -> str:
    """The same TOML as an author in a hurry may write it."""
    lines = [line for line in text.split("\n") if line and not line.lstrip().startswith("#")]
    return "\r\n".join(re.sub(r"^([a-z_]+) = ", r"'\1'=", line) for line in lines)


@pytest.mark.parametrize("folder", APPS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_digest_stays(folder: Path) -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.toml")}
    texts.pop("expect.toml", None)
    before = read_app({name: text.encode() for name, text in texts.items()})
    for layout in (formatted, lambda text: formatted(tight(text))):
        after = read_app({name: layout(text).encode() for name, text in texts.items()})
        assert [d.code for d in after.diagnostics] == [d.code for d in before.diagnostics]
        if before.app is not None:
            assert after.app is not None
            assert digest(after.app) == digest(before.app)


def test_the_rollout_is_in_the_layout() -> None:
    text = (ROOT / "examples" / "rollout" / "rollout.blueprint.toml").read_text(encoding="utf-8")
    assert formatted(text) == text


def test_the_example_of_the_page_is_what_comes_out() -> None:
    page = (ROOT / "docs" / "howto" / "format.md").read_text(encoding="utf-8")
    before, after = re.findall(r"```toml\n# (?:before|after)\n(.*?)```", page, re.DOTALL)
    assert formatted(before) == after


# --- any valid TOML, with comments wherever they may stand


def comments(text: str) -> Counter[str]:
    """Each comment, found without the parser: whatever is no string and begins with `#`."""
    found: Counter[str] = Counter()
    at, length = 0, len(text)
    while at < length:
        for quote in ('"""', "'''", '"', "'"):
            if text.startswith(quote, at):
                at = _string_end(text, at, quote)
                break
        else:
            if text[at] == "#":
                end = text.find("\n", at)
                end = length if end < 0 else end
                found[text[at:end].rstrip()] += 1
                at = end
            else:
                at += 1
    return found


def _string_end(text: str, at: int, quote: str) -> int:
    at += len(quote)
    while not text.startswith(quote, at):
        at += 2 if text[at] == "\\" and quote[0] == '"' else 1
    at += len(quote)
    while len(quote) == 3 and text.startswith(quote[0], at):
        at += 1
    return at


plain = st.text(st.sampled_from("ab #[]{}=,.é\t𝄞'"), max_size=8)
comment = st.text(st.sampled_from("ab #\"'[]{}=,:é\t"), max_size=8).map(lambda text: f"#{text}")
blank = st.sampled_from(["", " ", "\t", "  "])
basic = plain.map(lambda text: f'"{text}"') | st.sampled_from([r'"\""', r'"\\"', r'"\u0041#"', '"x\\ty"'])
literal = plain.map(lambda text: f"'{text.replace(chr(39), '')}'") | st.sampled_from(["'\"#'", r"'\'"])
long_basic = plain.map(lambda text: f'"""{text}"""') | st.sampled_from(
    ['"""a""b"""', '"""\n#x"""', '"""a"""""', '"""\\\n  b"""', '"""\\""""']
)
long_literal = plain.map(lambda text: f"'''{text.replace(chr(39), '')}\n'''") | st.sampled_from(
    ["'''a''b'''", "'''#'''", "'''a'''''"]
)
number = st.sampled_from(["1", "-7", "0xF_F", "1e3", "nan", "-inf", "3.14", "true", "07:32:00", "1979-05-27"])
date = st.sampled_from(["1979-05-27 07:32:00", "1979-05-27T07:32:00.5Z"])
scalar = basic | literal | long_basic | long_literal | number | date
bare_key = st.text(st.sampled_from("abcdefg_-019"), min_size=1, max_size=4)
written_key = bare_key | plain.map(lambda text: f'"{text}"') | bare_key.map(lambda text: f"'{text}'")


gap_parts = st.lists(blank | st.just("\n") | comment.map(lambda text: f"{text}\n"), max_size=3)
gap = gap_parts.map("".join)
"""What may stand between the elements of an array."""


def name_of(key: str) -> str:
    return next(iter(tomllib.loads(f"{key} = 1")))


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    elements: list[str] = draw(st.lists(inner, max_size=4))
    text = ",".join(f"{draw(gap)}{element}{draw(gap)}" for element in elements)
    comma = "," if elements and draw(st.booleans()) else ""
    return f"[{text}{comma}{draw(gap)}]"


@st.composite
def tables(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(written_key, max_size=5, unique_by=name_of))
    pairs = [f"{draw(blank)}{key}{draw(blank)}={draw(blank)}{draw(inner)}{draw(blank)}" for key in keys]
    return f"{{{','.join(pairs)}}}" if pairs else f"{{{draw(blank)}}}"


value = st.recursive(scalar, lambda inner: arrays(inner) | tables(inner), max_leaves=12)


@st.composite
def bodies(draw: st.DrawFn) -> str:
    keys = draw(st.lists(written_key, max_size=4, unique_by=name_of))
    pairs = [f"{draw(blank)}{key}{draw(blank)}={draw(blank)}{draw(value)}{draw(blank)}" for key in keys]
    lines = [pair + draw(comment | st.just("")) for pair in pairs]
    remarks = st.lists(comment | blank, max_size=3)
    return "".join("\n".join([*draw(remarks), line, ""]) for line in lines) + "".join(
        f"{remark}\n" for remark in draw(remarks)
    )


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Tables under names of their own, so that no two lines can speak of the same key."""
    text = draw(bodies())
    for number, wide in enumerate(draw(st.lists(st.booleans(), max_size=4))):
        header = f"[[T.{draw(written_key)}.n{number}]]" if wide else f"[ T{number} . {draw(written_key)} ]"
        text += f"{draw(blank)}{header}{draw(blank)}{draw(comment | st.just(''))}\n{draw(bodies())}"
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@contextmanager
def wide(columns: int) -> Iterator[None]:
    """Narrow lines, so that small documents meet the rules for long ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(format_module, "WIDTH", columns)
        yield


widths = st.sampled_from([110, 40, 15])


@given(documents(), widths)
def test_formatting_keeps_data_their_order_and_every_comment(text: str, columns: int) -> None:
    with wide(columns):
        result = formatted(text)
    assert repr(tomllib.loads(result)) == repr(tomllib.loads(text))
    assert comments(result) == comments(text.replace("\r\n", "\n"))


@given(documents(), widths)
def test_formatting_twice_is_formatting_once(text: str, columns: int) -> None:
    with wide(columns):
        once = formatted(text)
        assert formatted(once) == once


@given(documents(), widths)
def test_no_array_is_on_a_line_that_is_too_long_for_it(text: str, columns: int) -> None:
    with wide(columns):
        result = formatted(text)
    for section in parse(result):
        for entry in section.lines:
            if isinstance(entry, Entry) and isinstance(entry.value, Array):
                array = entry.value
                fits = array.flat is not None and len(".".join(entry.key)) + 3 + len(array.flat) <= columns
                assert fits or array.breaks or array.flat is None or not array.elements


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_is_formatted_or_refused(text: str) -> None:
    try:
        formatted(text)
    except UnreadableError as error:
        assert error.diagnostics
