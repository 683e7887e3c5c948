"""A ReplicaSet is a ReplicationController with a set-based selector that never changes."""

from __future__ import annotations

import copy

from procorch.kinds import KINDS
from procorch.objects import Object

SET: Object = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx:1"}]},
        },
    },
}


def test_one_replica_unless_said_otherwise(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(SET)

    assert problems == []
    assert made["spec"]["replicas"] == 1
    assert made["spec"]["template"]["spec"]["restartPolicy"] == "Always"
    assert "labels" not in made["metadata"]


def test_a_selector_is_needed_and_must_restrict(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(SET, selector=None)[1] == [
        "spec.selector: Required value",
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ]
    assert enter(SET, selector={})[1] == ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]


def test_the_selector_must_match_the_template(enter) -> None:  # type: ignore[no-untyped-def]
    selector = {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}

    assert enter(SET, selector=selector)[1] == [
        'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'
    ]


def test_a_bad_expression_is_named(enter) -> None:  # type: ignore[no-untyped-def]
    selector = {"matchExpressions": [{"key": "app", "operator": "In"}]}

    assert (
        "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        in enter(SET, selector=selector)[1]
    )


def test_the_selector_never_changes(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(SET)
    new = copy.deepcopy(old)
    new["spec"]["selector"] = {"matchLabels": {"app": "db"}}
    new["spec"]["template"]["metadata"]["labels"] = {"app": "db"}

    assert enter(new, old)[1] == ['spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable']


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(SET)

    shown = [column.cell(made, 0.0) for column in KINDS["ReplicaSet"].columns]

    assert shown == ["web", 1, 0, 0, "<unknown>", "web", "nginx:1", "app=web"]
