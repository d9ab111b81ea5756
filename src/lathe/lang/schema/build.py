"""The few shapes that every schema is made of.

Draft 7, because both Taplo and Tombi read all of it. Choices between shapes are `if`/`then`, not
`oneOf`: then both tools name the very key that is wrong. Every table says whether it is open, since
Tombi warns of keys in one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

from lathe.lang.model import Json
from lathe.lang.resolve import limits
from lathe.lang.schema.keys import KEYS, TABLES
from lathe.lang.tokens import MAX_CHARACTERS

Schema = dict[str, Json]

DRAFT = "http://json-schema.org/draft-07/schema#"
NAME = f"[a-z][a-z0-9_]{{0,{limits.NAME_LENGTH - 1}}}"
BLUEPRINT_NAME = f"[A-Z][A-Za-z0-9]{{0,{limits.NAME_LENGTH - 1}}}"
DURATION = "[0-9]{1,15}(ms|s|m|h|d)"
PRINCIPAL = rf"((role|effect|inbound):{NAME}|entity:{BLUEPRINT_NAME}|timer|any)"

BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
EXPRESSION: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS}
DOC: Schema = {"type": "string", "maxLength": limits.DOC_LENGTH}


def matching(pattern: str) -> Schema:
    """Text that the pattern matches from end to end."""
    return {"type": "string", "pattern": f"^{pattern}$"}


def choice(values: Iterable[str]) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": [*values]}


def list_of(item: Schema, **limits: int) -> Schema:
    """A list of such items; `limits` are `minItems` and `maxItems`."""
    return {"type": "array", "items": item, **limits}


def table_of(value: Schema, *, pattern: str = "") -> Schema:
    """A table of such values; with `pattern`, only under keys that it matches from end to end."""
    if not pattern:
        return {"type": "object", "additionalProperties": value}
    return {"type": "object", "additionalProperties": False, "patternProperties": {f"^{pattern}$": value}}


def one_or_many(item: Schema) -> Schema:
    """One such item, or a list of them."""
    return {"anyOf": [item, list_of(item)]}


def ref(name: str) -> Schema:
    """What stands under this name among the definitions."""
    return {"$ref": f"#/definitions/{name}"}


def closed(section: str, properties: Mapping[str, Schema], *, required: Sequence[str] = ()) -> Schema:
    """A table with these keys and no others, each described as `KEYS[section]` says."""
    docs = KEYS[section]
    schema: Schema = {
        "type": "object",
        "description": TABLES.get(section, ""),
        "additionalProperties": False,
        "properties": {name: {"description": docs[name], **shape} for name, shape in properties.items()},
    }
    if required:
        schema["required"] = list(required)
    if not schema["description"]:
        del schema["description"]
    return schema


def entries(section: str, entry: Schema, *, pattern: str = NAME) -> Schema:
    """A table of entries under names of the author's choosing."""
    return {"description": TABLES[section], **table_of(entry, pattern=pattern)}


def when(key: str, value: str, then: Schema) -> Schema:
    """Where `key` is `value`, `then` holds too."""
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def document(title: str, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """A whole schema, which shares nothing with the shapes it is made of.

    It has no `$id`: Taplo takes only absolute ones, and it is read from a file.
    """
    return deepcopy({"$schema": DRAFT, "title": title, **schema, "definitions": dict(definitions)})
