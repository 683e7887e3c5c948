"""What is to be done about a pod, given how it stands: a pure function, the heart of the kubelet.

    deleted, gone, past its deadline, finished ──▶ Stop … Kill … Teardown
    no pause                                   ──▶ StartPause
    dead pause                                 ──▶ RemovePause, StartPause; every container runs again
    one ended with RestartAllContainers        ──▶ RestartAll, Kill …, Renew; then as if none had ever run
    else: init containers one after the other, then all others; what has ended is started again after its back-off;
          ephemeral containers once, whatever the others do

Calling it twice asks for no more than calling it once. Source of the order: Kubernetes' computePodActions and the
documentation of the pod lifecycle, init containers and sidecars.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from procorch.kubelet.restarts import RESTART_ALL, action, restarts, restarts_init
from procorch.objects import Object, get, is_deleting

BACKOFF_FIRST = 10.0
BACKOFF_MOST = 300.0
BACKOFF_FORGOTTEN = 600.0  # a container that ran this long begins anew
DEFAULT_GRACE = 30
LEAST_GRACE = 2.0  # as in the kubelet: time to hear the signal
REMOVED_GRACE = 2.0  # of a pod that was deleted by force: its place may be taken already


@dataclass(frozen=True, slots=True)
class StartPause:
    """Make the sandbox: the pause, its network and its cgroups."""


@dataclass(frozen=True, slots=True)
class RemovePause:
    """Clear away a sandbox whose pause is dead."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start the container's next attempt, in `after` seconds (its back-off) or at once."""

    name: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Stop:
    """Run the preStop hook and send SIGTERM; a later plan kills after `grace` seconds."""

    name: str
    grace: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """Run the preStop hook of a sidecar, which is stopped when all that it serves have ended."""

    name: str
    grace: float


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to everything in the container's cgroup."""

    name: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The pod as a whole has failed; its containers are stopped."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RestartAll:
    """A container ended so that all of them begin anew: to be remembered until Renew."""

    name: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Renew:
    """None of them runs any more: what they did before does not count from now on."""


@dataclass(frozen=True, slots=True)
class Teardown:
    """Nothing runs any more: take down the sandbox and all that was made for the pod."""


@dataclass(frozen=True, slots=True)
class Wake:
    """Look again in so many seconds."""

    after: float


Action = StartPause | RemovePause | Start | Stop | Hook | Kill | Fail | RestartAll | Renew | Teardown | Wake


class Pause(Enum):
    """How the sandbox stands."""

    ABSENT = "absent"
    ALIVE = "alive"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class SeenContainer:
    """How a container's newest attempt stands. Times: seconds since the epoch.

    current: the attempt belongs to the sandbox that is there now. ready_to_pass: it runs and has passed its startup
    probe. backoff: seconds that must pass after finished_at. stopped_at: when SIGTERM was sent.
    unhealthy: why a liveness or startup probe wants it ended. restart: why it is to be ended and started anew.
    past: it was before all containers were restarted. hooked: its preStop hook has begun before it is stopped itself.
    """

    running: bool = False
    current: bool = True
    past: bool = False
    started: bool = False
    finished_at: float | None = None
    exit_code: int | None = None
    backoff: float = 0.0
    stopped_at: float | None = None
    unhealthy: str = ""
    unhealthy_grace: float | None = None
    hooked: bool = False
    restart: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How the pod stands on this node.

    containers: name → the newest attempt, for those that were ever tried. removed: the API has no such pod any more.
    failed: a reason was decided already (DeadlineExceeded …). grace: seconds that its end may take at most.
    torn_down: nothing of it is left on the machine. restarting: all containers are being ended, to be started anew.
    """

    pause: Pause = Pause.ABSENT
    containers: Mapping[str, SeenContainer] = field(default_factory=dict)
    started_at: float | None = None
    removed: bool = False
    failed: bool = False
    grace: float | None = None
    torn_down: bool = False
    restarting: bool = False


def plan(pod: Object, seen: Seen, now: float) -> list[Action]:
    """The actions to take now, in order; Start with `after` and Wake say when to look again."""
    # Torn down once, it stays so: an agent may have been killed before it could tell, or hear, that the pod is no more.
    if is_deleting(pod) or seen.removed or seen.failed or seen.torn_down or is_finished(pod, seen):
        return _end(pod, seen, now)
    left = _time_left(pod, seen, now)
    if left is not None and left <= 0:
        message = "Pod was active on the node longer than the specified deadline"
        return [Fail("DeadlineExceeded", message), *_end(pod, seen, now)]
    wake: list[Action] = [] if left is None else [Wake(left)]
    if seen.pause is Pause.ABSENT:
        return [StartPause(), *wake]
    if seen.pause is Pause.DEAD:
        return [RemovePause(), StartPause(), *wake]
    return [*_run(pod, seen, now), *wake]


def is_finished(pod: Object, seen: Seen) -> bool:
    """Whether no container of the pod will ever be started again, so that its outcome is known."""
    if seen.restarting:
        return False
    for container in init_containers(pod):
        one = seen.containers.get(container["name"])
        if one is None or one.past or one.running or is_sidecar(container):
            continue
        if one.exit_code and not restarts_init(pod, container, one.exit_code):
            return True
    for container in containers(pod):
        one = seen.containers.get(container["name"])
        if one is None or one.past or one.running or one.finished_at is None or one.restart:
            return False
        if restarts(pod, container, one.exit_code):
            return False
    return True


def next_backoff(backoff: float, since: float | None, finished_at: float) -> float:
    """The back-off that a container has from its next start on.

    backoff: the one that it has now, set when it was last started at `since`; finished_at: when that attempt ended.
    """
    if since is None or finished_at - since > BACKOFF_FORGOTTEN or backoff <= 0:
        return BACKOFF_FIRST
    return min(backoff * 2, BACKOFF_MOST)


def containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("containers") or []


def init_containers(pod: Object) -> list[dict[str, Any]]:
    return pod["spec"].get("initContainers") or []


def ephemeral_containers(pod: Object) -> list[dict[str, Any]]:
    """Those that were put into the pod while it ran, to look at it."""
    return pod["spec"].get("ephemeralContainers") or []


def lasting_containers(pod: Object) -> list[dict[str, Any]]:
    """The init containers and then the others, in the order in which they start."""
    return [*init_containers(pod), *containers(pod)]


def all_containers(pod: Object) -> list[dict[str, Any]]:
    """Whatever may run: ephemeral ones, too."""
    return [*lasting_containers(pod), *ephemeral_containers(pod)]


def is_sidecar(container: Mapping[str, Any]) -> bool:
    """An init container that goes on running beside the others."""
    return container.get("restartPolicy") == "Always"


def stop_signal(container: Mapping[str, Any]) -> int:
    """The number of the signal that asks the container to end: SIGTERM, or the one that it names."""
    name = stop_signal_name(container)
    base, plus, offset = name.partition("+") if "+" in name else name.partition("-")
    number = int(getattr(signal, base, signal.SIGTERM))
    return number + int(f"{plus}{offset}") if plus else number


def stop_signal_name(container: Mapping[str, Any]) -> str:
    return str(get(container, ".lifecycle.stopSignal", "SIGTERM"))


def grace_of(pod: Object) -> float:
    """Seconds between SIGTERM and SIGKILL: as the deletion says, else as the pod does."""
    grace = get(pod, ".metadata.deletionGracePeriodSeconds") if is_deleting(pod) else None
    if grace is None:
        grace = get(pod, ".spec.terminationGracePeriodSeconds", DEFAULT_GRACE)
    return float(max(grace, 0))


def _time_left(pod: Object, seen: Seen, now: float) -> float | None:
    deadline = get(pod, ".spec.activeDeadlineSeconds")
    if deadline is None or seen.started_at is None:
        return None
    return float(seen.started_at + deadline - now)


def _end(pod: Object, seen: Seen, now: float) -> list[Action]:
    """Ends what runs: containers together, then sidecars in reverse order; then the sandbox.

    Their preStop hooks all begin with the end of the pod. Source: Kubernetes' killContainer.
    """
    grace = grace_of(pod)
    if seen.removed and not is_deleting(pod):
        grace = min(grace, REMOVED_GRACE)
    if seen.grace is not None:
        grace = min(grace, seen.grace)
    running = [name for name in _names(containers(pod) + ephemeral_containers(pod)) if _is_running(seen, name)]
    plain = [container for container in init_containers(pod) if not is_sidecar(container)]
    running += [name for name in _names(plain) if _is_running(seen, name)]
    sidecars = [one for one in init_containers(pod) if is_sidecar(one) and _is_running(seen, one["name"])]
    if not running:
        running = _names(sidecars)[-1:]
    if running and seen.pause is Pause.ALIVE:
        began = [one.stopped_at for one in seen.containers.values() if one.stopped_at is not None]
        stops = [action for name in running for action in _stop(name, seen.containers[name], grace, now, began)]
        waiting = [one["name"] for one in sidecars if get(one, ".lifecycle.preStop") and one["name"] not in running]
        hooks = [Hook(name, grace) for name in waiting if grace > 0 and not seen.containers[name].hooked]
        return [*hooks, *stops]
    return [] if seen.torn_down else [Teardown()]


def _stop(name: str, one: SeenContainer, grace: float, now: float, began: list[float]) -> list[Action]:
    """began: when others were stopped; the grace is the pod's and begins with the first.

    Whose turn comes when little or nothing of it is left has LEAST_GRACE all the same, if the whole is not shorter.
    """
    over = (min(began) if began else now) + grace
    since = now if one.stopped_at is None else one.stopped_at
    left = max(over, since + min(grace, LEAST_GRACE)) - now
    if left <= 0:
        return [Kill(name)]
    return [Stop(name, left), Wake(left)] if one.stopped_at is None else [Wake(left)]


def _run(pod: Object, seen: Seen, now: float) -> list[Action]:
    if seen.restarting:
        left = [name for name in _names(lasting_containers(pod)) if _is_running(seen, name)]
        return [Kill(name) for name in left] or [Renew()]
    for container in lasting_containers(pod):
        one = seen.containers.get(container["name"])
        if one is None or one.exit_code is None or not one.current or one.past or one.running:
            continue
        if action(container, one.exit_code) == RESTART_ALL:
            return [RestartAll(container["name"], one.exit_code)]
    actions: list[Action] = [Start(name) for name in _names(ephemeral_containers(pod)) if name not in seen.containers]
    begun = any(_is_current(seen, name) for name in _names(containers(pod)))
    for container in init_containers(pod):
        name = container["name"]
        one = seen.containers.get(name)
        if is_sidecar(container):
            actions += _keep(pod, container, one, now)
            if not begun and not (one is not None and one.current and one.running and one.started):
                return actions
        elif begun:
            continue
        elif one is None or one.past or not one.current:
            return [*actions, Start(name, _wait(one, now))]
        elif one.running:
            return [*actions, *_end_unhealthy(pod, name, one, now)]
        elif one.exit_code != 0:
            return [*actions, Start(name, _wait(one, now))]
    for container in containers(pod):
        name = container["name"]
        actions += _keep(pod, container, seen.containers.get(name), now)
    return actions


def _keep(pod: Object, container: dict[str, Any], one: SeenContainer | None, now: float) -> list[Action]:
    """What keeps one container running."""
    name = container["name"]
    if one is not None and one.running and one.current:
        return _end_unhealthy(pod, name, one, now)
    if one is not None and one.restart:
        return [Start(name)]
    # Of a sandbox before this one: then it was not this container that failed, but what it had done is done.
    if one is None or one.past or restarts(pod, container, one.exit_code):
        return [Start(name, _wait(one, now))]
    return []


def _end_unhealthy(pod: Object, name: str, one: SeenContainer, now: float) -> list[Action]:
    why = one.unhealthy or one.restart
    if not why:
        return []
    grace = one.unhealthy_grace if one.unhealthy_grace is not None else grace_of(pod)
    if one.stopped_at is None:
        return [Stop(name, grace, why), Wake(grace)]
    left = one.stopped_at + grace - now
    return [Wake(left)] if left > 0 else [Kill(name)]


def _wait(one: SeenContainer | None, now: float) -> float:
    if one is None or one.finished_at is None:
        return 0.0
    return max(one.finished_at + one.backoff - now, 0.0)


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def _is_running(seen: Seen, name: str) -> bool:
    return (one := seen.containers.get(name)) is not None and one.running and one.current


def _is_current(seen: Seen, name: str) -> bool:
    return (one := seen.containers.get(name)) is not None and one.current and not one.past
