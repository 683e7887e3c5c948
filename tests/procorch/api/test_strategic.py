"""Strategic merge patch: every directive, on the lists of real kinds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.patch import STRATEGIC_PATCH, apply_patch
from procorch.kinds import KINDS
from procorch.objects import BadRequest

POD = KINDS["Pod"]


def patched(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    return apply_patch(STRATEGIC_PATCH, original, patch, POD)


def spec(original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    return patched({"spec": original}, {"spec": patch}).get("spec", {})


A, B, C = ({"name": name, "image": name} for name in "abc")


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        pytest.param({"nodeName": "a", "hostname": "h"}, {"nodeName": "b", "hostname": None}, {"nodeName": "b"},
                     id="scalars are set and, by null, removed"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "b", "image": "x"}]},
                     {"containers": [A, {"name": "b", "image": "x"}]}, id="an element is found by its merge key"),
        pytest.param({"containers": [A]}, {"containers": [C]}, {"containers": [C, A]},
                     id="a new element comes before those that the patch does not name"),
        pytest.param({"containers": [A, B]}, {"containers": [C], "$setElementOrder/containers":
                     [{"name": "a"}, {"name": "b"}, {"name": "c"}]}, {"containers": [A, B, C]},
                     id="$setElementOrder puts a new element last"),
        pytest.param({"containers": [A, B, C]}, {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]},
                     {"containers": [B, C, A]}, id="$setElementOrder alone reorders, others keep their place"),
        pytest.param({"containers": [A, B]}, {"containers": [{"name": "a", "$patch": "delete"}]}, {"containers": [B]},
                     id="$patch: delete on an element"),
        pytest.param({"containers": [A, B]}, {"containers": [{"$patch": "replace"}, C]}, {"containers": [C]},
                     id="$patch: replace in a list"),
        pytest.param({"containers": [A, B]}, {"containers": [{"$patch": "replace"}]}, {"containers": []},
                     id="$patch: replace empties a list"),
        pytest.param({"containers": [A]}, {"containers": [{"name": "a", "image": "x", "$patch": "merge"}]},
                     {"containers": [{"name": "a", "image": "x"}]}, id="$patch: merge is what happens anyway"),
        pytest.param({"securityContext": {"runAsUser": 1, "fsGroup": 2}},
                     {"securityContext": {"$patch": "replace", "runAsGroup": 3}},
                     {"securityContext": {"runAsGroup": 3}},
                     id="$patch: replace on a map"),
        pytest.param({"securityContext": {"runAsUser": 1}}, {"securityContext": {"$patch": "delete"}},
                     {"securityContext": {}}, id="$patch: delete on a map"),
        pytest.param({"volumes": [{"name": "v", "emptyDir": {}}]},
                     {"volumes": [{"name": "v", "hostPath": {"path": "/"}, "$retainKeys": ["name", "hostPath"]}]},
                     {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, id="$retainKeys drops the others"),
        pytest.param({"tolerations": [{"key": "a"}, {"key": "b"}]}, {"tolerations": [{"key": "c"}]},
                     {"tolerations": [{"key": "c"}]}, id="a list without a merge strategy is replaced"),
        pytest.param({"containers": [{"name": "a", "args": ["x", "y"]}]},
                     {"containers": [{"name": "a", "args": ["z"]}]},
                     {"containers": [{"name": "a", "args": ["z"]}]}, id="an atomic list of text is replaced"),
        pytest.param({"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 81}]}]},
                     {"containers": [{"name": "a", "ports": [{"containerPort": 81, "name": "x"}]}]},
                     {"containers": [{"name": "a", "ports": [{"containerPort": 80},
                                                             {"containerPort": 81, "name": "x"}]}]},
                     id="numbers are merge keys too"),
        pytest.param({}, {"containers": [{"name": "a", "image": None, "$patch": "merge"},
                                         {"name": "b", "$patch": "delete"}], "$setElementOrder/containers":
                          [{"name": "a"}]}, {"containers": [{"name": "a"}]},
                     id="directives and nulls do not get into an object that had no such field"),
        pytest.param({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"a": None, "c": "3"}},
                     {"nodeSelector": {"b": "2", "c": "3"}}, id="a map of text"),
        pytest.param({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"$retainKeys": ["a", "c"], "c": "3"}},
                     {"nodeSelector": {"a": "1", "c": "3"}}, id="$retainKeys on a map of text"),
        pytest.param({"unheard": [1]}, {"unheard": [2]}, {"unheard": [2]}, id="an unknown list is replaced"),
    ],
)  # fmt: skip
def test_a_pod_s_specification(original, patch, result):
    assert spec(original, patch) == result


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["b", "a"]}),
        ({"finalizers": ["a", "b"]}, {"finalizers": ["b"]}, {"finalizers": ["a", "b"]}),
        ({"finalizers": ["a", "b", "c"]}, {"$deleteFromPrimitiveList/finalizers": ["b", "x"]},
         {"finalizers": ["a", "c"]}),
        ({"finalizers": ["a", "b"]},
         {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"], "$setElementOrder/finalizers": ["b", "c"]},
         {"finalizers": ["b", "c"]}),
        ({}, {"$deleteFromPrimitiveList/finalizers": ["a"]}, {}),
        ({"labels": {"a": "b"}}, {"labels": None}, {}),
        ({"ownerReferences": [{"uid": "1", "name": "a"}]}, {"ownerReferences": [{"uid": "1", "$patch": "delete"}]},
         {"ownerReferences": []}),
    ],
)  # fmt: skip
def test_metadata(original, patch, result):
    assert patched({"metadata": original}, {"metadata": patch}) == {"metadata": result}


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"$patch": "burn"}, id="an unknown directive on a map"),
        pytest.param({"containers": [{"name": "a", "$patch": "burn"}]}, id="an unknown directive on an element"),
        pytest.param({"containers": [{"image": "x"}]}, id="an element without its merge key"),
        pytest.param({"containers": [{"$patch": "delete"}]}, id="a deletion without the merge key"),
        pytest.param({"containers": ["a"]}, id="elements of two types"),
        pytest.param({"$retainKeys": ["hostname"], "nodeName": "n"}, id="a key that is not retained"),
        pytest.param({"$retainKeys": "hostname"}, id="retained keys that are no list"),
        pytest.param({"$deleteFromPrimitiveList/containers": [{"a": 1}]}, id="a deletion of what is no scalar"),
        pytest.param({"$setElementOrder/containers": {"name": "a"}}, id="an order that is no list"),
        pytest.param({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]},
                     id="an element that the order does not name"),
        pytest.param({"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                      "containers": [{"name": "b"}, {"name": "a"}]}, id="elements in another order"),
    ],
)  # fmt: skip
def test_a_patch_that_breaks_the_rules_is_a_bad_request(patch):
    with pytest.raises(BadRequest):
        spec({"containers": [A, B]}, patch)


def test_ports_of_a_service_merge_by_number():
    service = {"spec": {"ports": [{"name": "a", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81}]}}
    result = apply_patch(STRATEGIC_PATCH, service, {"spec": {"ports": [{"port": 80, "name": "x"}]}}, KINDS["Service"])

    assert result["spec"]["ports"] == [{"name": "x", "port": 80, "nodePort": 30001}, {"name": "b", "port": 81}]


def test_our_own_kind_merges_by_name_too():
    image = {"spec": {"env": [{"name": "A", "value": "1"}]}}
    result = apply_patch(STRATEGIC_PATCH, image, {"spec": {"env": [{"name": "A", "value": "2"}]}}, KINDS["Image"])

    assert result["spec"]["env"] == [{"name": "A", "value": "2"}]


_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd")},
                          optional={"image": st.sampled_from("xyz"), "tty": st.booleans()}),
    unique_by=lambda one: one["name"], max_size=4,
)  # fmt: skip


@given(_CONTAINERS, _CONTAINERS)
def test_every_named_element_gets_in_once_the_others_stay_and_a_second_time_changes_nothing(original, patch):
    before = copy.deepcopy(original)
    once = spec({"containers": original}, {"containers": patch})
    names = [one["name"] for one in once["containers"]]

    assert sorted(names) == sorted({one["name"] for one in (*original, *patch)})
    found = {one["name"]: one for one in once["containers"]}
    assert all(one.items() <= found[one["name"]].items() for one in patch)
    assert spec(once, {"containers": patch}) == once
    assert original == before


@given(_CONTAINERS, st.permutations("abcd"))
def test_an_order_that_names_everything_is_the_order(original, order):
    result = spec({"containers": original}, {"$setElementOrder/containers": [{"name": name} for name in order]})
    names = [one["name"] for one in result["containers"]]

    assert names == [name for name in order if name in names]
