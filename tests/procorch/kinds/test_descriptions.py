"""Each sentence is about something that is there, and what is read most has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from procorch.api import reviews
from procorch.kinds import KINDS, descriptions, schema
from procorch.kinds.kind import Kind

FILE = Path(descriptions.__file__).parent / "data/descriptions.txt"
CORE, META, APPS = "io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1.", "io.k8s.api.apps.v1."
#: fields that only say that they are not to be used, or belong to what nobody here runs
NOT_SAID = {"selfLink", "evictionResponders", "schedulingGroup"}


def _lines() -> list[tuple[str, list[str]]]:
    """Each line's definition and columns."""
    rows, within = [], ""
    for line in FILE.read_text().splitlines()[1:]:
        columns = line.split("\t")
        within = columns[0] or within
        rows.append((within, columns))
    return rows


def test_every_line_is_of_a_definition_or_a_field_and_stands_once():
    seen = set()
    for within, columns in _lines():
        about = (within, columns[1] if not columns[0] else "")
        assert about not in seen
        seen.add(about)
        if within == "*":
            continue
        definition = schema.definition(within)  # raises KeyError
        if not columns[0]:
            _, field, text = columns
            assert field in definition.fields, (within, field)
            assert text[0].isupper() or text[0] == "`", (within, field)
            assert text.endswith("."), (within, field)
        elif len(columns) == 3:
            assert set(definition.fields) & set(schema.definition(columns[2]).fields), columns


@pytest.mark.parametrize("kind", [*KINDS, *reviews.KINDS], ids=lambda kind: f"{kind.api_version}/{kind.name}")
def test_every_kind_has_a_sentence_and_so_have_its_fields(kind: Kind):
    definition = schema.of_kind(kind)

    assert descriptions.of_definition(definition.name)
    for field in ("apiVersion", "kind", "metadata"):
        assert field not in definition.fields or descriptions.of_field(definition.name, field)


@pytest.mark.parametrize(
    "name",
    [META + "ObjectMeta", META + "LabelSelector", CORE + "PodSpec", CORE + "Container", CORE + "EphemeralContainer",
     CORE + "ContainerStatus", CORE + "Probe", CORE + "ServiceSpec", CORE + "ServicePort", CORE + "VolumeMount",
     APPS + "DeploymentSpec", APPS + "StatefulSetSpec", APPS + "DaemonSetSpec", APPS + "ReplicaSetSpec",
     "io.k8s.api.batch.v1.CronJobSpec", "io.k8s.api.rbac.v1.PolicyRule", "dev.procorch.v1.ImageSpec"],
)  # fmt: skip
def test_every_field_of_what_is_read_most_has_one(name: str):
    said = {field: descriptions.of_field(name, field) for field in schema.definition(name).fields}

    missing = {field for field, text in said.items() if not text} - NOT_SAID
    assert missing <= {"allocatedResourcesStatus", "user", "volumeMounts", "bindMountOptions"}


def test_words_of_another_definition_hold_where_it_has_none_of_its_own():
    assert descriptions.of_field(CORE + "EphemeralContainer", "image") == descriptions.of_field(
        CORE + "Container", "image"
    )
    assert descriptions.of_field(CORE + "EphemeralContainer", "targetContainerName")
    assert not descriptions.of_field(CORE + "Container", "targetContainerName")


def test_of_what_nobody_has_told_there_is_nothing():
    assert descriptions.of_definition(CORE + "WindowsSecurityContextOptions") == ""
    assert descriptions.of_field(CORE + "WindowsSecurityContextOptions", "gmsaCredentialSpec") == ""
