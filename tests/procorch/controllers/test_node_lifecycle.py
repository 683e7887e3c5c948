"""A silent node: when it becomes Unknown, which taints it gets, how many at a time."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.controllers.config import ControllerConfig
from procorch.controllers.node_lifecycle import Heard, census, eviction_rate, plan_conditions, plan_taints
from procorch.objects import Object, condition_of

NOW = 1_000_000.0
CONFIG = ControllerConfig()
NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


def node(ready: str | None = "True", *taints: tuple[str, str], name: str = "n", **spec: Any) -> Object:
    rows = [{"key": key, "effect": effect} for key, effect in taints]
    conditions = [{"type": "Ready", "status": ready, "reason": "r"}] if ready else []
    metadata = {"name": name, "creationTimestamp": timestamp(NOW - 1000)}
    return {"metadata": metadata, "spec": {"taints": rows, **spec}, "status": {"conditions": conditions}}


def test_a_node_that_speaks_stays_as_it_is() -> None:
    assert plan_conditions(node(), 49, CONFIG, NOW) is None


def test_a_silent_node_becomes_unknown_in_all_that_it_said() -> None:
    conditions = plan_conditions(node(), 50, CONFIG, NOW)

    assert conditions is not None
    ready = condition_of({"status": {"conditions": conditions}}, "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.",
    )  # fmt: skip
    assert ready["lastTransitionTime"] == timestamp(NOW)


def test_a_node_that_never_spoke_gets_a_minute() -> None:
    assert plan_conditions(node(None), 59, CONFIG, NOW) is None
    conditions = plan_conditions(node(None), 60, CONFIG, NOW)
    assert conditions is not None
    assert {row["type"]: row["reason"] for row in conditions}["Ready"] == "NodeStatusNeverUpdated"


def test_an_unknown_node_is_not_written_again() -> None:
    conditions = plan_conditions(node(), 50, CONFIG, NOW)

    assert plan_conditions({**node(), "status": {"conditions": conditions}}, 90, CONFIG, NOW) is None


@pytest.mark.parametrize(
    ("was", "may", "keep", "taints"),
    [
        pytest.param(node(), True, True, None, id="a ready node has no taint of ours"),
        pytest.param(
            node("False"), True, True, [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")], id="not ready: both"
        ),
        pytest.param(node("Unknown"), False, True, [(UNREACHABLE, "NoSchedule")], id="the rate holds NoExecute back"),
        pytest.param(
            node("Unknown", (NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")), False, True,
            [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")], id="not-ready turns into unreachable at once",
        ),
        pytest.param(
            node("Unknown", (UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")), False, False,
            [(UNREACHABLE, "NoSchedule")], id="every node is away: NoExecute is taken back",
        ),
        pytest.param(
            node("True", (UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute"), ("mine", "NoExecute")), False, True,
            [("mine", "NoExecute")], id="back again: ours go, a user's stays",
        ),
        pytest.param(
            node(unschedulable=True), False, True, [("node.kubernetes.io/unschedulable", "NoSchedule")], id="cordoned"
        ),
        pytest.param(node(None), False, True, [(NOT_READY, "NoSchedule")], id="a new node is not ready yet"),
    ],
)  # fmt: skip
def test_taints_follow_the_state(was: Object, may: bool, keep: bool, taints: Any) -> None:
    planned = plan_taints(was, may, keep, NOW)

    assert (None if planned is None else [(row["key"], row["effect"]) for row in planned]) == taints


def test_pressure_becomes_a_taint() -> None:
    one = node()
    one["status"]["conditions"].append({"type": "MemoryPressure", "status": "True"})

    planned = plan_taints(one, True, True, NOW)
    assert planned is not None
    assert [row["key"] for row in planned] == ["node.kubernetes.io/memory-pressure"]


@pytest.mark.parametrize(
    ("nodes", "well", "rate"),
    [
        pytest.param(3, 2, 0.1, id="one of three is away"),
        pytest.param(3, 0, 0.0, id="all are away: it is us"),
        pytest.param(1, 0, 0.0, id="the only node is away"),
        pytest.param(10, 4, 0.0, id="most of a small cluster"),
        pytest.param(100, 40, 0.01, id="most of a large cluster"),
        pytest.param(10, 5, 0.1, id="half"),
    ],
)
def test_the_rate_of_evictions(nodes: int, well: int, rate: float) -> None:
    assert eviction_rate(nodes, well, CONFIG) == rate


def test_a_node_that_has_been_silent_for_a_while_is_no_witness() -> None:
    nodes = [node(name="a"), node(name="b"), node("Unknown", name="c")]
    heard = {"a": Heard(NOW - 5, ("", "")), "b": Heard(NOW - 26, ("", ""))}

    assert census(nodes, heard, CONFIG, NOW) == (3, 1)
