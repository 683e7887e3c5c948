"""What autoscaling/v1 cannot say stands in annotations, and comes back from there."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from procorch.kinds import schema
from procorch.kinds.autoscaling_v1 import BEHAVIOR, CONDITIONS, CURRENT, METRICS, in_old_words, in_stored_words
from procorch.kinds.horizontalpodautoscaler import KIND, OLD_KIND
from procorch.objects import Object

TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def cpu(percent: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def scaler(**spec: Any) -> Object:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default", "annotations": {"note": "mine"}},
        "spec": {"scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 5, **spec},
    }


SELECTOR = {"matchLabels": {"a": "b"}}
OTHERS = [
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "500m"}}},
    {"type": "Pods", "pods": {
        "metric": {"name": "hits", "selector": SELECTOR}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
    {"type": "Object", "object": {
        "describedObject": {"kind": "Service", "name": "s"}, "metric": {"name": "m"},
        "target": {"type": "Value", "value": "2k"}}},
    {"type": "Object", "object": {
        "describedObject": {"kind": "Service", "name": "s"}, "metric": {"name": "m"},
        "target": {"type": "AverageValue", "averageValue": "3"}}},
    {"type": "External", "external": {
        "metric": {"name": "q", "selector": SELECTOR}, "target": {"type": "Value", "value": "30"}}},
    {"type": "External", "external": {
        "metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "30"}}},
    {"type": "ContainerResource", "containerResource": {
        "name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 5}}},
]  # fmt: skip
BEHAVIOUR = {"scaleUp": {"selectPolicy": "Max", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}]}}


def test_the_use_of_cpu_is_all_that_v1_says() -> None:
    shown = in_old_words(scaler(metrics=[cpu(70)]))

    assert shown["apiVersion"] == "autoscaling/v1"
    assert shown["metadata"]["annotations"] == {"note": "mine"}
    assert shown["spec"] == {
        "scaleTargetRef": TARGET, "minReplicas": 1, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70,
    }  # fmt: skip


@pytest.mark.parametrize("metric", OTHERS, ids=lambda metric: metric["type"])
def test_every_other_metric_survives_a_client_of_v1(metric: Object) -> None:
    stored = scaler(metrics=[metric, cpu(70)], behavior=BEHAVIOUR)

    shown = in_old_words(stored)

    assert not schema.check(OLD_KIND, copy.deepcopy(shown))
    assert set(shown["metadata"]["annotations"]) == {"note", METRICS, BEHAVIOR}
    assert in_stored_words(shown) == stored


def test_the_annotation_is_in_the_words_of_v1() -> None:
    shown = in_old_words(scaler(metrics=OTHERS[2:4], behavior=BEHAVIOUR))
    annotations = shown["metadata"]["annotations"]

    assert json.loads(annotations[METRICS]) == [
        {"type": "Pods", "pods": {"metricName": "hits", "selector": SELECTOR, "targetAverageValue": "1k"}},
        {"type": "Object", "object": {
            "target": {"kind": "Service", "name": "s"}, "metricName": "m", "targetValue": "2k"}},
    ]  # fmt: skip
    assert json.loads(annotations[BEHAVIOR]) == {
        "ScaleUp": {"SelectPolicy": "Max", "Policies": [{"Type": "Pods", "Value": 1, "PeriodSeconds": 5}]}
    }


def test_the_status_survives_too() -> None:
    current = [{"type": "Resource", "resource": {"name": "cpu", "current": {
        "averageUtilization": 12, "averageValue": "120m"}}}]  # fmt: skip
    conditions = [{"type": "AbleToScale", "status": "True"}]
    stored = scaler(metrics=[cpu(70)])
    stored["status"] = {"currentReplicas": 2, "desiredReplicas": 3, "currentMetrics": current, "conditions": conditions}

    shown = in_old_words(stored)

    assert shown["status"] == {"currentReplicas": 2, "desiredReplicas": 3, "currentCPUUtilizationPercentage": 12}
    assert set(shown["metadata"]["annotations"]) == {"note", CURRENT, CONDITIONS}
    assert in_stored_words(shown) == stored
    bare = {**shown, "metadata": {"name": "web"}}
    assert in_stored_words(bare)["status"]["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}
    ]


@pytest.mark.parametrize("text", ["", "not json", "5", '"x"', "[5]", "{}"])
def test_an_annotation_that_cannot_be_read_is_dropped(text: str) -> None:
    shown = in_old_words(scaler(metrics=[cpu(70)]))
    shown["metadata"]["annotations"] = dict.fromkeys((METRICS, BEHAVIOR, CURRENT, CONDITIONS), text)

    stored = in_stored_words(shown)

    assert "annotations" not in stored["metadata"]
    assert stored["spec"] == scaler(metrics=[cpu(70)])["spec"]


def test_neither_way_changes_what_it_was_given() -> None:
    stored = scaler(metrics=[*OTHERS, cpu(70)], behavior=BEHAVIOUR)
    before = copy.deepcopy(stored)
    shown = in_old_words(stored)
    shown_before = copy.deepcopy(shown)
    in_stored_words(shown)

    assert (stored, shown) == (before, shown_before)
    assert KIND.storage is OLD_KIND.storage
