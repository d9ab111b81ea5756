"""What each adapter takes and gives back, as data: read by level 0, the JSON Schema and the docs.

An adapter that an installed package offers is one more `Adapter` in the mapping that `read_app` is
given; nothing here knows how any of them does its work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from lathe.frozen import frozen
from lathe.lang.model import Setting
from lathe.lang.types import Type

SettingKind = Literal[
    "text",  # a template
    "url",  # a template; fields and arguments form no scheme, host or port
    "word",  # text as it stands, no template
    "choice",  # one of `choices`, no template
    "texts",  # a list of templates
    "hosts",  # a list of hosts, each with or without a port
    "choices",  # a list, each one of `choices`, no template
    "count",  # a whole number from 1 to `most`
    "text_table",  # a table of templates
    "json",  # anything that JSON can say; every text in it is a template
    "takes",  # a table: result = where it stands in the answer ("body.a.b")
    "module",  # a file of the app under `modules/`
    "expression",  # an expression
    "expression_table",  # a table of expressions
    "blueprint",  # the name of a blueprint
    "action",  # the name of an action of the entity that is reached
    "set_field",  # the name of a set field of this entity
]

BAD_CAUSES = ("timeout", "unreachable", "refused", "invalid", "crashed", "cancelled")
"""Why an effect can have ended badly."""

BAD_END: Mapping[str, Type] = MappingProxyType(
    {"cause": Type("enum", members=BAD_CAUSES), "message": Type("text", maximum=2_000)}
)
"""The results of every bad end."""

REFUSED = "it was refused"
"""The message of an end that is bad because an action was refused."""

DEFAULT_TIMEOUT_MS = 30_000
DEFAULT_BACKOFF_MS = (1_000, 300_000)
DEFAULT_ATTEMPTS = 1

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@frozen
class SettingSpec:
    """One setting. A left-out one reads as `default`; None: it is absent.

    With `named_after`, a left-out one reads as the name of the effect. `without` are scopes of placeholders
    that may not stand in it.
    """

    kind: SettingKind
    doc: str
    required: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    named_after: bool = False
    most: int = 0
    without: tuple[str, ...] = ()


@frozen
class Idempotence:
    """When repeats of an invocation do no more than one, unless the author says otherwise.

    With `setting`, it is so where that setting has one of `values`; `None` among them stands for
    a setting that is absent or empty. Without it, `always` decides.
    """

    always: bool = False
    setting: str | None = None
    values: tuple[str | None, ...] = ()

    def holds_for(self, settings: Mapping[str, Setting]) -> bool:
        """Whether repeats are harmless with these settings, by the adapter's own account."""
        if self.setting is None:
            return self.always
        value = settings.get(self.setting)
        return (None if value in (None, "", ()) else value) in self.values


@frozen
class Adapter:
    """What one adapter takes (`settings`) and gives back on a good end (`results`).

    `idempotence`: when repeats do no more than one; `harmless`: when an execution changes nothing
    (RFC 9110, 9.2.1). `open_results`: any argument of the `ok` action may be a result, of its type.
    `is_notice`: there is no end, so neither `ok` nor `error`.
    `is_internal`: done inside one transaction, so `timeout`, `attempts`, `backoff`, `late` do not apply.
    """

    name: str
    doc: str
    settings: Mapping[str, SettingSpec]
    results: Mapping[str, Type] = field(default_factory=dict)
    idempotence: Idempotence = Idempotence()
    harmless: Idempotence = Idempotence()
    open_results: bool = False
    is_notice: bool = False
    is_internal: bool = False


HTTP = Adapter(
    name="http",
    doc="One request. 2xx ends well; 408, 429, 5xx and the network are tried again; other 4xx end `refused`.",
    settings={
        "method": SettingSpec("choice", "The HTTP method.", choices=METHODS, default="GET"),
        "url": SettingSpec(
            "url", "Where to: `{env.NAME}` and literals give scheme, host and port.", required=True
        ),
        "headers": SettingSpec("text_table", "Headers by name."),
        "body": SettingSpec("json", "The body, sent as JSON."),
        "take": SettingSpec("takes", 'Results from the answer: `{ name = "body.a.b" }`.'),
    },
    results={"status": Type("int", low=100, high=599)},
    idempotence=Idempotence(setting="method", values=("GET", "HEAD", "PUT", "DELETE")),
    harmless=Idempotence(setting="method", values=("GET", "HEAD")),
)

CALL = Adapter(
    name="call",
    doc="Another entity's action: exactly once, later, in one transaction with the caller's `ok`.",
    settings={
        "on": SettingSpec("expression", "Whom: a ref, or `item` with `each`.", required=True),
        "action": SettingSpec("action", "The action that it takes.", required=True),
        "args": SettingSpec("expression_table", "Its arguments, as expressions."),
        "each": SettingSpec("set_field", "A set field: once for every member (`item`), all or none."),
    },
    idempotence=Idempotence(always=True),
    is_internal=True,
)

CREATE = Adapter(
    name="create",
    doc="A new entity: exactly once, later, in one transaction with the caller's `ok`: `made`.",
    settings={
        "blueprint": SettingSpec("blueprint", "What kind of entity.", required=True),
        "args": SettingSpec("expression_table", "What its `create` is given, as expressions."),
        "each": SettingSpec("set_field", "A set field: one for every member (`item`), all or none."),
    },
    idempotence=Idempotence(always=True),
    is_internal=True,
)

EMIT = Adapter(
    name="emit",
    doc="A CloudEvent, to subscribers or signed to a URL. A notice: it has no end.",
    settings={
        "type": SettingSpec("text", "The event's type. Default: the name of the effect.", named_after=True),
        "data": SettingSpec("json", "What the event carries."),
        "to": SettingSpec("url", "A URL. Default: whoever follows the app's events."),
    },
    idempotence=Idempotence(always=True),
    is_notice=True,
)

PROCESS = Adapter(
    name="process",
    doc="A command that the operator allows; exit code 0 ends well.",
    settings={
        "argv": SettingSpec(
            "texts", "The command and its arguments; the command itself is literal.", required=True
        ),
        "stdin": SettingSpec("text", "What it reads."),
    },
    results={"exit": Type("int", low=0, high=255), "stdout": Type("text", maximum=65_536)},
)

WASM = Adapter(
    name="wasm",
    doc="A function of a module, in a fresh instance, with only the host functions it is granted.",
    settings={
        "module": SettingSpec("module", "A file under `modules/`.", required=True),
        "function": SettingSpec("word", "The exported function.", default="run"),
        "input": SettingSpec("json", "What it is given, without secrets.", without=("secret",)),
        "grants": SettingSpec(
            "choices", "The host functions that it may call. Default: none.", choices=("log", "now", "random")
        ),
        "hosts": SettingSpec(
            "hosts", 'Where its `http` may go: `"host"` or `"host:port"`. Default: it has no `http`.'
        ),
        "headers": SettingSpec("text_table", "What each of its requests carries and the module never sees."),
        "fuel": SettingSpec("count", "How many instructions it may take, about.", most=10**12),
        "memory_mib": SettingSpec("count", "How large its memory may grow, in MiB.", most=1_024),
    },
    idempotence=Idempotence(setting="hosts", values=(None,)),
    harmless=Idempotence(setting="hosts", values=(None,)),
    open_results=True,
)

ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {adapter.name: adapter for adapter in (HTTP, CALL, CREATE, EMIT, PROCESS, WASM)}
)
"""The adapters that come with Lathe, by name."""

__all__ = [
    "ADAPTERS", "BAD_CAUSES", "BAD_END", "DEFAULT_ATTEMPTS", "DEFAULT_BACKOFF_MS", "DEFAULT_TIMEOUT_MS",
    "METHODS", "REFUSED", "Adapter", "Idempotence", "SettingKind", "SettingSpec",
]  # fmt: skip
