"""Lexical checks on an expression before Python's parser sees it.

It finds what people write by habit from other languages, with its exact place, and keeps from the
parser whatever would make it warn, recurse or compute: escapes, prefixes, long numbers, deep brackets.
"""

from __future__ import annotations

import keyword
import re
from typing import NoReturn

from lathe.errors import Diagnostic, Edit, LatheError, Span
from lathe.lang.source import Place
from lathe.lang.types import INT_LIMIT

MAX_CHARACTERS = 4_000
MAX_WORDS = 1_000
MAX_BRACKETS = 24

SHOWN_CHARACTERS = 60
"""How much of the author's text a message repeats."""


class ExpressionError(LatheError, ValueError):
    """The text is no expression of the language here; `diagnostics` (at least one) say why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(diagnostics[0].message)
        self.diagnostics = diagnostics


class Text:
    """A text and where it stands: turns offsets into spans, and troubles into diagnostics."""

    __slots__ = ("_base", "_place", "text")

    def __init__(self, text: str, place: Place, *, base: int = 0) -> None:
        self.text = text
        self._place = place
        self._base = base

    def span(self, start: int, end: int) -> Span:
        """Where the characters from `start` to `end` stand in the file."""
        return self._place.within(self._base + start, self._base + end)

    def edit(self, start: int, end: int, new: str) -> Edit:
        """Replace these characters."""
        return Edit(self.span(start, end), self.written(new))

    def written(self, new: str) -> str:
        """New text as it is written in the file, where this text stands in quotes."""
        return self._place.written(new)

    def part(self, start: int, end: int) -> Text:
        """A piece of the text as a text of its own."""
        return Text(self.text[start:end], self._place, base=self._base + start)

    def fail(
        self, code: str, message: str, start: int, end: int, *, cure: str = "", edit: Edit | None = None
    ) -> NoReturn:
        """Raise ExpressionError about these characters."""
        raise trouble(code, message, self.span(start, end), cure=cure, edit=edit)


def trouble(
    code: str, message: str, span: Span, *, cure: str = "", edit: Edit | None = None
) -> ExpressionError:
    """An ExpressionError with one diagnostic."""
    return ExpressionError((Diagnostic(code, "error", message, span, cure, edit=edit),))


def shown(text: str) -> str:
    """The author's text as a message repeats it: on one line, not too long, in backticks."""
    line = " ".join(text.split())
    return f"`{line}`" if len(line) <= SHOWN_CHARACTERS else f"`{line[: SHOWN_CHARACTERS - 1]}…`"


_WORD = re.compile(
    r"""(?P<blank>[ \t\f\r\n]++|\#[^\r\n\x00\ud800-\udfff]*+)
    |(?P<long>'''|\"\"\")
    |(?P<quoted>'(?:[^'\\\r\n]|\\[^\r\n])*+'|"(?:[^"\\\r\n]|\\[^\r\n])*+")
    |(?P<open>['"])
    |(?P<name>[^\W\d]\w*+)
    |(?P<number>\d(?:[\w.]|(?<=[eE])[+-](?=\d))*)
    |(?P<sign>===|!==|==|!=|<=>|<=|>=|<>|:=|->|=>|&&|\|\||//=|\*\*|//|<<|>>|\+=|-=|\*=|/=|\+\+|.)""",
    re.VERBOSE | re.DOTALL,
)
_INT = re.compile(r"\d+(?:_\d+)*\Z")
_BAD_ESCAPE = r"(?:[^\\]|\\(?:[\\'\"nrt]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*+"
_UNPRINTED = r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]"
_PREFIXES = frozenset({"r", "b", "u", "f", "t", "br", "rb", "fr", "rf", "tr", "rt"})
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "for", "True", "False", "None"})
_CLOSING = {")": "(", "]": "[", "}": "{"}

_SIGNS = {
    "&&": ("and", "write `and`"),
    "&": ("and", "write `and`"),
    "||": ("or", "write `or`"),
    "|": ("or", "write `or`"),
    "!": ("not ", "write `not`"),
    "===": ("==", "write `==`"),
    "!==": ("!=", "write `!=`"),
    "<>": ("!=", "write `!=`"),
    "=": ("==", "write `==` to compare"),
    "/": ("//", "write `//`, which floors"),
    ":=": (None, "an expression sets nothing"),
    "**": (None, "write the product out"),
    "?": (None, "write `a if condition else b`, or `x is None`"),
    "=>": (None, "write `not p or q` for an implication"),
    "->": (None, "write `not p or q` for an implication"),
    ";": (None, "it is one expression; each assignment is a text of its own"),
}
_GOOD_SIGNS = frozenset("+-*%<>(),.[]{}:") | {"==", "!=", "<=", ">=", "//"}


def check_words(source: Text) -> None:
    """Refuse what is no word of the language, with its place.

    Raises ExpressionError: LT103 for a word, LT005 for a text that is too long or too deep.
    """
    text = source.text
    if len(text) > MAX_CHARACTERS:
        message = f"the expression has {len(text)} characters, and {MAX_CHARACTERS} are the limit"
        source.fail("LT005", message, 0, len(text))
    opened: list[tuple[str, int]] = []
    count = 0
    for match in _WORD.finditer(text):
        kind = match.lastgroup
        if kind == "blank":
            continue
        count += 1
        if kind == "sign":
            _check_sign(source, match, opened)
        elif kind == "name":
            _check_name(source, match)
        elif kind == "number":
            _check_number(source, match)
        else:
            _check_quoted(source, match)
    if opened:
        sign, at = opened[-1]
        source.fail("LT103", f"this `{sign}` is never closed", at, at + 1)
    if count == 0:
        source.fail("LT103", "an expression is missing here", 0, len(text))
    if count > MAX_WORDS:
        source.fail("LT005", f"the expression has more than {MAX_WORDS} words", 0, len(text))


_FOREIGN_OPERATORS = {"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "IS": "is"}


def refuse_foreign_operator(source: Text) -> None:
    """Raise ExpressionError (LT103) at the first operator in capitals; for text that Python cannot read."""
    for match in _WORD.finditer(source.text):
        new = _FOREIGN_OPERATORS.get(match[0])
        if new is not None:
            edit = source.edit(*match.span(), new)
            source.fail(
                "LT103",
                f"`{match[0]}` is not in the language",
                *match.span(),
                cure=f"write `{new}`",
                edit=edit,
            )


def refuse_comment(source: Text) -> None:
    """Raise ExpressionError (LT103) at the first comment; for a text that it would cut short unseen."""
    for match in _WORD.finditer(source.text):
        if match.lastgroup == "blank" and match[0].startswith("#"):
            message = "`#` begins a comment, and there is none here"
            source.fail("LT103", message, *match.span(), cure="leave it out, or put it into quotes")


def _check_sign(source: Text, match: re.Match[str], opened: list[tuple[str, int]]) -> None:
    sign, start, end = match[0], match.start(), match.end()
    if sign in "([{":
        opened.append((sign, start))
        if len(opened) > MAX_BRACKETS:
            source.fail("LT005", f"brackets are more than {MAX_BRACKETS} deep here", start, end)
    elif sign in ")]}":
        if not opened or opened.pop()[0] != _CLOSING[sign]:
            source.fail("LT103", f"this `{sign}` closes nothing", start, end)
    elif sign in _SIGNS:
        new, cure = _SIGNS[sign]
        edit = source.edit(start, end, new) if new is not None else None
        source.fail("LT103", f"`{sign}` is not in the language", start, end, cure=cure, edit=edit)
    elif sign not in _GOOD_SIGNS:
        message = (
            f"`{sign}` is not in the language"
            if sign.isprintable()
            else "a character that is not in the language"
        )
        source.fail("LT103", message, start, end)


def _check_name(source: Text, match: re.Match[str]) -> None:
    name, start, end = match[0], match.start(), match.end()
    if source.text[end : end + 1] in ("'", '"') and name.lower() in _PREFIXES:
        message = f"quoted text has no prefix `{name}`"
        cure = "there is no formatting in expressions" if name.lower() in ("f", "fr", "rf", "t") else ""
        source.fail("LT103", message, start, end, cure=cure, edit=source.edit(start, end, ""))
    if keyword.iskeyword(name) and name not in _KEYWORDS:
        source.fail("LT103", f"`{name}` is not in the expression language", start, end)
    if not name.isascii():
        source.fail("LT101", f"`{name}` is no name: names are made of a to z, 0 to 9 and _", start, end)


def _check_number(source: Text, match: re.Match[str]) -> None:
    digits, start, end = match[0], match.start(), match.end()
    if not digits.isascii() or not _INT.match(digits):
        cure = (
            "numbers are whole and decimal; money is a whole number of minor units" if "." in digits else ""
        )
        source.fail("LT103", f"{shown(digits)} is no whole decimal number", start, end, cure=cure)
    digits = digits.replace("_", "")
    if len(digits) > 1 and digits[0] == "0":
        source.fail("LT103", f"{shown(match[0])} begins with a zero", start, end)
    if len(digits) > 16 or int(digits) > INT_LIMIT:
        source.fail("LT005", "the number is beyond 2^53", start, end)


def _check_quoted(source: Text, match: re.Match[str]) -> None:
    raw, start, end = match[0], match.start(), match.end()
    if match.lastgroup == "open":
        source.fail("LT103", "this quote is never closed", start, end)
    if match.lastgroup == "long":
        source.fail("LT103", "quoted text has one quote at each end", start, end)
    if not raw.isprintable() and (bad := re.search(_UNPRINTED, raw)) is not None:
        at = start + bad.start()
        source.fail(
            "LT103", "quoted text has a control character here", at, at + 1, cure="write it as an escape"
        )
    if "\\" in raw:
        good = re.match(_BAD_ESCAPE, raw)
        stop = good.end() if good is not None else 0
        if stop < len(raw):
            source.fail("LT103", "quoted text has no such escape", start + stop, min(start + stop + 2, end))
