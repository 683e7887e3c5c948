"""Which objects are meant."""

from __future__ import annotations

import orjson
import pytest

from procorch.api.cache import Entry
from procorch.api.routes import parse
from procorch.api.scope import scope_of
from procorch.kinds import KINDS
from procorch.objects import BadRequest


def entry(name, node="", **labels):
    obj = {"metadata": {"name": name, "namespace": "d", "labels": labels}, "spec": {"nodeName": node}}
    return Entry(f"d/{name}", orjson.dumps(obj), 1)


def scope(query, path="/api/v1/namespaces/d/pods"):
    return scope_of(parse(KINDS, "GET", path, query), query)


def test_labels_and_fields_must_both_match():
    asked = scope({"labelSelector": "app=x", "fieldSelector": "spec.nodeName=n"})

    assert asked.selects and asked.has(entry("a", "n", app="x"))
    assert not asked.has(entry("a", "m", app="x")) and not asked.has(entry("a", "n", app="y"))


def test_a_namespace_covers_its_own_keys_only():
    asked = scope({})

    assert not asked.selects and asked.covers("d/a") and not asked.covers("d-2/a")
    assert scope({}, "/api/v1/pods").covers("any/a")


@pytest.mark.parametrize(
    "query", [{"labelSelector": "a in"}, {"fieldSelector": "nonsense"}, {"fieldSelector": "spec.colour=red"}]
)
def test_selectors_that_cannot_be_read_are_refused(query):
    with pytest.raises(BadRequest):
        scope(query)


_ABOUT = ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")
#: what Kubernetes registers for each kind beside metadata.name; None: metadata alone, also a namespace that is none
SELECTABLE = {
    "Pod": {
        "metadata.namespace", "spec.nodeName", "spec.host", "spec.restartPolicy", "spec.schedulerName",
        "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
        "status.nominatedNodeName",
    },
    "Node": {"spec.unschedulable"},
    "Namespace": {"status.phase"},
    "Secret": {"metadata.namespace", "type"},
    "Service": {"metadata.namespace", "spec.clusterIP", "spec.type"},
    "ReplicationController": {"metadata.namespace", "status.replicas"},
    "Event": {"metadata.namespace", "reason", "reportingComponent", "source", "type",
              *(f"involvedObject.{name}" for name in _ABOUT)},
    "CertificateSigningRequest": {"spec.signerName"},
    "ConfigMap": {"metadata.namespace"},
    "ServiceAccount": {"metadata.namespace"},
    "Lease": {"metadata.namespace"},
}  # fmt: skip


@pytest.mark.parametrize("name", SELECTABLE)
def test_a_kind_is_selected_by_the_fields_that_kubernetes_knows(name):
    kind, every = KINDS[name], {field for fields in SELECTABLE.values() for field in fields}
    path = kind.path("d" if kind.namespaced else None)

    for field in {*every, "spec.colour"}:
        if field in SELECTABLE[name]:
            assert scope({"fieldSelector": f"{field}=x"}, path).selects, field
        else:
            with pytest.raises(BadRequest, match=r"field label not supported: |is not a known field selector"):
                scope({"fieldSelector": f"{field}=x"}, path)


def test_a_name_in_the_path_is_the_only_one():
    path = "/api/v1/watch/namespaces/d/pods/a"

    assert scope({}, path).has(entry("a")) and not scope({}, path).has(entry("b"))
    assert scope({"fieldSelector": "metadata.name=a,spec.nodeName=n"}, path).has(entry("a", "n"))
    with pytest.raises(BadRequest, match=r"fieldSelector metadata\.name doesn't match requested name"):
        scope({"fieldSelector": "metadata.name=b"}, path)
