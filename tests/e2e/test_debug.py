"""`kubectl debug` in all its forms, and pods that share what pods usually do not: pids, the machine's namespaces, its
devices; with the programs for debugging that the machine has.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.test_pods import create, log, shell

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

LOOP = "import time\nwhile True: time.sleep(0.05)"
DESCRIBED = "ps -eo args; grep -E 'CapEff|NoNewPrivs' /proc/self/status; id -u; echo looked"
PTRACE = 1 << 19


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> str:
    create(cluster, namespace, "web", {"command": ["python3", "-c", LOOP]}, shell("sleep 1000"))
    cluster.ready(1, "-n", namespace)
    return namespace


def debug(cluster: Cluster, namespace: str, *argv: str, script: str, pod: str = "pod/web") -> None:
    command = ["debug", "-n", namespace, pod, "--image=host", "--quiet", *argv, "--", "sh", "-c", script]
    cluster.kubectl(*command)


def said(cluster: Cluster, namespace: str, container: str, pod: str = "web", last: str = "looked") -> str:
    """What a container wrote, up to the word that is its last."""

    def whole() -> str:
        text = cluster.kubectl("logs", "-n", namespace, pod, "-c", container)
        return text if text.endswith(f"{last}\n") else ""

    return str(cluster.until(whole, f"{container} of {pod} has said {last!r}"))


def capabilities(text: str) -> int:
    return int(next(line for line in text.splitlines() if line.startswith("CapEff")).split()[1], 16)


def test_a_debugger_sees_its_target_only_and_traces_it(cluster: Cluster, web: str) -> None:
    """The machine's own strace and gdb; two containers, and what is looked at is the one that was named."""
    trace = "timeout 2 strace -p 1 2>&1 | head -5; gdb -p 1 -batch -ex 'info proc' 2>&1 | grep -a '^cmdline'; "
    debug(cluster, web, "--target=c0", "-c", "dbg", "--profile=general", script=trace + DESCRIBED)

    text = said(cluster, web, "dbg")

    assert "clock_nanosleep" in text or "select" in text
    assert "cmdline = 'python3 -c" in text
    assert "sleep 1000" not in text
    assert capabilities(text) & PTRACE
    (status,) = cluster.get("pod", "web", "-n", web)["status"]["ephemeralContainerStatuses"]
    assert (status["name"], status["restartCount"], status["ready"]) == ("dbg", 0, False)
    assert status["state"]["terminated"]["exitCode"] == 0
    assert status["imageID"] == "host"
    assert cluster.path("{.status.containerStatuses[*].restartCount}", "pod", "web", "-n", web) == "0 0"
    assert "Ephemeral Containers:" in cluster.kubectl("describe", "pod", "web", "-n", web)


@pytest.mark.parametrize(
    ("profile", "holds"),
    [
        pytest.param("general", lambda text: capabilities(text) & PTRACE, id="general: it may trace"),
        pytest.param("baseline", lambda text: not capabilities(text) & PTRACE, id="baseline: it may not"),
        pytest.param("netadmin", lambda text: capabilities(text) >> 12 & 1, id="netadmin: it manages the network"),
        pytest.param("sysadmin", lambda text: capabilities(text) >> 21 & 1, id="sysadmin: privileged"),
    ],
)
def test_a_profile_is_what_a_debugger_may(
    cluster: Cluster, web: str, profile: str, holds: Callable[[str], bool]
) -> None:
    debug(cluster, web, "-c", "dbg", f"--profile={profile}", script=DESCRIBED)

    assert holds(said(cluster, web, "dbg"))


def test_the_restricted_profile_wants_a_user(cluster: Cluster, web: str) -> None:
    debug(cluster, web, "-c", "dbg", "--profile=restricted", script=DESCRIBED)

    def reason() -> str:
        rows = cluster.get("pod", "web", "-n", web)["status"].get("ephemeralContainerStatuses") or [{}]
        return str(rows[0].get("state", {}).get("waiting", {}).get("message", ""))

    assert "runAsNonRoot and image will run as root" in cluster.until(reason, "it says why it does not start")
    assert cluster.path("{.status.phase}", "pod", "web", "-n", web) == "Running"


def test_a_debugger_is_talked_to_and_outlives_its_agent(cluster: Cluster, web: str) -> None:
    """attach with a terminal, exec and logs; the agent's end changes nothing, and nothing restarts it at its own."""
    command = [cluster.program, "-n", web, "debug", "-it", "pod/web", "--image=host", "--target=c0", "-c", "dbg"]
    client = cluster.host.popen(
        ["script", "-qec", " ".join([*command, "--profile=general", "--", "sh"]), "/dev/null"],
        env=cluster.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        state = "{.status.ephemeralContainerStatuses[0].state.running.startedAt}"
        began = cluster.until(lambda: cluster.path(state, "pod", "web", "-n", web), "the debugger runs")
        assert client.stdin is not None
        client.stdin.write(b"tty; echo here-$((40 + 2))\n")
        client.stdin.flush()
        text = cluster.until(
            lambda: "here-42" in (found := cluster.kubectl("logs", "-n", web, "web", "-c", "dbg")) and found,
            "what was typed is carried out",
        )
        assert "/dev/pts/0" in text
        seen = cluster.kubectl("exec", "-n", web, "web", "-c", "dbg", "--", "ps", "-eo", "args")
        assert "python3 -c" in seen
        kill_agent(cluster)
        cluster.until(lambda: "Ready" in cluster.kubectl("get", "nodes"), "the agent is back")
        assert cluster.path(state, "pod", "web", "-n", web) == began
        cluster.until(lambda: runs(cluster, web), "commands run beside it again")
    finally:
        client.kill()
        client.wait()
    cluster.kubectl("exec", "-n", web, "web", "-c", "dbg", "--", "sh", "-c", "kill -9 $(pgrep -x sh | head -1)")
    code = "{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}"
    assert cluster.until(lambda: cluster.path(code, "pod", "web", "-n", web), "its end is told") == "137"
    time.sleep(0.5)
    assert cluster.path("{.status.ephemeralContainerStatuses[0].restartCount}", "pod", "web", "-n", web) == "0"


def runs(cluster: Cluster, namespace: str) -> bool:
    return cluster.kubectl("exec", "-n", namespace, "web", "-c", "dbg", "--", "echo", "yes") == "yes\n"


def kill_agent(cluster: Cluster) -> None:
    pids = cluster.run("pgrep", "-f", "cli agent").stdout.split()
    assert pids
    for pid in pids:
        cluster.run("kill", "-9", pid)
    cluster.until(lambda: set(cluster.run("pgrep", "-f", "cli agent").stdout.split()) - set(pids), "another agent")


def test_a_target_that_is_not_there_is_said(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "web", shell("exit 0"), restartPolicy="OnFailure", initContainers=[
        {"name": "init", "image": "host", "command": ["sleep", "1000"]}
    ])  # fmt: skip
    cluster.until(lambda: "init" in cluster.kubectl("get", "events", "-n", namespace), "it initialises")
    debug(cluster, namespace, "--target=c0", "-c", "dbg", script="true")

    events = cluster.until(
        lambda: "unable to find target" in (found := cluster.kubectl("get", "events", "-n", namespace)) and found,
        "an event says it",
    )

    assert 'unable to find target container "c0": it is not running' in events
    refused = cluster.kubectl(
        "debug", "-n", namespace, "pod/web", "--image=host", "--target=none", "--", "true", code=1
    )  # fmt: skip
    assert 'spec.ephemeralContainers[1].targetContainerName: Not found: "none"' in refused


def test_a_copy_to_look_at_with_shared_processes_and_other_images(cluster: Cluster, web: str) -> None:
    options = ("--copy-to=copy", "--share-processes", "--set-image=*=host", "-c", "dbg", "--profile=general")
    debug(cluster, web, *options, script=f"until pgrep -f 'sleep 1000'; do sleep 0.1; done; {DESCRIBED}")

    text = said(cluster, web, "dbg", pod="copy")

    assert "procorch:pause" in text
    assert "python3 -c" in text
    assert "sleep 1000" in text
    spec = cluster.get("pod", "copy", "-n", web)["spec"]
    assert (spec["shareProcessNamespace"], [one["name"] for one in spec["containers"]]) == (True, ["c0", "c1", "dbg"])
    assert cluster.path("{.status.containerStatuses[*].restartCount}", "pod", "web", "-n", web) == "0 0"


def test_a_node_is_looked_at(cluster: Cluster, namespace: str) -> None:
    """Its processes, its network, and its files below /host: what no pod sees otherwise."""
    node = cluster.path("{.items[0].metadata.name}", "nodes")
    script = (
        "ps -eo args; ls -d /host/var/lib; ip -o -4 addr; hostname; test -e /host/etc/shadow && echo shadow; "
        "ls /dev | wc -l; chroot /host id -u; grep CapEff /proc/self/status; echo looked"
    )
    cluster.kubectl(
        "debug", "-n", namespace, f"node/{node}", "--image=host", "--profile=sysadmin", "--quiet", "--",
        "sh", "-c", script,
    )  # fmt: skip
    name = cluster.path("{.items[0].metadata.name}", "pods", "-n", namespace)

    text = said(cluster, namespace, "debugger", pod=name)

    assert "-m cli agent" in text
    assert "/host/var/lib" in text
    assert "shadow\n" in text
    assert f"\n{node}\n" in text
    address = cluster.path("{.status.hostIP}", "pod", name, "-n", namespace)
    assert address in text
    assert cluster.path("{.status.podIP}", "pod", name, "-n", namespace) == address
    assert capabilities(text) >> 21 & 1


def test_containers_share_processes(cluster: Cluster, namespace: str) -> None:
    """They see and signal each other; one that is killed so is restarted alone, and takes what it started with it."""
    create(
        cluster, namespace, "shared",
        shell("setsid sleep 2001 & exec sleep 2000"),
        shell("sleep 3000"),
        shareProcessNamespace=True,
    )  # fmt: skip
    cluster.ready(1, "-n", namespace)

    def processes() -> str:
        return cluster.kubectl("exec", "-n", namespace, "shared", "-c", "c1", "--", "ps", "-eo", "pid,args")

    seen = processes()
    assert seen.splitlines()[1].split() == ["1", "procorch:pause"]
    assert all(word in seen for word in ("sleep 2000", "sleep 2001", "sleep 3000"))
    cluster.kubectl("exec", "-n", namespace, "shared", "-c", "c1", "--", "pkill", "-f", "sleep 2000")
    counts = "{.status.containerStatuses[*].restartCount}"
    cluster.until(lambda: cluster.path(counts, "pod", "shared", "-n", namespace) == "1 0", "it is restarted alone")
    cluster.until(lambda: processes().count("sleep 2001") == 1, "what the first one had started is gone")


def test_the_machines_namespaces(cluster: Cluster, namespace: str) -> None:
    own = {name: str(Path(f"/proc/{agent_pid(cluster)}/ns/{name}").readlink()) for name in ("net", "ipc", "pid")}
    look = shell("for one in net ipc pid; do readlink /proc/self/ns/$one; done; ls /dev/shm; echo looked")
    for name, spec in (("host", {"hostNetwork": True, "hostIPC": True, "hostPID": True}), ("own", {})):
        create(cluster, namespace, name, look, restartPolicy="Never", **spec)

    host, apart = (log(cluster, namespace, name).splitlines() for name in ("host", "own"))

    assert host[:3] == [own[name] for name in ("net", "ipc", "pid")]
    assert not set(apart[:3]) & set(host[:3])


def agent_pid(cluster: Cluster) -> int:
    """As the test's machine sees it."""
    inside = cluster.run("pgrep", "-f", "cli agent").stdout.split()[0]
    ours = cluster.run("readlink", f"/proc/{inside}/ns/net").stdout.strip()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str((path / "ns/net").readlink()) == ours and b"cli\0agent" in (path / "cmdline").read_bytes():
                return int(path.name)
        except OSError:
            continue
    raise AssertionError("no agent")


def test_a_pod_in_the_machines_pids_leaves_nothing_behind(cluster: Cluster, namespace: str) -> None:
    """Its pause is no init there: what it started is ended by its group, also when the pause is killed."""
    create(cluster, namespace, "host", shell("setsid sleep 4001 & exec sleep 4000"), hostPID=True)
    cluster.ready(1, "-n", namespace)
    uid = cluster.path("{.metadata.uid}", "pod", "host", "-n", namespace)
    pause = cluster.run("pgrep", "-f", f"^procorch:pause pod{uid}").stdout
    cluster.run("kill", "-9", *pause.split())

    counts = "{.status.containerStatuses[0].restartCount}"
    cluster.until(lambda: cluster.path(counts, "pod", "host", "-n", namespace) == "1", "the pod begins anew")
    cluster.until(lambda: len(cluster.run("pgrep", "-f", "sleep 4001").stdout.split()) == 1, "only its own is left")
    cluster.kubectl("delete", "pod", "host", "-n", namespace, "--grace-period=1")
    cluster.until(lambda: not cluster.run("pgrep", "-f", "sleep 400[01]").stdout, "nothing is left")


def test_a_privileged_container_has_the_machines_devices_and_powers(cluster: Cluster, namespace: str) -> None:
    look = (
        "mkdir -p /tmp/m && mount -t tmpfs none /tmp/m && echo mounted; ls /dev; "
        "test -w /proc/sys/kernel/domainname && echo writable; grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    )
    create(
        cluster, namespace, "all", shell(look, securityContext={"privileged": True}), shell(look), restartPolicy="Never"
    )

    privileged, plain = (log(cluster, namespace, "all", one) for one in ("c0", "c1"))

    devices = cluster.run("sh", "-c", "find /dev -maxdepth 1 -type c -o -maxdepth 1 -type b").stdout.split()
    assert {Path(one).name for one in devices} <= set(privileged.split())
    assert ("mounted" in privileged, "writable" in privileged) == (True, True)
    assert "NoNewPrivs:\t0" in privileged
    assert ("mounted" in plain, "writable" in plain) == (False, False)
    assert capabilities(plain) < capabilities(privileged)
