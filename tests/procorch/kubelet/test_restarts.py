"""Whether a container that ended is started again, and all of them with it: tables, and once on a real runtime."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.plan import Kill, Pause, Renew, RestartAll, Seen, SeenContainer, Start, Teardown, plan
from procorch.kubelet.restarts import action, restarts, restarts_init
from tests.procorch.kubelet.conftest import SHELL

NOW = 1000.0
RUNNING = SeenContainer(running=True, started=True)


def pod(*containers: dict[str, Any], init: tuple[dict[str, Any], ...] = (), policy: str = "Never") -> dict[str, Any]:
    spec = {"containers": list(containers), "initContainers": list(init), "restartPolicy": policy}
    return {"metadata": {"name": "p", "namespace": "default"}, "spec": spec}


def rule(what: str, operator: str, *codes: int) -> dict[str, Any]:
    return {"action": what, "exitCodes": {"operator": operator, "values": list(codes)}}


def ended(code: int, **more: Any) -> SeenContainer:
    return SeenContainer(exit_code=code, finished_at=NOW, **more)


ALL = {"name": "a", "restartPolicy": "Never", "restartPolicyRules": [rule("RestartAllContainers", "In", 88)]}


@pytest.mark.parametrize(
    ("container", "policy", "code", "again"),
    [
        pytest.param({}, "Always", 0, True, id="the pod's policy: Always"),
        pytest.param({}, "OnFailure", 0, False, id="the pod's policy: OnFailure, and it did not fail"),
        pytest.param({}, "Never", 1, False, id="the pod's policy: Never"),
        pytest.param({"restartPolicy": "Never"}, "Always", 1, False, id="its own comes before: Never"),
        pytest.param({"restartPolicy": "Always"}, "Never", 0, True, id="its own comes before: Always"),
        pytest.param({"restartPolicy": "OnFailure"}, "Never", 2, True, id="its own comes before: OnFailure"),
        pytest.param(
            {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", "In", 42)]}, "Never", 42, True,
            id="a rule comes before that",
        ),
        pytest.param(
            {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", "In", 42)]}, "Always", 43, False,
            id="a rule that does not fit says nothing",
        ),
        pytest.param(
            {"restartPolicy": "Never", "restartPolicyRules": [rule("Restart", "NotIn", 0, 1)]}, "Never", 2, True,
            id="NotIn",
        ),
        pytest.param(
            {"restartPolicyRules": [rule("Restart", "In", 1)]}, "Never", 1, False,
            id="without a policy there are no rules",
        ),
    ],
)  # fmt: skip
def test_who_is_started_again(container: dict[str, Any], policy: str, code: int, again: bool) -> None:
    assert restarts(pod(policy=policy), {"name": "a", **container}, code) is again


def test_the_first_rule_that_fits_decides() -> None:
    rules = [rule("Restart", "In", 1), rule("RestartAllContainers", "NotIn", 0)]
    container = {"restartPolicy": "Never", "restartPolicyRules": rules}

    assert [action(container, code) for code in (0, 1, 2)] == ["", "Restart", "RestartAllContainers"]


def test_an_init_container_that_ended_well_has_done_its_work() -> None:
    assert not restarts_init(pod(policy="Always"), {"name": "i"}, 0)
    assert restarts_init(pod(policy="Always"), {"name": "i"}, 1)
    assert not restarts_init(pod(policy="Always"), {"name": "i", "restartPolicy": "Never"}, 1)


@pytest.mark.parametrize(
    ("wanted", "found", "actions"),
    [
        pytest.param(
            pod(ALL, {"name": "b"}), {"a": ended(88), "b": RUNNING}, [RestartAll("a", 88)], id="its rule fits: all"
        ),
        pytest.param(pod(ALL, {"name": "b"}), {"a": ended(1), "b": RUNNING}, [], id="another code: its own policy"),
        pytest.param(pod(ALL, {"name": "b"}), {"a": ended(1), "b": ended(0)}, [Teardown()], id="then all is over"),
        pytest.param(
            pod(ALL, {"name": "b"}), {"a": ended(88), "b": ended(0)}, [RestartAll("a", 88)],
            id="also those that are done",
        ),
        pytest.param(
            pod(ALL), {"a": ended(88, past=True)}, [Start("a")],
            id="what is past does not count: it starts, whatever its policy",
        ),
        pytest.param(
            pod(ALL), {"a": ended(88, past=True, backoff=10.0)}, [Start("a", 10.0)], id="after its back-off"
        ),
        pytest.param(
            pod(ALL, init=({"name": "i"},)), {"i": ended(0, past=True), "a": ended(88, past=True)}, [Start("i")],
            id="init containers first, once more",
        ),
    ],
)  # fmt: skip
def test_all_begin_anew(wanted: dict[str, Any], found: dict[str, SeenContainer], actions: list[Any]) -> None:
    assert plan(wanted, Seen(Pause.ALIVE, found), NOW) == actions


def test_while_all_are_ended_nothing_is_started_and_no_grace_is_given() -> None:
    wanted = pod(ALL, {"name": "b"}, init=({"name": "s", "restartPolicy": "Always"},))
    wanted["spec"]["ephemeralContainers"] = [{"name": "e"}]
    found = {"a": ended(88), "b": RUNNING, "s": RUNNING, "e": RUNNING}

    assert plan(wanted, Seen(Pause.ALIVE, found, restarting=True), NOW) == [Kill("s"), Kill("b")]
    found |= {"b": ended(137), "s": ended(137)}
    assert plan(wanted, Seen(Pause.ALIVE, found, restarting=True), NOW) == [Renew()]


@pytest.mark.kernel
async def test_a_code_restarts_the_whole_pod_in_its_place(cluster) -> None:  # type: ignore[no-untyped-def]
    """Init containers and what is done already, too; the sandbox, its address and its volumes stay."""
    init = {
        "name": "i", "image": "host", "command": [*SHELL, "echo x >> /v/runs"],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }  # fmt: skip
    volumes = [{"name": "v", "emptyDir": {}}]
    mounts = [{"name": "v", "mountPath": "/v"}]
    main = {
        "name": "a", "image": "host", "restartPolicy": "Never", "volumeMounts": mounts,
        "command": [*SHELL, "test $(wc -l < /v/runs) -gt 1 && exec sleep 60; exit 88"],
        "restartPolicyRules": [rule("RestartAllContainers", "In", 88)],
    }  # fmt: skip
    done = {"name": "b", "image": "host", "command": [*SHELL, "exit 0"]}
    async with cluster.running():
        await cluster.pod(containers=[main, done], initContainers=[init], volumes=volumes, restartPolicy="Never")

        def again(pod: Any) -> bool:
            rows = {row["name"]: row for row in pod["status"].get("containerStatuses", [])}
            return "running" in rows.get("a", {}).get("state", {}) and rows["b"]["restartCount"] == 1

        made = await cluster.until(again)

        status = made["status"]
        assert status["phase"] == "Running"
        assert status["initContainerStatuses"][0]["restartCount"] == 1
        (row,) = [one for one in status["conditions"] if one["type"] == "AllContainersRestarting"]
        assert (row["status"], row["reason"]) == ("False", "ContainerExited")
        assert row["message"] == "Container a exited with code 88, restarting all containers"
        (sandbox,) = cluster.runtime.sandboxes.values()
        assert sandbox.labels["attempt"] == "0"


@pytest.mark.kernel
async def test_a_container_with_a_policy_of_its_own_in_a_pod_that_never_restarts(cluster) -> None:  # type: ignore[no-untyped-def]
    again = {
        "name": "a", "image": "host", "restartPolicy": "Never", "command": [*SHELL, "exit 42"],
        "restartPolicyRules": [rule("Restart", "In", 42)],
    }  # fmt: skip
    async with cluster.running():
        await cluster.pod("rule", containers=[again], restartPolicy="Never")
        await cluster.pod(
            "own", containers=[again | {"restartPolicyRules": [rule("Restart", "In", 1)]}], restartPolicy="Always"
        )

        made = await cluster.until(
            lambda pod: pod["status"].get("containerStatuses", [{}])[0].get("restartCount"), "rule"
        )
        over = await cluster.until(lambda pod: pod["status"]["phase"] != "Pending" and cluster.runtime and
                                   "terminated" in pod["status"]["containerStatuses"][0]["state"], "own")  # fmt: skip

        assert made["status"]["phase"] == "Running"
        assert over["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.kernel
async def test_what_ended_while_the_kubelet_was_away_restarts_all(cluster) -> None:  # type: ignore[no-untyped-def]
    """Also when the kubelet is gone again in the midst of it: what it decided is on disk."""
    script = "test -e /v/once && exec sleep 60; touch /v/once; until test -e /v/go; do sleep 0.05; done; exit 88"
    mounts = [{"name": "v", "mountPath": "/v"}]
    main = {
        "name": "a", "image": "host", "command": [*SHELL, script], "volumeMounts": mounts, "restartPolicy": "Never",
        "restartPolicyRules": [rule("RestartAllContainers", "In", 88)],
    }  # fmt: skip
    beside = {"name": "b", "image": "host", "command": [*SHELL, "sleep 60"], "volumeMounts": mounts}

    def counts(pod: Any) -> list[tuple[int, bool]]:
        rows = pod["status"].get("containerStatuses", [])
        return [(row["restartCount"], "running" in row["state"]) for row in rows]

    async with cluster.running():
        made = await cluster.pod(containers=[main, beside], volumes=[{"name": "v", "emptyDir": {}}])
        await cluster.until(lambda pod: counts(pod) == [(0, True), (0, True)])
    (cluster.directory / "pods" / made["metadata"]["uid"] / "volumes/kubernetes.io~empty-dir/v/go").touch()
    async with cluster.running():
        pass
    async with cluster.running():
        await cluster.until(lambda pod: counts(pod) == [(1, True), (1, True)])
