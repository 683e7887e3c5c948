"""The kubelet's own pages for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from procorch.exposition import Family, text
from procorch.kubelet.measuring import Container, Measured, Pod, Used
from procorch.kubelet.metrics import ProbeCounts, agent_families, container_states, resource_families
from procorch.kubelet.record import Attempt, PodRecord
from runtime.usage import Usage

NOW = 1_700_000_000.0
POD = Pod("d", "web", "u", "g", NOW - 60, (Container("c", "g/c", NOW - 50), Container("x", "g/x", 0.0)), 7, Path())


def read(families: list[Family]) -> dict[str, Any]:
    return {
        sample.name: (sample.labels, sample.value, sample.timestamp)
        for family in text_string_to_metric_families(text(families))
        for sample in family.samples
    }


def test_what_metrics_server_reads() -> None:
    used = Used(Usage(cpu_nanos=1_500_000_000, working_set_bytes=80, swap_bytes=3), None, 0.0)
    found = read(resource_families(Measured(NOW, (POD,), dict.fromkeys(("", "g", "g/c"), used))))
    about = {"container": "c", "namespace": "d", "pod": "web"}
    assert found["container_cpu_usage_seconds_total"] == (about, 1.5, NOW)
    assert found["container_memory_working_set_bytes"] == (about, 80, NOW)
    assert found["container_start_time_seconds"] == (about, NOW - 50, NOW)
    assert found["pod_cpu_usage_seconds_total"] == ({"namespace": "d", "pod": "web"}, 1.5, NOW)
    assert found["node_memory_working_set_bytes"] == ({}, 80, NOW)
    assert found["node_swap_usage_bytes"][1] == 3 and found["resource_scrape_error"][1] == 0


def test_where_there_are_no_figures_that_is_told() -> None:
    assert read(resource_families(Measured(NOW, (), {}))) == {"resource_scrape_error": ({}, 1.0, None)}


def test_the_agent_says_how_much_it_has_to_do() -> None:
    record = PodRecord()
    record.of("a").current = Attempt(0, "s")
    record.of("b").current = Attempt(0, "s", finished_at=1.0)
    record.of("c")
    found = read(agent_families("n1", "v1.37.0", 1, container_states([record])))
    assert found["kubelet_running_pods"][1] == 1
    assert found["kubelet_running_containers"] == ({"container_state": "running"}, 1, None)
    assert found["kubernetes_build_info"][0] == {"major": "1", "minor": "37", "git_version": "v1.37.0"}
    assert found["process_resident_memory_bytes"][1] > 1 << 20


def test_probes_are_counted_until_their_pod_has_gone() -> None:
    probes, pod = ProbeCounts(), {"name": "web", "namespace": "d", "uid": "u"}
    for result in ("successful", "successful", "failed"):
        probes.count(pod, "c", "Liveness", result)
    said = text(probes.families())
    row = 'container="c",namespace="d",pod="web",pod_uid="u",probe_type="Liveness",result='
    assert f'prober_probe_total{{{row}"successful"}} 2' in said and f'{{{row}"failed"}} 1' in said
    probes.forget("u")
    assert text(probes.families()) == ""
