"""The environment of a container: values, and where else they come from; the downward API.

Source: pkg/apis/core/validation (ValidateEnv, ValidateEnvFrom, validateObjectFieldSelector…).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from procorch.kinds.fields import Fields, indexed, mapping, rows, text
from procorch.kinds.podspec.paths import no_backsteps
from procorch.kinds.podspec.resources import quantity_of
from procorch.names import config_key, dns_label, dns_subdomain, env_name, label_key
from procorch.objects import Cause
from procorch.quantity import canonical

_FIELD_PATHS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
#: what has a name in the downward API at all; the rest is no field
_KNOWN_PATHS = frozenset((
    *_FIELD_PATHS, "metadata.labels", "metadata.annotations", "spec.restartPolicy", "spec.schedulerName",
    "status.phase",
))  # fmt: skip
_RESOURCE_PATHS = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_VALUE_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def validate_environment(container: Fields, path: str) -> Iterator[Cause]:
    """env and envFrom of one container."""
    yield from _environment(container.get("env"), f"{path}.env")
    yield from _environment_from(container.get("envFrom"), f"{path}.envFrom")


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
    if "fileKeyRef" in given:
        yield from _file_reference(source["fileKeyRef"], f"{path}.fileKeyRef")
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
    if reference["apiVersion"] != "v1":
        message = f"error converting fieldPath: unsupported pod version: {reference['apiVersion']}"
        yield Cause.invalid(f"{path}.fieldPath", wanted, message)
        return
    subscripted = re.fullmatch(r"(.+)\['(.*)'\]", wanted)
    if subscripted is None:
        if wanted == "spec.host":
            wanted = "spec.nodeName"  # its name in the first days
        if wanted not in _KNOWN_PATHS:
            message = f"error converting fieldPath: field label not supported: {wanted}"
            yield Cause.invalid(f"{path}.fieldPath", wanted, message)
        elif wanted not in allowed:
            yield Cause.unsupported(f"{path}.fieldPath", wanted, sorted(allowed))
        return
    base, key = subscripted.groups()
    if base not in ("metadata.labels", "metadata.annotations"):
        if base in _KNOWN_PATHS:
            yield Cause.invalid(path, base, "does not support subscript")
        else:
            message = f"error converting fieldPath: field label does not support subscript: {wanted}"
            yield Cause.invalid(f"{path}.fieldPath", wanted, message)
        return
    for message in label_key(key.lower() if base == "metadata.annotations" else key):
        yield Cause.invalid(path, key, message)


def resource_reference(reference: Fields, path: str, *, in_volume: bool) -> Iterator[Cause]:
    """A resourceFieldRef of the downward API; a volume must name the container."""
    wanted = text(reference.get("resource"))
    is_huge = wanted.startswith(("requests.hugepages-", "limits.hugepages-"))
    if in_volume and not text(reference.get("containerName")):
        yield Cause.required(f"{path}.containerName")
    elif not wanted:
        yield Cause.required(f"{path}.resource")
    elif wanted not in _RESOURCE_PATHS and not is_huge:
        yield Cause.unsupported(f"{path}.resource", wanted, _RESOURCE_PATHS)
    divisor = quantity_of(reference.get("divisor", "0"))
    if divisor is None or not divisor.amount:
        return
    shown = canonical(reference["divisor"])
    if wanted.endswith(".cpu") and shown not in ("1", "1m"):
        yield Cause.invalid(
            f"{path}.divisor", wanted, "only divisor's values 1m and 1 are supported with the cpu resource"
        )
    elif (wanted in _RESOURCE_PATHS or is_huge) and not wanted.endswith(".cpu") and shown not in _SIZES:
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


def _file_reference(reference: Fields, path: str) -> Iterator[Cause]:
    key, volume, file = (text(reference.get(field)) for field in ("key", "volumeName", "path"))
    for field, value, form in (("key", key, env_name), ("volumeName", volume, dns_label)):
        if not value:
            yield Cause.required(f"{path}.{field}")
        else:
            for message in form(value):
                yield Cause.invalid(f"{path}.{field}", value, message)
    if not file:
        yield Cause.required(f"{path}.path")
    else:
        yield from no_backsteps(file, f"{path}.path")


def validate_file_volumes(spec: Fields, path: str) -> Iterator[Cause]:
    """A file with variables lies in an emptyDir."""
    volumes = {text(volume.get("name")): volume for volume in rows(spec.get("volumes"))}
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for where, container in indexed(spec.get(group), f"{path}.{group}"):
            for at, variable in indexed(container.get("env"), f"{where}.env"):
                reference = mapping(variable.get("valueFrom")).get("fileKeyRef")
                if not isinstance(reference, dict):
                    continue
                name, here = text(reference.get("volumeName")), f"{at}.valueFrom.fileKeyRef.volumeName"
                if name not in volumes:
                    yield Cause.not_found(here, name)
                elif volumes[name].get("emptyDir") is None:
                    yield Cause.invalid(here, name, "referenced volume must be of type emptyDir")


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
