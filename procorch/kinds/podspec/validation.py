"""What may be wrong with a pod specification as a whole, in a pod and in a template.

Source: pkg/apis/core/validation (ValidatePodSpec, ValidatePodTemplateSpec, validatePodDNSConfig…).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, labels, mapping, number, part, rows, text, texts
from procorch.kinds.metadata import validate_annotations, validate_labels
from procorch.kinds.podspec.containers import validate_containers
from procorch.kinds.podspec.environment import validate_file_volumes
from procorch.kinds.podspec.judged import once
from procorch.kinds.podspec.resources import validate_pod_resources, validate_resources
from procorch.kinds.podspec.scheduling import validate_affinity, validate_placement, validate_tolerations
from procorch.kinds.podspec.security import validate_pod_security
from procorch.kinds.podspec.unsupported import unsupported
from procorch.kinds.podspec.volumes import validate_volumes
from procorch.names import NameFormat, address, dns_label, dns_subdomain, label_key, search_domain
from procorch.objects import Cause
from procorch.pod_resources import container_requests
from procorch.selectors import LabelSelector

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_SYSTEMS = ("linux", "windows")
_LARGEST_SECONDS = 2**31 - 1
_LONGEST_HOST_NAME = 64  # bytes


def validate_spec(spec: Fields, path: str, *, pod: str = "") -> Iterator[Cause]:
    """A pod specification. pod: the pod's name, "" for that of a template."""
    # Claims of ephemeral volumes are named after the pod; without them pods differ by nothing that is judged here.
    named = any("ephemeral" in volume for volume in rows(spec.get("volumes")))
    return _validate_spec(spec, path, pod=pod if named or not pod else "?")


@once
def _validate_spec(spec: Fields, path: str, *, pod: str) -> Iterator[Cause]:
    yield from unsupported(spec, path)
    if number(spec.get("terminationGracePeriodSeconds")) is None:
        yield Cause.required(f"{path}.terminationGracePeriodSeconds")
    volumes: dict[str, Fields] = {}
    yield from validate_volumes(spec.get("volumes"), f"{path}.volumes", pod, volumes)
    yield from validate_containers(spec, volumes, path)
    if "resources" in spec:
        yield from validate_pod_resources(spec, container_requests(spec), f"{path}")
    if spec.get("hostNetwork") is True:
        yield from _host_network(spec, f"{path}.containers", in_pod=bool(pod))
    for field, choice in (("restartPolicy", _RESTART_POLICIES), ("dnsPolicy", _DNS_POLICIES)):
        value = text(spec.get(field))
        if not value:
            yield Cause.required(f"{path}.{field}")
        elif value not in choice:
            yield Cause.unsupported(f"{path}.{field}", value, choice)
    yield from validate_labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    yield from validate_pod_security(spec, f"{path}.securityContext")
    yield from validate_affinity(spec, f"{path}.affinity")
    yield from _dns_config(spec, f"{path}.dnsConfig")
    for where, gate in indexed(spec.get("readinessGates"), f"{path}.readinessGates"):
        for message in label_key(text(gate.get("conditionType"))):
            yield Cause.invalid(f"{where}.conditionType", text(gate.get("conditionType")), message)
    yield from validate_placement(spec, path)
    yield from _host_name(spec, f"{path}.hostnameOverride")
    yield from _names(spec, path)
    if mapping(spec.get("overhead")):
        yield from validate_resources({"limits": spec["overhead"]}, f"{path}.overhead")
    if isinstance(system := spec.get("os"), dict):
        if not text(system.get("name")):
            yield Cause.required(f"{path}.os.name")
        elif system["name"] not in _SYSTEMS:
            yield Cause.unsupported(f"{path}.os", system["name"], _SYSTEMS)
    yield from validate_file_volumes(spec, path)


def _host_name(spec: Fields, path: str) -> Iterator[Cause]:
    name = spec.get("hostnameOverride")
    if name is None:
        return
    if spec.get("setHostnameAsFQDN") is True:
        yield Cause.forbidden(path, "may not be specified when setHostnameAsFQDN is true")
    if spec.get("hostNetwork") is True:
        yield Cause.forbidden(path, "may not be specified when hostNetwork is true")
    if len(text(name).encode(errors="replace")) > _LONGEST_HOST_NAME:
        yield Cause.too_long(path, _LONGEST_HOST_NAME)
    for message in dns_subdomain(text(name)):
        yield Cause.invalid(path, text(name), message)


def _names(spec: Fields, path: str) -> Iterator[Cause]:
    yield from _name(spec, "serviceAccountName", dns_subdomain, path)
    yield from _name(spec, "nodeName", dns_subdomain, path)
    deadline = number(spec.get("activeDeadlineSeconds"))
    if deadline is not None and not 1 <= deadline <= _LARGEST_SECONDS:
        yield Cause.invalid(
            f"{path}.activeDeadlineSeconds", deadline, f"must be between 1 and {_LARGEST_SECONDS}, inclusive"
        )
    yield from _name(spec, "hostname", dns_label, path)
    yield from _name(spec, "subdomain", dns_label, path)
    yield from validate_tolerations(spec.get("tolerations"), f"{path}.tolerations")
    for where, alias in indexed(spec.get("hostAliases"), f"{path}.hostAliases"):
        for message in address(text(alias.get("ip"))):
            yield Cause.invalid(f"{where}.ip", text(alias.get("ip")), message)
        for index, name in enumerate(texts(alias.get("hostnames"))):
            for message in dns_subdomain(name):
                yield Cause.invalid(f"{where}.hostnames[{index}]", name, message)
    yield from _name(spec, "priorityClassName", dns_subdomain, path)
    yield from _name(spec, "runtimeClassName", dns_subdomain, path)
    if (policy := spec.get("preemptionPolicy")) == "":
        yield Cause.required(f"{path}.preemptionPolicy")
    elif policy not in (None, "PreemptLowerPriority", "Never"):
        yield Cause.unsupported(f"{path}.preemptionPolicy", policy, ("PreemptLowerPriority", "Never"))


def _name(spec: Fields, field: str, form: NameFormat, path: str) -> Iterator[Cause]:
    if value := text(spec.get(field)):
        for message in form(value):
            yield Cause.invalid(f"{path}.{field}", value, message)


def _host_network(spec: Fields, path: str, *, in_pod: bool) -> Iterator[Cause]:
    for where, container in indexed(spec.get("containers"), path):
        for at, port in indexed(container.get("ports"), f"{where}.ports"):
            outside = number(port.get("hostPort")) or 0
            if (in_pod or outside) and outside != (number(port.get("containerPort")) or 0):
                yield Cause.invalid(f"{at}.hostPort", outside, "must match `containerPort` when `hostNetwork` is true")


def _dns_config(spec: Fields, path: str) -> Iterator[Cause]:
    config = spec.get("dnsConfig")
    servers, searches = (texts(mapping(config).get(field)) for field in ("nameservers", "searches"))
    if spec.get("dnsPolicy") == "None" and not isinstance(config, dict):
        yield Cause.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
        return
    if spec.get("dnsPolicy") == "None" and not servers:
        yield Cause.required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")
        return
    if len(servers) > 3:
        yield Cause.invalid(f"{path}.nameservers", servers, "must not have more than 3 nameservers")
    for index, server in enumerate(servers):
        for message in address(server):
            yield Cause.invalid(f"{path}.nameservers[{index}]", server, message)
    if len(searches) > 32:
        yield Cause.invalid(f"{path}.searches", searches, "must not have more than 32 search paths")
    if len(" ".join(searches)) > 2048:
        yield Cause.invalid(
            f"{path}.searches",
            searches,
            "must not have more than 2048 characters (including spaces) in the search list",
        )
    for index, search in enumerate(searches):
        bare = search.removesuffix(".")
        for message in search_domain(bare) if search != "." else ():
            yield Cause.invalid(f"{path}.searches[{index}]", bare, message)
    for where, option in indexed(mapping(config).get("options"), f"{path}.options"):
        if not text(option.get("name")):
            yield Cause.required(where, "must not be empty")


def validate_template(template: Fields, path: str) -> Iterator[Cause]:
    """A template of pods, whoever makes them. Source: ValidatePodTemplateSpec."""
    metadata, spec = part(template, "metadata"), part(template, "spec")
    yield from validate_labels(metadata.get("labels"), f"{path}.labels")
    yield from validate_annotations(metadata.get("annotations"), f"{path}.annotations")
    yield from validate_spec(spec, f"{path}.spec")
    if rows(spec.get("ephemeralContainers")):
        yield Cause.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def validate_match(template: Fields, path: str, selector: LabelSelector | None) -> Iterator[Cause]:
    """Whether who makes the pods would find them again. selector: None where it is itself wrong, or chooses all."""
    given = labels(part(template, "metadata").get("labels"))
    if selector is not None and not selector.matches(given):
        # Go shows a template without labels as null.
        yield Cause.invalid(f"{path}.metadata.labels", given or None, "`selector` does not match template `labels`")


def validate_lasting(template: Fields, path: str, owner: str) -> Iterator[Cause]:
    """What the template of pods that are kept running may not ask. owner: the kind, as the messages name it."""
    spec = part(template, "spec")
    if (policy := text(spec.get("restartPolicy"))) not in ("", "Always"):
        yield Cause.unsupported(f"{path}.spec.restartPolicy", policy, ("Always",))
    if spec.get("activeDeadlineSeconds") is not None:
        yield Cause.forbidden(
            f"{path}.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {owner} is not Supported"
        )
