"""The reasons for a denial, as far as the caller may see them."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.model import Action
from lathe.machine.event import Caller
from lathe.machine.snapshot import Value
from lathe.machine.table import stored
from lathe.policy.requests import principal_to
from lathe.policy.why import Denied
from lathe.runtime.catalog import Live
from lathe.runtime.plan import Held


def explained(
    live: Live,
    what: tuple[str, Action],
    caller: Caller,
    args: Mapping[str, Value],
    held: Held | None,
    *,
    sees: bool,
) -> dict[str, object]:
    """`nearest` and `forbids` of a denied action, given by its blueprint's name and itself.

    `held` is None for a creation, or where the entity is not known.
    """
    blueprint, action = what
    is_new = action.name == "create"
    seen: Mapping[str, Value] | None = {} if is_new else None
    if held is not None and sees:
        fields = live.table.blueprints[blueprint].blueprint.fields
        seen = {name: value for name, value in held.entity.fields.items() if not fields[name].secret}
        seen = {**seen, "state": held.entity.state}
    denied = Denied(
        blueprint=blueprint,
        action=action,
        caller=caller,
        principal=principal_to(blueprint, caller),
        resource=held.entity.id if held is not None else None,
        seen=seen,
        args=completed(action, args),
    )
    return live.explain(denied).told()


def completed(action: Action, args: Mapping[str, Value]) -> dict[str, Value]:
    """Arguments as policies see them: defaults filled in, nothing secret."""
    return {
        a.name: stored(a.default) if args.get(a.name) is None and a.has_default else args.get(a.name)
        for a in action.arguments.values()
        if not a.secret
    }
