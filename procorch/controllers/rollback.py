"""An annotation by which a Deployment asks to be rolled back: `deprecated.deployment.rollback.to: "<revision>"`, 0 for
the last one.

What was spec.rollbackTo in extensions/v1beta1. `kubectl rollout undo` patches the template itself, and has since 1.16;
others may still ask like this. Source: pkg/controller/deployment/rollback.go.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from procorch.controllers.revisions import HASH, OF_A_SET, is_like, next_revision, revision_of
from procorch.objects import Object, annotations_of

ASKED = "deprecated.deployment.rollback.to"


@dataclass(frozen=True, slots=True)
class Rollback:
    """deployment: as it is to be written, the question taken out of it. type, reason, message: what is told of it."""

    deployment: Object
    type: str
    reason: str
    message: str


def plan(deployment: Object, new: Object | None, old: Sequence[Object]) -> Rollback | None:
    """None where nothing is asked, or nothing that is a number."""
    text = annotations_of(deployment).get(ASKED, "")
    if not (text.isascii() and text.isdigit()):
        return None
    asked, sets = int(text), [*old, *([new] if new else [])]
    name = deployment["metadata"]["name"]
    revision = asked or _last(new, old)
    if not revision:
        why = "Unable to find last revision."
        return Rollback(_answered(deployment), "Warning", "DeploymentRollbackRevisionNotFound", why)
    found = next((one for one in sets if revision_of(one) == revision), None)
    if found is None:
        why = "Unable to find the revision to rollback to."
        return Rollback(_answered(deployment), "Warning", "DeploymentRollbackRevisionNotFound", why)
    if is_like(deployment, found):
        why = f'The rollback revision contains the same template as current deployment "{name}"'
        return Rollback(_answered(deployment), "Warning", "DeploymentRollbackTemplateUnchanged", why)
    said = f'Rolled back deployment "{name}" to revision {revision}'
    return Rollback(_rolled_back(deployment, found), "Normal", "DeploymentRollback", said)


def _last(new: Object | None, old: Sequence[Object]) -> int:
    """The revision before the newest; a template that has no set yet would be the newest."""
    numbers = sorted((revision_of(one) for one in (*old, *([new] if new else []))), reverse=True)
    if new is None:
        return next_revision(old) - 1
    return numbers[1] if len(numbers) > 1 else 0


def _answered(deployment: Object) -> Object:
    annotations = {name: value for name, value in annotations_of(deployment).items() if name != ASKED}
    return {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}


def _rolled_back(deployment: Object, rs: Object) -> Object:
    """With the set's template, and the annotations that came with it at the time."""
    template = copy.deepcopy(rs["spec"]["template"])
    (template["metadata"].get("labels") or {}).pop(HASH, None)
    changed = _answered(deployment)
    annotations = {name: value for name, value in annotations_of(changed).items() if name in OF_A_SET}
    annotations |= {name: value for name, value in annotations_of(rs).items() if name not in OF_A_SET}
    changed["metadata"]["annotations"] = annotations
    return {**changed, "spec": {**deployment["spec"], "template": template}}
