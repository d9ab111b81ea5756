"""The document names every route of the API, or it is said here why it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import jsonschema
from starlette.routing import Route
from tests.govern.house import KEY, house

from lathe.api.openapi_common import bodies, operations
from lathe.api.server import assemble
from lathe.gate.judge import ChildGate
from lathe.runtime.config import Config
from lathe.store.memory import MemoryStore

LEFT_OUT = {
    "/openapi.json": "it is the document",
    "/backup": "the copy of a store, for `lathe store backup` alone: no JSON",
    "/session": "what a browser's session is begun and ended with: a cookie, and no token",
    "/session/oidc": "the page that signs people in asks it",
    "/session/oidc/start": "a browser is sent on, with a cookie",
    "/session/oidc/callback": "a browser comes back from an issuer",
    "/in/{app}/{rest}": "what others send, as they send it: each app's `[inbound]` says what it takes",
}
APPS_OWN = {
    "/v1/{app}/{plural}": "{base}",
    "/v1/{app}/{plural}:take": "{base}:take",
    "/v1/{app}/{plural}/{id}": "{base}/{{id}}",
    "/v1/{app}/{plural}/{id}/journal": "{base}/{{id}}/journal",
    "/v1/{app}/{plural}/{id}/actions": "{base}/{{id}}/actions",
    "/v1/{app}/{plural}/{id}/visit": "{base}/{{id}}/visit",
    "/v1/{app}/{plural}/{id}/trace": "{base}/{{id}}/trace",
}
"""Routes of whatever is loaded, and how each collection has them."""


def served() -> Iterator[tuple[str, str]]:
    """Each path and method that a process answers."""
    assembly = assemble(Config(), MemoryStore(lambda: 0), ChildGate(), key=KEY)
    for route in assembly.api.routes:
        assert isinstance(route, Route)
        path = route.path.replace(":path}", "}").replace(":int}", "}")
        for method in route.methods or ():
            if method != "HEAD":
                yield path, method.lower()


def document() -> dict[str, Any]:
    """The document of a process that has the order example."""

    async def main() -> dict[str, Any]:
        async with house() as one:
            found: dict[str, Any] = (await one.ask(one.operator, "GET", "/openapi.json")).json()
            return found

    return asyncio.run(main())


def test_every_route_is_in_the_document_or_left_out_for_a_reason() -> None:
    paths = document()["paths"]
    base = "/v1/order/orders"
    there = {(path, method) for path, item in paths.items() for method in item if method != "parameters"}
    routes = set(served())
    for path, method in sorted(routes):
        if path not in LEFT_OUT:
            named = APPS_OWN.get(path, path).format(base=base) if path in APPS_OWN else path
            assert (named, method) in there, f"{method} {path}"
    assert (base, "post") in there and (f"{base}/{{id}}/cancel", "post") in there
    assert set(LEFT_OUT) <= {path for path, _ in routes}, "each of them is a route"
    fixed = set(operations())
    assert fixed <= routes, "the document promises nothing that is not answered"


def test_every_reference_of_the_document_leads_somewhere() -> None:
    found = document()
    names = set(found["components"]["schemas"])

    def references(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for inner in part.values():
                yield from references(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from references(inner)

    wanted = {reference.removeprefix("#/components/schemas/") for reference in references(found)}
    assert wanted <= names
    for name, schema in found["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name in wanted, f"nothing refers to {name}"


def test_each_operation_of_a_path_with_names_declares_them() -> None:
    for path, item in document()["paths"].items():
        declared = {one["name"] for one in item.get("parameters", ())}
        assert declared == {part[1:].partition("}")[0] for part in path.split("/") if part[:1] == "{"}, path
        for method, operation in item.items():
            if method != "parameters":
                assert operation["summary"] and operation["responses"], (method, path)


def test_bodies_are_described_by_the_types_that_they_are_read_as() -> None:
    for kind, (name, schema) in bodies().items():
        assert set(schema["properties"]) == set(kind.__struct_fields__), name  # type: ignore[call-overload]
        assert schema["additionalProperties"] is False, name
