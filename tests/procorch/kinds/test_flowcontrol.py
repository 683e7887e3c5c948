"""What every cluster has of flow control is valid, complete, and what its kinds call fixed."""

from __future__ import annotations

from procorch.kinds import KINDS
from procorch.kinds.flowcontrol import AUTO_UPDATE, mandatory, suggested


def test_each_is_valid_and_complete_as_it_stands():
    for one in (*mandatory(), *suggested()):
        kind = KINDS[one["kind"]]
        before = one["spec"].copy()
        kind.default(one)

        assert list(kind.validate(one, None)) == []
        assert one["spec"] == before, "a default would be taken for somebody's change"


def test_the_names_and_numbers_are_kubernetes():
    levels = {one["metadata"]["name"]: one["spec"] for one in (*mandatory(), *suggested())
              if one["kind"] == "PriorityLevelConfiguration"}  # fmt: skip
    schemas = {one["metadata"]["name"]: one["spec"]["matchingPrecedence"] for one in (*mandatory(), *suggested())
               if one["kind"] == "FlowSchema"}  # fmt: skip

    assert sorted(levels) == ["catch-all", "exempt", "global-default", "leader-election", "node-high", "system",
                              "workload-high", "workload-low"]  # fmt: skip
    assert sum(one["limited"]["nominalConcurrencyShares"] for one in levels.values() if "limited" in one) == 245
    assert schemas == {
        "exempt": 1, "probes": 2, "system-leader-election": 100, "system-node-high": 400, "system-nodes": 500,
        "kube-controller-manager": 800, "kube-scheduler": 800, "kube-system-service-accounts": 900,
        "service-accounts": 9000, "global-default": 9900, "catch-all": 10000,
    }  # fmt: skip
    assert all(one["metadata"]["annotations"] == {AUTO_UPDATE: "true"} for one in (*mandatory(), *suggested()))
