"""Whether a container that has ended is started again, alone or with all others: pure.

A container's own `restartPolicy` comes before the pod's, and its `restartPolicyRules` before that; the first rule that
fits an exit code decides.
Source: Kubernetes' documentation of the pod lifecycle, "Individual container restart policy and rules"; KEP-5307 and
KEP-5532.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from procorch.objects import Object, get

RESTART_ALL = "RestartAllContainers"


def restart_policy(pod: Object) -> str:
    return str(get(pod, ".spec.restartPolicy", "Always"))


def restarts(pod: Object, container: Mapping[str, Any], exit_code: int | None) -> bool:
    """Whether a container of the pod that ended so is started again."""
    if action(container, exit_code):
        return True
    policy = container.get("restartPolicy") or restart_policy(pod)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def restarts_init(pod: Object, container: Mapping[str, Any], exit_code: int | None) -> bool:
    """The same of an init container, which has done its work when it ends well."""
    return exit_code != 0 and restarts(pod, container, exit_code)


def action(container: Mapping[str, Any], exit_code: int | None) -> str:
    """What the first rule that fits says: Restart, RestartAllContainers, or nothing."""
    if not container.get("restartPolicy") or exit_code is None:
        return ""
    for rule in container.get("restartPolicyRules") or []:
        codes = rule.get("exitCodes") or {}
        if (exit_code in (codes.get("values") or [])) is (codes.get("operator") == "In"):
            return str(rule.get("action"))
    return ""
