"""`procorch describe` against a real API: each kind's page, and what happened to the object."""

from __future__ import annotations

import re
import time

from cli.describe import event_page
from cli.descriptions.page import lines
from procorch.clock import parse_timestamp, timestamp

TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "host", "command": ["true"]}]},
}


def test_a_pod_tells_where_it_runs_and_what_happened(procorch, pod):
    procorch.server.create(pod("web"))
    uid = procorch("get", "pod", "web", "-o", "jsonpath={.metadata.uid}")
    event = {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "type": "Warning", "reason": "Failed",
        "message": "it\nfell", "count": 3, "firstTimestamp": timestamp(time.time() - 600),
        "lastTimestamp": timestamp(time.time()), "source": {"component": "kubelet"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "web", "uid": uid},
    }  # fmt: skip
    procorch.server.create(event, {**event, "metadata": {"name": "old"}, "involvedObject": {
        "kind": "Pod", "namespace": "default", "name": "web", "uid": "of-another-life"}})  # fmt: skip
    text = procorch("describe", "pod", "web")

    assert "Status:" in text and "Pending" in text and "  main:\n" in text
    (row,) = [line for line in text.splitlines() if "it fell" in line]
    assert re.match(r" *Warning +Failed +\d+s \(x3 over 10m\) +kubelet", row)
    assert "Events" not in procorch("describe", "pod", "web", "--no-show-events")


def test_a_controller_counts_its_pods(procorch):
    rc = {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"},
          "spec": {"replicas": 2, "template": TEMPLATE}}  # fmt: skip
    procorch.server.create(rc, {**rc, "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "spec": {"template": TEMPLATE, "selector": {"matchLabels": {"app": "web"}}}})  # fmt: skip

    for kind in ("rc", "rs"):
        text = procorch("describe", kind, "web")
        assert "Selector:           app=web" in text
        assert "Pods Status:        0 Running / 0 Waiting / 0 Succeeded / 0 Failed" in text


def test_a_service_names_its_ready_addresses(procorch):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"port": 8080}], "endpoints": [{"addresses": ["10.240.0.2"]}],
    }  # fmt: skip
    procorch.server.create(service, slice_)

    assert "10.240.0.2:8080" in procorch("describe", "svc/web")


def test_a_secret_shows_no_value(procorch):
    applied = "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {key: hidden-word}}"
    procorch("apply", "-f", "-", stdin=applied)
    text = procorch("describe", "secret", "s")

    assert "key:  11 bytes" in text
    assert "hidden-word" not in text and "aGlkZGVu" not in text


def test_a_node_and_what_has_no_page_of_its_own(procorch):
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    procorch.server.do(procorch.server.client.create(node))

    assert "Non-terminated Pods (0 in total):" in procorch("describe", "node", "n1")
    assert "  Phase:  Active\n" in procorch("describe", "ns", "other")


def test_what_is_missing_is_an_error_and_the_rest_is_shown(procorch, pod):
    procorch.server.create(pod("a"))
    result = procorch.run("describe", "pod", "a", "no")

    assert result.exit_code == 1
    assert "Name:" in result.stdout and '(NotFound): pods "no" not found' in result.stderr
    assert "No resources found in other namespace." in procorch("describe", "pods", "-n", "other")


def test_events_stand_oldest_first():
    now = parse_timestamp("2026-01-01T01:00:00Z")
    events = [
        {"type": "Normal", "reason": reason, "lastTimestamp": when, "metadata": {}}
        for reason, when in (("Later", "2026-01-01T00:59:00Z"), ("Earlier", "2026-01-01T00:00:00Z"))
    ]
    shown = "\n".join(lines(event_page(events, now)))

    assert shown.index("Earlier") < shown.index("Later")
    assert "60m" in shown and list(lines(event_page([], now))) == ["Events:  <none>"]
