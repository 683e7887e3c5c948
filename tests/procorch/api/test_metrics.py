"""Prometheus' text, read by its own parser."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from procorch.api.metrics import Metrics
from procorch.exposition import Family, process_families

GET = ("GET", "", "", "v1", "pods", "", "resource")
POST = ("POST", "All", "apps", "v1", "replicasets", "scale", "resource")


def read(text):
    """name → labels → value; and the types."""
    values, types = {}, {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        types[family.name] = family.type
        for sample in family.samples:
            values.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return values, types


def labels(series, **more):
    names = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope")
    return tuple(sorted({**dict(zip(names, series, strict=True)), "component": "apiserver", **more}.items()))


def test_requests_are_counted_by_code_and_their_latencies_are_cumulative():
    metrics = Metrics()
    metrics.count(GET, 200, 0.0004, 1500)
    metrics.count(GET, 404, 0.15, 200)
    metrics.count(POST, 201, 70.0, 3000)

    values, types = read(metrics.text([]))

    assert types["apiserver_request"] == "counter" and types["apiserver_request_duration_seconds"] == "histogram"
    assert values["apiserver_request_total"][labels(GET, code="404")] == 1
    buckets = values["apiserver_request_duration_seconds_bucket"]
    counts = [buckets[labels(GET, le=bound)] for bound in ("0.001", "0.1", "0.2", "60", "+Inf")]
    assert counts == [1, 1, 2, 2, 2]
    assert [buckets[labels(POST, le=bound)] for bound in ("60", "+Inf")] == [0, 1]
    assert values["apiserver_request_duration_seconds_count"][labels(GET)] == 2
    assert values["apiserver_request_duration_seconds_sum"][labels(GET)] == 0.1504
    sizes = values["apiserver_response_sizes_bucket"]
    wanted = dict(labels(GET)) | {"le": "1000"}
    del wanted["dry_run"]
    assert sizes[tuple(sorted(wanted.items()))] == 1


def test_watches_have_no_latency():
    metrics = Metrics()
    metrics.count(("WATCH", *GET[1:]), 200, None, 0)

    values, _ = read(metrics.text([]))

    assert len(values["apiserver_request_total"]) == 1
    assert "apiserver_request_duration_seconds_count" not in values


def test_what_is_counted_elsewhere_stands_beside_it():
    text = Metrics().text([
        Family("revision", "Revision.", "gauge", {"": 7}),
        Family("events_total", "Events.", "counter", {'resource="pods"': 2, 'resource="nodes"': 0.5}),
    ])  # fmt: skip

    values, types = read(text)

    assert types["revision"] == "gauge" and types["events"] == "counter"
    assert values["revision"] == {(): 7}
    assert values["events_total"] == {(("resource", "pods"),): 2, (("resource", "nodes"),): 0.5}


def test_a_process_tells_of_itself():
    values, types = read(Metrics().text(process_families()))

    assert values["process_resident_memory_bytes"][()] > 10_000_000
    assert 3 <= values["process_open_fds"][()] <= values["process_max_fds"][()]
    assert types["process_cpu_seconds"] == "counter"
