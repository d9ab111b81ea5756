"""Why a request is denied: the nearest permit with its false clauses, and the forbids that matched.

What is told rests on nothing that the caller may not know: of an entity that it may not read no clause is
judged, so that neither a value nor a bit of it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lathe.frozen import frozen
from lathe.lang.model import Action, Principal
from lathe.machine.event import Caller
from lathe.machine.snapshot import Value
from lathe.machine.step import matches
from lathe.policy.implied import permit_id

UNTOLD = "what it asks of the entity is not told: you may not read it"


@frozen
class Denied:
    """What was denied: an action of a blueprint, to a caller, with these arguments.

    `resource` is the entity's id, None for a creation. `seen` are its fields and `state`; None: the caller
    may not read it.
    """

    blueprint: str
    action: Action
    caller: Caller
    principal: tuple[str, str]
    resource: str | None
    seen: Mapping[str, Value] | None
    args: Mapping[str, Value]


@frozen
class Reason:
    """A policy by its id, and the clauses of it that count, in words.

    `distance` is 0 of a permit that is meant for the caller, 1 if that needs a role, 2 if it never is.
    """

    policy: str
    clauses: tuple[str, ...]
    distance: int = 0


@frozen
class Why:
    """The nearest permit with what is false of it, and the forbids that hit with what is true of them.

    No permit is nearest where one lets the caller pass, and a forbid denies.
    """

    nearest: Reason | None
    forbids: tuple[Reason, ...] = ()

    def told(self) -> dict[str, object]:
        """`nearest` (`{policy, false}`) and `forbids` (`[{policy, true}]`), as far as there are any."""
        found: dict[str, object] = {}
        if self.nearest is not None:
            found["nearest"] = {"policy": self.nearest.policy, "false": list(self.nearest.clauses)}
        if self.forbids:
            found["forbids"] = [{"policy": f.policy, "true": list(f.clauses)} for f in self.forbids]
        return found


Explain = Callable[[Denied], Why]


def why_by_roles(denied: Denied) -> Why:
    """By `by` alone."""
    return Why(nearest(own(denied)))


def own(denied: Denied) -> list[Reason]:
    """The permits of `by`, each with what is false of it."""
    return [_own(denied, principal) for principal in denied.action.admits]


def _own(denied: Denied, principal: Principal) -> Reason:
    name = permit_id(denied.blueprint, denied.action.name, principal)
    if matches(principal, denied.caller):
        return Reason(name, ())
    if principal.kind == "role":
        return Reason(name, (needs_role(principal.name or "", denied.caller),), 1)
    return Reason(name, (f"only `{principal}` takes it so",), 2)


def needs_role(role: str, caller: Caller) -> str:
    """A role that a caller lacks, in words."""
    held = " and ".join(f"`{one}`" for one in sorted(caller.roles)) or "none"
    return f"needs role `{role}`; you hold {held}"


def nearest(permits: Iterable[Reason]) -> Reason | None:
    """The permit with the fewest clauses that are false: among these, the one that is meant for the caller.

    None if one has none that is false.
    """
    found = min(permits, key=lambda permit: (len(permit.clauses), permit.distance), default=None)
    return found if found is not None and found.clauses else None
