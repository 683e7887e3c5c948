"""What is known about fields, and the structural check in the words of Kubernetes' decoder."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.kinds import KINDS, schema

POD = KINDS["Pod"]


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}


def test_every_served_kind_and_its_list_are_described():
    for kind in KINDS:
        assert schema.of_kind(kind).kind == (kind.group, kind.version, kind.name)
        assert schema.name_of(kind.group, kind.version, f"{kind.name}List")


def test_every_definition_can_be_decoded_and_leads_only_to_known_ones():
    for name in schema.names():
        for one in schema.definition(name).fields.values():
            type_ = one.type
            while type_.of is not None:
                type_ = type_.of
            assert type_.form != "struct" or schema.definition(type_.name), (name, one.name)


def test_lists_tell_their_keys_and_how_patches_merge_them():
    containers = schema.definition("io.k8s.api.core.v1.PodSpec").fields["containers"]
    ports = schema.definition("io.k8s.api.core.v1.Container").fields["ports"]

    assert (containers.list_type, containers.list_map_keys) == ("map", ("name",))
    assert ports.list_map_keys == ("containerPort", "protocol")
    assert schema.merge_key(schema.of_kind(POD), "spec") == ((), "")
    spec = schema.definition("io.k8s.api.core.v1.PodSpec")
    assert schema.merge_key(spec, "volumes") == (("merge", "retainKeys"), "name")
    assert schema.merge_key(spec, "no such field") == ((), "")


def test_pointers_are_told_apart_from_fields_whose_zero_is_unset():
    spec = schema.definition("io.k8s.api.core.v1.PodSpec").fields

    assert spec["terminationGracePeriodSeconds"].pointer
    assert not spec["hostNetwork"].pointer
    assert spec["hostNetwork"].omit == "empty"
    assert schema.definition("io.k8s.api.core.v1.Volume").fields["emptyDir"].wire == (2, 2)


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        pytest.param({"terminationGracePeriodSeconds": "5"}, "spec.terminationGracePeriodSeconds",
                     "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds "
                     "of type int64", id="text for a number"),
        pytest.param({"containers": [{"name": "a", "env": [{"name": "A", "value": 3}]}]},
                     "spec.containers[0].env[0].value",
                     "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type "
                     "string", id="a number for text, deep in lists"),
        pytest.param({"containers": {"name": "a"}}, "spec.containers",
                     "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
                     "[]v1.Container", id="a map for a list"),
        pytest.param({"containers": ["a"]}, "spec.containers[0]",
                     "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
                     id="text for an element"),
        pytest.param({"hostNetwork": "true"}, "spec.hostNetwork",
                     "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
                     id="text for a truth value"),
        pytest.param({"priority": 1.5}, "spec.priority",
                     "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32",
                     id="a fraction"),
        pytest.param({"priority": 2**31}, "spec.priority",
                     "json: cannot unmarshal number 2147483648 into Go struct field PodSpec.spec.priority of type "
                     "int32", id="more than 32 bits"),
        pytest.param({"nodeSelector": {"a": True}}, "spec.nodeSelector.a",
                     "json: cannot unmarshal bool into Go struct field PodSpec.spec.nodeSelector of type string",
                     id="a truth value in a map of text"),
        pytest.param({"overhead": {"cpu": "1x"}}, "spec.overhead.cpu",
                     "quantities must match the regular expression "
                     "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'", id="no quantity"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named_as_go_names_it(spec, field, message):
    found = schema.check(POD, pod(**spec)).errors

    assert [(cause.field, cause.message) for cause in found] == [(field, message)]


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("yesterday", 'parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006"'),
        ("2020-01-01", 'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
    ],
)
def test_a_bad_time_says_where_it_stops_being_one(when, message):
    obj = {"apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": when}}

    assert [cause.message for cause in schema.check(POD, obj).errors] == [message]


def test_secrets_hold_base64():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"good": "YQ==", "bad": "a%b"}}

    assert [cause.message for cause in schema.check(KINDS["Secret"], secret).errors] == [
        "illegal base64 data at input byte 1"
    ]


def test_an_object_that_is_none_is_refused():
    assert schema.check(POD, []).errors[0].message == "json: cannot unmarshal array into Go value of type v1.Pod"


def test_unknown_fields_are_named_with_their_paths_and_pruned():
    obj = pod(foo=1, containers=[{"name": "a"}, {"name": "b", "bar": {"x": 1}}])
    obj["top"] = 1

    assert sorted(schema.check(POD, obj).unknown) == ["spec.containers[1].bar", "spec.foo", "top"]
    schema.prune(POD, obj)
    assert obj == pod(containers=[{"name": "a"}, {"name": "b"}])


def test_null_is_not_seen_in_a_field_and_is_empty_in_a_list_or_map():
    obj = pod(hostname=None, containers=[None])
    obj["metadata"].update(creationTimestamp=None, labels={"a": None})

    assert not schema.check(POD, obj)
    assert obj == pod(containers=[{}]) | {"metadata": {"name": "x", "labels": {"a": ""}}}


def test_ports_may_be_numbers_or_names():
    probe = {"httpGet": {"port": "web"}}
    assert not schema.check(POD, pod(containers=[{"name": "a", "livenessProbe": probe}]))
    probe["httpGet"]["port"] = True  # type: ignore[assignment]
    assert schema.check(POD, pod(containers=[{"name": "a", "livenessProbe": probe}])).errors


def test_options_are_one_definition_in_every_group():
    assert schema.name_of("apps", "v1", "DeleteOptions") == schema.name_of("", "v1", "DeleteOptions")


def test_our_own_kind_is_checked_too():
    image = {"apiVersion": "procorch.dev/v1", "kind": "Image", "metadata": {"name": "a"},
             "spec": {"patterns": "mysql", "root": "host", "rot": 1}}  # fmt: skip
    found = schema.check(KINDS["Image"], image)

    assert found.errors[0].message == (
        "json: cannot unmarshal string into Go struct field ImageSpec.spec.patterns of type []string"
    )
    assert found.unknown == ["spec.rot"]


def test_a_hundred_problems_are_enough():
    found = schema.check(POD, pod(**{f"f{number}": 1 for number in range(500)}))

    assert len(found.unknown) == 100


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["spec", "containers", "name", "env", "ports", "x"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_ANY)
def test_the_check_never_raises_and_pruning_leaves_nothing_unknown(value):
    obj = pod(containers=copy.deepcopy(value), volumes=copy.deepcopy(value), affinity=value)
    schema.prune(POD, obj)

    assert schema.check(POD, obj).unknown == []


@pytest.mark.parametrize(
    ("spec", "stays"),
    [
        pytest.param({"hostNetwork": False, "nodeName": "", "nodeSelector": {}, "tolerations": []}, {},
                     id="what Go cannot tell from unset"),
        pytest.param({"automountServiceAccountToken": False, "priority": 0, "securityContext": {}},
                     {"automountServiceAccountToken": False, "priority": 0, "securityContext": {}},
                     id="behind a pointer nought is a value"),
        pytest.param({"overhead": {"cpu": "1000m", "memory": 0.5}}, {"overhead": {"cpu": "1", "memory": "500m"}},
                     id="quantities have one form"),
        pytest.param({"nodeSelector": {"a": ""}}, {"nodeSelector": {"a": ""}}, id="an empty value of a map is one"),
        pytest.param({"containers": [{"name": "", "stdin": False, "env": []}]}, {"containers": [{"name": ""}]},
                     id="inside of lists, too"),
    ],
)  # fmt: skip
def test_an_object_becomes_what_kubernetes_reads_back(spec, stays):
    obj = pod(**spec)

    assert not schema.check(POD, obj)
    assert obj["spec"] == stays


def test_times_are_kept_in_utc_and_bytes_without_line_ends():
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"creationTimestamp": "2026-01-01T01:30:00.75+02:00"},
             "spec": {"renewTime": "2026-01-01T01:30:00.750000+02:00"}}  # fmt: skip
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"a": "YW\nJj"}}

    assert not schema.check(KINDS["Lease"], lease)
    assert not schema.check(KINDS["Secret"], secret)
    assert lease["metadata"]["creationTimestamp"] == "2025-12-31T23:30:00Z"
    assert lease["spec"]["renewTime"] == "2025-12-31T23:30:00.750000Z"
    assert secret["data"] == {"a": "YWJj"}
