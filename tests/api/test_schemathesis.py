"""Whatever Schemathesis makes of the document, answers are as it says, and never a defect."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from tests.runtime.harness import example, read
from tests.runtime.processes import Process, serving

from lathe.api.wire.problem import PROBLEMS

EXAMPLES = 12
"""Requests to each operation: the whole is bounded to some half a minute."""
APPS = ("rollout", "lease_queue")
ELSEWHERE = ("/v1/checks", "/v1/blueprints", "/v1/simulations")
"""They run the verifier in a process of its own for each request that can be read."""
ENDLESS = "/v1/events"
"""A stream has no end that could be waited for."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("served")
    with serving(f"sqlite:{folder / 'data'}", folder) as process:
        for name in APPS:
            process.apply(example(name))
        roles = sorted({role for name in APPS for role in read(example(name)).roles})
        wanted = {"principal": "everyone", "kind": "person", "roles": roles, "scopes": ["operator"]}
        made = process.post("/v1/tokens", wanted)
        process.headers = {"authorization": f"Bearer {made.json()['token']}"}
        yield process


Met = set[tuple[str, int]]


def test_every_answer_is_documented_and_none_is_a_defect(process: Process) -> None:
    schema = schemathesis.openapi.from_url(f"{process.url}/openapi.json", headers=process.headers)
    operations = [found.ok() for found in schema.get_all_operations()]
    wanted = [
        o
        for o in operations
        if o.path != ENDLESS and (o.method.upper() == "GET" or not o.path.startswith(ELSEWHERE))
    ]
    met: Met = set()
    for operation in wanted:
        ask(operation, met, process.headers)
    assert len(wanted) > 15
    assert {200, 201, 404, 422} <= {status for _, status in met}


def ask(
    operation: schemathesis.APIOperation,  # type: ignore[type-arg]
    met: Met,
    headers: dict[str, str],
) -> None:
    """Some requests to one operation."""
    documented = {int(status) for status in operation.definition.raw["responses"] if status.isdigit()}

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    def asked(case: schemathesis.Case) -> None:
        response = case.call(timeout=20, headers=headers)
        met.add((operation.path, response.status_code))
        told = (case.as_curl_command(), response.text)
        assert response.status_code < 500, told
        assert response.status_code in documented, told
        case.validate_response(response, checks=[content_type_conformance, response_schema_conformance])
        if response.status_code >= 400:
            assert json.loads(response.content)["code"] in PROBLEMS, told

    asked()
