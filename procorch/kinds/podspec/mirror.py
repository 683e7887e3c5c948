"""Mirror pods: what a node shows in the API of a pod that runs there whatever the API says.

Source: pkg/apis/core/validation (ValidatePodSpecificAnnotations and its updates).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, part, text
from procorch.objects import Cause

MIRROR = "kubernetes.io/config.mirror"
_PATH = f"metadata.annotations[{MIRROR}]"


def is_mirror(pod: Fields) -> bool:
    return MIRROR in part(pod, "metadata", "annotations")


def validate_mirror(pod: Fields, old: Fields | None) -> Iterator[Cause]:
    """Whether a pod is a mirror is said when it is made, and of which."""
    given = part(pod, "metadata", "annotations").get(MIRROR)
    if old is None:
        if given is not None and not text(part(pod, "spec").get("nodeName")):
            yield Cause.invalid(_PATH, "", "must set spec.nodeName if mirror pod annotation is set")
        return
    before = part(old, "metadata", "annotations").get(MIRROR)
    if before is not None and given != before:
        yield Cause.forbidden(_PATH, "may not remove or update mirror pod annotation")
    elif before is None and given is not None:
        yield Cause.forbidden(_PATH, "may not add mirror pod annotation")
