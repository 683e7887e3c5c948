"""Which nodes a DaemonSet's pods are to be on, and which pods come and go: nodes and pods in, names out.

        each node: may it run one? may one stay?          (node_affinity.py, tolerations.py)
                              │
          manage: a pod where none is; failed ones, twins and strays go
                              │
          roll: an old pod goes ── within maxUnavailable; or a new one comes beside it ── within maxSurge

All of it is pure. Never two pods on a node for good: with a surge an old one beside a new one, until that is available.
Source: pkg/controller/daemon (podsShouldBeOnNode, NodeShouldRunDaemonPod, rollingUpdate), daemon/util.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from procorch.controllers import pod_control
from procorch.controllers.controller_revisions import HASH
from procorch.kinds.daemonset import TEMPLATE_GENERATION
from procorch.node_affinity import fits
from procorch.objects import Object, annotations_of, get, is_deleting, labels_of
from procorch.pods import created_at, is_available, is_ready, is_terminal, phase_of
from procorch.tolerations import untolerated

BURST = 250
"""At most so many pods are made, and so many deleted, by one reconcile."""

GENERATION = "pod-template-generation"
_TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)

Told = tuple[str, str, str]
"""An event: its type, reason and message."""

MayDelete = Callable[[str], float]
"""Seconds for which the failed pod of a node is to be kept: who is refused again and again waits longer each time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A DaemonSet, and what its pods are known by. hash: of the newest revision."""

    owner: Object
    hash: str

    @property
    def generation(self) -> str:
        return annotations_of(self.owner).get(TEMPLATE_GENERATION, "")

    @property
    def min_ready(self) -> float:
        return float(get(self.owner, ".spec.minReadySeconds", 0))

    def share(self, name: str, of: int) -> int:
        """maxSurge or maxUnavailable in pods, rounded up."""
        share = get(self.owner, f".spec.updateStrategy.rollingUpdate.{name}", 0)
        return share if isinstance(share, int) else -(-int(share.removesuffix("%")) * of // 100)

    @property
    def surges(self) -> bool:
        return self.rolls and self.share("maxSurge", 100) > 0

    @property
    def rolls(self) -> bool:
        return bool(get(self.owner, ".spec.updateStrategy.type", "RollingUpdate") == "RollingUpdate")

    def is_updated(self, pod: Object) -> bool:
        """Pods of before revisions existed have the template's generation alone."""
        labels = labels_of(pod)
        generation = self.generation
        return labels.get(HASH) == self.hash or bool(generation and labels.get(GENERATION) == generation)


def pod_of(wanted: Wanted, node: str) -> Object:
    """A pod that can only run on this node."""
    pod = pod_control.pod_of(wanted.owner)
    metadata, spec = pod["metadata"], dict(pod["spec"])
    metadata["labels"] = {**metadata.get("labels", {}), HASH: wanted.hash}
    if wanted.generation:
        metadata["labels"][GENERATION] = wanted.generation
    spec["tolerations"] = _tolerations(spec)
    spec["affinity"] = _on_node(spec.get("affinity") or {}, node)
    return {**pod, "spec": spec}


def _tolerations(spec: Object) -> list[Object]:
    """What every daemon tolerates: that its node is ill, full or cordoned."""
    network = (("node.kubernetes.io/network-unavailable", "NoSchedule"),) if spec.get("hostNetwork") else ()
    ours = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in (*_TOLERATED, *network)]
    given = spec.get("tolerations") or []
    return [*given, *(one for one in ours if one not in given)]


def _on_node(affinity: Object, node: str) -> Object:
    """In the place of all required terms: the scheduler is left no choice."""
    field_ = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field_]}]}
    there = affinity.get("nodeAffinity") or {}
    return {**affinity, "nodeAffinity": {**there, "requiredDuringSchedulingIgnoredDuringExecution": required}}


def node_of(pod: Object) -> str:
    """Where it runs, or can only run; "" where it says neither."""
    if name := get(pod, ".spec.nodeName"):
        return str(name)
    required = get(pod, ".spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.get("nodeSelectorTerms") or ():
        for row in term.get("matchFields") or ():
            if (row.get("key"), row.get("operator")) == ("metadata.name", "In") and len(row.get("values") or ()) == 1:
                return str(row["values"][0])
    return ""


@dataclass(frozen=True, slots=True)
class Place:
    """A node: may a pod come to be on it, and may one that is there stay?"""

    run: bool
    stay: bool


def place_of(owner: Object, node: Object) -> Place:
    spec = owner["spec"]["template"]["spec"]
    name, labels = node["metadata"]["name"], labels_of(node)
    if spec.get("nodeName") not in (None, "", name):
        return Place(False, False)
    if not fits(spec.get("nodeSelector") or {}, get(spec, ".affinity.nodeAffinity"), name, labels):
        return Place(False, False)
    taints, tolerations = list(get(node, ".spec.taints", [])), _tolerations(spec)
    if untolerated(taints, tolerations, ("NoSchedule", "NoExecute")) is None:
        return Place(True, True)
    return Place(False, untolerated(taints, tolerations, ("NoExecute",)) is None)


@dataclass(frozen=True, slots=True)
class View:
    """Both by node. pods: without those that are deleted and have ended; under "" such as are meant for no node."""

    places: Mapping[str, Place]
    pods: Mapping[str, Sequence[Object]]

    @property
    def desired(self) -> int:
        return sum(place.run for place in self.places.values())


def view_of(owner: Object, nodes: Iterable[Object], pods: Iterable[Object]) -> View:
    by_node: dict[str, list[Object]] = defaultdict(list)
    for pod in pods:
        if not (is_deleting(pod) and is_terminal(pod)):
            by_node[node_of(pod)].append(pod)
    places = {node["metadata"]["name"]: place_of(owner, node) for node in nodes}
    return View(places, {node: sorted(some, key=_first) for node, some in by_node.items()})


def _first(pod: Object) -> tuple[Any, ...]:
    """On a node before not yet on it; the oldest first."""
    return not get(pod, ".spec.nodeName"), created_at(pod), pod["metadata"]["name"]


@dataclass(slots=True)
class Plan:
    """create: nodes. delete: pods. wait: seconds until it has to look again."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    wait: float | None = None


def plan(wanted: Wanted, view: View, now: float, keep_failed: MayDelete) -> Plan:
    made = Plan()
    for node, place in view.places.items():
        _manage(wanted, node, place, view.pods.get(node, ()), now, keep_failed, made)
    for node, pods in view.pods.items():  # the node is gone; of pods that were on it, others take care
        if node not in view.places:
            made.delete += [pod for pod in pods if not get(pod, ".spec.nodeName") and not is_deleting(pod)]
    if wanted.rolls:
        _roll(wanted, view, now, made)
    made.create, made.delete = made.create[:BURST], made.delete[:BURST]
    return made


def _manage(
    wanted: Wanted, node: str, place: Place, pods: Sequence[Object], now: float, keep_failed: MayDelete, made: Plan
) -> None:
    if not place.stay:
        made.delete += [pod for pod in pods if not is_deleting(pod)]
        return
    running: list[Object] = []
    for pod in pods:
        if is_deleting(pod):
            continue
        if not is_terminal(pod):
            running.append(pod)
        elif phase_of(pod) == "Failed" and (left := keep_failed(node)) > 0:
            made.wait = min(left, made.wait or left)
        else:
            made.told.append(_said(pod, node))
            made.delete.append(pod)
    # An old pod that is still ending has the node's ports and disks: without a surge it is waited for.
    if place.run and not (running if wanted.surges else pods):
        made.create.append(node)
    made.delete += _beside(wanted, running, now) if wanted.surges else running[1:]


def _said(pod: Object, node: str) -> Told:
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if phase_of(pod) == "Failed":
        return "Warning", "FailedDaemonPod", f"Found failed daemon pod {name} on node {node}, will try to kill it"
    return "Normal", "SucceededDaemonPod", f"Found succeeded daemon pod {name} on node {node}, will try to delete it"


def _beside(wanted: Wanted, running: Sequence[Object], now: float) -> list[Object]:
    """Pods that are too many where an old one may stand beside a new one: as long as only the old one is of use."""
    new = [pod for pod in running if wanted.is_updated(pod)]
    old = [pod for pod in running if not wanted.is_updated(pod)]
    gone = [*new[1:], *old[1:]]
    if new and old and (not is_ready(old[0]) or is_available(new[0], wanted.min_ready, now)):
        gone.append(old[0])
    return gone


def _roll(wanted: Wanted, view: View, now: float, made: Plan) -> None:
    gone = {id(pod) for pod in made.delete}
    surge, unavailable = wanted.share("maxSurge", view.desired), wanted.share("maxUnavailable", view.desired)
    if not surge and not unavailable:
        unavailable = 1
    useless: list[tuple[str, Object]] = []
    useful: list[tuple[str, Object]] = []
    under_way = 0
    for node, place in view.places.items():
        if not place.run:
            continue
        left = [pod for pod in view.pods.get(node, ()) if not is_deleting(pod) and id(pod) not in gone]
        new = [pod for pod in left if wanted.is_updated(pod)]
        old = [pod for pod in left if not wanted.is_updated(pod)]
        if new or not old:
            busy = not new or not is_available(new[0], wanted.min_ready, now)
            under_way += busy and bool(old or not surge)  # a surge counts new pods beside old ones
        elif is_available(old[0], wanted.min_ready, now):
            useful.append((node, old[0]))
        else:
            useless.append((node, old[0]))
    budget = max(0, (surge or unavailable) - under_way)
    chosen = [*useless, *useful[:budget]]
    if surge:
        made.create += [node for node, _ in chosen if node not in made.create]
    else:
        made.delete += [pod for _, pod in chosen]


def status_of(wanted: Wanted, view: View, collisions: int, now: float) -> dict[str, Any]:
    """Of the oldest pod of each node."""
    counts = dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
         "updatedNumberScheduled", "numberAvailable"), 0
    )  # fmt: skip
    for node, place in view.places.items():
        pods = view.pods.get(node, ())
        counts["desiredNumberScheduled"] += place.run
        if not pods:
            continue
        counts["currentNumberScheduled" if place.run else "numberMisscheduled"] += 1
        if place.run:
            counts["numberReady"] += is_ready(pods[0])
            counts["numberAvailable"] += is_available(pods[0], wanted.min_ready, now)
            counts["updatedNumberScheduled"] += wanted.is_updated(pods[0])
    counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
    counts["observedGeneration"] = wanted.owner["metadata"].get("generation", 0)
    counts["collisionCount"] = collisions
    always = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    return {name: value for name, value in counts.items() if value or name in always}
