"""Which ReplicaSet is which revision of a Deployment: templates, their hashes, annotations, and what history is kept.

    deployment.kubernetes.io/revision          on both: the newest number is what runs, or is to
    deployment.kubernetes.io/revision-history  on the set: numbers that it had before, when it was rolled back to
    deployment.kubernetes.io/desired-replicas  on the set: how many pods were wanted when it got its size …
    deployment.kubernetes.io/max-replicas      … and how many there could be at most

`kubectl rollout history` and `undo` read the first, and find the templates in the sets. All of it is pure.
Source: pkg/controller/deployment/sync.go and util/deployment_util.go.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Sequence

import orjson

from procorch.controllers.rollout import Set, Wanted
from procorch.kinds.fields import same
from procorch.kinds.metadata import LETTERS
from procorch.kinds.podspec.defaults import default_template
from procorch.objects import Object, annotations_of, get, is_deleting, owner_reference
from procorch.pods import created_at

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"

NO_LIMIT = (1 << 31) - 1
"""By which a limit or a deadline says that there is none."""

OF_A_SET = {
    REVISION, HISTORY, DESIRED, MOST,
    "kubectl.kubernetes.io/last-applied-configuration", "deprecated.deployment.rollback.to",
}  # fmt: skip
"""Annotations that a set does not get from its Deployment, nor give back to it."""

_LONGEST_HISTORY = 2000  # characters
_LONGEST_NAME = 253
_GREATEST = (1 << 63) - 1  # a revision is a Go program's int64
_HASH_LETTERS = 10


def split(deployment: Object, sets: Iterable[Object]) -> tuple[Object | None, list[Object]]:
    """The set that has the Deployment's template, the oldest where several do, and all others; oldest first."""
    ordered = sorted(sets, key=lambda one: (created_at(one), one["metadata"]["name"]))
    new = next((one for one in ordered if is_like(deployment, one)), None)
    return new, [one for one in ordered if one is not new]


def is_like(deployment: Object, rs: Object) -> bool:
    """Whether the set makes the pods that the Deployment wants.

    What was stored before a default existed is like what is stored with it: a newer master rolls nothing out.
    """
    wanted, there = _bare(deployment["spec"]["template"]), _bare(rs["spec"]["template"])
    return same(wanted, there) or same(_defaulted(wanted), _defaulted(there))


def _bare(template: Object) -> Object:
    labels = {name: value for name, value in (get(template, ".metadata.labels") or {}).items() if name != HASH}
    return {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}


def _defaulted(template: Object) -> Object:
    owner: Object = {"template": copy.deepcopy(template)}
    default_template(owner)
    template_with_all: Object = owner["template"]
    return template_with_all


def hash_of(template: Object, collisions: int) -> str:
    """The word that tells one template's pods from another's. collisions: how often it was another's already."""
    text = orjson.dumps([template, collisions], option=orjson.OPT_SORT_KEYS)
    return "".join(LETTERS[byte % len(LETTERS)] for byte in hashlib.sha256(text).digest()[:_HASH_LETTERS])


def new_set(deployment: Object, wanted: Wanted, replicas: int, revision: int) -> Object:
    """The ReplicaSet for the Deployment's template. Its name follows from that, so it is never made twice."""
    template = copy.deepcopy(deployment["spec"]["template"])
    word = hash_of(template, get(deployment, ".status.collisionCount", 0))
    labels = {**(get(template, ".metadata.labels") or {}), HASH: word}
    template["metadata"] = {**(template.get("metadata") or {}), "labels": labels}
    selector = deployment["spec"]["selector"]
    matched = {**(selector.get("matchLabels") or {}), HASH: word}
    about = deployment["metadata"]
    metadata: Object = {
        "name": f"{about['name'][: _LONGEST_NAME - _HASH_LETTERS - 1]}-{word}",
        "namespace": about["namespace"],
        "labels": labels,
        "annotations": {**_copied(deployment), REVISION: str(revision), **size_annotations(wanted)},
        "ownerReferences": [owner_reference(deployment)],
    }
    spec: Object = {"replicas": replicas, "selector": {**selector, "matchLabels": matched}, "template": template}
    if min_ready := get(deployment, ".spec.minReadySeconds", 0):
        spec["minReadySeconds"] = min_ready
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}


def size_annotations(wanted: Wanted) -> dict[str, str]:
    """What a set is told together with its size."""
    return {DESIRED: str(wanted.replicas), MOST: str(wanted.most)}


def new_annotations(deployment: Object, new: Object, old: Sequence[Object]) -> dict[str, str]:
    """Annotations that the new set is to have, for it to be the newest revision: also after a rollback to it."""
    there, wanted = annotations_of(new), _copied(deployment)
    before, revision = revision_of(new), next_revision(old)
    if before < revision:
        wanted[REVISION] = str(revision)
        if before:
            wanted[HISTORY] = _longer(there.get(HISTORY, ""), there[REVISION])
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def _copied(deployment: Object) -> dict[str, str]:
    return {name: value for name, value in annotations_of(deployment).items() if name not in OF_A_SET}


def _longer(history: str, revision: str) -> str:
    """The numbers that a set had, the oldest forgotten where they become too long."""
    numbers = [*(history.split(",") if history else ()), revision]
    while len(",".join(numbers)) > _LONGEST_HISTORY:
        del numbers[0]
    return ",".join(numbers)


def revision_of(obj: Object) -> int:
    """0 where it has none, or none that is a number."""
    return _number(annotations_of(obj).get(REVISION)) or 0


def next_revision(old: Iterable[Object]) -> int:
    return max((revision_of(one) for one in old), default=0) + 1


def _number(text: str | None) -> int | None:
    if not text or not text.isascii() or not text.isdigit() or len(text) > len(str(_GREATEST)):
        return None
    return number if (number := int(text)) <= _GREATEST else None


def in_numbers(rs: Object) -> Set:
    """The set as a plan sees it."""
    annotations = annotations_of(rs)
    return Set(
        rs["metadata"]["name"],
        int(get(rs, ".spec.replicas", 0)),
        int(get(rs, ".status.availableReplicas", 0)),
        _number(annotations.get(DESIRED)),
        _number(annotations.get(MOST)),
        created_at(rs),
    )


def surplus(deployment: Object, old: Sequence[Object]) -> list[Object]:
    """Old sets beyond the history limit, the oldest revisions first; such as still have pods are kept."""
    limit = get(deployment, ".spec.revisionHistoryLimit")
    if limit is None or limit == NO_LIMIT:
        return []
    there = sorted((one for one in old if not is_deleting(one)), key=lambda one: (revision_of(one), created_at(one)))
    return [one for one in there[: max(0, len(there) - limit)] if _is_empty(one)]


def _is_empty(rs: Object) -> bool:
    """Nothing is asked of it, it has no pods, and that is what it says of its newest form."""
    asked, there = get(rs, ".spec.replicas", 0), get(rs, ".status.replicas", 0)
    return not asked and not there and get(rs, ".status.observedGeneration", 0) >= rs["metadata"].get("generation", 0)
