"""What must always hold, what must be possible, what happens in the end, and who may never do what."""

from __future__ import annotations

from lathe.lang.model import Blueprint, Cannot, Eventually, Property, Unique
from lathe.lang.render.escape import code, prose
from lathe.lang.render.phrase import condition
from lathe.lang.render.words import codes, sentence, with_article

_LEADS = {"invariant": "Always", "step": "In every step", "sometimes": "Must be possible"}


def promises(blueprint: Blueprint) -> list[str]:
    """The section on properties."""
    lines = [f"- {stated(p)}" for p in blueprint.properties.values()]
    lines += [f"- {_eventually(e)}" for e in blueprint.eventually.values()]
    lines += [f"- {_unique(blueprint, u)}" for u in blueprint.unique.values()]
    lines += [f"- {_cannot(c)}" for c in blueprint.cannot.values()]
    return ["### What must hold", "", *lines, ""] if lines else []


def stated(prop: Property) -> str:
    """An invariant, step or sometimes as a sentence."""
    words = condition(prop.that)
    if prop.when is not None:
        words = f"where {condition(prop.when)}: {words}"
    if prop.in_states:
        words = f"in {codes(prop.in_states, 'or')}, {words}"
    return _item(_LEADS[prop.kind], prop.name, words, prop.doc)


def _item(lead: str, name: str, words: str, doc: str) -> str:
    more = f" {sentence(prose(doc))}" if doc else ""
    return f"{lead} ({code(name)}): {words}.{more}"


def _eventually(prop: Eventually) -> str:
    words = f"from {codes(prop.from_states, 'or')}, every fair run reaches {codes(prop.to_states, 'or')}"
    return _item("In the end", prop.name, words, prop.doc)


def _unique(blueprint: Blueprint, prop: Unique) -> str:
    where = f" in {codes(prop.in_states, 'or')}" if prop.in_states else ""
    words = f"no two {blueprint.name} entities{where} have the same {codes(prop.fields)}"
    return _item("Unique", prop.name, words, prop.doc)


def _cannot(prop: Cannot) -> str:
    deeds = codes((a for a in prop.actions if a != "read"), "or")
    words = [f"take {deeds}"] if deeds else []
    words += ["read it"] if "read" in prop.actions else []
    where = f", where {condition(prop.when)}" if prop.when else ""
    somebody = f"somebody who is only {with_article(prop.role)} may not"
    return _item("Never", prop.name, f"{somebody} {', or '.join(words)}{where}", prop.doc)
