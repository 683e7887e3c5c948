"""The part of an object that the server writes."""

from __future__ import annotations

import copy
import random

import pytest

from procorch.api.metadata import begin, check_name, check_unborn, drop_empty, place, succeed
from procorch.kinds import KINDS
from procorch.objects import BadRequest, Conflict

POD = KINDS["Pod"]
OLD = {
    "metadata": {
        "name": "p", "namespace": "d", "uid": "1", "resourceVersion": "7", "generation": 2,
        "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": [{"uid": "o"}],
    },
    "spec": {"nodeName": "n"},
    "status": {"phase": "Running"},
}  # fmt: skip


def test_what_is_empty_is_not_there():
    obj = {"metadata": {"labels": {}, "annotations": {"a": ""}, "finalizers": [], "ownerReferences": []}}

    drop_empty(obj)

    assert obj == {"metadata": {"annotations": {"a": ""}}}


def test_a_new_object_has_only_the_identity_that_the_server_gives_it():
    obj = {"metadata": {"generateName": "p-", "uid": "mine", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    begin(POD, obj, "d", 0.0, random.Random(1))

    metadata = obj["metadata"]
    assert metadata["uid"] != "mine" and metadata["creationTimestamp"] == "1970-01-01T00:00:00Z"
    assert "deletionTimestamp" not in metadata and metadata["name"].startswith("p-") and metadata["namespace"] == "d"
    with pytest.raises(BadRequest, match="resourceVersion should not be set"):
        begin(POD, {"metadata": {"resourceVersion": "1"}}, "d", 0.0, random.Random(1))


def test_what_a_client_cannot_change_stays():
    new = copy.deepcopy(OLD)
    new["metadata"] |= {"creationTimestamp": None, "generation": 99, "deletionTimestamp": None}
    succeed(POD, new, OLD, "")

    assert new["metadata"] == OLD["metadata"]


def test_the_status_subresource_takes_the_status_and_leaves_spec_and_owners():
    new = copy.deepcopy(OLD)
    new["spec"] = {"nodeName": "other"}
    new["status"] = {"phase": "Failed"}
    new["metadata"]["ownerReferences"] = []
    new["metadata"]["annotations"] = {"seen": "by the kubelet"}
    succeed(POD, new, OLD, "status")

    assert (new["spec"], new["status"]) == ({"nodeName": "n"}, {"phase": "Failed"})
    assert new["metadata"]["ownerReferences"] == [{"uid": "o"}] and new["metadata"]["annotations"]


@pytest.mark.parametrize("changed", [{"resourceVersion": "6"}, {"uid": "2"}])
def test_another_version_or_another_object_is_a_conflict(changed):
    new = copy.deepcopy(OLD)
    new["metadata"] |= changed
    with pytest.raises(Conflict):
        succeed(POD, new, OLD, "")


def test_the_url_and_the_object_must_agree():
    with pytest.raises(BadRequest):
        check_name({"metadata": {"name": "a"}}, "b")
    with pytest.raises(BadRequest):
        place(POD, {"metadata": {"namespace": "a"}}, "b")


@pytest.mark.parametrize(
    ("about", "error"),
    [({"name": "p", "uid": "u"}, Conflict), ({"name": "p", "resourceVersion": "1"}, Conflict), ({}, BadRequest)],
)
def test_what_is_applied_to_nothing_speaks_of_nothing_that_was(about, error):
    check_unborn(POD, {"metadata": {"name": "p"}}, "p")

    with pytest.raises(error):
        check_unborn(POD, {"metadata": about}, "p")
