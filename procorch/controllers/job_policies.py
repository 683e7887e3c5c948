"""What a Job's policies say: of a failed pod, what its failure means; of the indexes that are done, whether they do.

Source: pkg/controller/job/pod_failure_policy.go, success_policy.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from procorch.controllers.job_indexes import Indexes
from procorch.objects import Object, get, key_of


@dataclass(frozen=True, slots=True)
class Match:
    """The first rule that a failed pod matches. message: why a Job fails by it."""

    action: str
    message: str


def match_failure(job: Object, pod: Object) -> Match | None:
    """None where no rule says anything of the pod: then its failure counts."""
    for number, rule in enumerate(get(job, ".spec.podFailurePolicy.rules", [])):
        action = rule["action"]
        if action == "FailIndex" and get(job, ".spec.backoffLimitPerIndex") is None:
            continue
        said = _by_exit_code(pod, rule) if rule.get("onExitCodes") else _by_condition(pod, rule)
        if said:
            return Match(action, f"{said} matching {action} rule at index {number}")
    return None


def is_counted(job: Object, pod: Object) -> bool:
    """Whether a failed pod counts towards the Job's limits."""
    match = match_failure(job, pod)
    return match is None or match.action != "Ignore"


def _by_exit_code(pod: Object, rule: Object) -> str:
    wanted = rule["onExitCodes"]
    for field in (".status.containerStatuses", ".status.initContainerStatuses"):
        for row in _ended(get(pod, field, []), wanted.get("containerName")):
            code = row["state"]["terminated"].get("exitCode", 0)
            if code and (code in wanted["values"]) == (wanted["operator"] == "In"):
                return f"Container {row['name']} for pod {key_of(pod)} failed with exit code {code}"
    return ""


def _ended(statuses: Iterable[Object], name: str | None) -> Iterable[Object]:
    return (row for row in statuses if get(row, ".state.terminated") and name in (None, row["name"]))


def _by_condition(pod: Object, rule: Object) -> str:
    wanted = {(row["type"], row.get("status", "True")) for row in rule.get("onPodConditions") or ()}
    for row in get(pod, ".status.conditions", []):
        if (row["type"], row["status"]) in wanted:
            return f"Pod {key_of(pod)} has condition {row['type']}"
    return ""


def match_success(job: Object, done: Indexes) -> str | None:
    """Why the indexes that are done are enough; None where they are not, or where no policy says so."""
    if not done:
        return None
    for number, rule in enumerate(get(job, ".spec.successPolicy.rules", [])):
        count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
        if text is None:
            met = count is not None and len(done) >= count
        else:
            wanted = Indexes.parse(text, get(job, ".spec.completions", 0))
            there = len(wanted & done)
            met = bool(wanted) and (there == len(wanted) or (count is not None and there >= count))
        if met:
            return f"Matched rules at index {number}"
    return None
