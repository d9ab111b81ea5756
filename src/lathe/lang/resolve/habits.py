"""Keys that people carry over from other tools, with the key that they probably mean here."""

from __future__ import annotations

from collections.abc import Mapping

ALIASES: Mapping[str, tuple[str, ...]] = {
    "action": ("then", "do"), "actor": ("by",), "actors": ("by",), "adapter": ("uses",), "allow": ("by",),
    "arguments": ("args",), "assert": ("that",), "assign": ("do",), "blueprint": ("to",),
    "bounds": ("range",),
    "can": ("do",), "choices": ("of",), "comment": ("doc",), "condition": ("when",), "config": ("with",),
    "deadline": ("at",), "description": ("doc",), "effect": ("run",), "effects": ("run",), "element": ("of",),
    "end": ("final",), "entity": ("to", "on"), "expr": ("that",), "expression": ("that",), "fail": ("error",),
    "failure": ("error",), "goto": ("to",), "guard": ("when",), "id": ("app",), "if": ("when",),
    "immutable": ("frozen",), "init": ("default",), "initial": ("default",), "input": ("args",),
    "items": ("of",), "joins": ("also",), "kind": ("type",), "label": ("doc",), "length": ("max",),
    "max": ("range",), "max_length": ("max",), "maximum": ("range", "max"), "maxlen": ("max",),
    "members": ("of",), "min": ("range",), "minimum": ("range",), "name": ("app", "blueprint"),
    "next": ("to",), "nullable": ("optional",), "on_error": ("error",), "on_failure": ("error",),
    "on_success": ("ok",), "options": ("of",), "parameters": ("args",), "params": ("args",),
    "readonly": ("frozen",), "ref": ("to",), "require": ("when",), "retries": ("attempts",),
    "retry": ("attempts",), "role": ("by",), "roles": ("by", "role"), "set": ("sets", "do"),
    "settings": ("with",), "size": ("max",), "source": ("from",), "start": ("initial",),
    "states": ("in", "state"), "success": ("ok",), "target": ("to", "on"), "terminal": ("final",),
    "timeout": ("after",),
    "title": ("doc",), "to": ("on",), "type": ("uses",), "update": ("do",), "updates": ("do",),
    "value": ("default",), "values": ("of",), "wait": ("waits",), "where": ("when",), "who": ("by",),
}  # fmt: skip
