"""The environment of a container, and its command and arguments with $(VAR) filled in.

Later wins: the image's own, then the services', then envFrom in order, then env in order.
Source: Kubernetes' documentation of environment variables, dependent variables and the downward API.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from procorch.kubelet import env_files
from procorch.kubelet.plan import all_containers
from procorch.names import env_name
from procorch.objects import NotFound, Object, annotations_of, get, labels_of
from procorch.quantity import parse

Find = Callable[[str, str, str], Awaitable[Object]]
"""(kind, namespace, name) → a ConfigMap or Secret; raises NotFound."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_QUOTED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigProblem(Exception):
    """The container cannot be made as its specification says: CreateContainerConfigError with this message."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a fieldRef or resourceFieldRef may ask about beyond the pod itself.

    allocatable: the node's resource list, what a container without a limit may use at most. volumes: where the files of
    the pod's volumes are, by name.
    """

    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Path] = field(default_factory=dict)


def expand(text: str, env: Mapping[str, str]) -> str:
    """$(NAME) replaced where NAME is known and kept as it is where not; $$ is a plain $."""

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return env.get(match[1], match[0])

    return _REFERENCE.sub(one, text)


def command_line(
    container: Mapping[str, Any], entrypoint: Iterable[str], image_args: Iterable[str], env: Mapping[str, str]
) -> list[str]:
    """The program and its arguments. The container's command replaces the image's entrypoint and arguments both."""
    command, args = container.get("command"), [expand(word, env) for word in container.get("args") or []]
    if command:
        return [*(expand(word, env) for word in command), *args]
    return [*entrypoint, *(args or image_args)]


async def environment(
    pod: Object,
    container: Mapping[str, Any],
    find: Find,
    facts: Facts,
    services: Mapping[str, str],
    image: Iterable[Mapping[str, str]] = (),
) -> dict[str, str]:
    """services: variables of the Services the pod may see; image: the image's own rows of name and value.

    Raises ConfigProblem, and what `find` raises when the API cannot be asked.
    """
    result = {row["name"]: row.get("value") or "" for row in image}
    result |= services
    for source in container.get("envFrom") or []:
        result |= await _all_of(pod, source, find)
    for row in container.get("env") or []:
        if (source := row.get("valueFrom")) is None:
            result[row["name"]] = expand(row.get("value") or "", result)
            continue
        value = await _value_from(pod, container, source, find, facts)
        if value is not None:
            result[row["name"]] = value
    return result


def field_value(pod: Object, path: str, facts: Facts) -> str:
    """One field of the pod as text. Raises ConfigProblem for a path that is none."""
    if (match := _QUOTED.fullmatch(path)) is not None:
        values = labels_of(pod) if match[1] == "labels" else annotations_of(pod)
        return values.get(match[2], "")
    match path:
        case "metadata.labels":
            return quoted_lines(labels_of(pod))
        case "metadata.annotations":
            return quoted_lines(annotations_of(pod))
        case "status.podIP":
            return facts.pod_ips[0] if facts.pod_ips else ""
        case "status.podIPs":
            return ",".join(facts.pod_ips)
        case "status.hostIP":
            return facts.host_ips[0] if facts.host_ips else ""
        case "status.hostIPs":
            return ",".join(facts.host_ips)
        case "metadata.name" | "metadata.namespace" | "metadata.uid" | "spec.nodeName" | "spec.serviceAccountName":
            return str(get(pod, path, ""))
    raise ConfigProblem(f"unsupported fieldPath: {path}")


def quoted_lines(values: Mapping[str, str]) -> str:
    """`key="value"` a line, sorted, as the downward API writes maps."""
    escape = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})
    return "\n".join(f'{key}="{values[key].translate(escape)}"' for key in sorted(values))


def resource_value(pod: Object, name: str, resource: str, divisor: str, facts: Facts) -> str:
    """`limits.cpu` and the like of a container, in units of the divisor, rounded up. Raises ConfigProblem."""
    container = next((one for one in all_containers(pod) if one["name"] == name), None)
    if container is None:
        raise ConfigProblem(f"container {name} not found")
    side, _, what = resource.partition(".")
    amount = get(container, "resources", {}).get(side, {}).get(what)
    if amount is None:
        amount = facts.allocatable.get(what, "0") if side == "limits" else "0"
    unit = parse(divisor) if divisor and parse(divisor) else parse("1")
    return str(math.ceil(parse(amount) / unit))


async def _all_of(pod: Object, source: Mapping[str, Any], find: Find) -> dict[str, str]:
    namespace = pod["metadata"]["namespace"]
    prefix = source.get("prefix") or ""
    for kind, reference_name in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
        if (reference := source.get(reference_name)) is not None:
            found = await optional(find, kind, namespace, reference)
            values = {} if found is None else texts_of(found)
            return {prefix + key: value for key, value in values.items() if not env_name(prefix + key)}
    return {}


async def _value_from(
    pod: Object, container: Mapping[str, Any], source: Mapping[str, Any], find: Find, facts: Facts
) -> str | None:
    """None: an optional reference to what is not there sets no variable."""
    if (row := source.get("fieldRef")) is not None:
        return field_value(pod, row["fieldPath"], facts)
    if (row := source.get("resourceFieldRef")) is not None:
        name = row.get("containerName") or container["name"]
        return resource_value(pod, name, row["resource"], row.get("divisor") or "", facts)
    if (row := source.get("fileKeyRef")) is not None:
        return await asyncio.to_thread(_from_file, row, facts)
    for kind, reference_name in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if (row := source.get(reference_name)) is not None:
            namespace = pod["metadata"]["namespace"]
            found = await optional(find, kind, namespace, row)
            value = None if found is None else texts_of(found).get(row["key"])
            if value is None and not row.get("optional"):
                raise ConfigProblem(f"couldn't find key {row['key']} in {kind} {namespace}/{row['name']}")
            return value
    raise ConfigProblem(f"env {container['name']}: valueFrom {', '.join(source) or 'nothing'}: not supported")


def _from_file(row: Mapping[str, Any], facts: Facts) -> str | None:
    """Source of the words: kubelet_pods.go, makeEnvironmentVariables."""
    volume, path, key = row["volumeName"], row["path"], row["key"]
    if volume not in facts.volumes:
        raise ConfigProblem(f'cannot find the volume "{volume}" referenced by FileKeyRef')
    try:
        value = env_files.value_of(env_files.read(facts.volumes[volume], path), key)
    except FileNotFoundError:
        if row.get("optional"):
            return None
        raise ConfigProblem(f'environment variable file "{path}" of volume {volume} does not exist') from None
    except (OSError, env_files.EnvFileProblem) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigProblem(f'environment variable file "{path}" of volume {volume}: {why}') from None
    if value is None and not row.get("optional"):
        raise ConfigProblem(f'environment variable key "{key}" not found in file "{path}" of volume {volume}')
    return value


async def optional(find: Find, kind: str, namespace: str, reference: Mapping[str, Any]) -> Object | None:
    """The object, or None where it is missing and may be. Raises ConfigProblem where it may not."""
    name = reference.get("name") or ""
    try:
        return await find(kind, namespace, name)
    except NotFound:
        if reference.get("optional"):
            return None
        raise ConfigProblem(f'{kind.lower()} "{name}" not found') from None


def texts_of(obj: Object) -> dict[str, str]:
    """The data of a ConfigMap or Secret as text; bytes that are no UTF-8 become replacement characters."""
    return {key: value.decode(errors="replace") for key, value in bytes_of(obj).items()}


def bytes_of(obj: Object) -> dict[str, bytes]:
    """The data of a ConfigMap (data and binaryData) or Secret as bytes."""
    data = obj.get("data") or {}
    encoded = data if obj["kind"] == "Secret" else obj.get("binaryData") or {}
    plain = {} if obj["kind"] == "Secret" else data
    result = {key: (value or "").encode() for key, value in plain.items()}
    for key, value in encoded.items():
        try:
            result[key] = base64.b64decode(value or "")
        except binascii.Error as error:
            raise ConfigProblem(f"{obj['kind'].lower()} {obj['metadata']['name']}: key {key}: {error}") from error
    return result
