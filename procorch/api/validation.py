"""Whether an object may be written as it is: its kind's rules, and those of the version or subresource it came by."""

from __future__ import annotations

from procorch.kinds.kind import Kind, Part
from procorch.kinds.metadata import validate_metadata
from procorch.objects import Cause, Invalid, Object


def validate(asked: Kind, obj: Object, old: Object | None, part: Part | None = None) -> None:
    """asked: the kind in the client's version, whose rules hold too. part: of a subresource. Raises Invalid."""
    kind = asked.storage
    causes = validate_metadata(kind, obj, old)
    if part is not None and part.validate is not None and old is not None:
        causes += part.validate(obj, old)
    else:
        causes += kind.validate(obj, old)
    if asked is not kind:
        causes += [cause for cause in asked.validate(obj, old) if cause not in causes]
    if causes:
        raise Invalid.of(kind.name, obj["metadata"].get("name") or obj["metadata"].get("generateName") or "", causes,
                         kind.group)  # fmt: skip


def check_finalizers(kind: Kind, obj: Object, old: Object) -> None:
    """An object that is being deleted gets no new ones. Raises Invalid."""
    added = set(obj["metadata"].get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
    if added:
        rule = "no new finalizers can be added if the object is being deleted"
        cause = Cause.forbidden("metadata.finalizers", f"{rule}, found new finalizers {sorted(added)}")
        raise Invalid.of(kind.name, old["metadata"]["name"], [cause], kind.group)
