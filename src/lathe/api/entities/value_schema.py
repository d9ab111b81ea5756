"""JSON Schema of a type's values as the API sends and accepts them."""

from __future__ import annotations

from lathe.lang.types import Type


def value_schema(kind: Type) -> dict[str, object]:
    """The JSON Schema of a value as it is sent and told."""
    match kind.kind:
        case "bool":
            return {"type": "boolean"}
        case "int":
            return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
        case "enum":
            return {"enum": [*kind.members]}
        case "time":
            return {"type": "string", "format": "date-time"}
        case "json":
            return {}
        case "set":
            assert kind.element is not None, "a set has an element type"
            bound = {} if kind.maximum is None else {"maxItems": kind.maximum}
            return {"type": "array", "items": value_schema(kind.element), "uniqueItems": True, **bound}
        case _:
            return (
                {"type": "string"} if kind.maximum is None else {"type": "string", "maxLength": kind.maximum}
            )
