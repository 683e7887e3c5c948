"""Containers: names, images, ports, environment, mounts; for regular and init containers.

Source: pkg/apis/core/validation (validateContainers, validateInitContainers, ValidateEnv, ValidateVolumeMounts…).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from procorch.kinds.fields import Fields, indexed, mapping, number, part, rows, text
from procorch.kinds.podspec.probes import validate_probes
from procorch.kinds.podspec.resources import quantity_of, validate_resources
from procorch.kinds.podspec.security import validate_container_security
from procorch.kinds.podspec.volumes import local_path
from procorch.names import config_key, dns_label, dns_subdomain, env_name, label_key, port_name, port_number
from procorch.objects import Cause
from procorch.quantity import canonical

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_FIELD_PATHS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
_RESOURCE_PATHS = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")

_NOT_EPHEMERAL = ("ports", "resources", "resizePolicy", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe",
                  "restartPolicy", "restartPolicyRules")  # fmt: skip


def validate_containers(spec: Fields, path: str) -> Iterator[Cause]:
    """Every container of a specification. path: the specification's."""
    volumes = {text(volume.get("name")) for volume in rows(spec.get("volumes"))}
    grace = number(spec.get("terminationGracePeriodSeconds"))
    regular = list(indexed(spec.get("containers"), f"{path}.containers"))
    names: set[str] = set()
    if not regular:
        yield Cause.required(f"{path}.containers")
    for where, container in regular:
        yield from _container(container, volumes, where)
        yield from _unique_name(container, names, where)
        yield from validate_probes(container, grace, where)
        if container.get("restartPolicy") is not None:  # rules of its own for a container are not built
            yield Cause.forbidden(f"{where}.restartPolicy", "may not be set for non-init containers")
    yield from _host_ports((container for _, container in regular), f"{path}.containers")
    for where, container in indexed(spec.get("initContainers"), f"{path}.initContainers"):
        yield from _container(container, volumes, where)
        yield from _unique_name(container, names, where)
        yield from _init_container(container, grace, where)
        yield from _host_ports([container], f"{path}.initContainers")


def validate_ephemeral(spec: Fields, path: str) -> Iterator[Cause]:
    """Containers that are put into a running pod to look at it. path: the specification's."""
    volumes = {text(volume.get("name")) for volume in rows(spec.get("volumes"))}
    others = [*rows(spec.get("initContainers")), *rows(spec.get("containers"))]
    names = {text(one.get("name")) for one in others}
    for where, container in indexed(spec.get("ephemeralContainers"), f"{path}.ephemeralContainers"):
        yield from _container(container, volumes, where)
        target = text(container.get("targetContainerName"))
        if target and target not in {text(one.get("name")) for one in others}:
            yield Cause.not_found(f"{where}.targetContainerName", target)
        yield from _unique_name(container, names, where)
        for field in _NOT_EPHEMERAL:
            if container.get(field):
                yield Cause.forbidden(f"{where}.{field}", "cannot be set for an Ephemeral Container")
        for at, mount in indexed(container.get("volumeMounts"), f"{where}.volumeMounts"):
            for field in ("subPath", "subPathExpr"):
                if text(mount.get(field)):
                    yield Cause.forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")


def _unique_name(container: Fields, names: set[str], path: str) -> Iterator[Cause]:
    name = text(container.get("name"))
    if name in names:
        yield Cause.duplicate(f"{path}.name", name)
    if name:
        names.add(name)


def _init_container(container: Fields, grace: int | None, path: str) -> Iterator[Cause]:
    if container.get("restartPolicy") == "Always":
        yield from validate_probes(container, grace, path)
        return
    if container.get("restartPolicy") is not None:
        yield from _one_of(container, "restartPolicy", ("Always",), path)
    for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field) is not None:
            yield Cause.forbidden(f"{path}.{field}", "may not be set for init containers without restartPolicy=Always")


def _container(container: Fields, volumes: set[str], path: str) -> Iterator[Cause]:
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
    yield from _environment(container.get("env"), f"{path}.env")
    yield from _environment_from(container.get("envFrom"), f"{path}.envFrom")
    yield from _mounts(container.get("volumeMounts"), volumes, f"{path}.volumeMounts")
    yield from _one_of(container, "imagePullPolicy", _PULL_POLICIES, path)
    yield from validate_resources(part(container, "resources"), f"{path}.resources")
    yield from validate_container_security(part(container, "securityContext"), f"{path}.securityContext")


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


def _environment(value: object, path: str) -> Iterator[Cause]:
    for where, variable in indexed(value, path):
        name = text(variable.get("name"))
        if not name:
            yield Cause.required(f"{where}.name")
        else:
            for message in env_name(name):
                yield Cause.invalid(f"{where}.name", name, message)
        if isinstance(source := variable.get("valueFrom"), dict):
            yield from _value_from(variable, source, f"{where}.valueFrom")


def _value_from(variable: Fields, source: Fields, path: str) -> Iterator[Cause]:
    given = [name for name in _VALUE_SOURCES if isinstance(source.get(name), dict)]
    if "fieldRef" in given:
        yield from field_reference(source["fieldRef"], _FIELD_PATHS, f"{path}.fieldRef")
    if "resourceFieldRef" in given:
        yield from resource_reference(source["resourceFieldRef"], f"{path}.resourceFieldRef", in_volume=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if name in given:
            yield from _key_reference(source[name], f"{path}.{name}")
    if not given:
        choice = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield Cause.invalid(path, "", f"must specify one of: {choice}")
    elif text(variable.get("value")):
        yield Cause.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield Cause.invalid(path, "", "may not have more than one field specified at a time")


def field_reference(reference: Fields, allowed: Iterable[str], path: str) -> Iterator[Cause]:
    """A fieldRef of the downward API. allowed: paths besides labels['x'] and annotations['x']."""
    if not text(reference.get("apiVersion")):
        yield Cause.required(f"{path}.apiVersion")
        return
    wanted = text(reference.get("fieldPath"))
    if not wanted:
        yield Cause.required(f"{path}.fieldPath")
        return
    subscripted = re.fullmatch(r"(.+)\['(.*)'\]", wanted)
    if subscripted is None:
        if wanted not in allowed:
            yield Cause.unsupported(f"{path}.fieldPath", wanted, sorted(allowed))
        return
    base, key = subscripted.groups()
    if base not in ("metadata.labels", "metadata.annotations"):
        yield Cause.invalid(path, base, "does not support subscript")
        return
    for message in label_key(key.lower() if base == "metadata.annotations" else key):
        yield Cause.invalid(path, key, message)


def resource_reference(reference: Fields, path: str, *, in_volume: bool) -> Iterator[Cause]:
    """A resourceFieldRef of the downward API; a volume must name the container."""
    wanted = text(reference.get("resource"))
    if in_volume and not text(reference.get("containerName")):
        yield Cause.required(f"{path}.containerName")
    elif not wanted:
        yield Cause.required(f"{path}.resource")
    elif wanted not in _RESOURCE_PATHS and not wanted.startswith(("requests.hugepages-", "limits.hugepages-")):
        yield Cause.unsupported(f"{path}.resource", wanted, _RESOURCE_PATHS)
    divisor = quantity_of(reference.get("divisor", "0"))
    if divisor is None or not divisor.amount:
        return
    shown = canonical(reference["divisor"])
    if wanted.endswith(".cpu") and shown not in ("1", "1m"):
        yield Cause.invalid(
            f"{path}.divisor", wanted, "only divisor's values 1m and 1 are supported with the cpu resource"
        )
    elif not wanted.endswith(".cpu") and shown not in _SIZES:
        what = "local ephemeral storage" if wanted.endswith("storage") else wanted.partition(".")[2].partition("-")[0]
        yield Cause.invalid(
            f"{path}.divisor",
            wanted,
            f"only divisor's values {', '.join(_SIZES)} are supported with the {what} resource",
        )


def _key_reference(reference: Fields, path: str) -> Iterator[Cause]:
    name, key = text(reference.get("name")), text(reference.get("key"))
    for message in dns_subdomain(name):
        yield Cause.invalid(f"{path}.name", name, message)
    if not key:
        yield Cause.required(f"{path}.key")
    else:
        for message in config_key(key):
            yield Cause.invalid(f"{path}.key", key, message)


def _environment_from(value: object, path: str) -> Iterator[Cause]:
    for where, source in indexed(value, path):
        if prefix := text(source.get("prefix")):
            for message in env_name(prefix):
                yield Cause.invalid(f"{where}.prefix", prefix, message)
        given = [name for name in ("configMapRef", "secretRef") if isinstance(source.get(name), dict)]
        for reference in given:
            name = text(mapping(source[reference]).get("name"))
            if not name:
                yield Cause.required(f"{where}.{reference}.name")
            else:
                for message in dns_subdomain(name):
                    yield Cause.invalid(f"{where}.{reference}.name", name, message)
        if not given:
            yield Cause.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield Cause.invalid(path, "", "may not have more than one field specified at a time")


def _mounts(value: object, volumes: set[str], path: str) -> Iterator[Cause]:
    taken: set[str] = set()
    for where, mount in indexed(value, path):
        name, target = text(mount.get("name")), text(mount.get("mountPath"))
        if not name:
            yield Cause.required(f"{where}.name")
        if name not in volumes:
            yield Cause.not_found(f"{where}.name", name)
        if not target:
            yield Cause.required(f"{where}.mountPath")
        if target in taken:
            yield Cause.invalid(f"{where}.mountPath", target, "must be unique")
        taken.add(target)
        for field in ("subPath", "subPathExpr"):
            if inner := text(mount.get(field)):
                yield from local_path(inner, f"{path}.{field}")
        if text(mount.get("subPath")) and text(mount.get("subPathExpr")):
            yield Cause.invalid(
                f"{where}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive"
            )
        propagation = mount.get("mountPropagation")
        if propagation not in (None, "None", "HostToContainer", "Bidirectional"):
            yield Cause.unsupported(
                f"{path}.mountPropagation", propagation, ("Bidirectional", "HostToContainer", "None")
            )
