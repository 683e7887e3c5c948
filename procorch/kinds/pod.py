"""Pod: processes that share namespaces, an address and volumes."""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, fill, fill_text, indexed, made, number, part, rows, text
from procorch.kinds.kind import Kind
from procorch.kinds.pod_cells import COLUMNS, finished
from procorch.kinds.podspec.containers import validate_image
from procorch.kinds.podspec.defaults import default_pod
from procorch.kinds.podspec.mirror import is_mirror, validate_mirror
from procorch.kinds.podspec.parts import PARTS
from procorch.kinds.podspec.resources import qos_class
from procorch.kinds.podspec.scheduling import add_label_keys
from procorch.kinds.podspec.update import validate_pod_update
from procorch.kinds.podspec.validation import validate_spec
from procorch.kinds.podspec.warnings import pod_warnings
from procorch.kinds.workload import name_warnings
from procorch.objects import Cause, Object

_PATIENCE = 300
_UNHEALTHY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def default(pod: Object) -> None:
    default_pod(pod)
    status = part(pod, "status")
    addresses = rows(status.get("podIPs"))
    if text(status.get("podIP")) and (not addresses or addresses[0].get("ip") != status["podIP"]):
        status["podIPs"] = [{"ip": status["podIP"]}]  # the older field wins, as in Kubernetes
    elif addresses and not text(status.get("podIP")):
        status["podIP"] = text(addresses[0].get("ip"))


def prepare(pod: Object, old: Object | None) -> None:
    """The status is the node's: pending at first, then as it stands. The QoS class is set once, and the priority."""
    if old is not None:
        for field in ("priority", "preemptionPolicy"):
            if (before := part(old, "spec").get(field)) is not None:
                fill(made(pod, "spec"), field, before)
        _tolerate_for_a_while(made(pod, "spec"))
        pod["status"] = old.get("status", {})
        return
    pod["status"] = {"phase": "Pending", "qosClass": qos_class(pod)}
    add_label_keys(pod)
    if rows(part(pod, "spec").get("schedulingGates")):
        pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": None,
                "lastTransitionTime": part(pod, "metadata").get("creationTimestamp"),
            }
        ]


def admit(pod: Object) -> None:
    """What Kubernetes' admission gives every pod: an account, and five minutes with a node that is away.

    Its priority is given to it by its class: procorch/api/classes.py.
    Source: plugin/pkg/admission/{serviceaccount,defaulttolerationseconds}.
    """
    spec = made(pod, "spec")
    if not is_mirror(pod):  # it is as the node's kubelet says, and has no account
        fill_text(spec, "serviceAccountName", "default")
        spec["serviceAccount"] = spec["serviceAccountName"]
    _tolerate_for_a_while(spec)


def _tolerate_for_a_while(spec: Fields) -> None:
    """At creation, and on updates, too: who sends his own tolerations again takes none away."""
    if spec.get("tolerations") is None:
        spec["tolerations"] = []
    tolerations = rows(spec["tolerations"])
    if isinstance(spec["tolerations"], list):
        for key in _UNHEALTHY:
            if not any(_tolerates(one, key) for one in tolerations):
                spec["tolerations"].append(
                    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _PATIENCE}
                )


def _tolerates(toleration: Fields, key: str) -> bool:
    return text(toleration.get("key")) in ("", key) and text(toleration.get("effect")) in ("", "NoExecute")


def validate(pod: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(pod, "spec")
    yield from validate_mirror(pod, old)
    if old is not None and spec == old.get("spec"):
        return  # the status alone changes, all day long
    yield from validate_spec(spec, "spec", pod=text(part(pod, "metadata").get("name")) or "?")
    for group in ("containers", "initContainers"):
        for where, container in indexed(spec.get(group), f"spec.{group}"):
            yield from validate_image(container, where)
    if old is not None:
        yield from validate_pod_update(spec, part(old, "spec"))
        return
    if rows(spec.get("ephemeralContainers")):
        yield Cause.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if text(spec.get("nodeName")) and rows(spec.get("schedulingGates")):
        yield Cause.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def warn(pod: Object, old: Object | None) -> Iterator[str]:
    if old is None:  # who changes one is seldom a person
        yield from name_warnings(pod, "the Pod's hostname")
        yield from pod_warnings(pod)


def grace(pod: Object) -> int:
    """Seconds that a deletion leaves the pod: none if no node has it, or if it has ended."""
    if not text(part(pod, "spec").get("nodeName")) or part(pod, "status").get("phase") in ("Succeeded", "Failed"):
        return 0
    seconds = number(part(pod, "spec").get("terminationGracePeriodSeconds"))
    return 30 if seconds is None else max(seconds, 0)


def _host_network(pod: Object) -> str:
    return "true" if part(pod, "spec").get("hostNetwork") is True else "false"


def _addresses(pod: Object) -> str:
    return ",".join(text(row.get("ip")) for row in rows(part(pod, "status").get("podIPs")))


KIND = Kind(
    "Pod", "pods", shows_deleted=True,
    short_names=("po",), categories=("all",),
    subresources=("status", "log", "binding", "eviction", "ephemeralcontainers", "resize", "exec", "attach",
                  "portforward", "proxy"), parts=PARTS,
    default=default, prepare=prepare, admit=admit, validate=validate, warn=warn,
    columns=COLUMNS, finished=finished,
    fields={
        "spec.nodeName": ".spec.nodeName",
        "spec.host": ".spec.nodeName",  # its name in clients of the first days
        "spec.restartPolicy": ".spec.restartPolicy",
        "spec.schedulerName": ".spec.schedulerName",
        "spec.serviceAccountName": ".spec.serviceAccountName",
        "spec.hostNetwork": _host_network,
        "status.phase": ".status.phase",
        "status.podIP": ".status.podIP",
        "status.podIPs": _addresses,
        "status.nominatedNodeName": ".status.nominatedNodeName",
    },
    grace=grace, generation=True, status_keeps=("ownerReferences", "deletionTimestamp"),
)  # fmt: skip
