"""Node: a machine that runs pods.

Source: pkg/apis/core/validation (ValidateNode, ValidateNodeUpdate), pkg/printers (printNode).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import indexed, labels, made, mapping, part, rows, same, text, texts, without
from procorch.kinds.kind import Column, Kind, Part
from procorch.kinds.podspec.defaults import default_resource_list
from procorch.kinds.podspec.resources import validate_amount
from procorch.kinds.podspec.scheduling import validate_taints
from procorch.names import cidr
from procorch.objects import Cause, Object, condition_of

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def default(node: Object) -> None:
    spec, status = made(node, "spec"), part(node, "status")
    addresses = texts(spec.get("podCIDRs"))
    if text(spec.get("podCIDR")) and spec["podCIDR"] not in addresses[:1]:  # the older field wins, as in Kubernetes
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif addresses and not text(spec.get("podCIDR")):
        spec["podCIDR"] = addresses[0]
    for field in ("capacity", "allocatable"):
        default_resource_list(status, field)
    if status.get("allocatable") is None and isinstance(status.get("capacity"), dict):
        status["allocatable"] = copy.deepcopy(status["capacity"])


def prepare(node: Object, old: Object | None) -> None:
    """An agent registers its node with a status; later the status subresource alone changes it."""
    if old is not None:
        node["status"] = old.get("status", {})
    if part(old, "spec").get("configSource") is None:  # nobody has read it for years
        made(node, "spec").pop("configSource", None)


def prepare_status(node: Object, old: Object, now: str) -> None:
    if part(old, "status").get("config") is None:
        part(node, "status").pop("config", None)


def validate(node: Object, old: Object | None) -> Iterator[Cause]:
    spec, status = part(node, "spec"), part(node, "status")
    yield from validate_taints(spec.get("taints"), "metadata.taints")  # Kubernetes' path, not ours
    for field in ("capacity", "allocatable"):
        for name, value in mapping(status.get(field)).items():
            yield from validate_amount(str(name), value, f"status.{field}.{name}")
    ranges = texts(spec.get("podCIDRs"))
    problems = [Cause.invalid(f"spec.podCIDRs[{index}]", given, message)
                for index, given in enumerate(ranges) for message in cidr(given)]  # fmt: skip
    yield from problems
    if not problems and (len(ranges) > 2 or len({":" in given for given in ranges}) < len(ranges)):
        yield Cause.invalid("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family")
    if old is not None:
        yield from _update(node, old)


def _update(node: Object, old: Object) -> Iterator[Cause]:
    spec, before = part(node, "spec"), part(old, "spec")
    taken: list[object] = []
    for where, address in indexed(part(node, "status").get("addresses"), "status.addresses"):
        if address in taken:
            yield Cause.duplicate(where, address)
        taken.append(address)
    if texts(before.get("podCIDRs")) and texts(before["podCIDRs"]) != texts(spec.get("podCIDRs")):
        yield Cause.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if text(before.get("externalID")) != text(spec.get("externalID")):
        yield Cause.forbidden("spec.externalID", "may not be updated")
    if text(before.get("providerID")) and before["providerID"] != spec.get("providerID"):
        yield Cause.forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid')


def warn(node: Object, old: Object | None) -> Iterator[str]:
    """Fields that nobody reads any more. Source: pkg/registry/core/node/strategy.go."""
    if text(part(node, "spec").get("externalID")):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"


def heartbeat(old: Object, new: Object) -> bool:
    """Only the times of conditions, or the order of the images, differ."""
    return same(_without_pulse(old), _without_pulse(new))


def _without_pulse(node: Object) -> Object:
    bare = without(
        node,
        ("metadata", "resourceVersion"),
        ("metadata", "managedFields"),
        ("status", "conditions", "*", "lastHeartbeatTime"),
    )
    images = sorted(rows(part(bare, "status").get("images")), key=lambda image: sorted(texts(image.get("names"))))
    return {**bare, "status": {**part(bare, "status"), "images": images}}


def _status(node: Object, now: float) -> str:
    ready = condition_of(node, "Ready")
    word = "Unknown" if ready is None else ("Ready" if ready.get("status") == "True" else "NotReady")
    return f"{word},SchedulingDisabled" if part(node, "spec").get("unschedulable") is True else word


def _roles(node: Object, now: float) -> str:
    given = labels(part(node, "metadata").get("labels"))
    roles = {key.removeprefix(_ROLE_PREFIX) for key in given if key.startswith(_ROLE_PREFIX)}
    return ",".join(sorted({*roles, given.get(_ROLE_LABEL, "")} - {""})) or "<none>"


def _address(kind: str) -> Column:
    def cell(node: Object, now: float) -> str:
        for row in rows(part(node, "status").get("addresses")):
            if row.get("type") == kind:
                return text(row.get("address"))
        return "<none>"

    return Column(kind.replace("IP", "-IP"), cell, priority=1)


def _info(name: str, field: str) -> Column:
    def cell(node: Object, now: float) -> str:
        return text(part(node, "status", "nodeInfo").get(field)) or "<unknown>"

    return Column(name, cell, priority=1)


def _kernel(node: Object, now: float) -> str:
    info = part(node, "status", "nodeInfo")
    architecture = text(info.get("architecture"))
    return (text(info.get("kernelVersion")) or "<unknown>") + f" ({architecture})" * bool(architecture)


KIND = Kind(
    "Node", "nodes",
    short_names=("no",), namespaced=False, subresources=("status", "proxy"),
    default=default, prepare=prepare, validate=validate, warn=warn, heartbeat=heartbeat,
    parts={"status": Part(prepare_status)},
    columns=(
        NAME,
        Column("Status", _status),
        Column("Roles", _roles),
        AGE,
        Column("Version", ".status.nodeInfo.kubeletVersion"),
        _address("InternalIP"),
        _address("ExternalIP"),
        _info("OS-Image", "osImage"),
        Column("Kernel-Version", _kernel, priority=1),
        _info("Container-Runtime", "containerRuntimeVersion"),
    ),
    fields={"spec.unschedulable": lambda node: str(part(node, "spec").get("unschedulable") is True).lower()},
)  # fmt: skip
