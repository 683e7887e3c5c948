"""A node's page: what its pods ask of it."""

from fractions import Fraction

from cli.descriptions.node import describe_node, wanted_by
from cli.descriptions.page import lines


def _pod(*cpus: str, init: str = "0", phase: str = "Running") -> dict:
    def container(cpu: str) -> dict:
        return {"resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}

    return {
        "metadata": {"namespace": "default", "name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [container(cpu) for cpu in cpus], "initContainers": [container(init)]},
        "status": {"phase": phase},
    }


def test_a_pod_asks_for_its_containers_together_or_its_largest_init_container():
    assert wanted_by(_pod("250m", "250m"), "cpu", "requests") == Fraction(1, 2)
    assert wanted_by(_pod("250m", init="1"), "cpu", "requests") == 1
    assert wanted_by(_pod("250m"), "cpu", "limits") == 0


def test_shares_are_of_what_can_be_had():
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}}
    text = "\n".join(lines(describe_node(node, [_pod("500m"), _pod("1", phase="Failed")], None, 1767225660.0)))

    assert "Non-terminated Pods (1 in total):" in text, "what has ended asks for nothing"
    assert "default    web   500m (25%)    0 (0%)      64Mi (6%)        0 (0%)         60s" in text
    assert "  cpu                500m (25%)  0 (0%)" in text


def test_taints_and_heartbeat():
    node = {
        "metadata": {"name": "n"},
        "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}], "unschedulable": True},
    }
    lease = {"spec": {"holderIdentity": "n", "renewTime": "2026-11-23T20:50:29.123456Z"}}
    page = describe_node(node, [], lease, 0.0)

    assert page["Taints"] == ["a:NoSchedule"] and page["Unschedulable"] == "true"
    assert page["Lease"] == {"HolderIdentity": "n", "RenewTime": "Mon, 23 Nov 2026 20:50:29 +0000"}
