"""Which ReplicaSet is which revision."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.controllers import revisions
from procorch.controllers.revisions import HASH, HISTORY, REVISION
from procorch.controllers.rollout import Set, Wanted
from procorch.kinds import KINDS
from procorch.objects import Object, annotations_of, labels_of
from procorch.selectors import LabelSelector

BORN = 1_000_000.0


def template(image: str = "one", **labels: str) -> Object:
    return {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(image: str = "one", name: str = "web", annotations: Any = None, **spec: Any) -> Object:
    metadata: Object = {"name": name, "namespace": "d", "uid": "u", "annotations": annotations or {}}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template(image), **spec}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def rs(name: str, image: str = "one", *, revision: str = "", born: float = 0, replicas: int = 0, **more: Any) -> Object:
    """born: seconds after the others."""
    metadata: Object = {"name": name, "namespace": "d", "uid": name, "generation": 1,
                        "creationTimestamp": timestamp(BORN + born)}  # fmt: skip
    if revision:
        metadata["annotations"] = {REVISION: revision}
    spec = {"replicas": replicas, "template": template(image, **{HASH: "x"})}
    return {"metadata": metadata, "spec": spec, "status": {"observedGeneration": 1, **more}}


def test_the_new_set_is_the_one_with_the_template_whatever_its_hash() -> None:
    one, two = rs("a", "one"), rs("b", "two")

    assert revisions.split(deployment("two"), [one, two]) == (two, [one])
    assert revisions.split(deployment("three"), [one, two]) == (None, [one, two])


def test_of_two_that_are_alike_the_older_is_new() -> None:
    older, younger = rs("z"), rs("a", born=10)

    assert revisions.split(deployment(), [younger, older]) == (older, [younger])


def test_what_was_stored_before_a_default_existed_is_like_what_has_it() -> None:
    """Or a new version of the master would roll out every Deployment."""
    wanted, stored = deployment(), rs("a")
    KINDS["Deployment"].default(wanted)
    assert wanted["spec"]["template"] != stored["spec"]["template"]

    assert revisions.is_like(wanted, stored)
    assert not revisions.is_like(wanted, rs("a", "two"))
    assert "restartPolicy" not in stored["spec"]["template"]["spec"], "looking changes nothing"


def test_a_new_set_chooses_its_own_pods_alone() -> None:
    made = revisions.new_set(deployment(minReadySeconds=5), Wanted(3, 1), 2, 7)
    word = labels_of(made)[HASH]

    assert made["metadata"]["name"] == f"web-{word}"
    assert made["spec"]["replicas"] == 2 and made["spec"]["minReadySeconds"] == 5
    assert annotations_of(made) == {
        REVISION: "7",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    selector = LabelSelector.of(made["spec"]["selector"])
    assert selector.matches(made["spec"]["template"]["metadata"]["labels"])
    other = revisions.new_set(deployment("two"), Wanted(3, 1), 2, 8)
    assert not selector.matches(other["spec"]["template"]["metadata"]["labels"])


def test_a_selector_of_expressions_alone_gets_its_hash_too() -> None:
    rows = [{"key": "app", "operator": "Exists"}]
    made = revisions.new_set(deployment(selector={"matchExpressions": rows}), Wanted(3), 0, 1)

    assert made["spec"]["selector"] == {"matchExpressions": rows, "matchLabels": {HASH: labels_of(made)[HASH]}}


def test_the_name_follows_from_the_template_and_the_number_of_collisions() -> None:
    first = revisions.new_set(deployment(), Wanted(3), 0, 1)
    again = revisions.new_set(copy.deepcopy(deployment()), Wanted(5), 0, 2)
    collided = revisions.new_set({**deployment(), "status": {"collisionCount": 1}}, Wanted(3), 0, 1)

    assert first["metadata"]["name"] == again["metadata"]["name"] != collided["metadata"]["name"]


def test_a_long_name_leaves_room_for_the_hash() -> None:
    made = revisions.new_set(deployment(name="a" * 253), Wanted(3), 0, 1)

    assert len(made["metadata"]["name"]) == 253
    assert made["metadata"]["name"].endswith(f"-{labels_of(made)[HASH]}")


@pytest.mark.parametrize(
    ("new", "old", "changes"),
    [
        pytest.param(rs("b"), [], {REVISION: "1"}, id="the first"),
        pytest.param(rs("b", revision="2"), [rs("a", revision="1")], {}, id="the newest already"),
        pytest.param(rs("b", revision="9"), [rs("a", revision="1")], {}, id="others went: its number stays"),
        pytest.param(
            rs("b", revision="1"), [rs("a", revision="2")], {REVISION: "3", HISTORY: "1"}, id="rolled back to"
        ),
        pytest.param(rs("b", revision="two"), [], {REVISION: "1"}, id="no number"),
        pytest.param(rs("b", revision="1"), [rs("a", revision="x")], {}, id="another's is no number"),
        pytest.param(
            rs("b"), [rs("a", revision="3546343826724305832")], {REVISION: "3546343826724305833"}, id="a great number"
        ),
        pytest.param(rs("b"), [rs("a", revision="9" * 19)], {REVISION: "1"}, id="too great for a number"),
    ],
)
def test_revisions_are_counted(new: Object, old: list[Object], changes: dict[str, str]) -> None:
    assert revisions.new_annotations(deployment(), new, old) == changes


def test_former_numbers_are_kept_until_they_are_too_many() -> None:
    new = rs("b", revision="7")
    new["metadata"]["annotations"][HISTORY] = "1,3"
    assert revisions.new_annotations(deployment(), new, [rs("a", revision="8")])[HISTORY] == "1,3,7"

    new["metadata"]["annotations"][HISTORY] = ",".join(map(str, range(1000, 1400)))
    history = revisions.new_annotations(deployment(), new, [rs("a", revision="8")])[HISTORY]
    assert len(history) <= 2000 and history.endswith(",1399,7") and not history.startswith("1000,")


def test_the_deployments_annotations_are_the_sets_too_but_for_its_own() -> None:
    asked = deployment(annotations={"team": "a", REVISION: "4", "deployment.kubernetes.io/desired-replicas": "99"})

    assert revisions.new_annotations(asked, rs("b", revision="4"), []) == {"team": "a"}


def test_a_set_in_numbers() -> None:
    one = rs("a", replicas=3, availableReplicas=2)
    one["metadata"]["annotations"] = revisions.size_annotations(Wanted(5, 2))

    assert revisions.in_numbers(one) == Set("a", 3, 2, 5, 7, BORN)
    one["metadata"]["annotations"] = {"deployment.kubernetes.io/desired-replicas": "-1"}
    assert revisions.in_numbers(one) == Set("a", 3, 2, None, None, BORN)


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        pytest.param(2, ["a", "b"], id="the oldest revisions beyond the limit"),
        pytest.param(0, ["a", "b", "c"], id="none is kept, but what has pods or has not settled"),
        pytest.param(10, [], id="fewer than the limit"),
        pytest.param(None, [], id="no limit"),
        pytest.param((1 << 31) - 1, [], id="no limit, in the words of old clients"),
    ],
)
def test_history_beyond_the_limit_goes(limit: int | None, names: list[str]) -> None:
    unsettled = rs("d", revision="4")
    unsettled["metadata"]["generation"] = 2
    old = [rs("b", revision="2"), rs("a", revision="1"), unsettled, rs("c", revision="3")]
    if limit == 0:
        old.append(rs("e", revision="5", replicas=1))
        old.append(rs("f", revision="6", **{"replicas": 0}))
        old[-1]["status"]["replicas"] = 1

    gone = revisions.surplus(deployment(revisionHistoryLimit=limit), old)
    assert [one["metadata"]["name"] for one in gone] == names
