"""CSIDriver, CSINode and CSIStorageCapacity: what a storage driver says of itself, of a node, and of its room.

Source: pkg/apis/storage/v1/defaults.go, pkg/apis/storage/validation, pkg/registry/storage/csidriver (generation),
pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, CREATED, NAME
from procorch.kinds.fields import Fields, fill, indexed, made, number, part, rows, same, text, texts, without
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import tidy
from procorch.kinds.podspec.disks import validate_driver_name
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.podspec.scheduling import validate_selector
from procorch.names import dns_subdomain, label_key
from procorch.objects import Cause, Object

_GROUP = "storage.k8s.io"
_IMMUTABLE = "field is immutable"
_LONGEST_NODE_ID = 256
_SHORTEST_TOKEN, _SHORTEST_PERIOD = 600, 10  # seconds
_FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_FLAGS = {"attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
          "seLinuxMount": False}  # fmt: skip
#: a change of one of these is a new generation
_COUNTED = ("podInfoOnMount", "tokenRequests", "requiresRepublish", "seLinuxMount", "storageCapacity", "fsGroupPolicy",
            "nodeAllocatableUpdatePeriodSeconds")  # fmt: skip


def default_driver(driver: Object) -> None:
    spec = made(driver, "spec")
    for field, value in _FLAGS.items():
        fill(spec, field, value)
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def prepare_driver(driver: Object, old: Object | None) -> None:
    """Counts the changes; a new driver has no generation."""
    if old is None:
        return
    spec, before = part(driver, "spec"), part(old, "spec")
    if any(not same(spec.get(field), before.get(field)) for field in _COUNTED):
        made(driver, "metadata")["generation"] = (number(part(old, "metadata").get("generation")) or 0) + 1


def validate_driver(driver: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(driver, "spec")
    policy, period = spec.get("fsGroupPolicy"), number(spec.get("nodeAllocatableUpdatePeriodSeconds"))
    if policy is not None and policy not in _FS_GROUP_POLICIES:
        yield Cause.unsupported("spec.fsGroupPolicy", policy, _FS_GROUP_POLICIES)
    yield from _token_requests(spec.get("tokenRequests"))
    secrets = spec.get("serviceAccountTokenInSecrets")
    for mode in texts(spec.get("volumeLifecycleModes")):
        if mode not in _LIFECYCLES:
            yield Cause.unsupported("spec.volumeLifecycleModes", mode, _LIFECYCLES)
    if period is not None and period < _SHORTEST_PERIOD:
        yield Cause.invalid(
            "spec.nodeAllocatableUpdatePeriodSeconds", period, "must be greater than or equal to 10 seconds"
        )
    if secrets is not None and not rows(spec.get("tokenRequests")):
        message = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield Cause.invalid("spec.serviceAccountTokenInSecrets", secrets, message)
    if old is not None:
        before = part(old, "spec")
        for field, shown in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes",) * 2):  # Kubernetes' path
            if not same(spec.get(field), before.get(field)):
                yield Cause.invalid(f"spec.{shown}", spec.get(field), _IMMUTABLE)


def warn_driver(driver: Object, old: Object | None) -> Iterator[str]:
    """Source: pkg/registry/storage/csidriver/strategy.go."""
    spec, before = part(driver, "spec"), part(old, "spec")
    requests = rows(spec.get("tokenRequests"))
    changed = old is None or not same(requests, rows(before.get("tokenRequests")))
    if requests and changed and spec.get("serviceAccountTokenInSecrets") is None:
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent "
            "possible logging of tokens in volume attributes"
        )


def _token_requests(value: object) -> Iterator[Cause]:
    audiences: set[str] = set()
    for where, request in indexed(value, "spec.tokenRequests"):
        audience, seconds = text(request.get("audience")), number(request.get("expirationSeconds"))
        if audience in audiences:
            yield Cause.duplicate(f"{where}.audience", audience)
            continue
        audiences.add(audience)
        if seconds is not None and not _SHORTEST_TOKEN <= seconds <= 1 << 32:
            limit = "less than 10 minutes" if seconds < _SHORTEST_TOKEN else "larger than 2^32 seconds"
            yield Cause.invalid(f"{where}.expirationSeconds", seconds, f"may not specify a duration {limit}")


def default_node(node: Object) -> None:
    fill(made(node, "spec"), "drivers", [])


def validate_node(node: Object, old: Object | None) -> Iterator[Cause]:
    taken: set[str] = set()
    for where, driver in indexed(part(node, "spec").get("drivers"), "spec.drivers"):
        name, node_id = text(driver.get("name")), text(driver.get("nodeID"))
        yield from validate_driver_name(name, f"{where}.name")
        if not node_id:
            yield Cause.required(f"{where}.nodeID")
        elif len(node_id.encode(errors="replace")) > _LONGEST_NODE_ID:
            yield Cause.invalid(f"{where}.nodeID", node_id, f"must be {_LONGEST_NODE_ID} characters or less")
        count = number(part(driver, "allocatable").get("count"))
        if count is not None and count < 0:
            yield Cause.invalid(f"{where}.allocatable.count", count, "must be greater than or equal to 0")
        if name in taken:
            yield Cause.duplicate(f"{where}.name", name)
        taken.add(name)
        yield from _topology_keys(texts(driver.get("topologyKeys")), where)
    if old is not None:
        yield from _drivers_changed(node, old)


def _topology_keys(keys: list[str], path: str) -> Iterator[Cause]:
    for index, key in enumerate(keys):
        if not key:
            yield Cause.required(path)
        if key in keys[:index]:
            yield Cause.duplicate(path, key)
        for message in label_key(key):
            yield Cause.invalid(path, key, message)


def _drivers_changed(node: Object, old: Object) -> Iterator[Cause]:
    """Drivers come and go; one that stays keeps its words, but for how many volumes it can attach."""
    before = {text(row.get("name")): row for row in rows(part(old, "spec").get("drivers"))}
    for driver in rows(part(node, "spec").get("drivers")):
        former = before.get(text(driver.get("name")))
        if former is not None and not same(without(driver, ("allocatable",)), without(former, ("allocatable",))):
            yield Cause.invalid("spec.drivers", without(driver, ("allocatable",)), _IMMUTABLE)


def default_capacity(capacity: Object) -> None:
    for field in ("capacity", "maximumVolumeSize"):
        if capacity.get(field) is not None:
            capacity[field] = tidy(capacity[field])


def validate_capacity(capacity: Object, old: Object | None) -> Iterator[Cause]:
    storage_class = text(capacity.get("storageClassName"))
    yield from validate_selector(capacity.get("nodeTopology"), "nodeTopology")
    for message in dns_subdomain(storage_class):
        yield Cause.invalid("storageClassName", storage_class, message)
    room = quantity_of(capacity.get("capacity"))
    if room is not None and room.amount < 0:
        yield Cause.invalid("capacity", str(room), "must be greater than or equal to 0")
    if old is not None:
        for field in ("nodeTopology", "storageClassName"):
            if not same(capacity.get(field), old.get(field)):
                yield Cause.invalid(field, capacity.get(field), _IMMUTABLE)


def _audiences(driver: Object, now: float) -> str:
    return ",".join(text(row.get("audience")) for row in rows(part(driver, "spec").get("tokenRequests"))) or "<unset>"


def _modes(driver: Object, now: float) -> str:
    return ",".join(texts(part(driver, "spec").get("volumeLifecycleModes"))) or "<none>"


def _flag(name: str, field: str) -> Column:
    return Column(name, lambda obj, now: _is_set(part(obj, "spec"), field), "boolean")


def _is_set(spec: Fields, field: str) -> bool:
    return spec.get(field) is True


DRIVER = Kind(
    "CSIDriver", "csidrivers", shows_deleted=True, group=_GROUP, namespaced=False, unconditional=False,
    default=default_driver, prepare=prepare_driver, validate=validate_driver, warn=warn_driver,
    columns=(
        NAME,
        _flag("AttachRequired", "attachRequired"),
        _flag("PodInfoOnMount", "podInfoOnMount"),
        _flag("StorageCapacity", "storageCapacity"),
        Column("TokenRequests", _audiences),
        _flag("RequiresRepublish", "requiresRepublish"),
        Column("Modes", _modes),
        AGE,
    ),
)  # fmt: skip
NODE = Kind(
    "CSINode", "csinodes", shows_deleted=True, group=_GROUP, namespaced=False, unconditional=False,
    default=default_node, validate=validate_node,
    columns=(NAME, Column("Drivers", lambda obj, now: len(rows(part(obj, "spec").get("drivers"))), "integer"), AGE),
)  # fmt: skip
STORAGE_CAPACITY = Kind(
    "CSIStorageCapacity", "csistoragecapacities", group=_GROUP, unconditional=False,
    default=default_capacity, validate=validate_capacity,
    columns=(NAME, CREATED),
)  # fmt: skip
