"""What a Deployment becomes that asks to be rolled back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.controllers.revisions import HASH, REVISION
from procorch.controllers.rollback import ASKED, plan
from procorch.objects import Object

OWN = "kubectl.kubernetes.io/last-applied-configuration"


def template(image: str, **labels: str) -> Object:
    return {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def rs(image: str, revision: int) -> Object:
    annotations = {REVISION: str(revision), "cause": image}
    metadata = {"name": image, "annotations": annotations}
    return {"metadata": metadata, "spec": {"template": template(image, **{HASH: "x"})}}


def deployment(asked: str | None, image: str = "two") -> Object:
    annotations: dict[str, Any] = {OWN: "{}", "cause": image, REVISION: "2"}
    if asked is not None:
        annotations[ASKED] = asked
    return {"metadata": {"name": "web", "annotations": annotations}, "spec": {"template": template(image)}}


ONE, TWO = rs("one", 1), rs("two", 2)


@pytest.mark.parametrize(
    ("asked", "image", "new", "old", "reason", "becomes"),
    [
        pytest.param("1", "two", TWO, [ONE], "DeploymentRollback", "one", id="to a revision"),
        pytest.param("0", "two", TWO, [ONE], "DeploymentRollback", "one", id="to the last one"),
        pytest.param("0", "three", None, [ONE, TWO], "DeploymentRollback", "two", id="changed in the same moment"),
        pytest.param("7", "two", TWO, [ONE], "DeploymentRollbackRevisionNotFound", "two", id="no such revision"),
        pytest.param("0", "two", TWO, [], "DeploymentRollbackRevisionNotFound", "two", id="no last one"),
        pytest.param("2", "two", TWO, [ONE], "DeploymentRollbackTemplateUnchanged", "two", id="to what it is"),
    ],
)
def test_a_rollback(asked: str, image: str, new: Object | None, old: list[Object], reason: str, becomes: str) -> None:
    before = deployment(asked, image)
    kept = copy.deepcopy(before)
    result = plan(before, new, old)

    assert result is not None and result.reason == reason
    assert result.deployment["spec"]["template"] == template(becomes)
    annotations = result.deployment["metadata"]["annotations"]
    assert annotations == {OWN: "{}", REVISION: "2", "cause": becomes}
    assert before == kept, "what an informer holds is read-only"


@pytest.mark.parametrize("asked", [None, "", "latest", "-1"])
def test_nothing_is_asked(asked: str | None) -> None:
    assert plan(deployment(asked), TWO, [ONE]) is None
