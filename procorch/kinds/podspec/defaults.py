"""What a pod specification gets that its author left out, as Kubernetes v1.37 fills it in.

Source: pkg/apis/core/v1/defaults.go and zz_generated.defaults.go.
"""

from __future__ import annotations

import re
from functools import lru_cache

from procorch.kinds.fields import Fields, fill, fill_text, made, mapping, number, part, rows, text
from procorch.kinds.podspec.resources import is_pod_level
from procorch.kinds.resource_names import may_overcommit
from procorch.pod_resources import quantities_of
from procorch.quantity import canonical, canonical_resource

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_FILE_MODE = 0o644
#: an ordinary name of an image: [domain[:port]/]path[:tag][@digest]
_REFERENCE = re.compile(
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*"
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,})?"
)

#: sources of volumes with plain defaults, in pods and in PersistentVolumes: source → field → value
VOLUME_DEFAULTS: dict[str, Fields] = {
    "secret": {"defaultMode": _FILE_MODE},
    "configMap": {"defaultMode": _FILE_MODE},
    "downwardAPI": {"defaultMode": _FILE_MODE},
    "projected": {"defaultMode": _FILE_MODE},
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_pod(pod: Fields) -> None:
    """The defaults of a pod itself: those of its specification, and some that a template does not show."""
    spec = made(pod, "spec")
    for name in ("containers", "initContainers"):
        for container in rows(spec.get(name)):
            _requests_from_limits(container)
    default_spec(spec)
    _pod_requests(spec)
    if (number(spec.get("terminationGracePeriodSeconds")) or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    fill(spec, "enableServiceLinks", True)
    if spec.get("hostNetwork") is True:
        for name in ("containers", "initContainers"):
            for container in rows(spec.get(name)):
                for port in rows(container.get("ports")):
                    if not port.get("hostPort") and port.get("containerPort"):
                        port["hostPort"] = port["containerPort"]


def default_template(owner: Fields) -> None:
    """The defaults of the `template` in what makes pods: a ReplicaSet's spec, a PodTemplate."""
    default_spec(made(owner, "template", "spec"))


def default_spec(spec: Fields) -> None:
    """The defaults of every pod specification, in a pod and in a template alike."""
    fill_text(spec, "restartPolicy", "Always")
    fill(spec, "terminationGracePeriodSeconds", 30)
    fill_text(spec, "dnsPolicy", "ClusterFirst")
    fill(spec, "securityContext", {})
    fill_text(spec, "schedulerName", "default-scheduler")
    _service_account(spec)
    default_resource_list(spec, "overhead")
    for side in ("limits", "requests"):
        default_resource_list(mapping(spec.get("resources")), side)
    for name in _CONTAINER_LISTS:
        for container in rows(spec.get(name)):
            _container(container, ephemeral=name == "ephemeralContainers")
    for volume in rows(spec.get("volumes")):
        _volume(volume)


def _service_account(spec: Fields) -> None:
    """serviceAccount is the old spelling; both are kept alike."""
    name = text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount"))
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _container(container: Fields, *, ephemeral: bool) -> None:
    fill_text(container, "imagePullPolicy", _pull_policy(text(container.get("image"))))
    fill_text(container, "terminationMessagePath", "/dev/termination-log")
    fill_text(container, "terminationMessagePolicy", "File")
    fill(container, "resources", {})
    resources = mapping(container["resources"])
    default_resource_list(resources, "limits")
    default_resource_list(resources, "requests")
    for port in rows(container.get("ports")):
        fill_text(port, "protocol", "TCP")
    for variable in rows(container.get("env")):
        if "valueFrom" in variable:
            _references(part(variable, "valueFrom"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(probe := container.get(name), dict):
            _probe(probe)
    if "lifecycle" in container:
        for hook in ("postStart", "preStop"):
            _http_get(part(container, "lifecycle", hook).get("httpGet"))


def _probe(probe: Fields) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    _http_get(probe.get("httpGet"))
    if isinstance(grpc := probe.get("grpc"), dict):
        fill(grpc, "service", "")


def _http_get(action: object) -> None:
    if isinstance(action, dict):
        fill_text(action, "path", "/")
        fill_text(action, "scheme", "HTTP")


def _volume(volume: Fields) -> None:
    if not any(value is not None for field, value in volume.items() if field != "name"):
        volume["emptyDir"] = {}
    for source, defaults in VOLUME_DEFAULTS.items():
        if isinstance(volume.get(source), dict):
            for field, value in defaults.items():
                fill(volume[source], field, value)
    if isinstance(empty := volume.get("emptyDir"), dict) and empty.get("sizeLimit") is not None:
        empty["sizeLimit"] = tidy(empty["sizeLimit"])
    if isinstance(image := volume.get("image"), dict):
        fill_text(image, "pullPolicy", _pull_policy(text(image.get("reference"))))
    if isinstance(claim := part(volume, "ephemeral").get("volumeClaimTemplate"), dict):
        fill_text(made(claim, "spec"), "volumeMode", "Filesystem")
    projected = rows(part(volume, "projected").get("sources"))
    for downward in (part(volume, "downwardAPI"), *(part(source, "downwardAPI") for source in projected)):
        for item in rows(downward.get("items")):
            _references(item)
    for one in projected:
        if isinstance(token := one.get("serviceAccountToken"), dict):
            fill(token, "expirationSeconds", 3600)


def _references(source: Fields) -> None:
    """fieldRef and resourceFieldRef of the downward API."""
    if isinstance(field_ref := source.get("fieldRef"), dict):
        fill_text(field_ref, "apiVersion", "v1")
    if isinstance(resource_ref := source.get("resourceFieldRef"), dict):
        fill(resource_ref, "divisor", "0")


@lru_cache(maxsize=512)
def _pull_policy(image: str) -> str:
    """Always for :latest, said or meant; a digest or another tag, or what is no image name, need not be asked again."""
    name, at, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if not _REFERENCE.fullmatch(image) or (at and not tag):
        return "IfNotPresent"
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _pod_requests(spec: Fields) -> None:
    """A pod that has limits as a whole asks for what its containers ask for, or else for these limits."""
    resources = mapping(spec.get("resources"))
    limits = {name: value for name, value in mapping(resources.get("limits")).items() if is_pod_level(str(name))}
    if not limits:
        return
    requests = made(resources, "requests")
    for name, amount in quantities_of({**spec, "resources": {}, "overhead": {}}, "requests").items():
        if is_pod_level(name) and may_overcommit(name):
            requests.setdefault(name, str(amount))
    for name, value in limits.items():
        requests.setdefault(name, value)


def _requests_from_limits(container: Fields) -> None:
    resources = mapping(container.get("resources"))
    limits = mapping(resources.get("limits"))
    if limits:
        requests = made(resources, "requests")
        for name, limit in limits.items():
            requests.setdefault(name, limit)


def default_resource_list(owner: Fields, field: str) -> None:
    """Quantities in their canonical form, rounded up to thousandths; what is none is left for the validation."""
    for name, value in mapping(owner.get(field)).items():
        owner[field][name] = tidy(value, canonical_resource)


def tidy(value: object, form: object = canonical) -> object:
    """A quantity in its canonical form; what is none, as it is."""
    try:
        return form(value) if callable(form) else value
    except ValueError:
        return value
