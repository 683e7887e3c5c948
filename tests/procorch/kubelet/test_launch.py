"""Containers become process specifications, pods sandboxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.environment import ConfigProblem, Facts
from procorch.kubelet.images import Resolved
from procorch.kubelet.launch import (
    MESSAGE_BYTES,
    MESSAGE_PATH,
    Prepared,
    again,
    clear_message,
    log_path,
    message_path,
    process_spec,
    read_message,
    sandbox_spec,
)
from procorch.kubelet.volumes import Made
from procorch.objects import NotFound, Object
from runtime import Limits, Mount, Root
from runtime.logwriter import LogWriter


def container(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": ["/bin/run"], **fields}


def limited(cpu: str = "", memory: str = "", requests: str = "", **fields: Any) -> dict[str, Any]:
    limits = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return container(resources={"limits": limits, "requests": {"cpu": requests} if requests else {}}, **fields)


def pod(*containers: dict[str, Any], **spec: Any) -> Object:
    metadata = {"name": "web", "namespace": "n", "uid": "u"}
    return {"metadata": metadata, "spec": {"containers": list(containers) or [container()], **spec}}


@pytest.mark.parametrize(
    ("given", "level"),
    [
        pytest.param(pod(), "besteffort", id="asks for nothing"),
        pytest.param(pod(limited(requests="1")), "burstable", id="asks for something"),
        pytest.param(
            pod(container(resources={"limits": (both := {"cpu": "1", "memory": "1Mi"}), "requests": both})),
            "",
            id="asks for all that it may have",
        ),
    ],
)
def test_the_sandbox_is_on_its_quality_level(given: Object, level: str) -> None:
    assert sandbox_spec(given, "podu", "web", 0, None).cgroup_parent == level


def test_the_sandbox_carries_what_finds_it_again() -> None:
    given = pod(hostNetwork=True, hostIPC=True, securityContext={"sysctls": [{"name": "net.x", "value": "1"}]})

    spec = sandbox_spec(given, "podu.2", "node", 2, 100)

    assert spec.labels == {"namespace": "n", "name": "web", "uid": "u", "attempt": "2"}
    assert (spec.host_network, spec.host_ipc, spec.hostname) == (True, True, "node")
    assert (spec.sysctls, spec.limits.pids) == ({"net.x": "1"}, 100)


async def nothing(kind: str, namespace: str, name: str) -> Object:
    raise NotFound.of(kind, name)


def prepared(directory: Path, **fields: Any) -> Prepared:
    given: dict[str, Any] = {"volumes": {}, "files": (), "facts": Facts(), "services": {}, "hostname": "web"}
    return Prepared(**given | fields, directory=directory, memory_capacity=1 << 30)


HOST = Resolved(Root("host"), "host")


async def test_a_container_becomes_a_process(tmp_path: Path) -> None:
    one = limited(
        "1", "64Mi", "500m", args=["$(A)"], env=[{"name": "A", "value": "b"}], workingDir="/w", stdin=True,
        securityContext={"readOnlyRootFilesystem": True, "runAsUser": 7},
    )  # fmt: skip

    spec = await process_spec(pod(one), one, 3, HOST, nothing, prepared(tmp_path, services={"S": "1"}))

    assert (spec.name, spec.argv, spec.cwd, spec.stdin) == ("a.3", ("/bin/run", "b"), "/w", True)
    assert spec.env["A"] == "b"
    assert spec.env["S"] == "1"
    assert spec.env["HOSTNAME"] == "web"
    assert spec.env["PATH"].startswith("/usr/local/sbin")
    assert (spec.root.read_only, spec.user.uid) == (True, 7)
    assert spec.limits == Limits(500, 1000, 64 << 20)
    assert spec.log_path == tmp_path / "logs/a/3.log"


async def test_a_container_without_a_command_is_refused(tmp_path: Path) -> None:
    one = {"name": "a"}

    with pytest.raises(ConfigProblem, match="no command specified"):
        await process_spec(pod(one), one, 0, HOST, nothing, prepared(tmp_path))


async def test_mounts_go_from_the_outside_in_and_the_pods_own_win(tmp_path: Path) -> None:
    one = container(
        volumeMounts=[
            {"name": "v", "mountPath": "/data/inner"},
            {"name": "v", "mountPath": "/data"},
            {"name": "v", "mountPath": "/etc/hosts"},
        ],
        terminationMessagePath="/told",
    )
    volumes = {"v": Made(Mount("", tmp_path))}
    files = (Mount("/etc/hosts", Path("/ours")),)

    spec = await process_spec(pod(one), one, 0, HOST, nothing, prepared(tmp_path, volumes=volumes, files=files))

    found = {mount.target: mount.source for mount in spec.mounts}
    assert list(found).index("/data") < list(found).index("/data/inner")
    assert found["/etc/hosts"] == tmp_path
    assert found["/told"] == message_path(tmp_path, "a")
    assert len(spec.mounts) == 4


async def test_the_same_again_is_another_attempt(tmp_path: Path) -> None:
    spec = await process_spec(pod(), container(), 0, HOST, nothing, prepared(tmp_path))

    other = again(spec, "a", 1, tmp_path)

    assert (other.name, other.log_path) == ("a.1", log_path(tmp_path, "a", 1))
    assert other.argv == spec.argv


@pytest.mark.parametrize(
    ("policy", "failed", "told", "message"),
    [
        pytest.param("File", True, "bye", "bye", id="what it wrote"),
        pytest.param("File", True, "", "", id="nothing"),
        pytest.param("FallbackToLogsOnError", True, "bye", "bye", id="its own words first"),
        pytest.param("FallbackToLogsOnError", True, "", "one\ntwo\n", id="else its log"),
        pytest.param("FallbackToLogsOnError", False, "", "", id="not where all is well"),
        pytest.param("File", False, "x" * 5000, "x" * MESSAGE_BYTES, id="so much of it"),
    ],
)
def test_the_last_words_of_a_container(tmp_path: Path, policy: str, failed: bool, told: str, message: str) -> None:
    clear_message(tmp_path, "a")
    message_path(tmp_path, "a").write_text(told)
    log = log_path(tmp_path, "a", 0)
    log.parent.mkdir(parents=True)
    LogWriter(str(log)).feed("stdout", b"one\ntwo\n", 10**9)

    assert read_message(tmp_path, container(terminationMessagePolicy=policy), 0, failed) == message


def test_the_message_file_is_empty_and_everybodys(tmp_path: Path) -> None:
    path = message_path(tmp_path, "a")
    clear_message(tmp_path, "a")
    path.write_text("old")

    clear_message(tmp_path, "a")

    assert path.read_bytes() == b""
    assert path.stat().st_mode & 0o777 == 0o666
    assert read_message(tmp_path, {"name": "never", "terminationMessagePath": MESSAGE_PATH}, 0, True) == ""
