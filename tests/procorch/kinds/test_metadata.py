"""Metadata is judged alike for every kind, in Kubernetes' words."""

from random import Random
from typing import Any

from procorch.kinds import KINDS
from procorch.kinds.metadata import ANNOTATIONS_LIMIT, generated_name, validate_metadata


def problems(metadata: dict[str, Any], old: dict[str, Any] | None = None, kind: str = "ConfigMap") -> list[str]:
    before = None if old is None else {"metadata": {"name": "a", "namespace": "n", **old}}
    causes = validate_metadata(KINDS[kind], {"metadata": {"name": "a", "namespace": "n", **metadata}}, before)
    return [f"{cause.field}: {cause.message}" for cause in causes]


def test_good_metadata_has_no_problems() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}

    assert (
        problems(
            {
                "labels": {"app": "x", "example.com/tier": ""},
                "annotations": {"Example.com/Any": "text ü\n"},
                "ownerReferences": [owner],
                "finalizers": ["example.com/wait"],
            }
        )
        == []
    )


def test_a_name_is_needed() -> None:
    assert problems({"name": ""}) == ["metadata.name: Required value: name or generateName is required"]


def test_a_bad_name_says_what_a_good_one_is() -> None:
    (problem,) = problems({"name": "Web_1"})

    assert problem.startswith('metadata.name: Invalid value: "Web_1": a lowercase RFC 1123 subdomain must consist of')


def test_a_service_may_begin_with_a_digit_but_has_no_dots() -> None:
    assert problems({"name": "1st"}, kind="Service") == []
    assert problems({"name": "a.b"}, kind="Service") == ['metadata.name: Invalid value: "a.b": must not contain dots']


def test_a_generated_name_is_cut_so_that_it_fits() -> None:
    name = generated_name("a" * 80, Random(1))

    assert len(name) == 63
    assert name.startswith("a" * 58)
    assert set(name[58:]) <= set("bcdfghjklmnpqrstvwxz2456789")


def test_the_beginning_of_a_generated_name_may_end_with_a_dash() -> None:
    assert problems({"name": "web-x2x4x", "generateName": "web-"}) == []
    assert problems({"name": "web-x2x4x", "generateName": "Web-"})[0].startswith("metadata.generateName: Invalid")


def test_a_namespace_is_needed_exactly_where_there_is_one() -> None:
    assert problems({"namespace": ""}) == ["metadata.namespace: Required value"]
    assert problems({}, kind="Node") == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_labels_are_checked_and_annotations_values_are_free() -> None:
    found = problems({"labels": {"-a": "b c"}, "annotations": {"a b": "c d"}})

    assert [line.split(": ", 3)[:3] for line in found] == [
        ["metadata.labels", "Invalid value", '"-a"'],
        ["metadata.labels", "Invalid value", '"b c"'],
        ["metadata.annotations", "Invalid value", '"a b"'],
    ]


def test_annotations_have_a_limit_together() -> None:
    assert problems({"annotations": {"a": "x" * (ANNOTATIONS_LIMIT - 1)}}) == []
    assert problems({"annotations": {"a": "x" * ANNOTATIONS_LIMIT}}) == [
        "metadata.annotations: Too long: may not be more than 262144 bytes"
    ]


def test_an_owner_is_named_whole_and_only_one_is_in_charge() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": True}

    assert problems({"ownerReferences": [{}]}) == [
        f'metadata.ownerReferences.{field}: Invalid value: "": {what}must not be empty'
        for field, what in (("apiVersion", "version "), ("kind", ""), ("name", ""), ("uid", ""))
    ]
    assert problems({"ownerReferences": [owner, {**owner, "name": "q"}]})[0].endswith(
        'Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/q'
    )


def test_what_makes_an_object_this_object_does_not_change() -> None:
    found = problems({"uid": "2", "namespace": "m"}, {"uid": "1"})

    assert found == [
        'metadata.namespace: Invalid value: "m": field is immutable',
        'metadata.uid: Invalid value: "2": field is immutable',
    ]


def test_who_is_being_deleted_gets_no_new_finalizers() -> None:
    dying = {"deletionTimestamp": "2026-11-23T19:00:00Z"}

    assert problems({**dying, "finalizers": ["a/b"]}, {**dying, "finalizers": ["a/b", "c/d"]}) == []
    assert problems({**dying, "finalizers": ["a/b", "c/d"]}, {**dying, "finalizers": ["a/b"]}) == [
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"c/d"}'
    ]


def test_a_finalizer_is_kubernetes_own_or_says_whose_it_is() -> None:
    metadata = {"finalizers": ["orphan", "mine", "example.com/mine"]}

    assert problems(metadata) == [
        'metadata.finalizers[1]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully '
        "qualified"
    ]
    assert problems({**metadata, "namespace": None}, kind="Image") == []


def test_metadata_of_odd_types_does_not_raise() -> None:
    for odd in ([], "x", 5, None, {"labels": [1], "annotations": 3, "ownerReferences": {}, "finalizers": "a"}):
        validate_metadata(KINDS["Pod"], {"metadata": odd}, None)
        validate_metadata(KINDS["Pod"], {"metadata": odd}, {"metadata": odd})
