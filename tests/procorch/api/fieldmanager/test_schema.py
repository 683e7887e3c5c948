"""The shapes of real kinds."""

from __future__ import annotations

import pytest

from procorch.api.fieldmanager.lists import ListMap, ListSet
from procorch.api.fieldmanager.schema import shape_of, written_shape
from procorch.api.fieldmanager.shapes import Atomic, Items, Map, Struct
from procorch.kinds import KINDS, schema


def at(kind, path):
    shape = shape_of(kind)
    for step in path.split("."):
        shape = shape._of if step == "*" else shape.fields[step].shape
    return shape


@pytest.mark.parametrize(
    ("kind", "path", "form"),
    [
        ("Pod", "metadata.labels", Map),
        ("Pod", "metadata.finalizers", ListSet),
        ("Pod", "metadata.ownerReferences", ListMap),
        ("Pod", "spec.containers.*.ports", ListMap),
        ("Pod", "spec.containers.*.command", Items),
        ("Pod", "spec.nodeSelector", Atomic),
        ("Pod", "spec.securityContext", Struct),
        ("Pod", "status.conditions", ListMap),
        ("Service", "spec.selector", Atomic),
        ("ReplicaSet", "spec.selector", Atomic),
        ("ConfigMap", "data", Map),
        ("Secret", "data", Map),
        ("Image", "spec.patterns", ListSet),
        ("Event", "involvedObject", Atomic),
    ],
)
def test_how_fields_are_merged(kind, path, form):
    assert type(at(KINDS[kind], path)) is form


def test_every_definition_has_a_shape_and_every_key_is_a_field_of_its_elements():
    for name in schema.names():
        shape_of(name)
        for row in schema.definition(name).fields.values():
            if row.list_type == "map" and row.type.of is not None and row.type.of.form == "struct":
                elements = schema.definition(row.type.of.name).fields
                assert set(row.list_map_keys) <= elements.keys(), (name, row.name)


def test_a_port_without_protocol_is_one_of_tcp():
    assert at(KINDS["Pod"], "spec.containers.*.ports").step({"containerPort": 80}) == (
        'k:{"containerPort":80,"protocol":"TCP"}'
    )
    assert at(KINDS["Service"], "spec.ports").step({"port": 80}) == 'k:{"port":80,"protocol":"TCP"}'


def test_a_write_reaches_its_part_and_no_identity():
    pod = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "a", "namespace": "b", "uid": "u", "resourceVersion": "1", "generateName": "g",
                     "managedFields": [{}], "ownerReferences": [{"uid": "o"}]},
        "spec": {"hostname": "h"}, "status": {"phase": "Running"},
    }  # fmt: skip
    plain, _ = written_shape(KINDS["Pod"]).compared({}, pod)
    status, _ = written_shape(KINDS["Pod"], "status").compared({}, pod)

    assert plain["f:metadata"].keys() == {"f:generateName", "f:ownerReferences"} and "f:status" not in plain
    assert status == {"f:metadata": {"f:generateName": {}}, "f:status": {"f:phase": {}}}
