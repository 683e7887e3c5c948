"""Jobs that have ended go when their time is over."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.clock import timestamp
from procorch.controllers import garbage, job, ttl_after_finished
from procorch.controllers.ttl_after_finished import plan
from procorch.objects import Object
from tests.procorch.controllers.test_job import manifest

NOW = 1_000_000.0


def ended(ttl: int | None, ago: float, type_: str = "Complete", status: str = "True") -> Object:
    row = {"type": type_, "status": status, "lastTransitionTime": timestamp(NOW - ago)}
    spec = {} if ttl is None else {"ttlSecondsAfterFinished": ttl}
    return {"metadata": {"name": "j"}, "spec": spec, "status": {"conditions": [row]}}


@pytest.mark.parametrize(
    ("there", "left"),
    [
        pytest.param(ended(None, 5), None, id="it may stay"),
        pytest.param(ended(10, 4), 6, id="not yet"),
        pytest.param(ended(10, 10), 0, id="now"),
        pytest.param(ended(0, 0, "Failed"), 0, id="failed, and at once"),
        pytest.param(ended(0, 5, "FailureTarget"), None, id="not yet failed"),
        pytest.param(ended(0, 5, status="False"), None, id="not so"),
    ],
)
def test_when_it_goes(there: Object, left: float | None) -> None:
    assert plan(there, NOW) == left


def test_what_is_being_deleted_is_left_alone() -> None:
    there = ended(0, 5)
    there["metadata"]["deletionTimestamp"] = timestamp(NOW)

    assert plan(there, NOW) is None


async def test_it_takes_its_pods_along(client: Client, running: Any, eventually: Any) -> None:
    async with running(ttl_after_finished.CONTROLLER, job.CONTROLLER, garbage.CONTROLLER):
        await client.create(manifest(completions=0, ttlSecondsAfterFinished=1))

        async def is_gone() -> bool:
            return not (await client.items("Job", "d")).objects

        await eventually(is_gone)
