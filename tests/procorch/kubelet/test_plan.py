"""What is to be done about a pod: tables, and what must never happen."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.kubelet.plan import (
    Action,
    Fail,
    Hook,
    Kill,
    Pause,
    RemovePause,
    Seen,
    SeenContainer,
    Start,
    StartPause,
    Stop,
    Teardown,
    Wake,
    next_backoff,
    plan,
    stop_signal,
)

NOW = 1000.0
RUNNING = SeenContainer(running=True, started=True)


def pod(*names: str, init: tuple[Any, ...] = (), policy: str = "Always", **more: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "default", **more.pop("metadata", {})}
    rows = [{"name": one} if isinstance(one, str) else one for one in init]
    spec = {"containers": [{"name": one} for one in names], "initContainers": rows, "restartPolicy": policy}
    return {"metadata": metadata, "spec": spec | more}


def ended(code: int, at: float = NOW, **more: Any) -> SeenContainer:
    return SeenContainer(exit_code=code, finished_at=at, **more)


def seen(pause: Pause = Pause.ALIVE, **more: Any) -> Seen:
    names = ("started_at", "removed", "failed", "torn_down")
    return Seen(pause, {k: v for k, v in more.items() if k not in names}, **{k: more[k] for k in names if k in more})


SIDECAR = {"name": "s", "restartPolicy": "Always"}
DELETED = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}}


@pytest.mark.parametrize(
    ("wanted", "found", "actions"),
    [
        pytest.param(pod("a"), seen(Pause.ABSENT), [StartPause()], id="new: a sandbox first"),
        pytest.param(pod("a", "b"), seen(), [Start("a"), Start("b")], id="a sandbox: all containers"),
        pytest.param(pod("a"), seen(a=RUNNING), [], id="it runs: nothing"),
        pytest.param(pod("a"), seen(a=ended(1)), [Start("a")], id="first crash: restart at once"),
        pytest.param(pod("a"), seen(a=ended(1, NOW - 4, backoff=10)), [Start("a", 6.0)], id="crash: after back-off"),
        pytest.param(pod("a"), seen(a=ended(0, NOW - 10, backoff=10)), [Start("a")], id="back-off over: restart"),
        pytest.param(pod("a", policy="OnFailure"), seen(a=ended(1)), [Start("a")], id="OnFailure, failed: restart"),
        pytest.param(pod("a", policy="OnFailure"), seen(a=ended(0)), [Teardown()], id="OnFailure, done: tear down"),
        pytest.param(pod("a", policy="Never"), seen(a=ended(1)), [Teardown()], id="Never: tear down"),
        pytest.param(pod("a", "b", policy="Never"), seen(a=ended(1), b=RUNNING), [], id="Never: others go on"),
        pytest.param(pod("a", policy="Never"), seen(a=ended(0), torn_down=True), [], id="torn down: nothing"),
        pytest.param(
            pod("a"), seen(Pause.DEAD, a=ended(137, current=False)), [RemovePause(), StartPause()],
            id="pause dead: a new sandbox",
        ),
        pytest.param(
            pod("a"), seen(a=ended(137, current=False)), [Start("a")], id="new sandbox: containers run again"
        ),
        pytest.param(
            pod("a", policy="Never"), seen(Pause.DEAD, a=ended(137, current=False)), [Teardown()],
            id="pause dead, Never: over",
        ),
        pytest.param(pod("a", init=("i", "j")), seen(), [Start("i")], id="init: the first alone"),
        pytest.param(pod("a", init=("i", "j")), seen(i=RUNNING), [], id="init runs: wait"),
        pytest.param(pod("a", init=("i", "j")), seen(i=ended(0)), [Start("j")], id="init done: the next"),
        pytest.param(pod("a", init=("i",)), seen(i=ended(0)), [Start("a")], id="all init done: the others"),
        pytest.param(pod("a", init=("i",)), seen(i=ended(1, NOW - 1, backoff=10)), [Start("i", 9.0)], id="init fails"),
        pytest.param(pod("a", init=("i",), policy="Never"), seen(i=ended(1)), [Teardown()], id="init fails, Never"),
        pytest.param(
            pod("a", init=("i",)), seen(i=ended(0, current=False), a=ended(137, current=False)), [Start("i")],
            id="init runs again in a new sandbox",
        ),
        pytest.param(pod("a", init=("i",)), seen(i=ended(0), a=ended(1)), [Start("a")], id="restart needs no init"),
        pytest.param(pod("a", init=(SIDECAR,)), seen(), [Start("s")], id="sidecar first"),
        pytest.param(
            pod("a", init=(SIDECAR,)), seen(s=SeenContainer(running=True)), [], id="sidecar not started: wait"
        ),
        pytest.param(pod("a", init=(SIDECAR,)), seen(s=RUNNING), [Start("a")], id="sidecar started: the others"),
        pytest.param(
            pod("a", init=(SIDECAR,)), seen(s=ended(1), a=RUNNING), [Start("s")], id="sidecar ended: restarted"
        ),
        pytest.param(
            pod("a", init=(SIDECAR,), policy="Never", terminationGracePeriodSeconds=5), seen(s=RUNNING, a=ended(0)),
            [Stop("s", 5.0), Wake(5.0)], id="done: the sidecar is stopped",
        ),
        pytest.param(
            pod("a", "b", **DELETED), seen(a=RUNNING, b=ended(0)), [Stop("a", 30.0), Wake(30.0)], id="deleted: stop"
        ),
        pytest.param(
            pod("a", **DELETED), seen(a=SeenContainer(running=True, stopped_at=NOW - 10)), [Wake(20.0)],
            id="stopped: wait for its grace",
        ),
        pytest.param(
            pod("a", **DELETED), seen(a=SeenContainer(running=True, stopped_at=NOW - 30)), [Kill("a")],
            id="grace over: kill",
        ),
        pytest.param(
            pod("a", init=(SIDECAR,), **DELETED), seen(s=RUNNING, a=SeenContainer(running=True, stopped_at=NOW)),
            [Wake(30.0)], id="deleted: the sidecar outlives the others",
        ),
        pytest.param(pod("a", **DELETED), seen(a=ended(0)), [Teardown()], id="deleted, all ended: tear down"),
        pytest.param(pod("a"), seen(a=RUNNING, removed=True), [Stop("a", 2.0), Wake(2.0)], id="gone from the API"),
        pytest.param(
            pod("a", activeDeadlineSeconds=10), seen(a=RUNNING, started_at=NOW - 4), [Wake(6.0)], id="within deadline"
        ),
        pytest.param(
            pod("a"), seen(a=SeenContainer(running=True, unhealthy="why", unhealthy_grace=3)),
            [Stop("a", 3, "why"), Wake(3)], id="not alive: stopped by its own grace",
        ),
    ],
)  # fmt: skip
def test_plan(wanted: dict[str, Any], found: Seen, actions: list[Action]) -> None:
    assert plan(wanted, found, NOW) == actions


def test_beyond_its_deadline_a_pod_fails_and_is_stopped() -> None:
    actions = plan(pod("a", activeDeadlineSeconds=10), seen(a=RUNNING, started_at=NOW - 11), NOW)

    assert [type(action) for action in actions] == [Fail, Stop, Wake]


def test_backoff_doubles_to_five_minutes_and_is_forgotten_after_ten_good_ones() -> None:
    backoff, since, waits = 0.0, None, []
    for _ in range(8):
        backoff = next_backoff(backoff, since, finished_at=NOW)
        since = NOW
        waits.append(backoff)

    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert next_backoff(300, NOW, finished_at=NOW + 601) == 10


containers_seen = st.builds(
    SeenContainer,
    running=st.booleans(),
    current=st.booleans(),
    started=st.booleans(),
    finished_at=st.none() | st.floats(0, NOW),
    exit_code=st.none() | st.integers(0, 255),
    backoff=st.sampled_from([0.0, 10.0, 300.0]),
    stopped_at=st.none() | st.floats(0, NOW),
)


@given(
    found=st.builds(
        Seen,
        pause=st.sampled_from(Pause),
        containers=st.dictionaries(st.sampled_from(["i", "s", "a", "b"]), containers_seen),
        removed=st.booleans(),
        failed=st.booleans(),
        torn_down=st.booleans(),
    ),
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    deleted=st.booleans(),
)
def test_what_must_never_be_asked_for(found: Seen, policy: str, deleted: bool) -> None:
    wanted = pod("a", "b", init=("i", SIDECAR), policy=policy, **(DELETED if deleted else {}))

    actions = plan(wanted, found, NOW)

    started = [action.name for action in actions if isinstance(action, Start)]
    assert len(started) == len(set(started))
    for name in started:
        one = found.containers.get(name)
        assert found.pause is Pause.ALIVE and not (deleted or found.removed or found.failed)
        assert one is None or not (one.running and one.current)
    if any(isinstance(action, Teardown) for action in actions) and found.pause is Pause.ALIVE:
        assert not any(one.running and one.current for one in found.containers.values())


LOOKED_AT = pod("a", init=("i",), ephemeralContainers=[{"name": "e"}, {"name": "f"}])


@pytest.mark.parametrize(
    ("found", "actions"),
    [
        pytest.param(seen(i=RUNNING, e=RUNNING), [Start("f")], id="at once, whatever the others do"),
        pytest.param(seen(i=ended(0), a=RUNNING, e=ended(0), f=ended(1)), [], id="never again, however they ended"),
        pytest.param(seen(Pause.DEAD, a=RUNNING), [RemovePause(), StartPause()], id="not without a sandbox"),
        pytest.param(
            seen(i=ended(0), a=RUNNING, e=SeenContainer(current=False), f=ended(1, current=False)), [],
            id="not in another sandbox either",
        ),
    ],
)  # fmt: skip
def test_ephemeral_containers_run_once(found: Seen, actions: list[Action]) -> None:
    assert plan(LOOKED_AT, found, NOW) == actions


def test_ephemeral_containers_end_with_the_pod_and_do_not_keep_it() -> None:
    over = pod("a", policy="Never", ephemeralContainers=[{"name": "e"}])

    assert plan(over, seen(a=ended(0), e=RUNNING), NOW)[0] == Stop("e", 30.0)


def test_hooks_of_sidecars_begin_with_the_end_of_the_pod_and_each_is_stopped_in_its_turn() -> None:
    hooked = SIDECAR | {"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
    ending = pod("a", init=(hooked, {**hooked, "name": "t"}, {**SIDECAR, "name": "u"}), **DELETED)
    begun = SeenContainer(running=True, started=True, hooked=True)

    assert plan(ending, seen(s=RUNNING, t=RUNNING, u=RUNNING, a=RUNNING), NOW) == [
        Hook("s", 30.0), Hook("t", 30.0), Stop("a", 30.0), Wake(30.0),
    ]  # fmt: skip
    later = seen(s=begun, t=begun, a=ended(0, stopped_at=NOW - 10))
    assert plan(ending, later, NOW) == [Stop("t", 20.0), Wake(20.0)]


@pytest.mark.parametrize(
    ("grace", "ago", "stopped", "actions"),
    [
        pytest.param(30, 31, None, [Stop("s", 2.0), Wake(2.0)], id="nothing is left of the pod's grace"),
        pytest.param(30, 29, None, [Stop("s", 2.0), Wake(2.0)], id="a second is left"),
        pytest.param(30, 32, 1, [Wake(1.0)], id="it was stopped a second ago"),
        pytest.param(30, 33, 2, [Kill("s")], id="that is over, too"),
        pytest.param(1, 5, None, [Stop("s", 1.0), Wake(1.0)], id="never more than the whole grace"),
        pytest.param(0, 5, None, [Kill("s")], id="there is none"),
    ],
)
def test_a_sidecar_whose_turn_comes_late_has_a_moment_to_end(
    grace: int, ago: int, stopped: int | None, actions: list[Action]
) -> None:
    metadata = DELETED["metadata"] | {"deletionGracePeriodSeconds": grace}
    ending = pod("a", init=(SIDECAR,), metadata=metadata)
    sidecar = SeenContainer(running=True, started=True, stopped_at=None if stopped is None else NOW - stopped)

    assert plan(ending, seen(s=sidecar, a=ended(137, stopped_at=NOW - ago)), NOW) == actions


def test_what_was_torn_down_is_not_made_again() -> None:
    """Its agent was killed before it heard that the API has no such pod any more."""
    assert plan({"metadata": {}, "spec": {"containers": [{"name": "a"}]}}, Seen(torn_down=True), 0.0) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [(None, signal.SIGTERM), ("SIGINT", signal.SIGINT), ("SIGRTMIN+3", signal.SIGRTMIN + 3), ("SIGRTMAX-1", 63)],
)
def test_the_signal_that_asks_to_end(name: str | None, number: int) -> None:
    container = {"name": "a"} if name is None else {"name": "a", "lifecycle": {"stopSignal": name}}

    assert stop_signal(container) == number
