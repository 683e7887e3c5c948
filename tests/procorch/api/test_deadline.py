"""A client's `?timeout=`: read as Go reads durations, and kept."""

from __future__ import annotations

import asyncio

import pytest

from procorch.api.deadline import LONGEST, seconds_of, within
from procorch.objects import ApiError, BadRequest, Timeout

PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("32s", 32),
        ("1m", LONGEST),
        ("10h", LONGEST),
        ("1.5s", 1.5),
        ("0", None),
        ("0s", None),
        ("-1s", None),
        ("", None),
    ],
)
def test_a_time_is_kept_up_to_the_longest(text, seconds):
    assert seconds_of({"timeout": text}) == seconds
    assert seconds_of({}) is None


@pytest.mark.parametrize("path", ["/version", "/api", PODS, f"{PODS}/p"])
async def test_what_is_no_time_is_refused(served, path):
    with pytest.raises(BadRequest) as refused:
        await served.client.raw("GET", path, query={"timeout": "10"})

    why = 'invalid timeout specified in the request URL - time: missing unit in duration "10"'
    assert refused.value.message == why


async def test_a_watch_has_another_option_for_that(served):
    transport = served.transport("kubernetes-admin", "system:masters")
    async with transport.stream("GET", PODS, query={"watch": "1", "timeout": "1x", "timeoutSeconds": "1"}) as answer:
        assert answer.status == 200
    await transport.close()


async def test_who_waits_for_a_version_that_never_comes_is_told_in_time(served):
    with pytest.raises(Timeout) as refused:
        await served.client.raw("GET", PODS, query={"timeout": "10ms", "resourceVersion": "999999"})

    assert refused.value.message.endswith("within requested timeout - context deadline exceeded")
    assert refused.value.code == 504


async def test_another_timeout_inside_is_not_the_clients():
    async def fails() -> None:
        raise TimeoutError("another one")

    with pytest.raises(TimeoutError, match="another one"):
        await within(10.0, fails())
    with pytest.raises(ApiError, match="requested timeout"):
        await within(0.001, asyncio.sleep(10))
