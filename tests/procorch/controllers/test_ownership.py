"""What an owner adopts, releases and leaves alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.ownership import claim, owners_that_match, selector_of
from procorch.objects import Object
from procorch.selectors import LabelSelector

SELECTOR = LabelSelector.of_map({"app": "web"})
ENDING = "2026-01-01T00:00:00Z"


def owner(uid: str = "rs", **metadata: Any) -> Object:
    selector = {"matchLabels": {"app": "web"}}
    return {"kind": "ReplicaSet", "metadata": {"name": "web", "namespace": "d", "uid": uid, **metadata},
            "spec": {"selector": selector}}  # fmt: skip


def pod(uid: str, *, of: str = "rs", app: str = "web", phase: str = "Running", deleting: bool = False) -> Object:
    """of: the controller's uid; empty for an orphan."""
    metadata: Object = {"name": uid, "namespace": "d", "uid": uid, "labels": {"app": app}}
    if of:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web", "uid": of, "controller": True}]
    if deleting:
        metadata["deletionTimestamp"] = ENDING
    return {"metadata": metadata, "status": {"phase": phase}}


def test_matching_orphans_are_adopted_and_strangers_left_alone() -> None:
    mine, orphan, other = pod("a"), pod("b", of=""), pod("c", of="another")
    finished, unlike, ending = (
        pod("d", of="", phase="Failed"),
        pod("e", of="", app="db"),
        pod("f", of="", deleting=True),
    )

    claimed = claim(owner(), [mine, orphan, other, finished, unlike, ending], SELECTOR)

    assert claimed.mine == [mine, orphan]
    assert claimed.adopt == [orphan]
    assert claimed.release == []


def test_what_matches_no_more_is_released() -> None:
    gone = pod("a", app="debug")

    assert claim(owner(), [gone], SELECTOR).release == [gone]


def test_an_owner_that_ends_adopts_and_releases_nothing() -> None:
    claimed = claim(owner(deletionTimestamp=ENDING), [pod("a", of=""), pod("b", app="debug")], SELECTOR)

    assert (claimed.mine, claimed.adopt, claimed.release) == ([], [], [])


OBJECTS = st.builds(
    pod,
    uid=st.uuids().map(str),
    of=st.sampled_from(["", "rs", "another"]),
    app=st.sampled_from(["web", "db"]),
    phase=st.sampled_from(["Running", "Failed"]),
    deleting=st.booleans(),
)


@given(st.lists(OBJECTS, max_size=20))
def test_what_another_owns_is_never_touched(objects: list[Object]) -> None:
    claimed = claim(owner(), objects, SELECTOR)

    for obj in (*claimed.mine, *claimed.adopt, *claimed.release):
        assert {row["uid"] for row in obj["metadata"].get("ownerReferences", [])} <= {"rs"}
    for obj in claimed.mine:
        assert obj["metadata"]["labels"]["app"] == "web"


@pytest.mark.parametrize(
    ("obj", "keys"),
    [
        pytest.param(pod("a"), ["d/web"], id="owned: its controller"),
        pytest.param(pod("a", of=""), ["d/web", "d/too"], id="an orphan: all that would like it"),
        pytest.param(pod("a", of="", app="db"), [], id="an orphan that nobody wants"),
    ],
)
def test_whom_an_object_concerns(obj: Object, keys: list[str]) -> None:
    class Sets:
        def by_namespace(self, namespace: str) -> list[Object]:
            return [owner(), owner("other", name="too")]

    assert owners_that_match("ReplicaSet", selector_of)(obj, {"ReplicaSet": Sets()}) == keys  # type: ignore[dict-item]


def test_an_object_of_another_kind_of_owner_concerns_nobody_here() -> None:
    assert owners_that_match("Deployment", selector_of)(pod("a"), {}) == []
