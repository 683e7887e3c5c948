"""Lists in pages: of one snapshot, and onward from the last key where that is gone."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from procorch.client import Client
from procorch.objects import Expired
from tests.conformance.cluster import Cluster, obj, pod_spec

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 400


@pytest_asyncio.fixture(loop_scope="module")
async def templates(client: Client, ns: str) -> list[str]:
    """The names, in their order."""
    names = [f"template-{number:04}" for number in range(COUNT)]
    body = {"template": {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()}}
    await asyncio.gather(*(client.create(obj("PodTemplate", name, ns, **body)) for name in names))
    return names


async def test_pages_are_one_snapshot(client: Client, ns: str, templates: list[str]) -> None:
    names: list[str] = []
    token, first, limit = "", None, 17
    while True:
        page = await client.items("PodTemplate", ns, limit=limit, continue_token=token)
        first = first or page.resource_version
        names += [one["metadata"]["name"] for one in page.objects]
        assert len(page.objects) <= limit and page.resource_version == first
        assert (page.remaining or 0) == COUNT - len(names)
        token = page.continue_token
        if len(names) == 17:
            await client.delete("PodTemplate", f"{ns}/{templates[-1]}")
        if not token:
            break
        limit += 5
    assert names == templates
    whole = await client.items("PodTemplate", ns)
    assert [one["metadata"]["name"] for one in whole.objects] == templates[:-1]
    assert whole.continue_token == "" and whole.remaining is None


async def test_an_expired_token_goes_on_at_the_present(
    cluster: Cluster, client: Client, ns: str, templates: list[str]
) -> None:
    first = await client.items("PodTemplate", ns, limit=40)
    assert first.remaining == COUNT - 40
    await client.delete("PodTemplate", f"{ns}/{templates[50]}")
    await cluster.log.compact(cluster.log.revision)
    with pytest.raises(Expired) as caught:
        await client.items("PodTemplate", ns, limit=40, continue_token=first.continue_token)
    assert caught.value.continue_token
    names = [one["metadata"]["name"] for one in first.objects]
    token, version = caught.value.continue_token, ""
    while token:
        page = await client.items("PodTemplate", ns, limit=40, continue_token=token)
        version = version or page.resource_version
        assert page.resource_version == version
        names += [one["metadata"]["name"] for one in page.objects]
        token = page.continue_token
    assert names == [name for name in templates if name != templates[50]]
