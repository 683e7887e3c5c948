"""Containers: names, images, ports, environment, mounts; regular, init and ephemeral ones.

Source: pkg/apis/core/validation (validateContainers, validateInitContainers, validateEphemeralContainers…).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from procorch.kinds.fields import Fields, indexed, number, part, rows, text
from procorch.kinds.podspec.environment import validate_environment
from procorch.kinds.podspec.mounts import validate_mounts
from procorch.kinds.podspec.probes import validate_probes
from procorch.kinds.podspec.resources import validate_resources
from procorch.kinds.podspec.restarts import validate_restarts
from procorch.kinds.podspec.security import validate_container_security
from procorch.names import dns_label, port_name, port_number
from procorch.objects import Cause

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_RESIZABLE, _RESIZE_POLICIES = ("cpu", "memory"), ("NotRequired", "RestartContainer")
_POINTERS = ("restartPolicy", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
#: what an ephemeral container has not got, in the order of Go's struct
_NOT_EPHEMERAL = ("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe",
                  "readinessProbe", "startupProbe", "lifecycle")  # fmt: skip


def validate_containers(spec: Fields, volumes: Mapping[str, Fields], path: str) -> Iterator[Cause]:
    """Every container of a specification. volumes: its valid ones, by name. path: the specification's."""
    regular = list(indexed(spec.get("containers"), f"{path}.containers"))
    names: set[str] = set()
    if not regular:
        yield Cause.required(f"{path}.containers")
    for where, container in regular:
        yield from _container(container, spec, volumes, where)
        if text(container.get("name")) in names:
            yield Cause.duplicate(f"{where}.name", text(container.get("name")))
        names.add(text(container.get("name")))
        yield from validate_probes(container, spec, where)
        yield from validate_restarts(container, where)
    yield from _host_ports((container for _, container in regular), f"{path}.containers")
    for where, container in indexed(spec.get("initContainers"), f"{path}.initContainers"):
        yield from _container(container, spec, volumes, where)
        yield from validate_restarts(container, where)
        yield from _unique_name(container, names, where)
        yield from _host_ports([container], f"{path}.initContainers")
        yield from _init_container(container, spec, where)
    yield from _ephemeral(spec, volumes, path)


def _ephemeral(spec: Fields, volumes: Mapping[str, Fields], path: str) -> Iterator[Cause]:
    """Containers that are put into a running pod to look at it."""
    others = {text(one.get("name")) for group in ("initContainers", "containers") for one in rows(spec.get(group))}
    names = set(others)
    for where, container in indexed(spec.get("ephemeralContainers"), f"{path}.ephemeralContainers"):
        yield from _container(container, spec, volumes, where)
        yield from validate_image(container, where)
        yield from _unique_name(container, names, where)
        target = text(container.get("targetContainerName"))
        if target and target not in others:
            yield Cause.not_found(f"{where}.targetContainerName", target)
        for field in _NOT_EPHEMERAL:
            if container.get(field) not in ((None,) if field in _POINTERS else (None, {}, [])):
                yield Cause.forbidden(f"{where}.{field}", "cannot be set for an Ephemeral Container")
        for at, mount in indexed(container.get("volumeMounts"), f"{where}.volumeMounts"):
            for field in ("subPath", "subPathExpr"):
                if text(mount.get(field)):
                    yield Cause.forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")


def validate_image(container: Fields, path: str) -> Iterator[Cause]:
    """What a pod's image may not have; a template's may, for those that were made before."""
    image = text(container.get("image"))
    if image != image.strip():
        yield Cause.invalid(f"{path}.image", image, "must not have leading or trailing whitespace")


def _unique_name(container: Fields, names: set[str], path: str) -> Iterator[Cause]:
    name = text(container.get("name"))
    if name in names:
        yield Cause.duplicate(f"{path}.name", name)
    elif name:
        names.add(name)


def _init_container(container: Fields, spec: Fields, path: str) -> Iterator[Cause]:
    if container.get("restartPolicy") == "Always":
        yield from validate_probes(container, spec, path)
        return
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            yield Cause.forbidden(f"{path}.{field}", "may not be set for init containers without restartPolicy=Always")
    for where, row in indexed(container.get("resizePolicy"), f"{path}.resizePolicy"):
        if row.get("restartPolicy") == "RestartContainer":
            message = "must not be set to 'RestartContainer' for non-sidecar initContainers"
            yield Cause.invalid(f"{where}.restartPolicy", row["restartPolicy"], message)


def _container(container: Fields, spec: Fields, volumes: Mapping[str, Fields], path: str) -> Iterator[Cause]:
    if not text(container.get("name")):
        yield Cause.required(f"{path}.name")
    else:
        for message in dns_label(container["name"]):
            yield Cause.invalid(f"{path}.name", container["name"], message)
    # Not as in Kubernetes: a container that brings its command may do without an image, and runs on the host's root.
    if not text(container.get("image")) and not container.get("command"):
        yield Cause.required(f"{path}.image")
    yield from _one_of(container, "terminationMessagePolicy", _MESSAGE_POLICIES, path)
    yield from _ports(container.get("ports"), f"{path}.ports")
    yield from validate_environment(container, path)
    yield from validate_mounts(container, volumes, path)
    yield from _one_of(container, "imagePullPolicy", PULL_POLICIES, path)
    yield from validate_resources(part(container, "resources"), f"{path}.resources", spec)
    yield from _resize_policy(container, spec, f"{path}.resizePolicy")
    yield from validate_container_security(container, spec, f"{path}.securityContext")


def _one_of(owner: Fields, field: str, choice: Iterable[str], path: str) -> Iterator[Cause]:
    value = text(owner.get(field))
    if not value:
        yield Cause.required(f"{path}.{field}")
    elif value not in choice:
        yield Cause.unsupported(f"{path}.{field}", value, choice)


def _ports(value: object, path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for where, port in indexed(value, path):
        if name := text(port.get("name")):
            problems = port_name(name)
            for message in problems:
                yield Cause.invalid(f"{where}.name", name, message)
            if not problems and name in names:
                yield Cause.duplicate(f"{where}.name", name)
            names.add(name)
        inside, outside = number(port.get("containerPort")) or 0, number(port.get("hostPort")) or 0
        if not inside:
            yield Cause.required(f"{where}.containerPort")
        for field, given in (("containerPort", inside), ("hostPort", outside)):
            for message in port_number(given) if given else ():
                yield Cause.invalid(f"{where}.{field}", given, message)
        yield from _one_of(port, "protocol", PROTOCOLS, where)


def _host_ports(containers: Iterable[Fields], path: str) -> Iterator[Cause]:
    taken: set[str] = set()
    for i, container in enumerate(containers):
        for where, port in indexed(container.get("ports"), f"{path}[{i}].ports"):
            if host_port := number(port.get("hostPort")):
                word = f"{text(port.get('protocol'))}/{text(port.get('hostIP'))}/{host_port}"
                if word in taken:
                    yield Cause.duplicate(f"{where}.hostPort", word)
                taken.add(word)


def _resize_policy(container: Fields, spec: Fields, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for where, row in indexed(container.get("resizePolicy"), path):
        name, policy = text(row.get("resourceName")), text(row.get("restartPolicy"))
        if name in seen:
            yield Cause.duplicate(where, name)
        seen.add(name)
        for value, choice in ((name, _RESIZABLE), (policy, _RESIZE_POLICIES)):
            if not value:
                yield Cause.required(path)
            elif value not in choice:
                yield Cause.unsupported(path, value, choice)
        if spec.get("restartPolicy") == "Never" and policy != "NotRequired":
            yield Cause.invalid(path, policy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")
