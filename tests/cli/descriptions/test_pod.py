"""A pod's page."""

from cli.descriptions.page import Grid
from cli.descriptions.pod import describe_pod


def test_where_it_is_and_how():
    pod = {
        "metadata": {"name": "a"}, "spec": {"nodeName": "n1", "containers": []},
        "status": {"phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.240.0.2",
                   "conditions": [{"type": "Ready", "status": "False", "reason": "Why", "message": "so"}]},
    }  # fmt: skip
    page = describe_pod(pod)

    assert (page["Node"], page["Status"], page["IP"]) == ("n1/10.0.0.1", "Running", "10.240.0.2")
    assert isinstance(page["Conditions"], Grid)
    assert page["Conditions"].rows == [("Ready", "False", "Why", "so")]


def test_a_pod_that_is_nowhere_yet_and_one_that_ends():
    assert describe_pod({"metadata": {}, "spec": {}})["Node"] == "<none>"
    ending = {"deletionTimestamp": "2026-11-23T20:50:29Z", "deletionGracePeriodSeconds": 30}
    page = describe_pod({"metadata": ending, "spec": {}})
    assert str(page["Status"]).startswith("Terminating (until Mon, 23 Nov")
    assert page["Termination Grace Period"] == "30s"
