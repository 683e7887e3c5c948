"""How the parts behind the API do."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.api.components import entries
from procorch.clock import micro_timestamp
from procorch.objects import MethodNotAllowed, NotFound


async def test_every_part_is_healthy_in_a_cluster_of_one_master(served):
    found = (await served.client.items("ComponentStatus")).objects

    assert [one["metadata"]["name"] for one in found] == ["controller-manager", "etcd-0", "scheduler"]
    assert all(one["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}] for one in found)
    assert (await served.client.get("ComponentStatus", "etcd-0"))["metadata"]["name"] == "etcd-0"
    with pytest.raises(NotFound):
        await served.client.get("ComponentStatus", "etcd-1")
    with pytest.raises(MethodNotAllowed):
        await served.client.create({"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": "x"}})
    chosen = await served.client.items("ComponentStatus", field_selector="metadata.name=scheduler")
    assert len(chosen.objects) == 1


class Shared:
    """An API whose store several masters share, as far as this question goes. renewed: the leader's Lease."""

    def __init__(self, renewed: float | None, now: float) -> None:
        self.log = self
        self.is_shared = True
        self.damaged: tuple[str, ...] = ()
        self.clock = lambda: now
        self._renewed = renewed

    def lookup(self, kind: str, key: str) -> Any:
        assert (kind, key) == ("Lease", "kube-system/procorch-master")
        return None if self._renewed is None else {"spec": {"renewTime": micro_timestamp(self._renewed)}}


@pytest.mark.parametrize(
    ("renewed", "status"),
    [
        pytest.param(1000.0, ("True", "ok"), id="somebody leads"),
        pytest.param(900.0, ("False", "no master leads: the last was heard of 101 s ago"), id="the leader is gone"),
        pytest.param(None, ("False", "no master leads"), id="nobody ever led"),
    ],
)
def test_of_several_masters_one_must_lead(renewed: float | None, status: tuple[str, str]) -> None:
    api: Any = Shared(renewed, 1001.0)

    conditions = [entry.object["conditions"][0] for entry in entries(api)]

    assert [(row["status"], row["message"]) for row in conditions] == [status, ("True", "ok"), status]


def test_a_damaged_store_is_told() -> None:
    api: Any = Shared(1000.0, 1001.0)
    api.damaged = ("one",)

    assert entries(api)[1].object["conditions"][0]["message"] == "1 damaged values: see `procorch check`"
