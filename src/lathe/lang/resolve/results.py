"""Which results of an effect go to the actions that its ends take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lathe.lang.adapters import BAD_CAUSES, BAD_END, Adapter
from lathe.lang.model import Argument, Setting, Target
from lathe.lang.resolve.faults import listed, quoted_list
from lathe.lang.resolve.outline import ActionOutline, Outline
from lathe.lang.resolve.record import Cursor, Record, Word
from lathe.lang.resolve.states import check_action
from lathe.lang.types import Type
from lathe.lang.typing_rules import described, fits

Told = set[tuple[str, str]]
"""Arguments of actions that no bad end gives, already reported at another effect."""


class Good(NamedTuple):
    """The results of a good end. Unless `is_sure`, there may be more, for reasons already told."""

    results: Mapping[str, Type]
    is_sure: bool


def read_ends(
    outline: Outline,
    record: Record,
    adapter: Adapter,
    settings: Mapping[str, Setting],
    target: Target | None,
    told: Told,
) -> Mapping[str, Type]:
    """Check what both ends give to their actions, and tell which results a good one offers."""
    if adapter.is_notice:
        return {}
    ok, error = record.word("ok"), record.word("error")
    good = _good_end(outline, record, adapter, settings, target, ok)
    if ok is not None and _is_action(outline, ok, "ok"):
        for argument in outline.actions[ok.text].arguments.values():
            _check_argument(ok, argument, good, adapter, told, end="ok")
    if error is not None and _is_action(outline, error, "error"):
        for argument in outline.actions[error.text].arguments.values():
            _check_argument(error, argument, Good(BAD_END, True), adapter, told, end="error")
    return good.results


def _good_end(
    outline: Outline,
    record: Record,
    adapter: Adapter,
    settings: Mapping[str, Setting],
    target: Target | None,
    ok: Word | None,
) -> Good:
    action = outline.actions.get(ok.text) if ok is not None else None
    arguments = action.arguments if action is not None else {}
    results = dict(adapter.results)
    if adapter.open_results:
        results |= {name: argument.type for name, argument in arguments.items()}
    if adapter.is_internal:
        return Good({**results, **_made(adapter, arguments, target)}, target is not None)
    taken = settings.get("take")
    if not isinstance(taken, Mapping):
        return Good(results, "with" not in record.wrong)
    found = _typed_takes(record.at("with", "take"), taken, ok, action)
    written = record.table("with").get("take")
    return Good({**results, **found}, isinstance(written, dict) and len(found) == len(written))


def _made(adapter: Adapter, arguments: Mapping[str, Argument], target: Target | None) -> dict[str, Type]:
    """What `create` made: `made`, or the one ref among the `sets` of the `ok` action."""
    if adapter.name != "create" or target is None or target.each is not None:
        return {}
    made = Type("ref", blueprint=target.blueprint)
    refs = [a.name for a in arguments.values() if a.from_sets and a.type.kind == "ref"]
    given_to = refs if "made" not in arguments and len(refs) == 1 else []
    return dict.fromkeys(["made", *given_to], made)


def _typed_takes(
    cursor: Cursor, taken: Mapping[str, Setting], ok: Word | None, action: ActionOutline | None
) -> dict[str, Type]:
    """Results taken from the answer have the types of the arguments that take them."""
    if ok is None:
        message = "`take` gives results to the `ok` action, and there is none"
        cursor.report_key("LT106", message, help='add `ok = "ACTION"`')
    if ok is None or action is None:
        return {}
    found: dict[str, Type] = {}
    for name in taken:
        argument = action.arguments.get(name)
        if argument is not None:
            found[name] = argument.type
        elif action.is_whole:
            known = f"its arguments are {listed(action.arguments)}" if action.arguments else "it has none"
            message = f"`{ok.text}` has no argument `{name}` that could take this"
            cursor.at(name).report_key("LT106", message, help=f"{known}; add `{name}` to its `args`")
    return found


def _is_action(outline: Outline, word: Word, end: str) -> bool:
    """Whether an end takes an action of this entity; if not, LT105 or LT106."""
    if not check_action(outline, word):
        return False
    if word.text == "create":
        word.cursor.report("LT106", f"`{end}` takes an action of this entity, and `create` makes another")
        return False
    return True


def _check_argument(
    word: Word, argument: Argument, good: Good, adapter: Adapter, told: Told, *, end: str
) -> None:
    """LT106 for an argument that the end does not offer, or not in its type; bad ends are all alike."""
    offered = good.results.get(argument.name)
    is_missing = offered is None and not argument.has_default and not argument.optional
    if argument.type.kind == "unknown" or (is_missing and not good.is_sure):
        return
    if not is_missing and (offered is None or takes(argument.type, offered)):
        return
    if end == "error":
        if (word.text, argument.name) in told:
            return
        told.add((word.text, argument.name))
    if offered is None:
        _report_missing(word, argument, good.results, adapter, end=end)
    else:
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
    message = f"`{end}` gives `{word.text}` {given} as `{name}`, and it wants {wanted}"
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
