"""What a Job's specification may ask: limits, policies of failure and success, indexes."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.job_validation import read_indexes, validate_job_spec

TEMPLATE = {
    "spec": {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "containers": [{"name": "c", "image": "i", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
    }
}  # fmt: skip
NOT_NEGATIVE = "must be greater than or equal to 0"
INDEXED = {"completionMode": "Indexed", "completions": 3}
RULE = "s.podFailurePolicy.rules[0]"
CODES = f"{RULE}.onExitCodes"
SUCCESS = "s.successPolicy.rules"


def lines(spec: dict[str, Any]) -> list[str]:
    return [f"{one.field}: {one.message}" for one in validate_job_spec({"template": TEMPLATE, **spec}, "s")]


def failing(**rule: Any) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": [{"action": "FailJob", **rule}]}}


def exits(**codes: Any) -> dict[str, Any]:
    return failing(onExitCodes={"operator": "In", "values": [1], **codes})


def succeeding(**rule: Any) -> dict[str, Any]:
    return {**INDEXED, "successPolicy": {"rules": [rule]}}


def restarting(policy: str) -> dict[str, Any]:
    return {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": policy}}}


ONE_OR_BOTH = "specifying one of OnExitCodes and OnPodConditions is required"


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param({}, [], id="nothing asked"),
        pytest.param({"parallelism": 0, "completions": 0, "backoffLimit": 0}, [], id="nothing wanted"),
        pytest.param(
            {"parallelism": -1, "ttlSecondsAfterFinished": -1},
            [f"s.parallelism: Invalid value: -1: {NOT_NEGATIVE}",
             f"s.ttlSecondsAfterFinished: Invalid value: -1: {NOT_NEGATIVE}"],
            id="below nothing",
        ),
        pytest.param(
            restarting("Always"),
            ['s.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
            id="pods that never end",
        ),
        pytest.param(
            restarting("Sometimes"),
            ['s.template.spec.restartPolicy: Unsupported value: "Sometimes": '
             'supported values: "Always", "OnFailure", "Never"',
             's.template.spec.restartPolicy: Unsupported value: "Sometimes": supported values: "OnFailure", "Never"'],
            id="a restart policy that there is not",
        ),
        pytest.param(
            {**restarting("OnFailure"), **exits()},
            ['s.template.spec.restartPolicy: Invalid value: "OnFailure": '
             'only "Never" is supported when podFailurePolicy is specified'],
            id="failures that nobody would see",
        ),
        pytest.param(
            {"completionMode": "Random"},
            ['s.completionMode: Unsupported value: "Random": supported values: "NonIndexed", "Indexed"'],
            id="a mode that there is not",
        ),
        pytest.param(
            {"completionMode": "Indexed"},
            ["s.completions: Required value: when completion mode is Indexed"],
            id="indexes without an end",
        ),
        pytest.param(
            {**INDEXED, "parallelism": 100_001},
            ["s.parallelism: Invalid value: 100001: "
             "must be less than or equal to 100000 when completion mode is Indexed"],
            id="too many indexes at once",
        ),
        pytest.param(
            {**INDEXED, "backoffLimitPerIndex": 1, "maxFailedIndexes": 4},
            ["s.maxFailedIndexes: Invalid value: 4: must be less than or equal to completions"],
            id="more failures than indexes",
        ),
        pytest.param(
            {**INDEXED, "completions": 100_001, "backoffLimitPerIndex": 1, "parallelism": 10_001},
            ["s.maxFailedIndexes: Required value: must be specified when completions is above 100000",
             "s.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above "
             "100000 and used with backoff limit per index"],
            id="too many for counting failures by index",
        ),
        pytest.param(
            {"backoffLimitPerIndex": 1},
            ["s.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
            id="a limit by index without indexes",
        ),
        pytest.param(
            {**INDEXED, "maxFailedIndexes": 1},
            ["s.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"],
            id="failed indexes that nobody counts",
        ),
        pytest.param({"managedBy": "example.com/queue"}, [], id="somebody else's job"),
        pytest.param(
            {"managedBy": "queue"},
            ['s.managedBy: Invalid value: "queue": must be a domain-prefixed path (such as "acme.io/foo")'],
            id="somebody without a domain",
        ),
        pytest.param({"managedBy": ""}, ["s.managedBy: Required value"], id="nobody's job"),
        pytest.param(
            {"managedBy": f"example.com/{'a' * 60}"},
            ["s.managedBy: Too long: may not be more than 63 bytes"],
            id="somebody with a long name",
        ),
        pytest.param(
            {"managedBy": "example.com/a b"},
            ["s.managedBy: Invalid value: \"a b\": Invalid path (regex used for validation is "
             "'[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')"],
            id="somebody with a space",
        ),
        pytest.param(
            {"podReplacementPolicy": "Never"},
            ['s.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"'],
            id="a replacement that there is not",
        ),
        pytest.param(
            {"podReplacementPolicy": "TerminatingOrFailed", **exits()},
            ['s.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
            id="a replacement before the failure is known",
        ),
        pytest.param(exits(), [], id="a policy of failures"),
        pytest.param(
            failing(action=""),
            [f'{RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
             f"{RULE}: Invalid value: {ONE_OR_BOTH}"],
            id="a rule that does nothing and asks nothing",
        ),
        pytest.param(
            exits() | {"podFailurePolicy": {"rules": [{"action": "FailIndex", "onExitCodes": {
                "operator": "NotIn", "values": [0, 1]}}]}},
            [f'{RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'],
            id="an index that fails without indexes",
        ),
        pytest.param(
            exits(values=[0, 2, 1, 2]),
            [f"{CODES}.values[0]: Invalid value: 0: must not be 0 for the In operator",
             f"{CODES}.values[3]: Duplicate value: 2",
             f"{CODES}.values: Invalid value: [0,2,1,2]: must be ordered"],
            id="codes that make no sense",
        ),
        pytest.param(
            exits(values=[], operator="Is"),
            [f'{CODES}.operator: Unsupported value: "Is": supported values: "In", "NotIn"',
             f"{CODES}.values: Invalid value: []: at least one value is required"],
            id="no codes",
        ),
        pytest.param(
            exits(values=list(range(1, 257))),
            [f"{CODES}.values: Too many: 256: must have at most 255 items"],
            id="too many codes",
        ),
        pytest.param(
            exits(containerName="d"),
            [f'{CODES}.containerName: Invalid value: "d": '
             "must be one of the container or initContainer names in the pod template"],
            id="a container that there is not",
        ),
        pytest.param(
            failing(onPodConditions=[{"type": "a b", "status": "Maybe"}]),
            None,
            id="a condition that there is not",
        ),
        pytest.param(
            failing(onPodConditions=[{"type": "A", "status": "True"}], onExitCodes={"operator": "In", "values": [1]}),
            [f"{RULE}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"],
            id="a rule that asks two things",
        ),
        pytest.param(
            {"podFailurePolicy": {"rules": exits()["podFailurePolicy"]["rules"] * 21}},
            ["s.podFailurePolicy.rules: Too many: 21: must have at most 20 items"],
            id="too many rules",
        ),
        pytest.param(succeeding(succeededIndexes="0,1-2", succeededCount=3), [], id="a policy of success"),
        pytest.param(
            {"successPolicy": {"rules": []}},
            ['s.successPolicy: Invalid value: {"Rules":[]}: requires indexed completion mode'],
            id="success by index without indexes",
        ),
        pytest.param(
            {**INDEXED, "successPolicy": {}},
            [f"{SUCCESS}: Required value: at least one rules must be specified when the successPolicy is specified"],
            id="success without rules",
        ),
        pytest.param(
            succeeding(),
            [f"{SUCCESS}[0]: Required value: at least one of succeededCount or succeededIndexes must be specified"],
            id="success by nothing",
        ),
        pytest.param(
            succeeding(succeededIndexes="0-1", succeededCount=4),
            [f"{SUCCESS}[0].succeededCount: Invalid value: 4: "
             "must be less than or equal to 3 (the number of specified completions)",
             f"{SUCCESS}[0].succeededCount: Invalid value: 4: "
             "must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)"],
            id="more successes than there can be",
        ),
        pytest.param(
            succeeding(succeededIndexes="3"),
            [f'{SUCCESS}[0].succeededIndexes: Invalid value: "3": '
             'error parsing succeededIndexes: too large index: "3"'],
            id="an index that there is not",
        ),
        pytest.param(
            succeeding(succeededIndexes="1," * 40_000),
            [f"{SUCCESS}[0].succeededIndexes: Too long: may not be more than 65536 bytes"],
            id="an endless list of indexes",
        ),
    ],
)  # fmt: skip
def test_a_specification(spec: dict[str, Any], problems: list[str] | None) -> None:
    found = lines(spec)

    if problems is None:
        assert [line.partition(": ")[0] for line in found] == [
            f"{RULE}.onPodConditions[0].type", f"{RULE}.onPodConditions[0].status",
        ]  # fmt: skip
    else:
        assert found == problems


def test_indexes_are_read() -> None:
    assert read_indexes("", 5) == []
    assert read_indexes("0,2-4", 5) == [(0, 0), (2, 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,1", "non-increasing order, previous: 1, current: 1"),
        ("3-2", "non-increasing order, previous: 3, current: 2"),
        ("2-4,3", "non-increasing order, previous: 4, current: 3"),
        ("a", 'cannot convert string to integer for index: "a"'),
        ("1-", 'cannot convert string to integer for index: ""'),
        ("5", 'too large index: "5"'),
        ("1-2-3", 'the fragment "1-2-3" violates the requirement that an index interval can have at most two parts '
         "separated by '-'"),
    ],
)  # fmt: skip
def test_what_are_no_indexes(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_indexes(text, 5)

    assert str(refused.value) == message
