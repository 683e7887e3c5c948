"""What our own OpenAPI says may be sent is sent, right and wrong, to every operation: nothing makes the API fail."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from procorch.api import reviews
from procorch.kinds import KINDS
from tests.procorch.api.asked import Asked

EXAMPLES = 50 if os.environ.get("FAULTS") == "long" else 1
VERSIONS = tuple(
    dict.fromkeys(f"{'apis' if kind.group else 'api'}/{kind.api_version}" for kind in (*KINDS, *reviews.KINDS))
)


@pytest.fixture
def asked() -> Iterator[Asked]:
    made = Asked()
    yield made
    made.end()


def test_every_document_is_tried(asked: Asked) -> None:
    served = asked.run(asked.transport.send("GET", "/openapi/v3"))

    assert set(json.loads(served.body)["paths"]) == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.timeout(3600)
def test_no_operation_fails(asked: Asked, version: str) -> None:
    served = asked.run(asked.transport.send("GET", f"/openapi/v3/{version}"))
    schema = schemathesis.openapi.from_dict(json.loads(served.body))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert operations
    for operation in operations:
        _send(asked, operation)


def _send(asked: Asked, operation: Any) -> None:
    @seed(1)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(), name=st.sampled_from(["default", "a", "kube-root-ca.crt"]))
    def each(case: Any, name: str) -> None:
        path = case.path
        for parameter in case.path_parameters or {}:
            path = path.replace(f"{{{parameter}}}", "default" if parameter == "namespace" else name)
        query = {key: str(value) for key, value in (case.query or {}).items()}
        sent = b"" if isinstance(case.body, schemathesis.core.NotSet) else json.dumps(case.body).encode()
        asked.check(case.method.upper(), path, query, case.media_type or "application/json", sent)

    each()
