"""A container of a pod becomes one ProcessSpec for the runtime; the pod becomes one SandboxSpec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from procorch.kinds.podspec.resources import qos_class
from procorch.kubelet import security
from procorch.kubelet.environment import ConfigProblem, Facts, Find, command_line, environment, expand
from procorch.kubelet.images import PATH, Resolved
from procorch.kubelet.levels import level_of
from procorch.kubelet.record import process_name
from procorch.kubelet.sizes import container_limits, pod_limits
from procorch.kubelet.volumes import Made, mounts_of
from procorch.objects import Object, get
from procorch.quantity import byte_count
from runtime import Mount, ProcessSpec, Root, SandboxSpec
from runtime.logs import ending

MESSAGE_PATH = "/dev/termination-log"
MESSAGE_BYTES = 4096
LOG_LINES, LOG_BYTES = 80, 2048  # of FallbackToLogsOnError


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a pod's containers have in common once it has a sandbox.

    files: mounts of /etc/hosts and the like. services: variables of Services. directory: the pod's own.
    """

    volumes: Mapping[str, Made]
    files: Sequence[Mount]
    facts: Facts
    services: Mapping[str, str]
    hostname: str
    directory: Path
    memory_capacity: int


def sandbox_spec(pod: Object, sandbox_id: str, hostname: str, attempt: int, pids: int | None) -> SandboxSpec:
    """The pod's place: cgroup level by QoS class, limits as the sum of the containers' where all have them.

    pids: processes and threads that it may have, all containers together.
    """
    metadata = pod["metadata"]
    sysctls = {row["name"]: row["value"] for row in get(pod, ".spec.securityContext.sysctls", [])}
    return SandboxSpec(
        sandbox_id,
        hostname=hostname,
        labels={
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "attempt": str(attempt),
        },
        host_network=bool(get(pod, ".spec.hostNetwork")),
        host_ipc=bool(get(pod, ".spec.hostIPC")),
        host_pids=bool(get(pod, ".spec.hostPID")),
        shared_pids=bool(get(pod, ".spec.shareProcessNamespace")),
        cgroup_parent=level_of(pod),
        limits=pod_limits(pod, pids),
        sysctls=sysctls,
    )


async def process_spec(
    pod: Object, container: Mapping[str, Any], number: int, image: Resolved, find: Find, prepared: Prepared
) -> ProcessSpec:
    """Raises ConfigProblem, and what `find` raises when the API cannot be asked."""
    security.check(pod, container)
    user = security.user(pod, container, image)
    env = await environment(pod, container, find, prepared.facts, prepared.services, image.env)
    env = {"PATH": PATH, "HOSTNAME": prepared.hostname} | env
    argv = command_line(container, image.entrypoint, image.args, env)
    if not argv:
        raise ConfigProblem("no command specified")
    mounts = [*image.mounts, *prepared.files, *mounts_of(container, prepared.volumes, env)]
    mounts += _message_mount(container, prepared)
    requested = get(container, "resources.requests", {}).get("memory", "0")
    return ProcessSpec(
        process_name(container["name"], number),
        tuple(argv),
        env=env,
        cwd=expand(container.get("workingDir") or "", env) or image.working_dir or "/",
        user=user,
        root=_root(image.root, container),
        mounts=tuple(_outermost(mounts)),
        limits=container_limits(pod, container),
        log_path=log_path(prepared.directory, container["name"], number),
        capabilities=security.capabilities(container),
        no_new_privs=security.no_new_privs(container),
        open_kernel=security.is_privileged(container),
        stdin=bool(container.get("stdin")),
        tty=bool(container.get("tty")),
        oom_score_adj=security.oom_score_adjust(qos_class(pod), byte_count(requested), prepared.memory_capacity),
    )


def again(spec: ProcessSpec, container: str, number: int, directory: Path) -> ProcessSpec:
    """A container's last start, once more as another attempt."""
    return replace(spec, name=process_name(container, number), log_path=log_path(directory, container, number))


def log_path(directory: Path, container: str, number: int) -> Path:
    """Where an attempt's output goes."""
    return directory / "logs" / container / f"{number}.log"


def message_path(directory: Path, container: str) -> Path:
    """The file behind the container's terminationMessagePath."""
    return directory / "messages" / container


def read_message(directory: Path, container: Mapping[str, Any], number: int, failed: bool) -> str:
    """What an ended attempt has to say: its message file, or the end of its log where it asks for that."""
    try:
        with message_path(directory, container["name"]).open("rb") as file:
            text = file.read(MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        text = ""
    if text or not failed or container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return text
    log = log_path(directory, container["name"], number)
    return ending(log, LOG_LINES, LOG_BYTES).decode(errors="replace")


def clear_message(directory: Path, container: str) -> None:
    """Before a new attempt: what the last one said is in its record."""
    path = message_path(directory, container)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    path.chmod(0o666)


def _message_mount(container: Mapping[str, Any], prepared: Prepared) -> list[Mount]:
    target = container.get("terminationMessagePath") or MESSAGE_PATH
    return [Mount(target, message_path(prepared.directory, container["name"]))]


def _root(root: Root, container: Mapping[str, Any]) -> Root:
    return replace(root, read_only=True) if security.read_only_root(container) else root


def _outermost(mounts: list[Mount]) -> list[Mount]:
    """The outer before the inner; of two at one place the later wins, as when a pod brings its own /etc/hosts."""
    last = {mount.target.rstrip("/") or "/": mount for mount in mounts}
    return sorted(last.values(), key=lambda mount: mount.target.rstrip("/").count("/"))


__all__ = [
    "Prepared",
    "again",
    "clear_message",
    "log_path",
    "process_spec",
    "read_message",
    "sandbox_spec",
]
