"""Nodes: what they have is made canonical, what identifies them stays, and a heartbeat is known as one."""

from __future__ import annotations

import copy
from typing import Any

from procorch.kinds import KINDS
from procorch.objects import Object

KIND = KINDS["Node"]
NODE: Object = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge"}},
    "spec": {"podCIDR": "10.240.0.0/22"},
    "status": {
        "capacity": {"cpu": "4000m", "memory": "1048576Ki"},
        "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "n1"}],
        "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-23T19:00:00Z"}],
        "nodeInfo": {
            "kubeletVersion": "v1.37.0",
            "osImage": "Debian",
            "kernelVersion": "6.18",
            "architecture": "amd64",
        },
        "images": [{"names": ["b"]}, {"names": ["a"]}],
    },
}


def node(**status: Any) -> Object:
    made = copy.deepcopy(NODE)
    made["status"].update(status)
    return made


def test_a_node_registers_with_its_status(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(NODE)

    assert problems == []
    assert made["status"]["capacity"] == made["status"]["allocatable"] == {"cpu": "4", "memory": "1Gi"}
    assert made["spec"]["podCIDRs"] == ["10.240.0.0/22"]


def test_its_range_stays_its_range(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(NODE)
    new = copy.deepcopy(old)
    new["spec"] = {"podCIDR": "10.240.4.0/22"}

    assert enter(new, old)[1] == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]


def test_the_two_fields_for_its_range_agree_so_that_the_older_one_cannot_be_changed_alone(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(NODE)
    old["spec"] = {"podCIDR": "10.240.0.0/22", "podCIDRs": ["10.240.0.0/22"]}
    new = copy.deepcopy(old)
    new["spec"]["podCIDR"] = "10.9.0.0/16"

    assert enter(new, old)[1] == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]


def test_a_range_has_no_bits_beyond_its_prefix(enter) -> None:  # type: ignore[no-untyped-def]
    wrong = copy.deepcopy(NODE)
    wrong["spec"] = {"podCIDRs": ["10.240.0.1/22"]}

    assert enter(wrong)[1] == [
        'spec.podCIDRs[0]: Invalid value: "10.240.0.1/22": must not have bits set beyond the prefix length'
    ]


def test_taints_are_whole_and_each_stands_once(enter) -> None:  # type: ignore[no-untyped-def]
    taint = {"key": "a", "effect": "NoSchedule"}
    tainted = copy.deepcopy(NODE)

    tainted["spec"]["taints"] = [taint]
    assert enter(tainted)[1] == []

    tainted["spec"]["taints"] = [taint, taint, {"key": "b"}, {"key": "c", "effect": "Never"}]
    assert enter(tainted)[1] == [
        'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: '
        "taints must be unique by key and effect pair",
        "metadata.taints[2].effect: Required value",
        'metadata.taints[3].effect: Unsupported value: "Never": '
        'supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ]


def test_a_capacity_is_a_quantity(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(node(capacity={"pods": "1.5"}, allocatable={"cpu": "-1"}))[1] == [
        'status.capacity.pods: Invalid value: "1500m": must be an integer',
        'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
    ]


def test_an_update_of_the_node_itself_leaves_the_status(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(NODE)
    new = copy.deepcopy(old)
    new["spec"]["unschedulable"], new["status"] = True, {}

    made, problems = enter(new, old)

    assert problems == []
    assert made["status"] == old["status"]


def test_newer_times_and_another_order_of_images_are_a_heartbeat() -> None:
    pulse = node(
        conditions=[{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-23T19:05:00Z"}],
        images=[{"names": ["a"]}, {"names": ["b"]}],
    )
    pulse["metadata"]["resourceVersion"] = "7"

    assert KIND.heartbeat(NODE, pulse)


def test_a_changed_condition_image_or_label_is_no_heartbeat() -> None:
    labelled = node()
    labelled["metadata"]["labels"] = {}

    assert not KIND.heartbeat(NODE, node(conditions=[{"type": "Ready", "status": "False"}]))
    assert not KIND.heartbeat(NODE, node(images=[{"names": ["a"]}]))
    assert not KIND.heartbeat(NODE, labelled)


def test_the_columns_are_kubectls() -> None:
    shown = {column.name.upper(): column.cell(NODE, 0.0) for column in KIND.columns}

    assert shown == {
        "NAME": "n1", "STATUS": "Ready", "ROLES": "control-plane,edge", "AGE": "<unknown>", "VERSION": "v1.37.0",
        "INTERNAL-IP": "192.0.2.1", "EXTERNAL-IP": "<none>", "OS-IMAGE": "Debian", "KERNEL-VERSION": "6.18 (amd64)",
        "CONTAINER-RUNTIME": "<unknown>",
    }  # fmt: skip


def test_the_status_of_a_node_in_one_word() -> None:
    cell = KIND.columns[1].cell
    cordoned = {**node(conditions=[]), "spec": {"unschedulable": True}}

    assert cell(node(conditions=[{"type": "Ready", "status": "Unknown"}]), 0.0) == "NotReady"
    assert cell(cordoned, 0.0) == "Unknown,SchedulingDisabled"
