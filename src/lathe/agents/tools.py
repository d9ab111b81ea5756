"""The tools' declarations: name, description and input schema of each.

Every client pays for these words before its first question, so they are few; the schemas of actions are told
by `actions` when they are asked for. `tests/agents` holds all of it to 2,000 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping

from lathe.frozen import frozen
from lathe.lang.model import Json

Schema = dict[str, Json]
Properties = dict[str, Schema]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
FILES: Properties = {
    "path": {"type": "string", "description": "a folder here"},
    "files": {"type": "object", "description": "or texts by name"},
}
PLACE: Properties = {"app": TEXT, "plural": TEXT, "id": TEXT}


@frozen
class Tool:
    """One tool. `properties` are JSON Schemas; those in `required` must be given."""

    name: str
    description: str
    properties: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    is_read_only: bool = True
    is_destructive: bool = False

    @property
    def schema(self) -> dict[str, Json]:
        """The JSON Schema of its arguments."""
        properties: dict[str, Json] = {**self.properties}
        found: dict[str, Json] = {
            "type": "object", "properties": properties, "additionalProperties": False,
        }  # fmt: skip
        if self.required:
            found["required"] = list(self.required)
        return found


TOOLS = (
    Tool(
        "check",
        "Check an app's blueprints: every state they can reach. Answers the verdict, and each finding with "
        "its place, the shortest run that shows it, and the cure. Nothing is loaded.",
        {**FILES, "accept_bounds": FLAG},
    ),
    Tool(
        "explain",
        "Explain a code (LT401, LR409.guard), or `language`: how blueprints are written. Read that first.",
        {"topic": TEXT},
        ("topic",),
    ),
    Tool(
        "diff",
        "What loading the files would change: against the version in force, for clients, for all who live.",
        FILES,
    ),
    Tool(
        "apply",
        "Load the files: without `confirm` it answers the plan, with the plan's digest it does it. Some "
        "changes wait for a person: approved, `decision` is given in place of files.",
        {**FILES, "decision": TEXT, "confirm": TEXT, "breaking": FLAG, "accept_bounds": FLAG, "note": TEXT},
        is_read_only=False,
        is_destructive=True,
    ),
    Tool(
        "list",
        "Entities of a collection; without `plural` the apps and their collections. `where` is an expression "
        "over fields, as `replicas > 2 and image is not None`.",
        {
            "app": TEXT,
            "plural": TEXT,
            "state": TEXT,
            "where": TEXT,
            "sort": TEXT,
            "limit": NUMBER,
            "cursor": TEXT,
        },
    ),
    Tool("get", "One entity as it is committed.", PLACE, ("app", "plural", "id")),
    Tool(
        "actions",
        "With `id`: what you may do with it now, and why not the rest. Without: the actions of a collection, "
        "`create` too, with their arguments.",
        PLACE,
        ("app", "plural"),
    ),
    Tool(
        "act",
        "Take an action on an entity. Without `id`: `create`; any other action is taken on the first entity "
        "on which it is possible (`where`, `wait` seconds): a work queue. `key` makes a repeat harmless; "
        "`visit` is the one you mean.",
        {
            **PLACE,
            "action": TEXT,
            "args": OBJECT,
            "key": TEXT,
            "version": NUMBER,
            "visit": NUMBER,
            "where": TEXT,
            "wait": NUMBER,
        },
        ("app", "plural", "action"),
        is_read_only=False,
    ),
    Tool(
        "events",
        "With `id`: what happened to an entity. Without: what was committed after the position `after`, "
        "waiting up to `wait` seconds for something new.",
        {**PLACE, "after": NUMBER, "wait": NUMBER, "limit": NUMBER},
    ),
    Tool(
        "decisions",
        "What waits for a person. `ask`, with the body of a request that was denied and a `reason`, makes "
        "one; `id` shows one. Only people approve or deny.",
        {"id": TEXT, "state": TEXT, "ask": OBJECT},
        is_read_only=False,
    ),
)
"""In the order of use."""

BY_NAME: Mapping[str, Tool] = {tool.name: tool for tool in TOOLS}
