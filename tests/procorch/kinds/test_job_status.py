"""Whoever writes a Job's status: it ends once, and what was counted stays counted."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.job_status import is_true, validate_status
from procorch.objects import Object

BEGUN, ENDED = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z"


def job(*true: str, spec: Object | None = None, **status: Any) -> Object:
    rows = [{"type": one, "status": "True"} for one in true]
    return {"spec": spec or {}, "status": {**({"conditions": rows} if rows else {}), **status}}


def complete(**more: Any) -> Object:
    return job("Complete", "SuccessCriteriaMet", **{"startTime": BEGUN, "completionTime": ENDED, **more})


def failed(**more: Any) -> Object:
    return job("Failed", "FailureTarget", **{"startTime": BEGUN, **more})


def lines(new: Object, old: Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_status(new, old)]


INDEXED = {"completionMode": "Indexed", "completions": 5, "parallelism": 5, "backoffLimitPerIndex": 1}
CONDITIONS = "status.conditions: Invalid value"


@pytest.mark.parametrize(
    ("new", "problems"),
    [
        pytest.param(job(active=1, ready=1, startTime=BEGUN), [], id="it runs"),
        pytest.param(complete(succeeded=1), [], id="it is complete"),
        pytest.param(failed(failed=1), [], id="it has failed"),
        pytest.param(
            job(active=-1), ["status.active: Invalid value: -1: must be greater than or equal to 0",
                             "status.ready: Invalid value: 0: cannot set more ready pods than active"],
            id="fewer than none",
        ),
        pytest.param(
            job(active=1, ready=2), ["status.ready: Invalid value: 2: cannot set more ready pods than active"],
            id="ready and not there",
        ),
        pytest.param(
            job("Complete", startTime=BEGUN, completionTime=ENDED),
            [f"{CONDITIONS}: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"],
            id="complete for no reason",
        ),
        pytest.param(
            job("Failed", startTime=BEGUN),
            [f"{CONDITIONS}: cannot set Failed=True condition without the FailureTarget=true condition"],
            id="failed for no reason",
        ),
        pytest.param(
            job("SuccessCriteriaMet", "FailureTarget"),
            [f"{CONDITIONS}: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"],
            id="both ways",
        ),
        pytest.param(
            job(completionTime=ENDED),
            [f'status.completionTime: Invalid value: "{ENDED}": '
             "cannot set completionTime when there is no Complete=True condition"],
            id="an end before it is complete",
        ),
        pytest.param(
            complete(completionTime=None), ["status.completionTime: Required value: "
                                            "completionTime is required for Complete jobs"],
            id="complete without an end",
        ),
        pytest.param(
            complete(completionTime=BEGUN, startTime=ENDED),
            [f'status.completionTime: Invalid value: "{BEGUN}": must be equal to or after `startTime`'],
            id="an end before the beginning",
        ),
        pytest.param(
            failed(active=1, startTime=None),
            ["status.active: Invalid value: 1: active>0 is invalid for finished job",
             "status.startTime: Required value: startTime is required for finished job"],
            id="ended and still running",
        ),
        pytest.param(
            complete(uncountedTerminatedPods={"succeeded": ["a"], "failed": ["a", ""]}),
            ['status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
             'status.uncountedTerminatedPods.failed[1]: Invalid value: "": must not be empty',
             'status.uncountedTerminatedPods: Invalid value: {"failed":["a",""],"succeeded":["a"]}: '
             "must be empty for finished job"],
            id="pods that are not yet counted",
        ),
        pytest.param(
            job(completedIndexes="1", failedIndexes="2"),
            ['status.completedIndexes: Invalid value: "1": '
             "cannot set non-empty completedIndexes when non-indexed completion mode",
             'status.failedIndexes: Invalid value: "2": '
             "cannot set non-null failedIndexes when backoffLimitPerIndex is null"],
            id="indexes of a job without",
        ),
        pytest.param(
            job(spec=INDEXED, completedIndexes="0,2-3", failedIndexes="1,3"),
            ['status.failedIndexes: Invalid value: "1,3": failedIndexes and completedIndexes overlap at index: 3'],
            id="an index that ended both ways",
        ),
        pytest.param(
            job(spec=INDEXED, completedIndexes="9"),
            ['status.completedIndexes: Invalid value: "9": error parsing completedIndexes: too large index: "9"'],
            id="an index that there is not",
        ),
    ],
)  # fmt: skip
def test_a_status_by_itself(new: Object, problems: list[str]) -> None:
    assert lines(new, job()) == problems


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        pytest.param(
            failed(), job("FailureTarget", startTime=BEGUN),
            [f"{CONDITIONS}: cannot disable the terminal Failed=True condition"],
            id="failed no more",
        ),
        pytest.param(
            job("SuccessCriteriaMet"), job(),
            [f"{CONDITIONS}: cannot disable the SuccessCriteriaMet=True condition"],
            id="successful no more",
        ),
        pytest.param(
            job(failed=2, succeeded=2), job(failed=1, succeeded=1),
            ["status.failed: Invalid value: 1: cannot decrease the failed counter",
             "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"],
            id="counted and forgotten",
        ),
        pytest.param(job(spec=INDEXED, succeeded=2), job(spec=INDEXED, succeeded=1), [], id="an indexed job shrinks"),
        pytest.param(
            complete(), complete(completionTime="2026-01-01T00:02:00Z"),
            ['status.completionTime: Invalid value: "2026-01-01T00:02:00Z": field is immutable'],
            id="another end",
        ),
        pytest.param(
            job(startTime=BEGUN), job(),
            ["status.startTime: Invalid value: null: field is immutable for unsuspended job once set"],
            id="not begun any more",
        ),
        pytest.param(job(startTime=BEGUN), job(spec={"suspend": True}), [], id="suspended: it begins anew"),
        pytest.param(
            job("Complete", startTime=BEGUN, completionTime=ENDED, active=1),
            job("Complete", startTime=BEGUN, completionTime=ENDED, active=1, failed=1),
            [],
            id="what was wrong before is not held against it",
        ),
    ],
)  # fmt: skip
def test_how_a_status_goes_on(old: Object, new: Object, problems: list[str]) -> None:
    assert lines(new, old) == problems


def test_a_condition_is_true_or_not() -> None:
    assert is_true(job("Complete"), "Complete") and not is_true(job("Complete"), "Failed")
    assert not is_true({"status": {"conditions": [{"type": "Complete", "status": "Unknown"}]}}, "Complete")
