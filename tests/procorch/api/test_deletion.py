"""What DELETE makes of an object, as a table."""

from __future__ import annotations

import copy

import pytest

from procorch.api.deletion import Options, decide, is_finished, options_of
from procorch.clock import timestamp
from procorch.kinds import KINDS
from procorch.objects import BadRequest, Invalid

NOW = 1_000_000.0
POD, RC, RS, NAMESPACE = KINDS["Pod"], KINDS["ReplicationController"], KINDS["ReplicaSet"], KINDS["Namespace"]


def pod(node="n1", deleting=None, finalizers=(), grace=30):
    metadata = {"name": "p"}
    if deleting is not None:
        metadata |= {"deletionTimestamp": timestamp(NOW - 1 + deleting), "deletionGracePeriodSeconds": deleting}
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    spec = {"terminationGracePeriodSeconds": grace}
    if node:
        spec["nodeName"] = node
    return {"kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("obj", "options", "grace"),
    [
        pytest.param(pod(), Options(), 30, id="its own grace"),
        pytest.param(pod(), Options(grace=5), 5, id="the grace asked for"),
        pytest.param(pod(), Options(grace=0), None, id="grace 0 removes"),
        pytest.param(pod(node=""), Options(), None, id="a pod that no node has is gone at once"),
        pytest.param(pod(node=""), Options(grace=9), None, id="whatever grace is asked for"),
        pytest.param(pod(deleting=30), Options(), 30, id="a second delete changes nothing"),
        pytest.param(pod(deleting=30), Options(grace=60), 30, id="a deletion is never lengthened"),
        pytest.param(pod(deleting=30), Options(grace=5), 5, id="but shortened"),
        pytest.param(pod(deleting=30), Options(grace=0), None, id="down to nothing"),
        pytest.param(pod(finalizers=["a/b"]), Options(grace=0), 0, id="a finalizer keeps it"),
        pytest.param(pod(deleting=30, finalizers=["a/b"]), Options(grace=0), 0, id="also when it was ending"),
    ],
)
def test_how_long_a_pod_may_go_on(obj, options, grace):
    staying = decide(POD, obj, options, NOW)

    assert (staying and staying["metadata"]["deletionGracePeriodSeconds"]) == grace


def test_a_shortened_deletion_counts_from_its_beginning():
    staying = decide(POD, pod(deleting=30), Options(grace=5), NOW)

    assert staying["metadata"]["deletionTimestamp"] == timestamp(NOW - 1 + 5)


@pytest.mark.parametrize(
    ("kind", "before", "propagation", "after"),
    [
        pytest.param(RC, [], "", ["orphan"], id="an rc leaves its pods"),
        pytest.param(RC, [], "Background", None, id="unless told to delete them"),
        pytest.param(RS, [], "", None, id="an rs does not"),
        pytest.param(RS, ["a/b"], "Orphan", ["a/b", "orphan"], id="other finalizers stay"),
        pytest.param(RS, ["orphan"], "", ["orphan"], id="what was asked first stays"),
        pytest.param(RS, ["orphan"], "Foreground", ["foregroundDeletion"], id="until asked otherwise"),
        pytest.param(RS, ["foregroundDeletion"], "Background", None, id="also to nothing"),
    ],
)
def test_the_policy_becomes_a_finalizer(kind, before, propagation, after):
    obj = {"kind": kind.name, "metadata": {"name": "x", "finalizers": before}, "spec": {}}

    staying = decide(kind, obj, Options(propagation=propagation), NOW)

    assert (staying and staying["metadata"]["finalizers"]) == after


def test_a_namespace_stays_until_its_own_finalizers_are_gone():
    obj = {"kind": "Namespace", "metadata": {"name": "x"}, "spec": {"finalizers": ["kubernetes"]}}

    staying = decide(NAMESPACE, obj, Options(), NOW)

    assert staying["status"]["phase"] == "Terminating" and not is_finished(staying)
    again = decide(NAMESPACE, copy.deepcopy(staying), Options(), NOW + 9)
    assert again == staying
    staying["spec"]["finalizers"] = []
    assert is_finished(staying)


@pytest.mark.parametrize(
    ("body", "query", "error"),
    [
        ({"propagationPolicy": "Sideways"}, {}, Invalid),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, {}, Invalid),
        ({"dryRun": ["Some"]}, {}, Invalid),
        ({}, {"gracePeriodSeconds": "soon"}, BadRequest),
    ],
)
def test_options_that_make_no_sense_are_refused(body, query, error):
    with pytest.raises(error):
        options_of(body, query)


def test_options_come_from_the_body_or_the_query():
    assert options_of({"gracePeriodSeconds": 3, "propagationPolicy": "Foreground"}, {}) == Options(
        grace=3, propagation="Foreground"
    )
    assert options_of({}, {"gracePeriodSeconds": "0"}).grace == 0
    assert options_of({"orphanDependents": True}, {}).propagation == "Orphan"
