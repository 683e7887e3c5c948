"""What failures mean, and when the indexes that are done are enough."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.controllers.job_indexes import Indexes
from procorch.controllers.job_policies import is_counted, match_failure, match_success
from procorch.objects import Object


def job(*rules: Object, per_index: bool = False, success: Any = None) -> Object:
    spec: Object = {"completions": 10, "podFailurePolicy": {"rules": list(rules)}}
    if per_index:
        spec["backoffLimitPerIndex"] = 1
    if success:
        spec["successPolicy"] = {"rules": success}
    return {"spec": spec}


def pod(code: int = 1, *, condition: str = "", init: bool = False) -> Object:
    row = {"name": "main", "state": {"terminated": {"exitCode": code}}}
    status: Object = {"initContainerStatuses" if init else "containerStatuses": [row]}
    if condition:
        status["conditions"] = [{"type": condition, "status": "True"}]
    return {"metadata": {"name": "p", "namespace": "d"}, "status": status}


def codes(action: str, operator: str, *values: int, container: str | None = None) -> Object:
    found: Object = {"operator": operator, "values": list(values)}
    return {"action": action, "onExitCodes": found | ({"containerName": container} if container else {})}


DISRUPTED = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


@pytest.mark.parametrize(
    ("rules", "failed", "action"),
    [
        pytest.param([codes("FailJob", "In", 1, 42)], pod(42), "FailJob", id="a code among those"),
        pytest.param([codes("FailJob", "In", 1)], pod(42), None, id="another code: no rule"),
        pytest.param([codes("Count", "NotIn", 1)], pod(42), "Count", id="a code that is none of those"),
        pytest.param([codes("FailJob", "NotIn", 42)], pod(0), None, id="zero is no failure"),
        pytest.param([codes("FailJob", "In", 3)], pod(3, init=True), "FailJob", id="of an init container"),
        pytest.param([codes("FailJob", "In", 3, container="other")], pod(3), None, id="of another container"),
        pytest.param(
            [DISRUPTED, codes("FailJob", "In", 1)], pod(condition="DisruptionTarget"), "Ignore", id="the first"
        ),
        pytest.param([DISRUPTED], pod(condition="Ready"), None, id="another condition"),
        pytest.param([codes("FailIndex", "In", 1)], pod(), None, id="no index can fail without a limit per index"),
    ],
)
def test_the_first_rule_that_a_pod_matches(rules: list[Object], failed: Object, action: str | None) -> None:
    match = match_failure(job(*rules), failed)

    assert (match.action if match else None) == action
    assert is_counted(job(*rules), failed) == (action != "Ignore")


def test_an_index_fails_at_once() -> None:
    match = match_failure(job(codes("FailIndex", "In", 1), per_index=True), pod())

    assert match is not None and match.action == "FailIndex"


def test_it_says_why() -> None:
    by_code = match_failure(job(DISRUPTED, codes("FailJob", "In", 42)), pod(42))
    rule = {"action": "FailJob", "onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}
    by_condition = match_failure(job(rule), pod(condition="ConfigIssue"))

    assert by_code is not None and by_code.message == (
        "Container main for pod d/p failed with exit code 42 matching FailJob rule at index 1"
    )
    assert by_condition is not None and by_condition.message == (
        "Pod d/p has condition ConfigIssue matching FailJob rule at index 0"
    )


@pytest.mark.parametrize(
    ("rules", "done", "said"),
    [
        pytest.param([{"succeededIndexes": "0,2-3"}], [0, 2, 3, 7], "Matched rules at index 0", id="all of those"),
        pytest.param([{"succeededIndexes": "0,2-3"}], [0, 2], None, id="one is missing"),
        pytest.param(
            [{"succeededIndexes": "0,2-3", "succeededCount": 2}],
            [0, 2],
            "Matched rules at index 0",
            id="so many of those",
        ),
        pytest.param([{"succeededCount": 9}, {"succeededCount": 2}], [4, 5], "Matched rules at index 1", id="any two"),
        pytest.param([{"succeededCount": 2}], [4], None, id="not yet two"),
        pytest.param([{"succeededIndexes": "0"}], [], None, id="none at all"),
        pytest.param(None, [0], None, id="no policy"),
    ],
)
def test_when_it_is_enough(rules: Any, done: list[int], said: str | None) -> None:
    assert match_success(job(success=rules), Indexes.of(done)) == said
