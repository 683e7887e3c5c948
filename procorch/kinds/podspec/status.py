"""What of a pod's status may be written, and what stays: nobody brings the dead back to life.

Source: pkg/registry/core/pod (podStatusStrategy), pkg/apis/core/validation (ValidatePodStatusUpdate,
ValidateContainerStateTransition), pkg/api/v1/pod (ContainerShouldRestart).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, made, number, part, rows, same, text
from procorch.names import address, dns_subdomain, label_key
from procorch.objects import Cause, Object

_SYSTEM = ("PodScheduled", "Ready", "Initialized")
_GROUPS = (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers"))
_FIRST_OF_ALL = "may specify no more than one IP for each IP family"


def prepare_status(pod: Object, old: Object, now: str) -> None:
    """The QoS class is not forgotten by who does not know it."""
    before = part(old, "status").get("qosClass")
    if before is not None and not text(part(pod, "status").get("qosClass")):
        made(pod, "status")["qosClass"] = before


def validate_status(pod: Object, old: Object) -> Iterator[Cause]:
    status, before, spec = part(pod, "status"), part(old, "status"), part(old, "spec")
    if status == before:
        return
    yield from _conditions(status)
    yield from _nominated(status, before, spec)
    if (number(status.get("observedGeneration")) or 0) < 0:
        yield Cause.invalid("status.observedGeneration", status["observedGeneration"], "must be a non-negative integer")
    if not same(status.get("qosClass"), before.get("qosClass")):
        yield Cause.invalid("status.qosClass", text(status.get("qosClass")), "field is immutable")
    for field, group in _GROUPS:
        yield from _transitions(rows(status.get(field)), before.get(field), spec, group, f"status.{field}")
    ended = {text(row.get("name")) for row in rows(before.get("ephemeralContainerStatuses")) if _has_ended(row)}
    for where, row in indexed(status.get("ephemeralContainerStatuses"), "status.ephemeralContainerStatuses"):
        if text(row.get("name")) in ended and not _has_ended(row):
            yield Cause.forbidden(f"{where}.state", "may not be transitioned to non-terminated state")
    yield from _addresses(status, before, "podIPs")
    given = rows(status.get("hostIPs"))
    if given and text(status.get("hostIP")) != text(given[0].get("ip")):
        yield Cause.invalid("status.hostIPs[0].ip", text(given[0].get("ip")), "must be equal to `hostIP`")
    yield from _addresses(status, before, "hostIPs")


def _conditions(status: Fields) -> Iterator[Cause]:
    for where, row in indexed(status.get("conditions"), "status.conditions"):
        if (number(row.get("observedGeneration")) or 0) < 0:
            yield Cause.invalid(
                f"{where}.observedGeneration", row["observedGeneration"], "must be a non-negative integer"
            )
        kind = text(row.get("type"))
        for message in label_key(kind) if kind not in _SYSTEM else ():
            yield Cause.invalid(f"{where}.Type", kind, message)


def _nominated(status: Fields, before: Fields, spec: Fields) -> Iterator[Cause]:
    path, node = "status.nominatedNodeName", text(status.get("nominatedNodeName"))
    if not node or node == text(before.get("nominatedNodeName")):
        return
    for message in dns_subdomain(node):
        yield Cause.invalid(path, node, message)
    if text(spec.get("nodeName")):
        yield Cause.forbidden(path, "may not be set on pods that are already bound to a node")


def _transitions(after: list[Fields], before: object, spec: Fields, group: str, path: str) -> Iterator[Cause]:
    """Who has ended stays so, unless the pod would start it again."""
    containers = {text(one.get("name")): one for one in rows(spec.get(group))}
    everybody = [*rows(spec.get("containers")), *rows(spec.get("initContainers"))]
    if any(rule.get("action") == "RestartAllContainers" for one in everybody
           for rule in rows(one.get("restartPolicyRules"))):  # fmt: skip
        return
    for where, former in indexed(before, path):
        name = text(former.get("name"))
        now = next((one for one in after if text(one.get("name")) == name), None)
        if not _has_ended(former) or now is None or _has_ended(now):
            continue
        code = number(part(former, "state", "terminated").get("exitCode")) or 0
        if name not in containers or not _may_restart(containers[name], text(spec.get("restartPolicy")), code):
            yield Cause.forbidden(f"{where}.state", "may not be transitioned to non-terminated state")


def _has_ended(row: Fields) -> bool:
    return isinstance(part(row, "state").get("terminated"), dict)


def _may_restart(container: Fields, policy: str, code: int) -> bool:
    for rule in rows(container.get("restartPolicyRules")):
        codes = part(rule, "exitCodes")
        listed = code in (codes.get("values") or ())
        if codes and listed == (codes.get("operator") == "In"):
            return rule.get("action") == "Restart"
    policy = text(container.get("restartPolicy")) or policy
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _addresses(status: Fields, before: Fields, field: str) -> Iterator[Cause]:
    path, kept = f"status.{field}", [text(row.get("ip")) for row in rows(before.get(field))]
    given = [text(row.get("ip")) for row in rows(status.get(field))]
    for index, one in enumerate(given):
        for message in address(one) if one not in kept else ():
            yield Cause.invalid(f"{path}[{index}]", one, message)
    if len(given) > 2 or len({":" in one for one in given}) < len(given):
        yield Cause.invalid(path, [{"IP": one} for one in given], _FIRST_OF_ALL)
