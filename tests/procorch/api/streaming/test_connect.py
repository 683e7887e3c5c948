"""Who may have which connection, and the words for what cannot be."""

from __future__ import annotations

import aiohttp
import pytest

UPGRADE = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}


async def refused(streams, what, **headers):
    async with streams.session.post(f"{streams.base}/{what}", ssl=streams.context, headers=UPGRADE | headers) as answer:
        return answer.status, (await answer.json())["message"]


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        ("exec", 400, "you must specify at least one command for the container"),
        ("exec?command=x&stdout=false&stderr=false", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("exec?command=x&container=zz", 400, "container zz is not valid for pod a"),
        ("exec?command=absent", 404, 'container not found ("main")'),
        ("portforward?ports=0", 400, 'unable to parse "0" as a port: must be between 1 and 65535'),
        ("portforward?ports=x", 400, 'unable to parse "x" as a port: must be between 1 and 65535'),
    ],
)
async def test_what_cannot_be(streams, what, status, said):
    assert await refused(streams, what) == (status, said)


async def test_without_an_upgrade(streams):
    assert await refused(streams, "exec?command=x", Upgrade="h2c") == (400, "Upgrade request required")


async def test_of_no_pod(streams):
    streams.base = streams.base.removesuffix("a") + "nope"
    assert await refused(streams, "exec?command=x") == (404, 'pods "nope" not found')


async def test_of_a_pod_on_no_node(streams, served):
    spec = {"schedulerName": "none", "containers": [{"name": "m", "image": "host", "command": ["x"]}]}
    await served.client.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b", "namespace": "default"}, "spec": spec}
    )
    streams.base = streams.base.removesuffix("a") + "b"
    assert await refused(streams, "attach") == (400, "pod b does not have a host assigned")


async def test_of_a_node_that_is_not_there(streams, served):
    served.api.links["n1"].close("gone")
    status, said = await refused(streams, "attach")
    assert (status, said) == (503, 'node "n1" is not connected to the API server')


async def test_a_get_needs_the_right_to_create(streams, served):
    """A GET that upgrades writes as much as a POST does."""
    context = served.context("somebody")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
            await session.ws_connect(f"{streams.base}/exec?command=cat", ssl=context, protocols=("v5.channel.k8s.io",))
    assert failure.value.status == 403
