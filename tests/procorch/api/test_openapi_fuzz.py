"""What our own OpenAPI says may be sent is sent, right and wrong, to every operation: nothing makes the API fail."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client

EXAMPLES = 200 if os.environ.get("FAULTS") == "long" else 1
VERSIONS = ("api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1", "apis/discovery.k8s.io/v1",
            "apis/certificates.k8s.io/v1", "apis/procorch.dev/v1")  # fmt: skip


class Asked:
    """An API in memory, asked from code that is not asynchronous."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.run(self._start())

    def run(self, work):
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    async def _start(self) -> None:
        self.log = await store.Log.open(":memory:")
        self.api = Api(self.log)
        await self.api.start()
        self.transport = LocalTransport(self.api, User("admin", (MASTERS,)))
        about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        await Client(self.transport).create(about)

    async def send(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes):
        """The code and the first bytes of the answer."""
        async with self.transport.stream(method, path, query=query, headers=headers, body=body) as answer:
            if answer.status < 500:
                return answer.status, b""
            return answer.status, b"".join([chunk async for chunk in answer.chunks])

    async def end(self) -> None:
        await self.api.close()
        await self.log.close()


@pytest.fixture
def asked():
    made = Asked()
    yield made
    made.run(made.end())
    made.loop.close()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.timeout(1200)
def test_no_operation_fails(asked: Asked, version: str) -> None:
    served = asked.run(asked.transport.send("GET", f"/openapi/v3/{version}"))
    schema = schemathesis.openapi.from_dict(json.loads(served.body))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert operations
    for operation in operations:
        _send(asked, operation)


def _send(asked: Asked, operation) -> None:
    @seed(1)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=operation.as_strategy(), name=st.sampled_from(["default", "a", "kube-root-ca.crt"]))
    def each(case, name: str) -> None:
        path = case.path
        for parameter in case.path_parameters or {}:
            path = path.replace(f"{{{parameter}}}", "default" if parameter == "namespace" else name)
        query = {key: str(value) for key, value in (case.query or {}).items()}
        sent = b"" if isinstance(case.body, schemathesis.core.NotSet) else json.dumps(case.body).encode()
        headers = {"Content-Type": case.media_type or "application/json"}
        status, answer = asked.run(asked.send(case.method.upper(), path, query, headers, sent))
        assert status < 500 or status in (503, 504), (case.method, path, query, sent[:500], answer[:500])

    each()
