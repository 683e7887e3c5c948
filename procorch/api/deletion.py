"""What DELETE does to an object, decided without doing it: gone at once, or marked and left to those who must act.

Source: apiserver pkg/registry/rest/delete.go (BeforeDelete), pkg/registry/generic/registry/store.go
(deletionFinalizersForGarbageCollection).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from procorch.api.go import misread
from procorch.clock import parse_timestamp, timestamp
from procorch.kinds.kind import Kind
from procorch.objects import BadRequest, Cause, Conflict, Invalid, Object, get

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = ("Foreground", "Background", "Orphan")


@dataclass(frozen=True, slots=True)
class Options:
    """DeleteOptions. grace: seconds, None for the object's own. propagation: "" for the kind's default."""

    uid: str | None = None
    resource_version: str | None = None
    grace: int | None = None
    propagation: str = ""
    dry_run: bool = False


def options_of(body: Object, query: Mapping[str, str]) -> Options:
    """From the body, whose types are checked, or (kubectl's raw requests and curl) from the query.

    Raises BadRequest, Invalid.
    """
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    causes = []
    if propagation and orphan is not None:
        detail = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(Cause.invalid("propagationPolicy", propagation, detail))
    elif propagation and propagation not in _POLICIES:
        causes.append(Cause.unsupported("propagationPolicy", propagation, (*_POLICIES, "nil")))
    dry_run = body.get("dryRun") or ([query["dryRun"]] if query.get("dryRun") else [])
    if any(one != "All" for one in dry_run):
        causes.append(Cause.unsupported("dryRun", dry_run, ("All",)))
    if causes:
        raise Invalid.of("DeleteOptions", "", causes, "meta.k8s.io")
    if orphan is not None:
        propagation = "Orphan" if orphan in (True, "true", "1") else "Background"
    return Options(
        preconditions.get("uid"), preconditions.get("resourceVersion"), _seconds(grace), propagation, bool(dry_run)
    )


def _seconds(grace: Any) -> int | None:
    if grace is None or grace == "":
        return None
    why = misread(str(grace), "ParseInt", -(1 << 63), (1 << 63) - 1)
    if why is not None:
        raise BadRequest.of(why)
    seconds = int(grace)
    return seconds if seconds >= 0 else 1


def check_preconditions(kind: Kind, obj: Object, options: Options) -> None:
    """Raises Conflict."""
    metadata = obj["metadata"]
    for label, wanted, seen, since in (
        ("UID", options.uid, metadata.get("uid", ""), "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, metadata.get("resourceVersion", ""), "modified"),
    ):
        if wanted is not None and wanted != seen:
            why = f"the {label} in the precondition ({wanted}) does not match the {label} in record ({seen})"
            raise Conflict.of(kind.name, metadata["name"], kind.group, f"{why}. The object might have been {since}")


def decide(kind: Kind, obj: Object, options: Options, now: float) -> Object | None:
    """The object as it is to stay, marked as deleting; None for gone at once. `obj` is the caller's own copy.

    now: seconds since the epoch. Nothing changes (the result equals `obj`) where it is being deleted already and
    this request is not quicker.
    """
    metadata = obj["metadata"]
    _propagate(kind, obj, options)
    grace = _grace(kind, obj, options)
    if kind.name == "Namespace" and get(obj, ".spec.finalizers"):
        obj.setdefault("status", {})["phase"] = "Terminating"
        _mark(obj, now, 0)
        metadata.pop("deletionGracePeriodSeconds", None)
        return obj
    if grace > 0 or metadata.get("finalizers"):
        _mark(obj, now, grace)
        return obj
    return None


def is_finished(obj: Object) -> bool:
    """Whether an object that is being deleted has nothing left that keeps it."""
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp") is None or metadata.get("finalizers"):
        return False
    if obj.get("kind") == "Namespace" and get(obj, ".spec.finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def _mark(obj: Object, now: float, grace: int) -> None:
    """Sets or shortens the deletion; it is never lengthened, and a deletion never becomes undone."""
    metadata = obj["metadata"]
    before = metadata.get("deletionTimestamp")
    if before is not None:
        past = metadata.get("deletionGracePeriodSeconds") or 0
        if grace >= past:
            return
        now = parse_timestamp(before) - past
    elif isinstance(metadata.get("generation"), int):
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = timestamp(now + grace)
    metadata["deletionGracePeriodSeconds"] = grace


def _grace(kind: Kind, obj: Object, options: Options) -> int:
    own = kind.grace(obj) if kind.grace is not None else 0
    # Where the kind says 0 nobody is running it, so nobody could end it gracefully.
    grace = own if own == 0 or options.grace is None else options.grace
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp") is not None:
        past = metadata.get("deletionGracePeriodSeconds") or 0
        return min(grace, past) if options.grace is not None or own == 0 else past
    return grace


def _propagate(kind: Kind, obj: Object, options: Options) -> None:
    """The policy is kept as a finalizer, which the garbage collector removes when it has done its part."""
    metadata = obj["metadata"]
    finalizers: list[str] = list(metadata.get("finalizers") or [])
    policy = options.propagation
    if not policy:
        if ORPHAN in finalizers or FOREGROUND in finalizers:
            return
        policy = "Orphan" if kind.orphans else "Background"
    kept = [one for one in finalizers if one not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan":
        kept.append(ORPHAN)
    elif policy == "Foreground":
        kept.append(FOREGROUND)
    if kept:
        metadata["finalizers"] = kept
    else:
        metadata.pop("finalizers", None)
