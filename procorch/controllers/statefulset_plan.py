"""Which numbers a StatefulSet makes next, and which pods it deletes.

        OrderedReady: one number after the other, each waits for all before it; Parallel: all at once
                 │
          replicas, upwards    a missing one is made; one that has ended is deleted, and made anew when it is gone
          surplus, downwards   from the highest number
          update, downwards    pods of another revision go, within maxUnavailable, down to the partition

All of it is pure. Never two pods of one number: what ends is waited for, on a lost node as long as it takes.
Source: pkg/controller/statefulset/stateful_set_control.go. Where we leave it: a pod of an old revision that does not
serve is replaced although others do not serve either: nothing is lost, and a rollback gets on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from procorch.controllers.statefulset_pods import number_of, numbers_of, revision_of, runs, serves, start_of
from procorch.objects import Object, get, is_deleting
from procorch.pods import is_terminal


@dataclass(frozen=True, slots=True)
class View:
    """pods: by number. current, update: names of the revisions, of before and of the template as it is."""

    owner: Object
    pods: Mapping[int, Object]
    current: str
    update: str
    now: float

    @property
    def min_ready(self) -> float:
        return float(get(self.owner, ".spec.minReadySeconds", 0))

    @property
    def ordered(self) -> bool:
        return bool(get(self.owner, ".spec.podManagementPolicy", "OrderedReady") == "OrderedReady")

    @property
    def rolls(self) -> bool:
        return bool(get(self.owner, ".spec.updateStrategy.type", "RollingUpdate") == "RollingUpdate")

    @property
    def partition(self) -> int:
        """The first number that is updated."""
        return start_of(self.owner) + int(get(self.owner, ".spec.updateStrategy.rollingUpdate.partition", 0))

    @property
    def unavailable(self) -> int:
        """So many pods may be without service because of an update: percentages rounded down, but at least one."""
        share = get(self.owner, ".spec.updateStrategy.rollingUpdate.maxUnavailable", 1)
        if isinstance(share, str):
            share = int(share.removesuffix("%")) * len(numbers_of(self.owner)) // 100
        return max(1, int(share))

    def serves(self, number: int) -> bool:
        pod = self.pods.get(number)
        return pod is not None and serves(pod, self.min_ready, self.now)

    def revision_for(self, number: int) -> str:
        """Which revision a new pod gets."""
        return self.current if self.rolls and number < self.partition else self.update


def view_of(owner: Object, pods: Sequence[Object], current: str, update: str, now: float) -> View:
    numbered = {number: pod for pod in pods if (number := number_of(owner, pod)) is not None}
    return View(owner, numbered, current, update, now)


@dataclass(slots=True)
class Plan:
    """create: numbers. delete: pods."""

    create: list[int] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def plan(view: View) -> Plan:
    if is_deleting(view.owner):
        return Plan()
    return _in_order(view) if view.ordered else _in_parallel(view)


def _in_order(view: View) -> Plan:
    wanted = numbers_of(view.owner)
    for number in wanted:
        pod = view.pods.get(number)
        if pod is None:
            return Plan(create=[number])
        if is_terminal(pod):
            return Plan(delete=[] if is_deleting(pod) else [pod])
        if not view.serves(number):
            return Plan()
    surplus = sorted((number for number in view.pods if number not in wanted), reverse=True)
    if surplus:
        highest, lowest_ill = surplus[0], next((one for one in reversed(surplus) if not view.serves(one)), None)
        pod = view.pods[highest]
        # One that does not serve may go only when all below it do: else the last good copy could be lost.
        waits = is_deleting(pod) or (not view.serves(highest) and lowest_ill != highest)
        return Plan(delete=[] if waits else [pod])
    return Plan(delete=_outdated(view))


def _in_parallel(view: View) -> Plan:
    wanted = numbers_of(view.owner)
    made = Plan(create=[number for number in wanted if number not in view.pods])
    for number, pod in sorted(view.pods.items(), reverse=True):
        if not is_deleting(pod) and (number not in wanted or is_terminal(pod)):
            made.delete.append(pod)
    made.delete += _outdated(view)
    return made


def _outdated(view: View) -> list[Object]:
    """Pods of another revision that go now, the highest numbers first."""
    if not view.rolls:
        return []
    wanted = numbers_of(view.owner)
    budget = view.unavailable - sum(not view.serves(number) for number in wanted)
    gone: list[Object] = []
    for number in reversed(wanted):
        pod = view.pods.get(number)
        if number < view.partition or pod is None or is_terminal(pod) or is_deleting(pod):
            continue
        if revision_of(pod) == view.update:
            continue
        if view.serves(number):
            if budget <= 0:
                continue
            budget -= 1
        gone.append(pod)
    return gone


def status_of(view: View, collisions: int) -> dict[str, Any]:
    """As on Kubernetes' wire, zeros are left out where they say nothing."""
    pods = list(view.pods.values())
    staying = [pod for pod in pods if not is_deleting(pod)]
    current, updated = (sum(revision_of(pod) == name for pod in staying) for name in (view.current, view.update))
    counts = {
        "replicas": len(pods),
        "readyReplicas": sum(map(runs, pods)),
        "availableReplicas": sum(
            runs(pod) and serves({**pod, "metadata": {}}, view.min_ready, view.now) for pod in pods
        ),
        "currentReplicas": current,
        "updatedReplicas": updated,
    }
    names = {"currentRevision": view.current, "updateRevision": view.update}
    asked = len(numbers_of(view.owner))
    if view.rolls and counts["replicas"] == counts["readyReplicas"] == updated == asked:
        counts["currentReplicas"], names["currentRevision"] = updated, view.update
    shown = {name: value for name, value in counts.items() if value or name in ("replicas", "availableReplicas")}
    generation = view.owner["metadata"].get("generation", 0)
    return {**shown, **names, "observedGeneration": generation, "collisionCount": collisions}
