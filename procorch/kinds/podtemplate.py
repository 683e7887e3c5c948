"""PodTemplate: a template of pods that stands by itself.

Source: pkg/apis/core/validation (ValidatePodTemplate), pkg/registry/core/podtemplate, pkg/printers (printPodTemplate).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import NAME, container_images, container_names, label_text
from procorch.kinds.fields import part
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.podspec.validation import validate_template
from procorch.kinds.podspec.warnings import pod_warnings
from procorch.objects import Cause, Object


def validate(template: Object, old: Object | None) -> Iterator[Cause]:
    if old is None or template.get("template") != old.get("template"):
        yield from validate_template(part(template, "template"), "template")


def warn(template: Object, old: Object | None) -> Iterator[str]:
    if old is None or template.get("template") != old.get("template"):
        yield from pod_warnings(part(template, "template"), "template")


KIND = Kind(
    "PodTemplate", "podtemplates", shows_deleted=True,
    default=default_template, validate=validate, warn=warn,
    columns=(
        NAME,
        Column("Containers", lambda obj, now: container_names(part(obj, "template", "spec"))),
        Column("Images", lambda obj, now: container_images(part(obj, "template", "spec"))),
        Column("Pod Labels", lambda obj, now: label_text(part(obj, "template", "metadata").get("labels"))),
    ),
    generation=True,
)  # fmt: skip
