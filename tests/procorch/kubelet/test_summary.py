"""/stats/summary, field by field."""

from __future__ import annotations

from pathlib import Path

from procorch.kubelet.disks import PodDisk
from procorch.kubelet.measuring import Container, Measured, Pod, Used
from procorch.kubelet.summary import Facts, summary, without_details
from procorch.kubelet.traffic import Traffic
from runtime.disk import Disk, FileSystem
from runtime.usage import Detail, Pressure, Stall, Usage

AT = "2023-11-14T22:13:20Z"
NOW = 1_700_000_000.0
POD = Pod("d", "web", "u", "procorch/web", NOW - 60, (Container("c", "procorch/web/c.0", NOW - 50),), 7, Path("/p"))
USAGE = Usage(9000, 100, 80, 60, 20, 5, 1, 11, 2, 3)
FACTS = Facts(
    "n1",
    1000,
    NOW - 3600,
    FileSystem(100, 40, 60, 10, 4),
    {"procorch/web/c.0": Detail(memory_limit_bytes=200, pressure={"memory": Pressure(Stall(5, 0.5), Stall(3))})},
    {"cpu": Pressure(Stall(7, 1.0, 2.0, 3.0), Stall()), "io": Pressure()},
    {"u": PodDisk({"c": Disk(4, 2)}, {"c": Disk(8, 1)}, {("empty-dir", "data"): Disk(16, 3)})},
    {"": [Traffic("eth0", *range(8))], "u": [Traffic("eth0", *range(10, 18))]},
    {"pods": "procorch"},
    (4194304, 300),
)


def measured(**more: Used | None) -> Measured:
    groups = {"": Used(USAGE, 5, 15.0), "procorch": Used(USAGE, 6, 15.0), "procorch/web": Used(USAGE, 7, 15.0),
              "procorch/web/c.0": Used(USAGE, None, 0.0)}  # fmt: skip
    return Measured(NOW, (POD,), groups)


def test_a_node_says_what_it_uses_in_all() -> None:
    node = summary(measured(), FACTS)["node"]
    assert node["nodeName"] == "n1" and node["startTime"] == "2023-11-14T21:13:20Z"
    stall = {"total": 7000, "avg10": 1.0, "avg60": 2.0, "avg300": 3.0}
    assert node["cpu"] == {
        "time": AT,
        "usageNanoCores": 5,
        "usageCoreNanoSeconds": 9000,
        "psi": {"full": {"total": 0, "avg10": 0.0, "avg60": 0.0, "avg300": 0.0}, "some": stall},
    }
    assert node["memory"] == {
        "time": AT,
        "availableBytes": 920,
        "usageBytes": 100,
        "workingSetBytes": 80,
        "rssBytes": 60,
        "pageFaults": 11,
        "majorPageFaults": 2,
    }
    assert "io" in node and node["network"]["rxBytes"] == 0 and node["network"]["interfaces"][0]["txErrors"] == 6
    assert (node["fs"]["usedBytes"], node["fs"]["inodesUsed"], node["rlimit"]["curproc"]) == (60, 6, 300)
    assert node["systemContainers"][0]["name"] == "pods" and node["systemContainers"][0]["cpu"]["usageNanoCores"] == 6


def test_a_pod_and_its_containers() -> None:
    (pod,) = summary(measured(), FACTS)["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "d", "uid": "u"}
    assert pod["cpu"]["usageNanoCores"] == 7 and pod["network"]["rxBytes"] == 10
    assert pod["process_stats"] == {"process_count": 3}
    assert pod["volume"][0]["name"] == "data" and pod["volume"][0]["usedBytes"] == 16
    assert (pod["ephemeral-storage"]["usedBytes"], pod["ephemeral-storage"]["inodesUsed"]) == (28, 6)
    (container,) = pod["containers"]
    assert container["memory"]["availableBytes"] == 120
    assert container["memory"]["psi"]["some"]["total"] == 5000
    assert "usageNanoCores" not in container["cpu"], "no rate yet"
    assert (container["rootfs"]["usedBytes"], container["logs"]["usedBytes"]) == (4, 8)


def test_only_cpu_and_memory_are_left_for_who_wants_no_more() -> None:
    lean = without_details(summary(measured(), FACTS))
    assert set(lean["node"]) == {"nodeName", "startTime", "systemContainers", "cpu", "memory"}
    assert set(lean["pods"][0]) == {"podRef", "startTime", "containers", "cpu", "memory"}
    assert set(lean["pods"][0]["containers"][0]) == {"name", "startTime", "cpu", "memory"}


def test_what_is_gone_by_now_has_no_figures() -> None:
    made = summary(Measured(NOW, (POD,), {}), FACTS)
    assert "cpu" not in made["node"] and "memory" not in made["pods"][0]
