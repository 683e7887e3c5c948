"""docs/pod-fields.md keeps its word: a row for every field, named tests that are there, messages that are said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.kinds.podspec.warnings import pod_warnings
from procorch.kinds.schema import definition
from procorch.kubelet.environment import Facts
from procorch.kubelet.volumes import VOLUMES, VolumeProblem, make_all
from tests.procorch.kinds.podspec.conftest import made

TESTS = Path(__file__).parents[2]
PAGE = (TESTS.parent / "docs/pod-fields.md").read_text()
SECTIONS = (
    "PodSpec", "Container", "EphemeralContainer", "SecurityContext", "PodSecurityContext", "Lifecycle",
    "LifecycleHandler", "Probe", "ContainerPort", "Volume", "VolumeProjection", "EmptyDirVolumeSource",
    "HostPathVolumeSource", "VolumeMount", "VolumeDevice",
)  # fmt: skip
WORDS = {"acted on", "in part", "refused", "warned", "reported", "nothing"}
POD, CONTAINER = "PodSpec", "Container"
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}
REQUIRED = {"requiredDuringSchedulingIgnoredDuringExecution": [TERM]}
SPREAD = {"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", **TERM}
EMPTY = {"name": "v", "emptyDir": {}}

# (section, field) → what asks for it, in the specification (POD) or in its container: the row's first message follows.
ASKED: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("PodSpec", "affinity"): (POD, {"affinity": {"podAffinity": REQUIRED}}),
    ("PodSpec", "evictionResponders"): (POD, {"evictionResponders": [{"name": "a.example/b", "priority": 1}]}),
    ("PodSpec", "hostUsers"): (POD, {"hostUsers": False}),
    ("PodSpec", "os"): (POD, {"os": {"name": "windows"}}),
    ("PodSpec", "resourceClaims"): (POD, {"resourceClaims": [{"name": "gpu", "resourceClaimName": "g"}]}),
    ("PodSpec", "schedulingGroup"): (POD, {"schedulingGroup": {"podGroupName": "g"}}),
    ("PodSpec", "topologySpreadConstraints"): (POD, {"topologySpreadConstraints": [SPREAD]}),
    ("Container", "volumeDevices"): (CONTAINER, {"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}),
    ("SecurityContext", "procMount"): (CONTAINER, {"securityContext": {"procMount": "Unmasked"}}),
    ("SecurityContext", "seLinuxOptions"): (CONTAINER, {"securityContext": {"seLinuxOptions": {"level": "s0"}}}),
    ("SecurityContext", "seccompProfile"): (
        CONTAINER, {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    ),
    ("SecurityContext", "windowsOptions"): (CONTAINER, {"securityContext": {"windowsOptions": {"hostProcess": True}}}),
    ("PodSecurityContext", "seLinuxChangePolicy"): (POD, {"securityContext": {"seLinuxChangePolicy": "Recursive"}}),
    ("PodSecurityContext", "seLinuxOptions"): (POD, {"securityContext": {"seLinuxOptions": {"level": "s0"}}}),
    ("PodSecurityContext", "seccompProfile"): (
        POD, {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    ),
    ("PodSecurityContext", "windowsOptions"): (POD, {"securityContext": {"windowsOptions": {"hostProcess": True}}}),
    ("EmptyDirVolumeSource", "mode"): (POD, {"volumes": [{"name": "v", "emptyDir": {"mode": 0o700}}]}),
    ("VolumeMount", "bindMountOptions"): (
        CONTAINER, {"volumeMounts": [{"name": "v", "mountPath": "/v", "bindMountOptions": ["noexec"]}]}
    ),
    ("EphemeralContainer", "ports"): (POD, {"ports": [{"containerPort": 80}]}),
    ("EphemeralContainer", "resources"): (POD, {"resources": {"limits": {"cpu": "1"}}}),
    ("EphemeralContainer", "resizePolicy"): (
        POD, {"resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]}
    ),
    ("EphemeralContainer", "restartPolicy"): (POD, {"restartPolicy": "Always"}),
    ("EphemeralContainer", "restartPolicyRules"): (POD, {"restartPolicyRules": [{"action": "Restart"}]}),
    ("EphemeralContainer", "livenessProbe"): (POD, {"livenessProbe": {"exec": {"command": ["true"]}}}),
    ("EphemeralContainer", "readinessProbe"): (POD, {"readinessProbe": {"exec": {"command": ["true"]}}}),
    ("EphemeralContainer", "startupProbe"): (POD, {"startupProbe": {"exec": {"command": ["true"]}}}),
    ("EphemeralContainer", "lifecycle"): (POD, {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}),
    ("EphemeralContainer", "volumeDevices"): (POD, {"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}),
}  # fmt: skip
# Refused with another field, whose row has the message.
WITH_ANOTHER = {("ContainerPort", "hostIP"), ("VolumeDevice", "devicePath"), ("VolumeDevice", "name")}


def sections() -> dict[str, dict[str, tuple[str, str]]]:
    """Section → field → (what becomes of it, how that is seen)."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for part in PAGE.split("\n## ")[1:]:
        name, *lines = part.splitlines()
        rows = [line.strip("| ").split(" | ", 2) for line in lines if line.startswith("| `")]
        found[name] = {field.strip("`"): (word, seen) for field, word, seen in rows}
    return found


ROWS = [(section, field, *row) for section, rows in sections().items() for field, row in rows.items()]


def test_every_field_has_a_row() -> None:
    told = {section: set(rows) for section, rows in sections().items()}

    assert told == {name: set(definition(f"io.k8s.api.core.v1.{name}").fields) for name in SECTIONS}
    assert {word for _, _, word, _ in ROWS} <= WORDS


def test_what_is_acted_on_names_tests_that_are_there() -> None:
    missing = []
    for section, field, word, seen in ROWS:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", seen)
        missing += [
            f"{file}::{name}"
            for file, name in named
            if not (TESTS / file).exists() or f"def {name}(" not in (TESTS / file).read_text()
        ]
        if word == "acted on" and not named:
            assert seen in ("below", "as of every container", "the old name of serviceAccountName"), (section, field)
    assert not missing


def test_each_refusal_and_each_warning_is_tried() -> None:
    said = {(section, field) for section, field, word, seen in ROWS if word in ("refused", "warned", "in part")}

    assert said - WITH_ANOTHER == set(ASKED)


@pytest.mark.parametrize(("section", "field"), [pytest.param(*one, id=".".join(one)) for one in ASKED])
def test_the_message_is_what_is_said(section: str, field: str) -> None:
    where, asked = ASKED[section, field]
    word, seen = sections()[section][field]
    if section == "EphemeralContainer":
        pod = made(volumes=[EMPTY], ephemeralContainers=[{"name": "e", "image": "host", **asked}])
    elif where == POD:
        pod = made(**{"volumes": [EMPTY], **asked})
    else:
        pod = made(asked, volumes=[EMPTY])

    if word == "refused":
        heard = [f"{cause.field}: {cause.message}" for cause in KINDS["Pod"].validate(pod, None)]
    else:
        heard = list(pod_warnings(pod))

    assert any(f"`{message}`" in seen for message in heard), heard


class Nothing:
    """A source of volumes in which there is nothing."""

    facts = Facts()

    async def find(self, kind: str, namespace: str, name: str) -> Any:
        raise AssertionError(kind)

    async def token(self, pod: Any, audience: str, seconds: int) -> tuple[str, float]:
        raise AssertionError(audience)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        *(("Volume", name) for name in sorted(definition("io.k8s.api.core.v1.Volume").fields)),
        ("VolumeProjection", "clusterTrustBundle"),
        ("VolumeProjection", "podCertificate"),
        ("EmptyDirVolumeSource", "medium"),
    ],
)
async def test_a_volume_that_is_not_had_is_reported_by_its_name(section: str, field: str, tmp_path: Path) -> None:
    if section == "Volume" and (field == "name" or field in VOLUMES):
        assert sections()[section][field][0] == "acted on"
        return
    volume = {
        "Volume": {field: {}},
        "VolumeProjection": {"projected": {"sources": [{field: {}}]}},
        "EmptyDirVolumeSource": {"emptyDir": {"medium": "HugePages"}},
    }[section]

    with pytest.raises(VolumeProblem) as caught:
        await make_all(made(volumes=[{"name": "v", **volume}]), tmp_path, Nothing())

    prefix = 'MountVolume.SetUp failed for volume "v" : '
    assert f"FailedMount: `{str(caught.value).removeprefix(prefix)}`" in sections()[section][field][1]
