"""The transport of the master's own loops."""

from __future__ import annotations

import pytest

from procorch.api import LocalTransport, User
from procorch.transport import Unreachable


async def test_it_answers_as_a_socket_would(served):
    local, remote = served.client.transport, served.transport("kubernetes-admin", "system:masters")

    for path in ("/api/v1/namespaces/default", "/api/v1/namespaces/none", "/version"):
        near, far = await local.send("GET", path), await remote.send("GET", path)
        assert (near.status, near.body, near.headers["content-type"]) == (
            far.status, far.body, far.headers["content-type"],
        )  # fmt: skip
    await remote.close()


async def test_its_user_may_no_more_than_over_a_socket(served):
    assert (await LocalTransport(served.api, User("jane")).send("GET", "/api/v1/pods")).status == 403


async def test_leaving_a_stream_ends_the_watch(served):
    async with served.client.transport.stream("GET", "/api/v1/pods", query={"watch": "true"}) as answer:
        assert answer.status == 200 and len(served.api.listing.watches) == 1
    assert not served.api.listing.watches


async def test_closed_is_closed(served):
    transport = LocalTransport(served.api, User("jane"))
    await transport.close()

    with pytest.raises(Unreachable):
        await transport.send("GET", "/version")
