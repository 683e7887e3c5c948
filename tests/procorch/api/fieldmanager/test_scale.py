"""Who manages spec.replicas when the scale subresource sets it."""

from __future__ import annotations

import copy

import pytest

from procorch.api.fieldmanager import Apply, Update, apply_scale, update_scale
from procorch.kinds import KINDS
from procorch.objects import Conflict

RC = KINDS["ReplicationController"]
ALONE = {"f:spec": {"f:replicas": {}}}


def controller(manager="a"):
    """As this manager has applied it."""
    made = {"apiVersion": "v1", "kind": RC.name, "metadata": {"name": "x", "uid": "u"},
            "spec": {"replicas": 2, "selector": {"a": "b"}}}  # fmt: skip
    return Apply(manager, False, RC, "", 0).to(None, made)


def rows_of(obj):
    return [(row["manager"], row["operation"], row.get("subresource"), row["fieldsV1"])
            for row in obj["metadata"]["managedFields"]]  # fmt: skip


def by_update(obj, replicas, manager="u", now=5.0):
    made = copy.deepcopy(obj)
    update_scale(made, replicas, Update(manager, RC, "scale", now))
    return made


def by_apply(obj, replicas, manager="s", *, force=False):
    made = copy.deepcopy(obj)
    apply_scale(made, replicas, Apply(manager, force, RC, "scale", 5))
    return made


REST = ("a", "Apply", None, {"f:spec": {"f:selector": {}}})


def test_who_scales_takes_the_replicas_over_and_the_rest_stays():
    made = by_update(controller(), 5)

    assert made["spec"]["replicas"] == 5
    assert rows_of(made) == [REST, ("u", "Update", "scale", ALONE)]
    assert made["metadata"]["managedFields"][1]["apiVersion"] == "v1"
    assert made["metadata"]["managedFields"][1]["time"] == "1970-01-01T00:00:05Z"


def test_the_same_number_takes_nothing_over():
    assert by_update(controller(), 2) == controller()


def test_without_managers_nobody_keeps_track():
    bare = controller()
    del bare["metadata"]["managedFields"]

    assert "managedFields" not in by_update(bare, 5)["metadata"]


def test_the_object_itself_cannot_then_be_applied_with_other_replicas():
    with pytest.raises(Conflict, match=r'conflict with "u" with subresource "scale" using v1: \.spec\.replicas'):
        Apply("a", False, RC, "", 0).to(by_update(controller(), 5), {
            "apiVersion": "v1", "kind": RC.name, "metadata": {"name": "x"}, "spec": {"replicas": 2},
        })  # fmt: skip


def test_an_applied_scale_conflicts_shares_and_takes_over():
    with pytest.raises(Conflict, match=r'conflict with "a": \.spec\.replicas'):
        by_apply(controller(), 3)
    with pytest.raises(Conflict, match=r'"u" with subresource "scale" using autoscaling/v1: \.spec\.replicas'):
        by_apply(by_update(controller(), 5), 3)

    assert rows_of(by_apply(controller(), 2))[1:] == [("s", "Apply", "scale", ALONE)]
    forced = by_apply(controller(), 3, force=True)
    assert forced["spec"]["replicas"] == 3 and rows_of(forced) == [REST, ("s", "Apply", "scale", ALONE)]


def test_an_applied_scale_without_replicas_gives_them_up_and_leaves_the_number():
    made = by_apply(by_apply(controller(), 3, force=True), None)

    assert made["spec"]["replicas"] == 3 and rows_of(made) == [REST]


def test_applying_a_scale_twice_changes_nothing():
    once = by_apply(controller(), 3, force=True)

    assert by_apply(once, 3) == once


def test_what_nobody_kept_track_of_was_before_the_first_apply():
    bare = controller()
    del bare["metadata"]["managedFields"]

    with pytest.raises(Conflict, match="before-first-apply"):
        by_apply(bare, 3)
