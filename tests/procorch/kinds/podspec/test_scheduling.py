"""What is wrong with what a pod asks of its node."""

from __future__ import annotations

import pytest

TERM = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"tolerations": [{"effect": "NoSchedule"}]},
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, '
            'which means "match all values and all keys"',
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]},
            "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]},
            'spec.tolerations[0].effect: Invalid value: "": '
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        ),
        (
            {"tolerations": [{"key": "a", "operator": "Near"}]},
            'spec.tolerations[0].operator: Unsupported value: "Near": supported values: "Equal", "Exists"',
        ),
        (
            {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
            f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value: "
            "must have at least one node selector term",
        ),
        (
            {"affinity": {"nodeAffinity": {PREFERRED: [{"weight": 101, "preference": TERM}]}}},
            f"spec.affinity.nodeAffinity.{PREFERRED}[0].weight: Invalid value: 101: must be in the range 1-100",
        ),
        (
            {
                "topologySpreadConstraints": [
                    {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
                ]
            },
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
        ),
        (
            {"schedulingGates": [{"name": "a"}, {"name": "a"}]},
            'spec.schedulingGates[1]: Duplicate value: "a"',
        ),
    ],
)
def test_a_bad_wish_is_named(problems, spec, problem) -> None:  # type: ignore[no-untyped-def]
    assert problems(**spec) == [problem]


def test_a_pod_term_names_its_topology(problems) -> None:  # type: ignore[no-untyped-def]
    found = problems(affinity={"podAffinity": {REQUIRED: [{"labelSelector": {}}]}})

    assert found[0] == f"spec.affinity.podAffinity.{REQUIRED}[0].topologyKey: Required value: can not be empty"


def test_a_node_selector_is_made_of_labels(problems) -> None:  # type: ignore[no-untyped-def]
    (found,) = problems(nodeSelector={"a": "b c"})

    assert found.startswith('spec.nodeSelector: Invalid value: "b c": a valid label must be')


def test_good_wishes(problems) -> None:  # type: ignore[no-untyped-def]
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}

    assert problems(
        nodeSelector={"disk": "fast"},
        tolerations=[{"key": "a", "value": "b", "effect": "NoSchedule"}, {"operator": "Exists"}],
        affinity={
            "nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [TERM, by_name]}},
            "podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": "zone"}}]},
        },
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                    "labelSelector": {"matchLabels": {"a": "b"}}}],
    ) == []  # fmt: skip
