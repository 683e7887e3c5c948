"""cAdvisor's page, read by Prometheus' own parser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from procorch.exposition import text
from procorch.kubelet.cadvisor import Machine, cadvisor_families
from procorch.kubelet.disks import PodDisk
from procorch.kubelet.measuring import Container, Measured, Pod, Used
from procorch.kubelet.traffic import Traffic
from runtime.disk import Disk
from runtime.usage import Detail, Pressure, Stall, Usage

NOW = 1_700_000_000.0
POD = Pod("d", "web", "u", "procorch/web", NOW - 60, (Container("c", "procorch/web/c.0", NOW - 50, "host"),), 7, Path())
USED = Used(Usage(1_500_000_000, 100, 80, 60, 20, 5, 1, 11, 2, 3), 5, 15.0)
MACHINE = Machine(
    2,
    1000,
    {"procorch/web/c.0": Detail(10**9, 5 * 10**8, 9, 4, 3 * 10**9, 4096, 200, 1, {"io": Pressure(Stall(2_000_000))})},
    {"u": [Traffic("eth0", *range(8))]},
    {"u": PodDisk({"c": Disk(512, 1)})},
    {"cpu": Pressure(Stall(), Stall(500_000))},
)


def page() -> dict[str, list[Any]]:
    measured = Measured(NOW, (POD,), dict.fromkeys(("", "procorch/web", "procorch/web/c.0"), USED))
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(text(cadvisor_families(measured, MACHINE))):
        assert family.name not in found, "each family once"
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_node_pod_and_container_have_their_labels() -> None:
    usage = page()["container_cpu_usage_seconds_total"]
    assert [sample.value for sample in usage] == [1.5] * 3
    assert [sample.labels["id"] for sample in usage] == ["/", "/procorch/web", "/procorch/web/c.0"]
    assert usage[2].labels == {
        "cpu": "total",
        "container": "c",
        "id": "/procorch/web/c.0",
        "image": "host",
        "name": "web/c.0",
        "namespace": "d",
        "pod": "web",
    }
    assert (usage[1].labels["container"], usage[1].labels["pod"]) == ("", "web")
    assert usage[0].timestamp == NOW


def test_all_that_is_known_is_told() -> None:
    found = {
        name: {sample.labels.get("container", ""): sample.value for sample in samples}
        for name, samples in page().items()
    }
    for name, value in {
        "container_cpu_user_seconds_total": 1,
        "container_cpu_system_seconds_total": 0.5,
        "container_cpu_cfs_periods_total": 9,
        "container_cpu_cfs_throttled_periods_total": 4,
        "container_cpu_cfs_throttled_seconds_total": 3,
        "container_memory_working_set_bytes": 80,
        "container_memory_usage_bytes": 100,
        "container_memory_rss": 60,
        "container_memory_cache": 20,
        "container_memory_max_usage_bytes": 200,
        "container_spec_memory_limit_bytes": 4096,
        "container_oom_events_total": 1,
        "container_fs_usage_bytes": 512,
        "container_processes": 3,
        "container_start_time_seconds": NOW - 50,
        "container_pressure_io_waiting_seconds_total": 2,
        "container_pressure_io_stalled_seconds_total": 0,
    }.items():
        assert found[name]["c"] == value, name
    assert found["container_pressure_cpu_stalled_seconds_total"] == {"": 0.5}
    assert found["machine_memory_bytes"] == {"": 1000} and found["machine_cpu_cores"] == {"": 2}


def test_faults_and_interfaces_are_told_apart_by_labels() -> None:
    found = page()
    faults = {sample.labels["failure_type"]: sample.value for sample in found["container_memory_failures_total"]}
    assert faults == {"pgfault": 11, "pgmajfault": 2}
    (received,) = found["container_network_receive_packets_dropped_total"]
    assert (received.labels["interface"], received.labels["pod"], received.value) == ("eth0", "web", 3)
