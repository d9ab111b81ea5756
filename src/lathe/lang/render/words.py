"""The small words of a sentence: lists, articles, durations, principals."""

from __future__ import annotations

from collections.abc import Iterable

from lathe.lang.model import Principal
from lathe.lang.render.escape import code

_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


def listing(items: Iterable[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def codes(names: Iterable[str], last: str = "and") -> str:
    """Names as code, listed."""
    return listing((code(name) for name in names), last)


def count(amount: int, noun: str) -> str:
    """`1 time`, `2 times`."""
    return f"{number(amount)} {noun}{'' if amount == 1 else 's'}"


def with_article(noun: str) -> str:
    """The noun with `a` or `an`; a name that is no plain word stands as code."""
    word = noun if noun.isalpha() else code(noun)
    return f"{'an' if noun[:1].lower() in tuple('aeiou') else 'a'} {word}"


def duration(milliseconds: int) -> str:
    """A duration in its largest whole unit: `15 minutes`."""
    for size, unit in _UNITS:
        if milliseconds and milliseconds % size == 0:
            return count(milliseconds // size, unit)
    return count(milliseconds, "millisecond")


def principal(who: Principal) -> str:
    """Who takes an action, as the subject of a sentence, where nothing more is known of them."""
    name = who.name or ""
    match who.kind:
        case "role":
            return with_article(name)
        case "effect":
            return f"the effect {code(name)}"
        case "entity":
            return with_article(name)
        case "inbound":
            return f"the event {code(name)} from outside"
        case "timer":
            return "a timer"
        case "any":
            return "anybody signed in"


def number(value: int) -> str:
    """With its thousands apart, so that a long one can be read."""
    return f"{value:,}"


def finished(text: str) -> str:
    """With a full stop, if it has no end of its own."""
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def sentence(text: str) -> str:
    """With a capital and an end."""
    return finished(text[0].upper() + text[1:]) if text else ""
