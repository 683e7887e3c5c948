"""A PodTemplate is judged as the template of anything that makes pods."""

from __future__ import annotations

import copy

from procorch.kinds import KINDS
from procorch.objects import Object

TEMPLATE: Object = {
    "apiVersion": "v1",
    "kind": "PodTemplate",
    "metadata": {"name": "one", "namespace": "default"},
    "template": {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]},
    },
}


def test_it_is_defaulted_as_a_pod(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(TEMPLATE)

    assert problems == []
    assert made["template"]["spec"]["restartPolicy"] == "Never"
    assert made["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_what_is_wrong_in_it_is_named_by_its_path(enter) -> None:  # type: ignore[no-untyped-def]
    wrong = copy.deepcopy(TEMPLATE)
    wrong["template"]["spec"]["containers"][0]["name"] = "A"
    wrong["template"]["metadata"]["labels"] = {"a b": "c"}

    problems = enter(wrong)[1]

    assert [problem.partition(":")[0] for problem in problems] == [
        "template.labels", "template.spec.containers[0].name",
    ]  # fmt: skip
    assert enter(wrong, enter(wrong)[0])[1] == []  # what stands is not judged again


def test_it_is_warned_of(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(TEMPLATE)
    made["template"]["spec"]["imagePullSecrets"] = [{"name": ""}]

    assert list(KINDS["PodTemplate"].warn(made, None)) == [
        'template.spec.imagePullSecrets[0].name: invalid empty name ""'
    ]
    assert list(KINDS["PodTemplate"].warn(made, made)) == []


def test_the_columns_are_kubectls() -> None:
    columns = KINDS["PodTemplate"].columns

    assert [column.name for column in columns] == ["Name", "Containers", "Images", "Pod Labels"]
    assert [column.cell(TEMPLATE, 0.0) for column in columns] == ["one", "c", "i:1", "a=b"]
