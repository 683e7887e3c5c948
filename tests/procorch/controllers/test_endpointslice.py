"""EndpointSlices: right, small, and changed as little as possible."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.endpointslice import MOST, plan
from procorch.objects import Object


def service(**spec: Any) -> Object:
    port = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "d", "uid": "s"},
        "spec": {"selector": {"app": "web"}, "ports": [port], **spec},
    }


def pod(name: str, *, ready: bool = True, deleting: bool = False) -> Object:
    metadata: Object = {"name": name, "namespace": "d", "uid": name}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIP": f"10.1.0.{name}", "conditions": [condition]},
    }


def after(slices: list[Object], svc: Object, pods: list[Object]) -> list[Object]:
    """The slices as they are once the plan is carried out."""
    result = plan(svc, pods, slices)
    gone = {one["metadata"]["name"] for one in result.delete}
    changed = {one["metadata"]["name"]: one for one in result.update}
    kept = [changed.get(name, one) for one in slices if (name := one["metadata"]["name"]) not in gone]
    made = []
    for number, body in enumerate(result.create):
        metadata = {**body["metadata"], "name": f"web-{len(slices)}-{number}", "uid": f"u{len(slices)}-{number}"}
        made.append({**body, "metadata": metadata})
    return kept + made


def names(slices: list[Object]) -> list[str]:
    return sorted(row["targetRef"]["name"] for one in slices for row in one["endpoints"])


def test_a_slice_names_its_service_and_carries_conditions() -> None:
    made = plan(service(), [pod("1"), pod("2", ready=False), pod("3", deleting=True)], []).create

    assert len(made) == 1
    assert made[0]["metadata"]["labels"] == {
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert made[0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert [row["conditions"] for row in made[0]["endpoints"]] == [
        {"ready": True, "serving": True, "terminating": False},
        {"ready": False, "serving": False, "terminating": False},
        {"ready": False, "serving": True, "terminating": True},
    ]


def test_unready_pods_are_ready_for_who_publishes_them() -> None:
    made = plan(service(publishNotReadyAddresses=True), [pod("1", ready=False)], []).create

    assert made[0]["endpoints"][0]["conditions"]["ready"] is True


def test_a_service_without_pods_keeps_one_empty_slice() -> None:
    slices = after([], service(), [])
    assert [one["endpoints"] for one in slices] == [[]]

    slices = after(after(slices, service(), [pod("1")]), service(), [])
    assert [one["endpoints"] for one in slices] == [[]]


def test_nothing_changed_is_nothing_to_do() -> None:
    pods = [pod(str(number)) for number in range(150)]
    result = plan(service(), pods, after([], service(), pods))

    assert (result.create, result.update, result.delete) == ([], [], [])


def test_one_pod_more_changes_one_slice() -> None:
    pods = [pod(str(number)) for number in range(150)]
    slices = after([], service(), pods)
    result = plan(service(), [*pods, pod("new")], slices)

    assert (len(result.create), len(result.update), len(result.delete)) == (0, 1, 0)


def test_a_changed_port_makes_new_slices() -> None:
    slices = after([], service(), [pod("1")])
    other = service(ports=[{"name": "http", "port": 80, "targetPort": 9090, "protocol": "TCP"}])
    result = plan(other, [pod("1")], slices)

    assert [one["metadata"]["name"] for one in result.delete] == [slices[0]["metadata"]["name"]]
    assert result.create[0]["ports"][0]["port"] == 9090


@given(st.lists(st.sets(st.integers(0, 400), max_size=400), min_size=1, max_size=5))
def test_every_pod_is_in_exactly_one_slice_of_at_most_a_hundred(steps: list[set[int]]) -> None:
    slices: list[Object] = []
    for step in steps:
        slices = after(slices, service(), [pod(str(number)) for number in sorted(step)])

        assert names(slices) == sorted(str(number) for number in step)
        assert all(len(one["endpoints"]) <= MOST for one in slices)
        assert all(one["endpoints"] for one in slices) or len(slices) == 1
