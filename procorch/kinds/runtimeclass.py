"""RuntimeClass: by what handler a node runs a pod. Nodes have one way; a pod that names a class is refused.

Source: pkg/apis/node/validation, pkg/printers (printRuntimeClass).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import labels, part, rows, text
from procorch.kinds.kind import Column, Kind
from procorch.kinds.metadata import validate_labels
from procorch.kinds.podspec.defaults import default_resource_list
from procorch.kinds.podspec.resources import validate_resources
from procorch.kinds.podspec.scheduling import validate_tolerations
from procorch.kinds.podspec.warnings import DEPRECATED_LABELS
from procorch.names import dns_label
from procorch.objects import Cause, Object, Struct


def default(runtime_class: Object) -> None:
    default_resource_list(part(runtime_class, "overhead"), "podFixed")


def validate(runtime_class: Object, old: Object | None) -> Iterator[Cause]:
    handler = text(runtime_class.get("handler"))
    if old is not None:
        if handler != text(old.get("handler")):
            yield Cause.invalid("handler", handler, "field is immutable")
        return
    if not handler:
        yield Cause.required("handler")
    for message in dns_label(handler) if handler else ():
        yield Cause.invalid("handler", handler, message)
    fixed = part(runtime_class, "overhead", "podFixed")
    yield from validate_resources({"limits": fixed}, "overhead")
    scheduling = part(runtime_class, "scheduling")
    yield from validate_labels(scheduling.get("nodeSelector"), "scheduling.nodeSelector")
    yield from validate_tolerations(scheduling.get("tolerations"), "scheduling.tolerations")
    given = rows(scheduling.get("tolerations"))
    for index, one in enumerate(given):
        if one in given[:index]:
            fields = {field.capitalize(): one.get(field, "") for field in ("key", "operator", "value", "effect")}
            shown = Struct(**fields, TolerationSeconds=one.get("tolerationSeconds"))
            yield Cause.duplicate(f"scheduling.tolerations[{index}]", shown)


def warn(runtime_class: Object, old: Object | None) -> Iterator[str]:
    for key in labels(part(runtime_class, "scheduling").get("nodeSelector")):
        if message := DEPRECATED_LABELS.get(key):
            yield f"scheduling.nodeSelector: {message}"


KIND = Kind(
    "RuntimeClass", "runtimeclasses", group="node.k8s.io", namespaced=False,
    unconditional=False, put_creates=True,
    default=default, validate=validate, warn=warn,
    columns=(NAME, Column("Handler", ".handler"), AGE),
)  # fmt: skip
