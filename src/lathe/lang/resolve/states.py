"""`[state]`: where an entity can be, what is asked for there, and its timer."""

from __future__ import annotations

from lathe.errors import Edit
from lathe.lang.model import State
from lathe.lang.resolve import limits
from lathe.lang.resolve.faults import quoted_list
from lathe.lang.resolve.outline import Outline
from lathe.lang.resolve.record import Cursor, Record, Word
from lathe.lang.units import MAX_DURATION_MS, nearest_duration, read_duration


def read_states(outline: Outline) -> dict[str, State]:
    """All states. Exactly one is initial."""
    found: dict[str, State] = {}
    for name, entry in outline.states.items():
        record = entry.record
        if record is None:
            continue
        after_ms, then = _read_timer(outline, record)
        found[name] = State(
            name=name,
            initial=record.flag("initial"),
            final=record.flag("final"),
            run=read_runs(outline, record),
            after_ms=after_ms,
            then=then,
            waits=record.text("waits"),
            doc=record.doc(),
            span=entry.cursor.key,
        )
        _check_text(record, "waits")
    _check_initial(outline, found)
    return found


def _check_text(record: Record, key: str) -> None:
    text = record.text(key)
    if text is not None and len(text) > limits.DOC_LENGTH:
        record.at(key).report("LT005", f"`{key}` holds at most {limits.DOC_LENGTH} characters")


def _check_initial(outline: Outline, states: dict[str, State]) -> None:
    if "state" in outline.top.wrong or any(entry.record is None for entry in outline.states.values()):
        return
    initial = [state for state in states.values() if state.initial]
    faults = outline.cursor.faults
    if not initial:
        entries = [e for e in outline.states.values() if e.record is not None and "initial" in e.record.wrong]
        if not entries:
            where = outline.top.at("state").key
            help_ = "add `initial = true` to the state in which `create` puts an entity"
            faults.add("LT003", where, "no state is `initial`", help=help_)
    for extra in initial[1:]:
        faults.add(
            "LT006",
            extra.span,
            f"`{extra.name}` is `initial`, and so is `{initial[0].name}`",
            help="exactly one state is initial: remove one of them",
            related=((initial[0].span, "the first"),),
        )


def read_runs(outline: Outline, record: Record) -> tuple[str, ...]:
    """The effects under `run`."""
    words = record.words("run")
    if len(words) > limits.RUNS:
        record.at("run").report("LT005", f"at most {limits.RUNS} effects are asked for at once")
    found: dict[str, None] = {}
    for word in words:
        if word.text in found:
            word.cursor.report("LT006", f"`{word.text}` stands in `run` twice", help="remove one of them")
        elif word.text not in outline.effects and "effect" not in outline.top.wrong:
            message = f"there is no effect `{word.text[:80]}`"
            if outline.effects:
                word.cursor.report_unknown("LT106", message, word.text, outline.effects)
            else:
                word.cursor.report("LT106", message, help=f"add `[effect.{word.text[:80]}]`")
        found[word.text] = None
    return tuple(found)


def _read_timer(outline: Outline, record: Record) -> tuple[int | None, str | None]:
    after = read_time_span(record, "after")
    then = record.word("then")
    if record.has("after") and "then" not in record.wrong and then is None:
        record.at("after").report_key(
            "LT003", "`after` needs `then`, the action that the timer takes", help='add `then = "ACTION"`'
        )
    if then is None:
        return after, None
    if not record.has("after") and "after" not in record.wrong:
        record.at("then").report_key(
            "LT003", "`then` needs `after`, how long a visit may last", help='add `after = "15m"`'
        )
    check_timed_action(outline, then)
    return after, then.text


def check_action(outline: Outline, word: Word) -> bool:
    """Whether an action of this name exists; if not, LT105."""
    if word.text in outline.actions:
        return True
    if "action" not in outline.top.wrong:
        message = f"there is no action `{word.text[:80]}`"
        word.cursor.report_unknown("LT105", message, word.text, outline.actions)
    return False


def check_timed_action(outline: Outline, then: Word) -> None:
    """A timer takes an action that exists, is not `create`, and needs no arguments."""
    if not check_action(outline, then):
        return
    if then.text == "create":
        then.cursor.report("LT106", "a timer takes an action of an entity, and `create` makes one")
        return
    needed = required_arguments(outline, then.text)
    if needed:
        names = ", ".join(f"`{name}`" for name in needed)
        then.cursor.report(
            "LT106",
            f"a timer gives no arguments, and `{then.text}` needs {names}",
            help="make them `optional = true`, give them a `default`, or name another action",
        )


def required_arguments(outline: Outline, action: str) -> tuple[str, ...]:
    """The arguments that a caller may not leave out."""
    arguments = outline.actions[action].arguments.values()
    return tuple(a.name for a in arguments if not a.has_default and not a.optional)


def read_time_span(record: Record, key: str) -> int | None:
    """A duration under a key, in milliseconds."""
    text = record.text(key)
    if text is None:
        return None
    return read_milliseconds(record.at(key), text, key)


def read_milliseconds(cursor: Cursor, text: str, key: str) -> int | None:
    """A duration: LT004 if it is none, LT005 if it is longer than ten years."""
    found = read_duration(text)
    if found is None:
        new = nearest_duration(text)
        edit = Edit(cursor.span, f'"{new}"') if new is not None else None
        cure = (
            f'write `"{new}"`' if new else "a duration is a number and `ms`, `s`, `m`, `h` or `d`, like `15m`"
        )
        cursor.report("LT004", f"`{key}` is a duration, and `{text[:40]}` is none", help=cure, edit=edit)
    elif found == 0:
        cursor.report("LT005", f"`{key}` is longer than nothing")
    elif found > MAX_DURATION_MS:
        cursor.report("LT005", f"`{key}` is at most 3650d")
    else:
        return found
    return None


def read_state_list(outline: Outline, record: Record, key: str) -> tuple[str, ...]:
    """The states under a key, each of which must exist."""
    found: dict[str, None] = {}
    for word in record.words(key):
        if word.text in found:
            word.cursor.report("LT006", f"`{word.text}` stands in `{key}` twice", help="remove one of them")
        elif word.text == "*":
            states = [
                name
                for name, entry in outline.states.items()
                if entry.record and not entry.record.flag("final")
            ]
            edit = Edit(record.at(key).span, quoted_list(states)) if len(record.words(key)) == 1 else None
            word.cursor.report("LT104", '`"*"` stands only in `from` of an action, alone', edit=edit)
        else:
            check_state(outline, word)
        found[word.text] = None
    if record.has(key) and not found:
        cure = 'name one, or write "*" for every state that is not final' if key == "from" else "name one"
        record.at(key).report("LT004", f"`{key}` names at least one state", help=cure)
    return tuple(found)


def check_state(outline: Outline, word: Word) -> None:
    """LT104 unless a state of this name exists."""
    if word.text not in outline.states and "state" not in outline.top.wrong:
        message = f"there is no state `{word.text[:80]}`"
        word.cursor.report_unknown("LT104", message, word.text, outline.states)
