"""A pod whose claims have no volumes yet is put nowhere: which one it waits for, in Kubernetes' words.

Source: pkg/scheduler/framework/plugins/volumebinding (podHasPVCs, PreFilter).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from procorch.objects import Object, get, is_deleting


def waits_for(pod: Object, claims: Mapping[str, Object]) -> str:
    """Why the pod cannot be put on any node; "" where it can. claims: by key."""
    unbound = False
    for name, is_made_for_it in _claims_of(pod):
        claim = claims.get(f"{pod['metadata']['namespace']}/{name}")
        if claim is None and is_made_for_it:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if get(claim, ".status.phase") == "Lost":
            return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{_volume(claim)}"'
        if is_deleting(claim):
            return f'persistentvolumeclaim "{name}" is being deleted'
        unbound = unbound or not _volume(claim)
    return "pod has unbound immediate PersistentVolumeClaims" if unbound else ""


def _claims_of(pod: Object) -> Iterator[tuple[str, bool]]:
    """Names, and whether the claim is made for this pod alone."""
    for volume in pod["spec"].get("volumes") or ():
        if claim := volume.get("persistentVolumeClaim"):
            yield claim["claimName"], False
        elif volume.get("ephemeral") is not None:
            yield f"{pod['metadata']['name']}-{volume['name']}", True


def _volume(claim: Object) -> str:
    return str(get(claim, ".spec.volumeName", ""))
