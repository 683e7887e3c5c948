"""Prometheus' text."""

from __future__ import annotations

from procorch.api.metrics import Metrics


def test_buckets_are_cumulative_and_watches_have_no_latency():
    metrics = Metrics()
    metrics.count("get", "", "pods", 200, 0.0004)
    metrics.count("get", "", "pods", 404, 0.2)
    metrics.count("watch", "apps", "replicasets", 200, None)
    lines = metrics.text(
        {"revision": ("Revision.", {"": 7}), "objects": ("Objects.", {'resource="pods"': 2})}
    ).splitlines()

    labels = 'verb="GET",group="",resource="pods"'
    assert f'apiserver_request_total{{{labels},code="404"}} 1' in lines
    assert f'apiserver_request_duration_seconds_bucket{{{labels},le="0.001"}} 1' in lines
    assert f'apiserver_request_duration_seconds_bucket{{{labels},le="+Inf"}} 2' in lines
    assert f"apiserver_request_duration_seconds_count{{{labels}}} 2" in lines
    assert not any("duration" in line and "WATCH" in line for line in lines)
    assert lines[-4:] == [
        "revision 7", "# HELP objects Objects.", "# TYPE objects gauge", 'objects{resource="pods"} 2',
    ]  # fmt: skip
