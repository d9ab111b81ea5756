"""The policies of an app's `*.cedar`: parsed, and validated against the schema at their places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

import cedarpy

from lathe.errors import Diagnostic, Span
from lathe.frozen import frozen
from lathe.lang.model import App, Json
from lathe.policy.reads import entities
from lathe.policy.scan import Piece, pieces, too_deep
from lathe.policy.schema import OWN_TYPES, schema

_QUOTED = re.compile(r"`([^`]*)`")
KEPT_LIMIT = 16
"""Apps of which the policies are kept as they were read."""
_HELP = "`lathe show --as cedar` prints what policies can name"


@frozen
class Policy:
    """One policy of a file: its id, its place, and its syntax tree as Cedar's JSON gives it."""

    id: str
    piece: Piece
    tree: Mapping[str, Json]

    @property
    def effect(self) -> str:
        """`permit` or `forbid`."""
        return str(self.tree["effect"])

    def __str__(self) -> str:
        return f"`{self.id}` ({self.piece.span()})"


def read_policies(app: App) -> tuple[tuple[Policy, ...], tuple[Diagnostic, ...]]:
    """The policies of an app's `*.cedar`, and every fault (LT604) of those that cannot count."""
    taken = tuple(_taken_names(app))
    found, faults = _read(tuple(sorted(app.policies.items())), None if taken else schema(app))
    return found, tuple(sorted((*taken, *faults), key=lambda f: f.span))


@lru_cache(KEPT_LIMIT)
def _read(
    files: tuple[tuple[str, str], ...], declared: str | None
) -> tuple[tuple[Policy, ...], tuple[Diagnostic, ...]]:
    """The policies of these texts and their faults; without a schema they are parsed and not validated.

    A check reads the same texts at several of its levels, and a process at each start of its app.
    """
    faults: list[Diagnostic] = []
    found: list[Policy] = []
    for file, text in files:
        for number, piece in enumerate(pieces(file, text)):
            policy = _parsed(piece, f"{file}#{number + 1}")
            if isinstance(policy, Diagnostic):
                faults.append(policy)
            elif policy is not None:
                found.append(policy)
    if declared is not None:
        faults.extend(_invalid(declared, found))
    faults.extend(_repeated(found))
    return tuple(found), tuple(faults)


def _taken_names(app: App) -> Iterator[Diagnostic]:
    for blueprint in app.blueprints.values():
        if blueprint.name in OWN_TYPES:
            message = f"`{blueprint.name}` is a type of the policies' own, so no blueprint can be called so"
            yield _fault(message, blueprint.span, "call the blueprint something else, or drop the policies")


def _parsed(piece: Piece, name: str) -> Policy | Diagnostic | None:
    """The policy of a piece; a fault if it is none."""
    deep = too_deep(piece)
    if deep:
        return _fault(f"this is no policy to read: {deep}", piece.span(), "say it in several policies")
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(piece.text))
    except ValueError as error:
        said = _lower(str(error))
        words = _QUOTED.findall(said)
        span = piece.span(words[0] if words else "")
        return _fault(f"this is no policy: {said}", span, "look at the syntax: each policy ends with `;`")
    if parsed["templates"]:
        cure = "write the principal or resource itself: nothing links templates here"
        return _fault("a policy with `?principal` or `?resource` is a template", piece.span(), cure)
    for tree in parsed["staticPolicies"].values():
        return Policy(tree.get("annotations", {}).get("id") or name, piece, tree)
    return None


def _invalid(declared: str, policies: list[Policy]) -> Iterator[Diagnostic]:
    """What Cedar's validator says of each policy by the schema, at the word that it is about."""
    handle = cedarpy.Schema.from_str(declared)
    for policy in policies:
        result = cedarpy.validate_policies(policy.piece.text, handle)
        messages = [_lower(re.sub(r"^for policy `[^`]*`[,:]? ", "", e.error)) for e in result.errors]
        clear = [m for m in messages if "unable to find an applicable action" not in m]
        for message in dict.fromkeys(clear or messages):
            yield _fault(message, _place(policy.piece, message), _HELP)


def _place(piece: Piece, message: str) -> Span:
    """Where in the policy the first word stands that a message quotes."""
    words = [w for quoted in _QUOTED.findall(message) for w in (quoted, *re.findall(r'"([^"]*)"', quoted))]
    whole = piece.span()
    places = [piece.span(word) for word in words if word]
    return next((p for p in places if p != whole), whole)


def _repeated(policies: list[Policy]) -> Iterator[Diagnostic]:
    first: dict[str, Policy] = {}
    for policy in policies:
        other = first.setdefault(policy.id, policy)
        if other is not policy:
            message = f"the id `{policy.id}` is taken by {other.piece.span()}"
            yield _fault(message, policy.piece.span(policy.id), "give each policy an `@id` of its own")


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _fault(message: str, span: Span, cure: str) -> Diagnostic:
    return Diagnostic("LT604", "error", message, span, cure)


def may_concern(policy: Policy, blueprint: str, action: str) -> bool:
    """Whether the head of a policy lets it count for an action: what is left out contributes nothing."""
    resource, head = policy.tree["resource"], policy.tree["action"]
    assert isinstance(resource, dict) and isinstance(head, dict), "Cedar's JSON of a head"
    kinds = {kind for kind, _ in entities(resource)} | {str(k) for k in [resource.get("entity_type")] if k}
    if kinds and ("New" if action == "create" else blueprint) not in kinds:
        return False
    wanted = {f"{blueprint}.{action}"} | ({blueprint} if head["op"] == "in" else set())
    return head["op"] == "All" or not wanted.isdisjoint(_action_names(head))


def asks_for(policy: Policy, variable: str) -> bool:
    """Whether a policy looks at the `context`, or which group the `action` is in: else nobody need tell."""
    head = policy.tree["action"]
    assert isinstance(head, dict), "Cedar's JSON of a head"
    is_in_group = variable == "action" and head["op"] == "in"
    return is_in_group or f'{{"Var": "{variable}"}}' in json.dumps(policy.tree["conditions"])


def _action_names(head: dict[str, Json]) -> Iterator[str]:
    listed = head.get("entities", [head.get("entity")])
    assert isinstance(listed, list), "Cedar's JSON of a head"
    yield from (str(e["id"]) for e in listed if isinstance(e, dict))
