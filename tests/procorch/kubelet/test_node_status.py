"""What a node says of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.kubelet.measured import Measured
from procorch.kubelet.node_status import (
    NodeConfig,
    allocatable,
    capacity,
    conditions,
    node_object,
    system_info,
)
from procorch.quantity import byte_count, cpu_millis

GIB = 1 << 30
CONFIG = NodeConfig("one", "10.0.0.1", Path("/"))
WELL = Measured(4, 8 * GIB, 6 * GIB, 100 * GIB, 50 * GIB, 1000, 900, 30_000, {"2Mi": 0})


@pytest.mark.parametrize(
    ("pressure", "reason"),
    [
        ("MemoryPressure", "KubeletHasInsufficientMemory"),
        ("DiskPressure", "KubeletHasDiskPressure"),
        ("PIDPressure", "KubeletHasInsufficientPID"),
    ],
)
def test_pressure_is_told(pressure: str, reason: str) -> None:
    rows = {row["type"]: row for row in conditions([pressure], {}, 0.0)}

    assert [name for name, row in rows.items() if row["status"] == "True"] == [pressure, "Ready"]
    assert rows[pressure]["reason"] == reason


def test_a_transition_has_its_time_and_a_heartbeat_another() -> None:
    old: dict[str, Any] = {row["type"]: row for row in conditions((), {}, 100.0)}

    rows = {row["type"]: row for row in conditions((), old, 200.0, "no network")}

    assert rows["MemoryPressure"]["lastTransitionTime"] == timestamp(100)
    assert rows["MemoryPressure"]["lastHeartbeatTime"] == timestamp(200)
    assert rows["Ready"]["lastTransitionTime"] == timestamp(200)
    assert (rows["Ready"]["reason"], rows["Ready"]["message"]) == ("KubeletNotReady", "no network")


def test_what_pods_may_have_is_less_than_what_there_is() -> None:
    whole, left = capacity(CONFIG, WELL), allocatable(CONFIG, WELL)

    assert set(whole) == set(left) == {"cpu", "ephemeral-storage", "hugepages-2Mi", "memory", "pods"}
    assert cpu_millis(left["cpu"]) <= cpu_millis(whole["cpu"]) == 4000
    for name in ("memory", "ephemeral-storage"):
        assert byte_count(left[name]) < byte_count(whole[name])


def test_what_is_reserved_and_what_eviction_keeps_is_not_for_pods() -> None:
    config = replace(CONFIG, reserved={"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "10Gi"})

    left = allocatable(config, WELL)
    assert (left["cpu"], left["memory"]) == ("3500m", f"{(7 << 20) - (100 << 10)}Ki")
    assert byte_count(left["ephemeral-storage"]) == 80 * GIB


def test_the_node_has_both_forms_of_its_labels() -> None:
    metadata = node_object(replace(CONFIG, labels={"zone": "a"}))["metadata"]

    assert metadata["labels"]["kubernetes.io/hostname"] == "one"
    assert metadata["labels"]["beta.kubernetes.io/arch"] == metadata["labels"]["kubernetes.io/arch"]
    assert metadata["labels"]["zone"] == "a"
    assert "node.alpha.kubernetes.io/ttl" in metadata["annotations"]


def test_system_information_is_whole() -> None:
    info = system_info()

    assert info["kubeletVersion"] == info["kubeProxyVersion"] == "v1.37.0"
    assert info["containerRuntimeVersion"] == "procorch://0.1.0"
    assert info["bootID"] and info["kernelVersion"] and info["osImage"]
