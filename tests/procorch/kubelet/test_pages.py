"""What a node says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from multidict import MultiDict
from prometheus_client.parser import text_string_to_metric_families

from procorch.kubelet.measuring import Container, Measured, Measuring, Pod, Used
from procorch.kubelet.metrics import ProbeCounts
from procorch.kubelet.pages import NodeFacts, Pages, usage
from runtime.usage import Detail, Usage

NOW = 1_700_000_000.0
PODS = [{"metadata": {"name": "a"}}]


class Stream:
    """What was answered."""

    def __init__(self) -> None:
        self.head: dict[str, Any] = {}
        self.body = b""

    async def respond(self, head: dict[str, Any]) -> None:
        self.head = head

    async def write(self, data: bytes) -> None:
        self.body += data


class Groups:
    """Half a core, and 4 KiB, for everybody."""

    def __init__(self) -> None:
        self.seconds = 0

    def usage(self, path: str) -> Usage:
        return Usage(cpu_nanos=self.seconds * 500_000_000, working_set_bytes=4096)

    def detail(self, path: str) -> Detail:
        return Detail()


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    groups = Groups()

    async def pause(seconds: float) -> None:
        groups.seconds += int(seconds)

    pod = Pod("d", "web", "u", "g", NOW - 60, (Container("c", "g/c", NOW - 50, "host"),), 0, tmp_path)
    measuring = Measuring(
        lambda: groups, lambda: [pod], lambda: NOW, timer=lambda: float(groups.seconds), pause=pause
    )  # fmt: skip
    node = NodeFacts("n1", tmp_path, 1 << 30, "procorch", {"maxPods": 110})
    return Pages(node, lambda: PODS, lambda: {"running": 1}, measuring, ProbeCounts())


async def ask(pages: Pages, path: str, **query: str) -> Stream:
    stream, (first, *rest) = Stream(), path.split("/")
    await pages.routes[first](rest, MultiDict(query), stream)  # type: ignore[arg-type]
    return stream


async def test_it_answers_that_it_is_well(pages: Pages) -> None:
    stream = await ask(pages, "healthz")
    assert (stream.head["status"], stream.body) == (200, b"ok")


async def test_its_pods_are_a_list(pages: Pages) -> None:
    stream = await ask(pages, "pods")
    assert stream.head["headers"]["Content-Type"] == "application/json"
    assert json.loads(stream.body) == {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": PODS}


async def test_it_shows_its_settings(pages: Pages) -> None:
    shown = json.loads((await ask(pages, "configz")).body)["kubeletconfig"]
    assert (shown["kind"], shown["maxPods"]) == ("KubeletConfiguration", 110)


async def test_it_sums_up_what_is_used(pages: Pages) -> None:
    whole = json.loads((await ask(pages, "stats/summary")).body)
    assert whole["pods"][0]["containers"][0]["cpu"]["usageNanoCores"] == 500_000_000
    assert whole["node"]["fs"]["capacityBytes"] > 0 and whole["node"]["rlimit"]["curproc"] > 0
    lean = json.loads((await ask(pages, "stats/summary", only_cpu_and_memory="true")).body)
    assert "fs" not in lean["node"] and lean["node"]["cpu"] == {
        name: value for name, value in whole["node"]["cpu"].items() if name != "psi"
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("metrics", "kubelet_running_pods"),
        ("metrics/resource", "container_memory_working_set_bytes"),
        ("metrics/cadvisor", "container_memory_rss"),
    ],
)
async def test_prometheus_reads_its_pages(pages: Pages, path: str, name: str) -> None:
    stream = await ask(pages, path)
    assert stream.head["headers"]["Content-Type"].startswith("text/plain; version=0.0.4")
    assert name in {family.name for family in text_string_to_metric_families(stream.body.decode())}


@pytest.mark.parametrize("path", ["metrics/other", "stats", "stats/container"])
async def test_other_pages_are_not_there(pages: Pages, path: str) -> None:
    assert (await ask(pages, path)).head["status"] == 404


async def test_masters_are_told_nanocores_and_bytes(pages: Pages) -> None:
    row = {"nanocores": 500_000_000, "bytes": 4096, "window": 1.0}
    assert json.loads((await ask(pages, "usage")).body) == {
        "timestamp": "2023-11-14T22:13:20Z",
        "node": row,
        "pods": [{"namespace": "d", "name": "web", "uid": "u", "containers": [{"name": "c", **row}]}],
    }


def test_a_pod_of_which_a_container_was_not_measured_is_left_out() -> None:
    two = tuple(Container(name, f"g/{name}", 0.0) for name in "ab")
    pod = Pod("d", "web", "u", "g", 0.0, two)
    good, not_yet = Used(Usage(), 5, 15.0), Used(Usage(), None, 0.0)
    for groups in ({"g/a": good}, {"g/a": good, "g/b": not_yet}):
        assert usage(Measured(NOW, (pod,), groups))["pods"] == []
    assert len(usage(Measured(NOW, (pod,), {"g/a": good, "g/b": good}))["pods"]) == 1
