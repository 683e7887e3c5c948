"""Protobuf bodies: as kubectl sends them, there and back, and hostile ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from procorch.api import protobuf, protobuf_writing
from procorch.kinds import KINDS, schema
from procorch.kinds.schema import Type

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "x", "generation": 3, "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"a": "b", "c": ""},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u",
                             "controller": False}],
        "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}],
    },
    "spec": {
        "containers": [{
            "name": "a", "image": "中", "command": ["a", ""], "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
            "livenessProbe": {"httpGet": {"port": "web"}, "periodSeconds": 3},
            "readinessProbe": {"tcpSocket": {"port": 81}, "terminationGracePeriodSeconds": 0},
            "securityContext": {"runAsUser": 0, "runAsNonRoot": False, "capabilities": {}},
        }],
        "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists", "tolerationSeconds": -1}],
        "volumes": [{"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "s", "optional": False}}],
        "enableServiceLinks": False,
    },
    "status": {},
}  # fmt: skip


def test_a_pod_comes_back_as_it_went():
    assert protobuf.decode(protobuf_writing.encode(POD)) == POD


def test_the_bytes_of_a_namespace_are_those_of_kubernetes():
    """What `kubectl create namespace foo` posts, written out by the published field numbers."""
    name = b"\x0a\x03foo\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00"
    message = b"\x0a" + bytes([len(name)]) + name + b"\x12\x00\x1a\x02\x0a\x00"
    data = b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12" + bytes([len(message)]) + message + b"\x1a\x00\x22\x00"

    assert protobuf.decode(data) == {
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "foo"}, "spec": {}, "status": {},
    }  # fmt: skip


def test_zeroes_that_go_writes_are_unset_unless_a_pointer_leads_to_them():
    zeroes = copy.deepcopy(POD)
    zeroes["spec"].update(hostNetwork=False, nodeName="", priority=0, containers=[])
    zeroes["metadata"].update(generation=0, generateName="")
    spec = protobuf.decode(protobuf_writing.encode(zeroes))["spec"]

    assert "hostNetwork" not in spec
    assert "nodeName" not in spec
    assert spec["priority"] == 0
    assert spec["terminationGracePeriodSeconds"] == 0


def test_a_target_port_of_zero_is_unset():
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {},
        "spec": {"ports": [{"port": 80, "targetPort": 0}]},
    }

    assert protobuf.decode(protobuf_writing.encode(service))["spec"] == {"ports": [{"port": 80}]}


@pytest.mark.parametrize(
    "obj",
    [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"a": "AP8=", "e": ""}, "immutable": False},
        {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": "u"}},
        {"apiVersion": "apps/v1", "kind": "DeleteOptions", "propagationPolicy": "Orphan"},
        {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 404,
         "details": {"causes": [{"field": "a"}]}},
        {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "5"}, "items": []},
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {"token": "t"},
         "status": {"user": {"username": "u", "extra": {"k": ["a", "b"]}}}},
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {},
         "spec": {"leaseDurationSeconds": 40, "renewTime": "2026-01-02T03:04:05.000007Z"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {}, "secrets": [{"name": "a"}]},
        {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}, "spec": {"replicas": 2}},
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"},
         "deleteOptions": {"dryRun": ["All"]}},
    ],
    ids=lambda obj: obj["kind"],
)  # fmt: skip
def test_other_kinds_come_back_as_they_went(obj):
    back = protobuf.decode(protobuf_writing.encode(obj))
    obj.pop("items", None)

    assert {name: back[name] for name in obj} == obj


def test_values_inside_of_watch_events_are_whole_bodies():
    frame = protobuf_writing.encode_event("ADDED", POD)

    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert frame[4:].startswith(b"\x0a\x05ADDED\x12")
    assert protobuf.MAGIC in frame


def test_times_keep_their_zone_and_fraction():
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
             "spec": {"renewTime": "2026-01-02T05:04:05.5+02:00"}}  # fmt: skip

    assert protobuf.decode(protobuf_writing.encode(lease))["spec"] == {"renewTime": "2026-01-02T03:04:05.500000Z"}


def test_a_kind_without_a_table_cannot_be_written():
    with pytest.raises(KeyError):
        protobuf_writing.encode({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {}})
    with pytest.raises(KeyError):
        protobuf_writing.encode({"apiVersion": "procorch.dev/v1", "kind": "Image", "metadata": {"name": "a"}})
    with pytest.raises(ValueError):
        protobuf_writing.encode({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}})


@given(st.binary(max_size=60))
@example(b"\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")
@example(b"\x00")
@example(b"\x0a\x0b\x0a\x02v1\x12\x03Pod\x12\xff\xff\xff\xff\x0f")
def test_any_bytes_are_an_object_or_a_value_error(data):
    pod = b"\x0a\x09\x0a\x02v1\x12\x03Pod\x12" + bytes([len(data)]) + data
    for body in (data, pod):
        try:
            protobuf.decode(protobuf.MAGIC + body)
        except (ValueError, KeyError):
            continue


def test_cutting_a_body_off_anywhere_never_raises_anything_else():
    data = protobuf_writing.encode(POD)
    for end in range(len(data)):
        try:
            protobuf.decode(data[:end])
        except (ValueError, KeyError):
            continue


def _values(type_: Type, depth: int) -> st.SearchStrategy[Any]:
    """Values of this type that are not zero: those come back exactly."""
    simple: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text("abü", min_size=1, max_size=4),
        "bool": st.just(True),
        "int32": st.integers(-(2**31), 2**31 - 1).filter(bool),
        "int64": st.integers(-(2**63), 2**63 - 1).filter(bool),
        "uint32": st.integers(1, 2**32 - 1),
        "double": st.floats(0.5, 2.0),
        "bytes": st.just("YWI="),
        "time": st.just("2026-01-02T03:04:05Z"),
        "microtime": st.just("2026-01-02T03:04:05.000006Z"),
        "duration": st.just("1h0m3s"),
        "quantity": st.sampled_from(["1", "500m"]),
        "intstr": st.sampled_from(["web", 80]),
    }
    if type_.of is not None:
        inner = _values(type_.of, depth)
        return (st.lists(inner, min_size=1, max_size=2) if type_.form == "list"
                else st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, min_size=1, max_size=2))  # fmt: skip
    if type_.form == "struct":
        return _objects(type_.name, depth - 1)
    return simple.get(type_.form, st.just({"raw": [1]}))


def _objects(name: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        key: one for key, one in schema.definition(name).fields.items()
        if one.wire and (depth > 0 or (one.type.form != "struct" and one.type.of is None))
    }  # fmt: skip
    if not fields:
        return st.just({})
    return st.lists(st.sampled_from(sorted(fields)), unique=True, min_size=1, max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({key: _values(fields[key].type, depth) for key in names})
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_field_of_every_kind_comes_back_as_it_went(data):
    kind = data.draw(st.sampled_from([one for one in KINDS if one.group != "procorch.dev"]))
    obj = data.draw(_objects(schema.of_kind(kind).name, 4))
    obj = {"apiVersion": kind.api_version, "kind": kind.name, **obj}

    assert not schema.check(kind, copy.deepcopy(obj))
    assert protobuf.decode(protobuf_writing.encode(obj)) == obj
