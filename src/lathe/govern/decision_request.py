"""The content of a request for a decision: what is asked, by whom, and what was decided.

`digest` identifies the request as the person who decides has seen it. A decision is looked up by a key: the
hash of the app's version, the caller, and what is asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from lathe.machine.moment import rfc3339
from lathe.machine.snapshot import Value
from lathe.policy.schema import quoted
from lathe.runtime.snapshot import encode_json
from lathe.store.audit import DecisionRow

How = Literal["once", "until", "policy"]
LIVING = frozenset({"open", "approved"})
POLICIES_FILE = "decisions.cedar"
"""The file of an app that standing decisions are written to."""


class Question(Struct, frozen=True):
    """What is asked for. Of an application `plan` is what it would do, `files` the hash of what is applied;
    of an action `entity` is empty for a creation. `roles` are those that whoever asks holds in the app.

    `version` is the app's digest when it was asked: under another one nothing is decided any more.
    """

    app: str
    version: str
    plural: str = ""
    blueprint: str = ""
    entity: str = ""
    action: str = ""
    args: dict[str, object] = {}
    roles: tuple[str, ...] = ()
    permits: tuple[str, ...] = ()
    nearest: object = None
    apply: str = ""
    files: str = ""
    check: str = ""
    changes: tuple[dict[str, object], ...] = ()


class Ruling(Struct, frozen=True):
    """What was decided, by whom; `policy` is the text of one that was added, `version` that which has it."""

    by: str
    at_ms: int
    how: How | None = None
    note: str = ""
    policy: str = ""
    version: str = ""


class DecisionRequest(Struct, frozen=True):
    """The body of a decision's row. `any_key` lets pass what is asked with any arguments."""

    question: Question
    by: str
    chain: tuple[str, ...]
    reason: str
    asked_ms: int
    key: bytes
    any_key: bytes
    ruling: Ruling | None = None


_decode = msgspec.json.Decoder(DecisionRequest).decode


def body_of(asking: DecisionRequest) -> bytes:
    """A request as the body of its row."""
    return msgspec.json.encode(asking, order="sorted")


def asking_of(row: DecisionRow) -> DecisionRequest:
    """The request of a row."""
    return _decode(row.body)


def keys_of(
    tenant: str,
    question: Question,
    chain: tuple[str, ...],
    args: Mapping[str, Value],
) -> tuple[bytes, bytes]:
    """The key of the very same request, and that of it with any arguments. What is None was left out."""
    shape = [
        tenant, question.app, question.version, question.blueprint, question.entity, question.action,
        question.apply, question.files, list(chain),
    ]  # fmt: skip
    given = sorted((name, value) for name, value in args.items() if value is not None)
    whole = encode_json({"asked": shape, "args": [[name, value] for name, value in given]})
    return sha256(whole).digest(), sha256(encode_json({"shape": shape})).digest()


def hash_of(files: Mapping[str, bytes]) -> str:
    """What names files, byte by byte, with their paths."""
    whole = sha256()
    for path, data in sorted(files.items()):
        whole.update(b"%d:%s%d:" % (len(path.encode()), path.encode(), len(data)))
        whole.update(data)
    return whole.hexdigest()


def packed(files: Mapping[str, bytes]) -> bytes:
    """Files as they are kept with a request."""
    return zlib.compress(msgspec.json.encode(dict(files), order="sorted"))


def unpacked(body: bytes, question: Question) -> dict[str, bytes]:
    """The files of a request. They are those that it was asked for: anything else is a defect."""
    files = msgspec.json.decode(zlib.decompress(body), type=dict[str, bytes])
    assert hash_of(files) == question.files, "what is kept is what was asked"
    return files


def digest_of(row: DecisionRow) -> str:
    """What names a request as it was seen: repeated by whoever approves it."""
    asking = asking_of(row)
    said = (row.tenant, row.id, asking.key.hex(), asking.reason, asking.asked_ms)
    return "sha256:" + sha256(msgspec.json.encode(said)).hexdigest()


def state_of(row: DecisionRow, now_ms: int) -> str:
    """`open`, `approved`, `denied`, `withdrawn`, `used` or `expired`."""
    return "expired" if row.state in LIVING and row.expires_ms <= now_ms else row.state


def policy_of(row: DecisionRow) -> str:
    """The narrowest standing policy that would let pass what is asked and can be checked: who, in the roles
    that they hold, takes which action. Which entity gets which id no verifier knows, so it names none.

    Who is whom whoever asks acts for in the end, as policies see it.
    """
    asking = asking_of(row)
    asked = asking.question
    kind = f" == New::{quoted(asked.blueprint)}" if asked.action == "create" else f" is {asked.blueprint}"
    held = " && ".join(f"principal in Role::{quoted(role)}" for role in asked.roles)
    return (
        f"@id({quoted(f'decision-{row.id}')})\n"
        f"permit(\n  principal == Principal::{quoted(asking.chain[-1])},\n"
        f"  action == Action::{quoted(f'{asked.blueprint}.{asked.action}')},\n"
        f"  resource{kind}\n)" + (f"\nwhen {{ {held} }}" if held else "") + ";\n"
    )


def told(row: DecisionRow, now_ms: int) -> dict[str, object]:
    """A decision as JSON data."""
    asking = asking_of(row)
    asked, ruling = asking.question, asking.ruling
    document: dict[str, object] = {
        "id": row.id,
        "state": state_of(row, now_ms),
        "app": asked.app,
        "by": asking.by,
        "chain": asking.chain,
        "reason": asking.reason,
        "digest": digest_of(row),
        "asked": rfc3339(asking.asked_ms),
        "expires": rfc3339(row.expires_ms),
        "version": asked.version or None,
    }
    if asked.apply:
        document |= {"apply": asked.apply, "check": asked.check, "changes": asked.changes}
    else:
        document |= {
            "plural": asked.plural,
            "blueprint": asked.blueprint,
            "entity": asked.entity or None,
            "action": asked.action,
            "args": asked.args,
            "roles": asked.roles,
            "nearest": asked.nearest,
            "policies": asked.permits,
            "policy": policy_of(row),
        }
    if ruling is not None:
        document |= {
            "decided_by": ruling.by,
            "decided": rfc3339(ruling.at_ms),
            "how": ruling.how,
            "note": ruling.note,
            "applied": ruling.version or None,
        }
    return document
