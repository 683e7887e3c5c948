"""Which nodes a DaemonSet's pods are to be on, and which pods come and go."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.clock import timestamp
from procorch.controllers.controller_revisions import HASH
from procorch.controllers.daemonset_plan import Plan, Wanted, node_of, place_of, plan, pod_of, status_of, view_of
from procorch.kinds.daemonset import TEMPLATE_GENERATION
from procorch.objects import Object

NOW = 1_000_000.0
UNSCHEDULABLE, NO_NETWORK = "node.kubernetes.io/unschedulable", "node.kubernetes.io/network-unavailable"


def owner(surge: int | str = 0, unavailable: int | str = 1, *, rolls: bool = True, **spec: Any) -> Object:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling} if rolls else {"type": "OnDelete"}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c"}], **spec}}
    metadata = {"name": "d", "namespace": "n", "uid": "u", "generation": 4, "annotations": {TEMPLATE_GENERATION: "3"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": metadata,
        "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template, "updateStrategy": strategy},
    }


def node(name: str = "a", labels: Any = None, *taints: str) -> Object:
    """taints: `key:Effect`."""
    rows = [{"key": one.split(":")[0], "effect": one.split(":")[1]} for one in taints]
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": rows}}


def pod(
    name: str, on: str = "a", hash_: str = "new", *, phase: str = "Running", ready: bool = True, deleting: bool = False,
    born: float = 0,
) -> Object:  # fmt: skip
    metadata: Object = {"name": name, "namespace": "n", "uid": name, "labels": {HASH: hash_}}
    metadata["creationTimestamp"] = timestamp(NOW - 100 + born)
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    since = {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(NOW - 50)}
    return {"metadata": metadata, "spec": {"nodeName": on}, "status": {"phase": phase, "conditions": [since]}}


def planned(there: Object, nodes: list[Object], *pods: Object, keep: float = 0) -> Plan:
    return plan(Wanted(there, "new"), view_of(there, nodes, pods), NOW, lambda name: keep)


def names(found: Plan) -> tuple[list[str], list[str]]:
    return found.create, [one["metadata"]["name"] for one in found.delete]


TWO = [node("a"), node("b")]


@pytest.mark.parametrize(
    ("there", "pods", "create", "delete"),
    [
        pytest.param(owner(), [], ["a", "b"], [], id="one on each"),
        pytest.param(owner(), [pod("p")], ["b"], [], id="one is there"),
        pytest.param(owner(), [pod("p"), pod("q", born=1), pod("r", "b")], [], ["q"], id="twins: the younger goes"),
        pytest.param(owner(), [pod("p", deleting=True)], ["b"], [], id="one that ends is waited for"),
        pytest.param(owner(1, 0), [pod("p", deleting=True)], ["a", "b"], [], id="with a surge it is not"),
        pytest.param(owner(), [pod("p", phase="Failed"), pod("q", "b")], [], ["p"], id="a failed one goes"),
        pytest.param(owner(), [pod("p", phase="Succeeded"), pod("q", "b")], [], ["p"], id="so does one that has ended"),
        pytest.param(owner(), [pod("p", "c")], ["a", "b"], [], id="its node is gone: the pod is others' business"),
    ],
)
def test_each_node_has_one(there: Object, pods: list[Object], create: list[str], delete: list[str]) -> None:
    assert names(planned(there, TWO, *pods)) == (create, delete)


def test_a_pod_for_a_node_that_is_gone_and_not_yet_on_it_goes() -> None:
    waiting = {**pod_of(Wanted(owner(), "new"), "c"), "status": {"phase": "Pending"}}
    waiting["metadata"] |= {"name": "w", "creationTimestamp": timestamp(NOW)}

    assert node_of(waiting) == "c"
    assert names(planned(owner(), TWO, waiting)) == (["a", "b"], ["w"])


def test_who_fails_again_and_again_is_kept_for_a_while() -> None:
    found = planned(owner(), TWO, pod("p", phase="Failed"), pod("q", "b"), keep=7)

    assert names(found) == ([], []) and found.wait == 7 and not found.told


@pytest.mark.parametrize(
    ("there", "pods", "create", "delete"),
    [
        pytest.param(owner(), [pod("p", hash_="old"), pod("q", "b", "old")], [], ["p"], id="one at a time"),
        pytest.param(owner(0, "100%"), [pod("p", hash_="old"), pod("q", "b", "old")], [], ["p", "q"], id="all at once"),
        pytest.param(
            owner(), [pod("p", hash_="old"), pod("q", "b", ready=False)], [], [], id="the new one is not ready"
        ),
        pytest.param(
            owner(),
            [pod("p", hash_="old", ready=False), pod("q", "b", ready=False)],
            [],
            ["p"],
            id="an old one of no use",
        ),
        pytest.param(owner(rolls=False), [pod("p", hash_="old"), pod("q", "b", "old")], [], [], id="only by hand"),
        pytest.param(owner(1, 0), [pod("p", hash_="old"), pod("q", "b", "old")], ["a"], [], id="a new one beside it"),
        pytest.param(
            owner(1, 0),
            [pod("p", hash_="old"), pod("n", ready=False), pod("q", "b", "old")],
            [],
            [],
            id="is not ready yet",
        ),
        pytest.param(
            owner(1, 0),
            [pod("p", hash_="old"), pod("n"), pod("q", "b", "old")],
            ["b"],
            ["p"],
            id="is: the old one goes",
        ),
        pytest.param(
            owner(1, 0),
            [pod("p", hash_="old", ready=False), pod("n", ready=False), pod("q", "b")],
            [],
            ["p"],
            id="of no use",
        ),
        pytest.param(owner("50%", 0), [pod("p", hash_="old"), pod("q", "b", "old")], ["a"], [], id="half, rounded up"),
    ],
)
def test_a_new_template_is_rolled_out(there: Object, pods: list[Object], create: list[str], delete: list[str]) -> None:
    assert names(planned(there, TWO, *pods)) == (create, delete)


def test_a_pod_of_before_revisions_is_known_by_the_generation() -> None:
    old = pod("p", hash_="")
    old["metadata"]["labels"]["pod-template-generation"] = "3"

    assert names(planned(owner(), [node()], old)) == ([], [])


@pytest.mark.parametrize(
    ("there", "where", "run", "stay"),
    [
        pytest.param(owner(), node(), True, True, id="any"),
        pytest.param(owner(nodeSelector={"disk": "ssd"}), node(labels={"disk": "hdd"}), False, False, id="selector"),
        pytest.param(owner(nodeName="b"), node("a"), False, False, id="another node"),
        pytest.param(owner(), node("a", None, "own:NoSchedule"), False, True, id="tainted: it may stay"),
        pytest.param(owner(), node("a", None, "own:NoExecute"), False, False, id="tainted: it may not"),
        pytest.param(owner(), node("a", None, "own:PreferNoSchedule"), True, True, id="tainted a little"),
        pytest.param(owner(tolerations=[{"key": "own", "operator": "Exists"}]), node("a", None, "own:NoExecute"),
                     True, True, id="tolerated"),
        pytest.param(owner(), node("a", None, "node.kubernetes.io/unreachable:NoExecute"), True, True, id="lost"),
        pytest.param(owner(), node("a", None, f"{UNSCHEDULABLE}:NoSchedule"), True, True, id="cordoned"),
        pytest.param(owner(), node("a", None, f"{NO_NETWORK}:NoSchedule"), False, True, id="without a network"),
        pytest.param(owner(hostNetwork=True), node("a", None, f"{NO_NETWORK}:NoSchedule"),
                     True, True, id="which the host's does not need"),
    ],
)  # fmt: skip
def test_where_one_may_be(there: Object, where: Object, run: bool, stay: bool) -> None:
    place = place_of(there, where)

    assert (place.run, place.stay) == (run, stay)


def test_a_pod_can_only_run_on_its_node() -> None:
    preferred = {"preferredDuringSchedulingIgnoredDuringExecution": []}
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}
    affinity = {"nodeAffinity": {**preferred, "requiredDuringSchedulingIgnoredDuringExecution": required}}
    made = pod_of(Wanted(owner(affinity=affinity), "h"), "b")
    there = made["spec"]["affinity"]["nodeAffinity"]

    assert there["requiredDuringSchedulingIgnoredDuringExecution"] == {
        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b"]}]}]
    }
    assert there["preferredDuringSchedulingIgnoredDuringExecution"] == []
    assert made["metadata"]["labels"] == {"app": "x", HASH: "h", "pod-template-generation": "3"}
    assert len(made["spec"]["tolerations"]) == 6


def test_the_status_counts_nodes() -> None:
    there = owner()
    pods = [pod("p"), pod("q", "b", "old", ready=False), pod("s", "t")]
    nodes = [*TWO, node("c"), node("t", None, "own:NoSchedule")]

    assert status_of(Wanted(there, "new"), view_of(there, nodes, pods), 0, NOW) == {
        "desiredNumberScheduled": 3, "currentNumberScheduled": 2, "numberMisscheduled": 1, "numberReady": 1,
        "updatedNumberScheduled": 1, "numberAvailable": 1, "numberUnavailable": 2, "observedGeneration": 4,
    }  # fmt: skip


PODS = st.builds(
    pod, st.uuids().map(str), st.sampled_from("abcx"), st.sampled_from(["new", "old"]), ready=st.booleans(),
    phase=st.sampled_from(["Running", "Failed", "Pending"]), deleting=st.booleans(), born=st.integers(0, 50),
)  # fmt: skip


@given(st.lists(PODS, max_size=8), st.sampled_from([(0, 1), (0, 2), (1, 0), ("50%", 0)]))
def test_never_two_for_good_and_never_more_unavailable_than_may_be(pods: list[Object], shares: Any) -> None:
    there = owner(*shares)
    nodes = [node("a"), node("b"), node("c", None, "own:NoSchedule")]
    found = planned(there, nodes, *pods)
    gone = {one["metadata"]["name"] for one in found.delete}
    surge, unavailable = Wanted(there, "new").share("maxSurge", 2), shares[1]

    assert not any(one["metadata"].get("deletionTimestamp") for one in found.delete)
    assert set(found.create) <= {"a", "b"} and len(set(found.create)) == len(found.create)
    for name in "ab":
        here = [one for one in pods if one["spec"]["nodeName"] == name and one["metadata"]["name"] not in gone]
        alive = [
            one for one in here if one["status"]["phase"] != "Failed" and "deletionTimestamp" not in one["metadata"]
        ]
        assert len(alive) + (name in found.create) <= 1 + bool(surge)
        if name in found.create and not surge:
            assert not [one for one in here if one["status"]["phase"] != "Failed"], "nothing of it is left there"
    if not surge:
        best = [
            one
            for one in found.delete
            if one["status"]["phase"] == "Running" and one["metadata"]["labels"][HASH] == "old"
        ]
        ready = {one["spec"]["nodeName"] for one in best if one["status"]["conditions"][0]["status"] == "True"}
        left = {one["spec"]["nodeName"] for one in pods if one["metadata"]["name"] not in gone}
        assert len((ready & {"a", "b"}) - left) <= unavailable
