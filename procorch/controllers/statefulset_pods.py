"""A StatefulSet's pods: who each of them is, and the claims that each has for itself.

    StatefulSet db, number 2, claim template data:
        pod db-2, host name db-2 in the Service's domain, labels pod-name and pod-index, claim data-db-2

Source: pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from procorch.controllers import pod_control
from procorch.controllers.controller_revisions import HASH, template_of
from procorch.objects import (
    Object,
    controller_of,
    get,
    is_deleting,
    labels_of,
    owner_reference,
    owners_of,
    uid_of,
)
from procorch.pods import is_available, is_ready, phase_of

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_NUMBERED = re.compile(r"(.*)-(0|[1-9][0-9]{0,8})", re.DOTALL | re.ASCII)


def start_of(owner: Object) -> int:
    """The first number."""
    return int(get(owner, ".spec.ordinals.start", 0))


def numbers_of(owner: Object) -> range:
    """The numbers of the pods that are asked for."""
    return range(start_of(owner), start_of(owner) + int(get(owner, ".spec.replicas", 1)))


def number_of(owner: Object, pod: Object) -> int | None:
    """None for a pod that is not called after the set."""
    match = _NUMBERED.fullmatch(pod["metadata"]["name"])
    return int(match[2]) if match and match[1] == owner["metadata"]["name"] else None


def name_of(owner: Object, number: int) -> str:
    return f"{owner['metadata']['name']}-{number}"


def revision_of(pod: Object) -> str:
    return labels_of(pod).get(HASH, "")


def runs(pod: Object) -> bool:
    return phase_of(pod) == "Running" and is_ready(pod)


def serves(pod: Object, min_ready: float, now: float) -> bool:
    """Runs, has been ready for long enough, and stays."""
    return phase_of(pod) == "Running" and is_available(pod, min_ready, now) and not is_deleting(pod)


def identity(owner: Object, number: int) -> dict[str, str]:
    """The labels by which a Service can choose one pod."""
    return {POD_NAME: name_of(owner, number), POD_INDEX: str(number)}


def pod_of(owner: Object, number: int, revision: Object) -> Object:
    """The pod with this number, from the template of a revision."""
    restored = {**owner, "spec": {**owner["spec"], "template": template_of(revision)}}
    name = name_of(owner, number)
    pod = pod_control.pod_of(restored, name=name)
    metadata, spec = pod["metadata"], dict(pod["spec"])
    labels = {**metadata.get("labels", {}), **identity(owner, number), HASH: revision["metadata"]["name"]}
    metadata["labels"] = labels
    spec["hostname"], spec["subdomain"] = name, get(owner, ".spec.serviceName", "")
    if not spec["subdomain"]:
        del spec["subdomain"]
    claims = {claim["metadata"]["name"]: _claim_name(owner, claim, number) for claim in _templates(owner)}
    if claims:
        others = [one for one in spec.get("volumes") or () if one["name"] not in claims]
        ours = [{"name": one, "persistentVolumeClaim": {"claimName": claim}} for one, claim in claims.items()]
        spec["volumes"] = ours + others
    return {**pod, "spec": spec}


def claims_of(owner: Object, number: int) -> list[Object]:
    """The claims that the pod with this number needs: its own, which outlive it."""
    labels = get(owner, ".spec.selector.matchLabels", {})
    made = []
    for template in _templates(owner):
        given = template["metadata"]
        metadata: Object = {
            "name": _claim_name(owner, template, number),
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(given.get("labels") or {}), **labels},
        }
        if given.get("annotations"):
            metadata["annotations"] = given["annotations"]
        head = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
        made.append({**head, "metadata": metadata, "spec": template["spec"]})
    return made


def _templates(owner: Object) -> list[Object]:
    templates: list[Object] = get(owner, ".spec.volumeClaimTemplates", [])
    return templates


def _claim_name(owner: Object, template: Object, number: int) -> str:
    return f"{template['metadata']['name']}-{name_of(owner, number)}"


def retention(owner: Object) -> tuple[bool, bool]:
    """Whether claims go when the set is deleted, and when it is made smaller."""
    policy: Mapping[str, Any] = get(owner, ".spec.persistentVolumeClaimRetentionPolicy", {})
    return policy.get("whenDeleted") == "Delete", policy.get("whenScaled") == "Delete"


def claim_owners(owner: Object, pod: Object, claim: Object) -> list[Any]:
    """The ownerReferences that a claim is to have, by which the garbage collector finds it when its time has come.

    A claim that somebody else controls is never ours to delete.
    """
    ours = (uid_of(owner), uid_of(pod))
    others = [row for row in owners_of(claim) if row["uid"] not in ours]
    if any(row.get("controller") for row in others):
        return others
    when_deleted, when_scaled = retention(owner)
    is_surplus = number_of(owner, pod) not in numbers_of(owner)
    if when_scaled and is_surplus:
        return [*others, owner_reference({"apiVersion": "v1", "kind": "Pod", **pod})]
    return [*others, owner_reference(owner)] if when_deleted else others


def has_other_controller(owner: Object, pod: Object, claim: Object) -> bool:
    controller = controller_of(claim)
    return controller is not None and controller["uid"] not in (uid_of(owner), uid_of(pod))


def is_stale(claim: Object, name: str) -> bool:
    """Whether a claim still goes with a former pod of this name: its data are not the new pod's."""
    return any(row["kind"] == "Pod" and row["name"] == name for row in owners_of(claim))
