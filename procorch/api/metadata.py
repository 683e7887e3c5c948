"""The part of an object that the server itself writes: identity, generation, who may change what.

Source: apiserver pkg/registry/rest/create.go and update.go.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from procorch.clock import timestamp
from procorch.kinds.fields import same
from procorch.kinds.kind import Kind
from procorch.kinds.metadata import generated_name
from procorch.objects import BadRequest, Cause, Conflict, Invalid, Object

_KEPT = ("uid", "creationTimestamp", "generation", "selfLink")
_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
_TWICE = (
    ".metadata.ownerReferences contains duplicate entries{}; API server dedups owner references in 1.20+, and may "
    "reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}"
)

#: subresource → the field it is about
PARTS = {"status": "status", "approval": "status", "finalize": "spec"}


def begin(kind: Kind, obj: Object, namespace: str | None, now: float, random: Random) -> None:
    """Gives a new object its identity. now: seconds since the epoch. Raises BadRequest."""
    metadata = obj.setdefault("metadata", {})
    place(kind, obj, namespace)
    if metadata.get("resourceVersion"):
        raise BadRequest.of("resourceVersion should not be set on objects to be created")
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generated_name(metadata["generateName"], random)
    for name in (*_KEPT, *_DELETION, "resourceVersion"):
        if name != "generation" or kind.generation:  # who counts nothing keeps the number
            metadata.pop(name, None)
    metadata["uid"] = new_uid(random)
    metadata["creationTimestamp"] = timestamp(now)
    if kind.generation:
        metadata["generation"] = 1


def new_uid(random: Random) -> str:
    """A random UUID, version 4 of RFC 9562's variant; the uuid module takes as long as a small object's JSON."""
    digits = f"{random.getrandbits(128):032x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def place(kind: Kind, obj: Object, namespace: str | None) -> None:
    """Puts the URL's namespace into the object. Raises BadRequest where the object says another one."""
    metadata = obj["metadata"]
    if not kind.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace", namespace) not in (namespace, ""):
        raise BadRequest.of("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = namespace


def drop_empty(obj: Object) -> None:
    """Of labels and the like an empty one is none, as Go writes them: `kubectl diff` would show it."""
    metadata = obj["metadata"]
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if name in metadata and not metadata[name]:
            del metadata[name]


def single_owners(obj: Object, *, patched: bool = False) -> list[str]:
    """Takes out owners that are named twice; what the client is told of it. `metadata` is checked already.

    patched: a patch is judged when it is applied.
    """
    owners: list[Object] = obj["metadata"].get("ownerReferences") or []
    kept: list[Object] = []
    twice = []
    for owner in owners:
        if owner in kept:
            twice.append(str(owner.get("uid", "")))
        else:
            kept.append(owner)
    if not twice:
        return []
    obj["metadata"]["ownerReferences"] = kept
    return [_TWICE.format(" after mutating admission happens" if patched else "", ", ".join(twice))]


def check_name(obj: Object, name: str) -> None:
    """Raises BadRequest for an object that does not have the URL's name."""
    said = obj.setdefault("metadata", {}).get("name")
    if not said:
        raise BadRequest.of(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if said != name:
        raise BadRequest.of(
            f"the name of the object ({said}) does not match the name on the URL ({name})"
        )  # fmt: skip


def succeed(kind: Kind, obj: Object, old: Object, subresource: str) -> None:
    """Makes `obj` the successor of `old`: what a client cannot change is taken over. Raises Conflict, Invalid."""
    metadata, before = obj["metadata"], old["metadata"]
    if not kind.unconditional and metadata.get("resourceVersion") in (None, "", "0"):
        cause = Cause.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise Invalid.of(kind.plural, before["name"], [cause], kind.group)
    check_version(kind, metadata.get("resourceVersion"), old)
    if metadata.get("uid", before["uid"]) not in (before["uid"], ""):
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {before['uid']}"
        raise Conflict.of(kind.plural, before["name"], kind.group, why)
    if subresource in PARTS:
        _keep_all_but(kind, obj, old, subresource)
    for name in _KEPT:
        if name in before:
            metadata[name] = before[name]
        else:
            metadata.pop(name, None)
    if before.get("deletionTimestamp") is not None:
        metadata["deletionTimestamp"] = before["deletionTimestamp"]
        if metadata.get("deletionGracePeriodSeconds") is None and "deletionGracePeriodSeconds" in before:
            metadata["deletionGracePeriodSeconds"] = before["deletionGracePeriodSeconds"]
    for name in _DELETION:  # what else the client says of them is refused: they are immutable
        if metadata.get(name) is None:
            metadata.pop(name, None)
    metadata["resourceVersion"] = before["resourceVersion"]


def check_unborn(kind: Kind, config: Object, name: str) -> None:
    """What is applied to nothing must not speak of an object that was there. Raises Conflict, BadRequest."""
    metadata = config.get("metadata") or {}
    if uid := metadata.get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise Conflict.of(kind.plural, name, kind.group, why)
    if metadata.get("resourceVersion"):
        why = "the provided object specified a resourceVersion, and no existing object was found"
        raise Conflict.of(kind.plural, name, kind.group, why)
    if not metadata.get("name"):
        why = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise BadRequest.of(why)


def check_version(kind: Kind, said: str | None, old: Object) -> None:
    """Raises Conflict where the client has seen another version than the newest; none means any."""
    before = old["metadata"]
    if said and said != "0" and said != before["resourceVersion"]:
        raise Conflict.of(kind.plural, before["name"], kind.group)


def count_generation(kind: Kind, obj: Object, old: Object, wanted: Callable[[Object], Object]) -> None:
    """metadata.generation grows when the wanted state changes."""
    if not kind.generation:
        return
    changed = not same(wanted(obj), wanted(old))
    if kind.counts_annotations:
        changed = changed or not same(obj["metadata"].get("annotations"), old["metadata"].get("annotations"))
    if kind.counts_labels:
        changed = changed or not same(obj["metadata"].get("labels"), old["metadata"].get("labels"))
    if changed:
        obj["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1


def desired(obj: Object) -> Object:
    """An object without what is not wanted state."""
    return {name: value for name, value in obj.items() if name not in ("metadata", "status", "apiVersion", "kind")}


def _keep_all_but(kind: Kind, obj: Object, old: Object, subresource: str) -> None:
    """A write to a subresource changes that part alone; of the metadata what the kind lets it."""
    part = PARTS[subresource]
    new = obj.get(part)
    for name in [name for name in obj if name not in ("apiVersion", "kind", "metadata")]:
        del obj[name]
    obj.update({name: value for name, value in old.items() if name not in ("apiVersion", "kind", "metadata")})
    if subresource == "finalize":
        obj["spec"] = {**(old.get("spec") or {}), "finalizers": (new or {}).get("finalizers") or []}
        return
    if new is None:
        obj.pop(part, None)
    else:
        obj[part] = new
    for name in kind.status_keeps:
        obj["metadata"].pop(name, None)
        if name in old["metadata"]:
            obj["metadata"][name] = old["metadata"][name]
