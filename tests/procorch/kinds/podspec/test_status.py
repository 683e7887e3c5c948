"""What of a pod's status may be written."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.status import prepare_status, validate_status
from procorch.objects import Object

DONE: dict[str, Any] = {"terminated": {"exitCode": 0}}
FAILED: dict[str, Any] = {"terminated": {"exitCode": 1}}
RUNS: dict[str, Any] = {"running": {}}


def pod(spec: dict[str, Any] | None = None, **status: Any) -> Object:
    return {"spec": {"restartPolicy": "Never", "containers": [{"name": "a"}], **(spec or {})}, "status": status}


def problems(new: Object, old: Object) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_status(new, old)]


def seen(state: dict[str, Any], name: str = "a") -> list[dict[str, Any]]:
    return [{"name": name, "state": state}]


@pytest.mark.parametrize(
    ("spec", "before", "starts"),
    [
        pytest.param({}, DONE, False, id="who never restarts stays ended"),
        pytest.param({}, FAILED, False, id="also when it failed"),
        pytest.param({"restartPolicy": "OnFailure"}, FAILED, True, id="on failure a failure starts again"),
        pytest.param({"restartPolicy": "OnFailure"}, DONE, False, id="on failure a success does not"),
        pytest.param({"restartPolicy": "Always"}, DONE, True, id="always"),
        pytest.param({"containers": [{"name": "a", "restartPolicy": "Always"}]}, DONE, True, id="a policy of its own"),
        pytest.param(
            {"containers": [{"name": "a", "restartPolicy": "Never", "restartPolicyRules": [
                {"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}]}]},
            FAILED, True, id="a rule names the code",
        ),
        pytest.param(
            {"containers": [{"name": "a"}, {"name": "b", "restartPolicyRules": [{"action": "RestartAllContainers"}]}]},
            DONE, True, id="another container may restart them all",
        ),
        pytest.param({"restartPolicy": "Always", "containers": [{"name": "b"}]}, DONE, False, id="one not in the pod"),
    ],
)  # fmt: skip
def test_only_who_may_be_restarted_comes_back(spec: dict[str, Any], before: dict[str, Any], starts: bool) -> None:
    found = problems(pod(spec, containerStatuses=seen(RUNS)), pod(spec, containerStatuses=seen(before)))

    forbidden = "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    assert found == ([] if starts else [forbidden])


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ({"podIPs": [{"ip": "x"}]}, 'podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or '
         "2001:db8::ffff)"),
        ({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}, 'podIPs: Invalid value: [{"IP":"10.0.0.1"},'
         '{"IP":"10.0.0.2"}]: may specify no more than one IP for each IP family'),
        ({"hostIPs": [{"ip": "10.0.0.1"}]}, 'hostIPs[0].ip: Invalid value: "10.0.0.1": must be equal to `hostIP`'),
        ({"qosClass": "Burstable"}, 'qosClass: Invalid value: "Burstable": field is immutable'),
        ({"conditions": [{"type": "Ready", "observedGeneration": -1}]},
         "conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer"),
        ({"observedGeneration": -1}, "observedGeneration: Invalid value: -1: must be a non-negative integer"),
        ({"nominatedNodeName": "n"},
         "nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node"),
        ({"ephemeralContainerStatuses": seen(RUNS, "e")},
         "ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(status: dict[str, Any], problem: str) -> None:
    before: dict[str, Any] = {"qosClass": "BestEffort", "ephemeralContainerStatuses": seen(DONE, "e")}
    bound = {"nodeName": "m"}

    assert problems(pod(bound, **{**before, **status}), pod(bound, **before)) == [f"status.{problem}"]


def test_an_address_that_was_there_before_the_rule_may_stay() -> None:
    old = pod(podIPs=[{"ip": "odd"}])

    assert problems(pod(podIPs=[{"ip": "odd"}], phase="Running"), old) == []


def test_a_condition_of_ones_own_has_a_qualified_name() -> None:
    (problem,) = problems(pod(conditions=[{"type": "Bad!"}]), pod())

    assert problem.startswith('status.conditions[0].Type: Invalid value: "Bad!": name part must consist of')


def test_the_qos_class_is_not_forgotten() -> None:
    new = pod(phase="Running")
    prepare_status(new, pod(qosClass="Burstable"), "")

    assert new["status"] == {"phase": "Running", "qosClass": "Burstable"}
