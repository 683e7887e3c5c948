"""A Job: defaults, its generated selector, what may change, what kubectl shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

UID = "6a0f2b4e-0000-4000-8000-000000000001"
JOB: Object = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "once", "namespace": "default", "uid": UID},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]}}},
}
GENERATED = {
    "batch.kubernetes.io/job-name": "once",
    "job-name": "once",
    "batch.kubernetes.io/controller-uid": UID,
    "controller-uid": UID,
}


def with_labels(**given: str) -> Object:
    job = copy.deepcopy(JOB)
    job["spec"]["template"]["metadata"] = {"labels": given}
    return job


def test_the_defaults_are_those_of_batch_v1(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(JOB)

    assert problems == []
    spec = {field: value for field, value in made["spec"].items() if field not in ("template", "selector")}
    assert spec == {
        "completions": 1, "parallelism": 1, "backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False,
        "manualSelector": False, "podReplacementPolicy": "TerminatingOrFailed",
    }  # fmt: skip
    assert made["status"] == {}


@pytest.mark.parametrize(
    ("spec", "filled"),
    [
        ({"parallelism": 3}, {"completions": None}),
        ({"completions": 3}, {"parallelism": 1}),
        (
            {"completionMode": "Indexed", "completions": 2, "backoffLimitPerIndex": 1},
            {"backoffLimit": 2147483647},
        ),
        (
            {"podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}},
            {
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": {
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
                },
            },
        ),
    ],
)
def test_defaults_that_depend_on_what_was_said(enter, spec: Object, filled: Object) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(JOB, **spec)

    assert problems == []
    assert {field: made["spec"].get(field) for field in filled} == filled


def test_the_pods_are_found_by_the_uid_of_their_job(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(with_labels(app="x"))

    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "x", **GENERATED}
    assert made["metadata"]["labels"] == {"app": "x", **GENERATED}


def test_labels_of_its_own_stay(enter) -> None:  # type: ignore[no-untyped-def]
    job = with_labels(app="x")
    job["metadata"]["labels"] = {"app": "x"}

    assert enter(job)[0]["metadata"]["labels"] == {"app": "x"}


def test_a_selector_by_hand(enter) -> None:  # type: ignore[no-untyped-def]
    selector = {"matchLabels": {"app": "x"}}
    made, problems = enter(with_labels(app="x"), manualSelector=True, selector=selector)

    assert problems == [] and made["spec"]["selector"] == selector
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "x"}
    assert enter(with_labels(app="x"), manualSelector=True)[1][0] == "spec.selector: Required value"
    assert enter(with_labels(app="y"), manualSelector=True, selector=selector)[1] == [
        'spec.template.metadata.labels: Invalid value: {"app":"y"}: `selector` does not match template `labels`'
    ]


def test_a_selector_that_is_not_the_generated_one_is_refused(enter) -> None:  # type: ignore[no-untyped-def]
    problems = enter(with_labels(app="x"), selector={"matchLabels": {"app": "x"}})[1]

    assert len(problems) == 1 and problems[0].endswith(": `selector` not auto-generated")
    forged = enter(with_labels(**{"controller-uid": "other"}))[1]
    assert len(forged) == 1 and forged[0].startswith("spec.template.metadata.labels: Invalid value: ")
    assert forged[0].endswith(f": must be '{UID}'")


def test_every_pod_of_an_indexed_job_must_have_a_host_name(enter) -> None:  # type: ignore[no-untyped-def]
    long = copy.deepcopy(JOB)
    long["metadata"]["name"] = name = "a" * 60
    problems = enter(long, completionMode="Indexed", completions=1001)[1]

    assert problems == [
        f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label: {name}-1000'
    ]


IMMUTABLE = "field is immutable"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param({"parallelism": 5}, None, id="how many at once may change"),
        pytest.param({"suspend": True}, None, id="it may be suspended"),
        pytest.param(
            {"backoffLimit": 2, "ttlSecondsAfterFinished": 5, "activeDeadlineSeconds": 9}, None, id="limits may"
        ),
        pytest.param(
            {"completions": 5}, f"spec.completions: Invalid value: 5: {IMMUTABLE}", id="how many in all may not"
        ),
        pytest.param(
            {"completionMode": "Indexed"},
            f'spec.completionMode: Invalid value: "Indexed": {IMMUTABLE}',
            id="the mode not",
        ),
        pytest.param(
            {"managedBy": "a.b/c"}, f'spec.managedBy: Invalid value: "a.b/c": {IMMUTABLE}', id="who manages it not"
        ),
    ],
)
def test_what_may_change(enter, spec: dict[str, Any], problem: str | None) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(JOB)

    assert enter(copy.deepcopy(old), old, **spec)[1] == ([] if problem is None else [problem])


def test_an_indexed_job_grows_and_shrinks_with_its_parallelism(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(JOB, completionMode="Indexed", completions=2, parallelism=2)

    assert enter(copy.deepcopy(old), old, completions=3, parallelism=3)[1] == []
    assert enter(copy.deepcopy(old), old, completions=3)[1] == [
        "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"
    ]


def test_the_template_stays_but_for_where_it_runs_while_nothing_runs(enter) -> None:  # type: ignore[no-untyped-def]
    def moved(old: Object) -> list[str]:
        new = copy.deepcopy(old)
        new["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a"}
        new["spec"]["template"]["metadata"]["annotations"] = {"queue": "q"}
        problems: list[str] = enter(new, old)[1]
        return problems

    running, waiting = enter(JOB)[0], enter(JOB, suspend=True)[0]
    begun = {**waiting, "status": {"startTime": "2026-01-01T00:00:00Z"}}

    assert [problem.partition(":")[0] for problem in moved(running)] == ["spec.template"]
    assert moved(waiting) == []
    assert [problem.partition(":")[0] for problem in moved(begun)] == ["spec.template"]
    changed = copy.deepcopy(waiting)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "i:2"
    assert [problem.partition(":")[0] for problem in enter(changed, waiting)[1]] == ["spec.template.spec"]


def test_the_size_of_the_pods_may_change_while_the_job_waits(enter) -> None:  # type: ignore[no-untyped-def]
    waiting = enter(JOB, suspend=True)[0]
    stopped = {"startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "Suspended", "status": "True"}]}
    larger = copy.deepcopy(waiting)
    larger["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}

    assert enter(larger, waiting)[1] == []
    assert enter(larger, {**waiting, "status": stopped})[1] == []
    assert enter(larger, {**waiting, "status": {**stopped, "active": 1}})[1] != []


def test_a_job_of_very_many_is_told_of(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(JOB, completionMode="Indexed", completions=200_000, parallelism=20_000)

    assert problems == []
    (text,) = KINDS["Job"].warn(made, None)
    assert text.startswith("spec: In Indexed Jobs with a number of completions higher than 10^5")
    assert list(KINDS["Job"].warn(made, made)) == []


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({}, "Running"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "Complete"),
        ({"conditions": [{"type": "Complete", "status": "False"}]}, "Running"),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, "Failed"),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, "Suspended"),
        ({"conditions": [{"type": "FailureTarget", "status": "True"}]}, "FailureTarget"),
    ],
)
def test_how_it_goes(status: Object, word: str) -> None:
    assert KINDS["Job"].columns[1].cell({**JOB, "status": status}, 0.0) == word


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(JOB)
    made["status"] = {"succeeded": 1, "startTime": "1970-01-01T00:00:10Z"}
    kind = KINDS["Job"]

    assert [column.name for column in kind.columns] == [
        "Name", "Status", "Completions", "Duration", "Age", "Containers", "Images", "Selector",
    ]  # fmt: skip
    assert [column.cell(made, 70.0) for column in kind.columns[:4]] == ["once", "Running", "1/1", "60s"]
    made["status"]["completionTime"] = "1970-01-01T00:00:15Z"
    made["spec"] |= {"completions": None, "parallelism": 2}
    made["metadata"]["deletionTimestamp"] = "1970-01-01T00:00:15Z"
    assert [column.cell(made, 70.0) for column in kind.columns[1:4]] == ["Terminating", "1/1 of 2", "5s"]
    assert kind.field_text(made, "status.successful") == "1"
