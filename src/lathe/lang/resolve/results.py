"""What the ends of an effect give to the actions that they take."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.adapters import BAD_CAUSES, Adapter
from lathe.lang.model import Argument, Target
from lathe.lang.resolve.faults import listed, quoted_list
from lathe.lang.resolve.outline import Outline
from lathe.lang.resolve.record import Word
from lathe.lang.resolve.states import check_action
from lathe.lang.types import Type
from lathe.lang.typing_rules import described, fits


def offered_results(
    outline: Outline, adapter: Adapter, target: Target | None, ok: str | None
) -> dict[str, Type]:
    """The results of a good end, by the names under which the `ok` action may take them."""
    action = outline.actions.get(ok or "")
    arguments = action.arguments if action is not None else {}
    results = dict(adapter.results)
    if adapter.open_results:
        results |= {name: argument.type for name, argument in arguments.items()}
    if adapter.name == "create" and target is not None and target.each is None:
        made = Type("ref", blueprint=target.blueprint)
        results["made"] = made
        refs = [a for a in arguments.values() if a.from_sets and a.type.kind == "ref"]
        if "made" not in arguments and len(refs) == 1:
            results[refs[0].name] = made
    return results


def check_end(
    outline: Outline, word: Word, results: Mapping[str, Type], adapter: Adapter, *, end: str
) -> None:
    """LT106 for an argument of the action that the end does not offer, or not in its type."""
    if not check_action(outline, word):
        return
    if word.text == "create":
        word.cursor.report("LT106", f"`{end}` takes an action of this entity, and `create` makes another")
        return
    for argument in outline.actions[word.text].arguments.values():
        offered = results.get(argument.name)
        if offered is None:
            if not argument.has_default and not argument.optional:
                _report_missing(word, argument, results, adapter, end=end)
        elif not takes(argument.type, offered):
            _report_misfit(word, argument, offered, end=end)


def takes(wanted: Type, offered: Type) -> bool:
    """Whether some value of the result can be a value of the argument; every one, for an enum."""
    if wanted.kind == "enum" and offered.kind == "enum":
        return set(offered.members) <= set(wanted.members)
    if wanted.kind == "int" and offered.kind == "int":
        lows = [low for low in (wanted.low, offered.low) if low is not None]
        highs = [high for high in (wanted.high, offered.high) if high is not None]
        return not lows or not highs or max(lows) <= min(highs)
    return fits(offered, wanted)


def _report_missing(
    word: Word, argument: Argument, results: Mapping[str, Type], adapter: Adapter, *, end: str
) -> None:
    name = argument.name
    offers = f"offers {listed(results)}" if results else "offers nothing"
    which = "good" if end == "ok" else "bad"
    message = f"`{word.text}` needs `{name}`, and a {which} end of `{adapter.name}` {offers}"
    cure = "make it `optional = true`, give it a `default`, or name another action"
    if end == "ok" and "take" in adapter.settings:
        cure = f'add `take = {{ {name} = "body.{name}" }}` to `with`, or {cure}'
    word.cursor.report("LT106", message, help=cure)


def _report_misfit(word: Word, argument: Argument, offered: Type, *, end: str) -> None:
    name = argument.name
    given, wanted = _told(offered), _told(argument.type)
    message = f"`{end}` gives `{word.text}` a `{name}` that is {given}, and it wants {wanted}"
    cure = f"give `{name}` the type of the result"
    if offered.members == BAD_CAUSES:
        cure = f'write `{name} = {{ type = "enum", of = {quoted_list(BAD_CAUSES)} }}`'
    elif offered.kind == "int":
        cure = f'write `{name} = {{ type = "int", range = [{offered.low}, {offered.high}] }}`'
    elif offered.kind == "text":
        cure = f'write `{name} = {{ type = "text", max = {offered.maximum} }}`'
    word.cursor.report("LT106", message, help=cure)


def _told(type_: Type) -> str:
    return f"an int from {type_.low} to {type_.high}" if type_.kind == "int" else described(type_)
