"""What a pod specification may say and probably does not mean: each text becomes a Warning header.

Source: pkg/api/pod/warnings.go, pkg/api/node/util.go (GetNodeLabelDeprecatedMessage).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, labels, mapping, number, part, text, texts
from procorch.kinds.podspec.judged import once
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.podspec.unheeded import unheeded
from procorch.names import label_value

_LISTS = ("containers", "initContainers", "ephemeralContainers")
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
DEPRECATED_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_PORT = (("name", ""), ("hostPort", 0), ("containerPort", 0), ("protocol", ""), ("hostIP", ""))  # in Go's order
_SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
DEPRECATED_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}


def pod_warnings(pod: Fields, path: str = "") -> Iterator[str]:
    """Of a pod, or of a template at this path: what metadata and spec say together."""
    annotations = labels(part(pod, "metadata").get("annotations"))
    told = {key: "" for key in annotations if key in _ANNOTATIONS or key == _SECCOMP}
    return _warnings(told, part(pod, "spec"), f"{path}." if path else "")


@once
def _warnings(annotations: Fields, spec: Fields, start: str) -> Iterator[str]:
    """annotations: those of which something is known."""
    where = f"{start}spec"
    yield from _deprecated_labels(spec, where)
    yield from _annotations(annotations, spec, start)
    yield from _doubles(spec, where)
    for field in DEPRECATED_VOLUMES:
        for at, volume in indexed(spec.get("volumes"), f"{where}.volumes"):
            if volume.get(field) is not None:
                shown = "storageOS" if field == "storageos" else field  # so Kubernetes spells it there
                yield f"{at}.{shown}: {DEPRECATED_VOLUMES[field]}"
    for at, volume in indexed(spec.get("volumes"), f"{where}.volumes"):
        template = f"{at}.ephemeral.volumeClaimTemplate.spec"
        yield from claim_warnings(part(volume, "ephemeral", "volumeClaimTemplate", "spec"), template)
    yield from _fractions(spec.get("overhead"), f"{where}.overhead")
    for at, container in _containers(spec, where):
        for field in ("limits", "requests"):
            yield from _fractions(part(container, "resources").get(field), f"{at}.resources.{field}")
        yield from _hidden_variables(container, at)
    yield from _ports(spec, where)
    seconds = number(spec.get("terminationGracePeriodSeconds"))
    if seconds is not None and seconds < 0:
        detail = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{where}.terminationGracePeriodSeconds: {detail}"
    yield from _matching_nothing(spec, where)
    yield from unheeded(spec, where)


def _containers(spec: Fields, path: str) -> Iterator[tuple[str, Fields]]:
    for group in _LISTS:
        yield from indexed(spec.get(group), f"{path}.{group}")


def _deprecated_labels(spec: Fields, path: str) -> Iterator[str]:
    for key in labels(spec.get("nodeSelector")):
        if key in DEPRECATED_LABELS:
            yield f"{path}.nodeSelector[{key}]: {DEPRECATED_LABELS[key]}"
    affinity, where = part(spec, "affinity", "nodeAffinity"), f"{path}.affinity.nodeAffinity"
    terms = list(indexed(part(affinity, _REQUIRED).get("nodeSelectorTerms"), f"{where}.{_REQUIRED}.nodeSelectorTerms"))
    for at, preferred in indexed(affinity.get(_PREFERRED), f"{where}.{_PREFERRED}"):
        terms.append((f"{at}.preference", part(preferred, "preference")))
    for at, term in terms:
        yield from term_warnings(term, at, values=at.endswith(".preference"))
    for at, row in indexed(spec.get("topologySpreadConstraints"), f"{path}.topologySpreadConstraints"):
        if (key := text(row.get("topologyKey"))) in DEPRECATED_LABELS:
            yield f"{at}.topologyKey: {key} is {DEPRECATED_LABELS[key]}"
        if row.get("labelSelector") is None:
            yield f"{at}.labelSelector: a null labelSelector results in matching no pod"


def term_warnings(term: Fields, path: str, *, values: bool = False) -> Iterator[str]:
    """Of a term that selects nodes. values: those that no label can have, where validation lets them pass."""
    for where, row in indexed(term.get("matchExpressions"), f"{path}.matchExpressions"):
        if (key := text(row.get("key"))) in DEPRECATED_LABELS:
            yield f"{where}.key: {key} is {DEPRECATED_LABELS[key]}"
        for index, value in enumerate(texts(row.get("values")) if values else ()):
            for message in label_value(value):
                yield f"{where}.values[{index}]: {value} is invalid, {message}"


def claim_warnings(spec: Fields, path: str) -> Iterator[str]:
    """Of what is asked of storage."""
    for field in ("requests", "limits"):
        amount = quantity_of(part(spec, "resources", field).get("storage", "0"))
        if amount is not None and amount.amount.denominator != 1:
            where = f"{path}.resources.{field}[storage]"
            yield f'{where}: fractional byte value "{amount}" is invalid, must be an integer'


def _annotations(given: Fields, spec: Fields, start: str) -> Iterator[str]:
    for key, message in _ANNOTATIONS.items():
        if key in given:
            yield f"{start}metadata.annotations[{key}]: {message}"
    if _SECCOMP in given and part(spec, "securityContext").get("seccompProfile") is None:
        detail = 'non-functional in v1.27+; use the "seccompProfile" field instead'
        yield f"{start}metadata.annotations[{_SECCOMP}]: {detail}"


def _doubles(spec: Fields, path: str) -> Iterator[str]:
    for field, key, noun in (("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")):
        seen: set[str] = set()
        for at, row in indexed(spec.get(field), f"{path}.{field}"):
            value = text(row.get(key))
            if value in seen:
                yield f'{at}.{key}: duplicate {noun} "{value}"'
            seen.add(value)
    for at, row in indexed(spec.get("imagePullSecrets"), f"{path}.imagePullSecrets"):
        if not text(row.get("name")):
            yield f'{at}.name: invalid empty name ""'


def _fractions(amounts: object, path: str) -> Iterator[str]:
    """Half a byte: somebody wrote m and meant M."""
    for name in ("memory", "ephemeral-storage"):
        quantity = quantity_of(mapping(amounts).get(name))
        if quantity is not None and quantity.amount.denominator != 1:
            yield f'{path}[{name}]: fractional byte value "{quantity}" is invalid, must be an integer'


def _hidden_variables(container: Fields, path: str) -> Iterator[str]:
    """A variable that is set twice, unless the second value extends the first (`$(X):more`)."""
    seen: set[str] = set()
    for at, row in indexed(container.get("env"), f"{path}.env"):
        name = text(row.get("name"))
        if name in seen:
            value, reference = text(row.get("value")), f"$({name})"
            if row.get("valueFrom") is not None or value == reference or reference not in value:
                yield f'{at}: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(spec: Fields, path: str) -> Iterator[str]:
    """Two containers of a pod share one address: a port that both name is served by one of them."""
    numbers: dict[tuple[object, str], list[tuple[str, Fields]]] = {}
    names: dict[str, str] = {}
    for where, container in _containers(spec, path):
        for at, port in indexed(container.get("ports"), f"{where}.ports"):
            if text(port.get("hostIP")) and not port.get("hostPort"):
                yield f"{at}: hostIP set without hostPort: {_as_go_prints(port)}"
            same = numbers.setdefault((number(port.get("containerPort")), text(port.get("protocol"))), [])
            for other_at, other in same:
                yield from _overlap(at, port, other_at, other)
            same.append((at, port))
    for where, container in _containers(spec, path):
        for at, port in indexed(container.get("ports"), f"{where}.ports"):
            name = text(port.get("name"))
            if name and (first := names.setdefault(name, at)) != at:
                yield (
                    f'{at}: duplicate port name "{name}" with {first}, '
                    f"services and probes that select ports by name will use {first}"
                )


def _as_go_prints(port: Fields) -> str:
    shown = " ".join(f"{field[:1].upper() + field[1:]}:{port.get(field, empty)}" for field, empty in _PORT)
    return f"{{{shown}}}"


def _overlap(path: str, port: Fields, other_path: str, other: Fields) -> Iterator[str]:
    host, other_host = number(port.get("hostPort")) or 0, number(other.get("hostPort")) or 0
    address, other_address = text(port.get("hostIP")), text(other.get("hostIP"))
    if (host, address) == (other_host, other_address):
        yield f"{path}: duplicate port definition with {other_path}"
    elif not host or not other_host:
        yield f"{path}: overlapping port definition with {other_path}"
    elif host == other_host and bool(address) != bool(other_address):
        yield f"{path}: dangerously ambiguous port definition with {other_path}"


def _matching_nothing(spec: Fields, path: str) -> Iterator[str]:
    for name in ("podAffinity", "podAntiAffinity"):
        affinity, where = part(spec, "affinity", name), f"{path}.affinity.{name}"
        terms = list(indexed(affinity.get(_REQUIRED), f"{where}.{_REQUIRED}"))
        for at, preferred in indexed(affinity.get(_PREFERRED), f"{where}.{_PREFERRED}"):
            terms.append((f"{at}.podAffinityTerm", part(preferred, "podAffinityTerm")))
        for at, term in terms:
            if term.get("labelSelector") is None:
                yield f"{at}.labelSelector: a null labelSelector results in matching no pod"
