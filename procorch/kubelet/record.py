"""What the kubelet remembers of a pod, in memory and on disk, so that neither its own end nor the master's matters.

    <directory>/<uid>/pod.json       the pod as the API last told it
    <directory>/<uid>/record.json    this record: the attempts of each container, address, what was decided
    <directory>/<uid>/volumes/<type>/<name>, etc/, logs/<container>/<attempt>.log

How processes stand is read from the machine and taken in here (`take_in`); the record adds what the machine cannot
know any more: attempts of a sandbox that is gone, back-offs, decisions. The directory is the owner's alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import orjson

from procorch.kubelet.plan import BACKOFF_FORGOTTEN, Pause, Seen, SeenContainer, next_backoff
from procorch.objects import Object
from runtime import Capabilities, Limits, Mount, ProcessSpec, ProcessState, Root, User

PAUSE_GONE = "The sandbox of the pod ended, and the container with it"


@dataclass(slots=True)
class Attempt:
    """One run of a container. Times: seconds since the epoch. sandbox: the id of the one it ran in."""

    number: int
    sandbox: str
    image_id: str = ""
    pid: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    signal: int = 0
    oom_killed: bool = False
    error: str = ""
    message: str = ""  # what the container left in its termination message file
    reason: str = ""

    @property
    def running(self) -> bool:
        return self.finished_at is None


@dataclass(slots=True)
class ContainerRecord:
    """current: the newest attempt; last: the one before it. backoff: seconds, set at `backoff_since`."""

    current: Attempt | None = None
    last: Attempt | None = None
    backoff: float = 0.0
    backoff_since: float | None = None
    launch: ProcessSpec | None = None  # for commands run beside it, and for starts while the API is away
    image_id: str = ""  # of the launch
    past: int = -1  # attempts up to this one were before all containers of the pod were restarted
    started: bool = False
    ready: bool = False
    restart: str = ""  # why it is started anew as soon as it has ended, whatever its policy
    # Not kept on disk: it is found out again.
    waiting: tuple[str, str] | None = None
    stopped_at: float | None = None
    unhealthy: str = ""
    unhealthy_grace: float | None = None
    hooked: bool = False  # its preStop hook has begun before its turn to stop
    limits: Limits | None = None  # as the kernel has them for the newest attempt
    actual: dict[str, Any] | None = None  # the same as a `resources` of the status

    def begin(self, attempt: Attempt) -> None:
        """A new attempt takes the place of the newest."""
        if self.current is not None:
            if self.current.finished_at is not None:
                finished = self.current.finished_at
                self.backoff = next_backoff(self.backoff, self.backoff_since, finished)
                self.backoff_since = attempt.started_at
            self.last = self.current
        self.current = attempt
        self.waiting = None
        self.limits = self.actual = None
        if self.restart:
            self.restart = ""
            self.begin_anew()
        self.reset_health()

    def begin_anew(self) -> None:
        """What failed before may have been put right meanwhile: the next start waits for nothing."""
        self.backoff = 0.0
        self.backoff_since = None

    def reset_health(self) -> None:
        """A process that is new has not shown yet how it is."""
        self.stopped_at = None
        self.started = self.ready = False
        self.unhealthy = ""
        self.unhealthy_grace = None
        self.hooked = False


_MEMORY_ONLY = {"waiting", "stopped_at", "unhealthy", "unhealthy_grace", "hooked", "limits", "actual"}


@dataclass(slots=True)
class PodRecord:
    """All of it. sandbox: the id of the newest sandbox; sandboxes: how many there were.

    allocated: how large the pod may be (`resizing.allocation_of`). pending: [reason, message] of a resize that cannot
    be allocated; resizing: the same of one that is allocated and not brought about.
    """

    started_at: float | None = None
    sandbox: str = ""
    sandboxes: int = 0
    address: str = ""
    reason: str = ""  # why the pod as a whole has failed
    message: str = ""
    grace: float | None = None  # seconds that it has at most to end
    disrupted: bool = False  # it was the node that ended it
    torn_down: bool = False
    restarting: bool = False  # all containers are being ended, to begin anew
    restarted_for: str = ""  # why that happened last
    allocated: dict[str, Any] | None = None
    pending: list[str] | None = None
    resizing: list[str] | None = None
    containers: dict[str, ContainerRecord] = field(default_factory=dict)
    pause: Pause = Pause.ABSENT
    actual: dict[str, Any] | None = None  # of the pod as a whole, as the kernel has it

    def of(self, name: str) -> ContainerRecord:
        return self.containers.setdefault(name, ContainerRecord())

    def seen(self, *, removed: bool) -> Seen:
        """As `plan` wants it."""
        rows = {}
        for name, record in self.containers.items():
            if (one := record.current) is None:
                continue
            rows[name] = SeenContainer(
                running=one.running,
                current=one.sandbox == self.sandbox and self.pause is Pause.ALIVE,
                past=one.number <= record.past,
                started=record.started,
                finished_at=one.finished_at,
                exit_code=one.exit_code,
                backoff=0.0 if one.finished_at is None else self._backoff(record, one.finished_at),
                stopped_at=record.stopped_at,
                unhealthy=record.unhealthy,
                unhealthy_grace=record.unhealthy_grace,
                hooked=record.hooked,
                restart=record.restart,
            )
        return Seen(
            pause=self.pause,
            containers=rows,
            started_at=self.started_at,
            removed=removed,
            failed=bool(self.reason),
            grace=self.grace,
            torn_down=self.torn_down,
            restarting=self.restarting,
        )

    def restart_all(self, why: str) -> None:
        self.restarting, self.restarted_for = True, why

    def renew(self, names: Iterable[str]) -> None:
        """What these containers did before does not count from now on."""
        self.restarting = False
        for name in names:
            if (attempt := self.of(name).current) is not None:
                self.of(name).past = attempt.number

    @staticmethod
    def _backoff(record: ContainerRecord, finished_at: float) -> float:
        """The wait after the newest attempt: none after the first, and none after a long good run."""
        since = record.backoff_since
        if since is None or finished_at - since > BACKOFF_FORGOTTEN:
            return 0.0
        return record.backoff

    def take_in(self, states: Mapping[str, ProcessState], now: float) -> None:
        """How the processes of the present sandbox stand, by their runtime names (`container.attempt`).

        What ran in a sandbox that is not alive has ended with it.
        """
        for state in states.values():
            name, _, number = state.name.rpartition(".")
            if not number.isdecimal():
                continue
            record = self.of(name)
            current = record.current
            if current is None or int(number) > current.number:
                # Started by an agent that was killed before it could write this down.
                current = Attempt(int(number), self.sandbox, record.image_id, started_at=state.started_at)
                record.begin(current)
            for one in (record.current, record.last):
                if one is not None and one.number == int(number) and one.sandbox == self.sandbox:
                    _take_in(one, state)
        for name, record in self.containers.items():
            one = record.current
            if one is None or not one.running:
                continue
            if one.sandbox != self.sandbox or self.pause is not Pause.ALIVE or f"{name}.{one.number}" not in states:
                one.finished_at, one.exit_code, one.signal = now, 137, 9
                one.message = PAUSE_GONE
                record.reset_health()


_POD_KEPT = tuple(f.name for f in fields(PodRecord) if f.name not in ("containers", "pause", "actual"))
_CONTAINER_KEPT = tuple(f.name for f in fields(ContainerRecord) if f.name not in _MEMORY_ONLY)


def _take_in(one: Attempt, state: ProcessState) -> None:
    for name in ("pid", "started_at", "finished_at", "exit_code", "signal", "oom_killed", "error"):
        value = getattr(state, name)
        if value or name not in ("pid", "started_at"):
            setattr(one, name, value)


def process_name(container: str, number: int) -> str:
    """The runtime's name for one attempt; container names have no dots."""
    return f"{container}.{number}"


class PodDirectory:
    """The files of one pod. base: of all pods."""

    def __init__(self, base: Path, uid: str) -> None:
        self.path = base / uid
        self._written = b""

    def load(self) -> tuple[Object, PodRecord] | None:
        """What an earlier agent knew; None where it is not readable."""
        try:
            pod = orjson.loads((self.path / "pod.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return None
        try:
            record = _record(orjson.loads((self.path / "record.json").read_bytes()))
        except (OSError, orjson.JSONDecodeError, TypeError, KeyError):
            record = PodRecord()
        return pod, record

    def save_pod(self, pod: Object) -> None:
        self._write("pod.json", orjson.dumps(pod))

    def save(self, record: PodRecord) -> None:
        """Writes where something has changed."""
        row = {name: getattr(record, name) for name in _POD_KEPT}
        row["containers"] = {
            name: {key: getattr(one, key) for key in _CONTAINER_KEPT} for name, one in record.containers.items()
        }
        data = orjson.dumps(row, default=str)  # it knows dataclasses, and paths are written as text
        if data != self._written:
            self._write("record.json", data)
            self._written = bytes(memoryview(data))  # orjson's own bytes hold on to the room they were written in

    def _write(self, name: str, data: bytes) -> None:
        fresh, flags = self.path / f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(fresh, flags, 0o600)
        except FileNotFoundError:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        fresh.replace(self.path / name)


Made = TypeVar("Made")


def _known(kind: type[Made], row: Mapping[str, Any] | None) -> Made | None:
    """A dataclass from JSON; what an agent of another version wrote beside is left out."""
    if row is None:
        return None
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in row.items() if name in names})


def _record(row: dict[str, Any]) -> PodRecord:
    containers = row.pop("containers", {})
    record = _known(PodRecord, row)
    assert record is not None
    for name, one in containers.items():
        made = _known(ContainerRecord, one)
        assert made is not None
        made.current = _known(Attempt, one.get("current"))
        made.last = _known(Attempt, one.get("last"))
        made.launch = _spec(one["launch"]) if one.get("launch") else None
        record.containers[name] = made
    return record


def _spec(row: Mapping[str, Any]) -> ProcessSpec:
    """A ProcessSpec from JSON. Raises TypeError, KeyError."""
    user, root, rights = row["user"], row["root"], row["capabilities"]
    mounts = (one | {"source": _path(one["source"]), "options": tuple(one["options"])} for one in row["mounts"])
    typed = {
        "argv": tuple(row["argv"]),
        "user": User(user["uid"], user["gid"], tuple(user["groups"])),
        "root": Root(root["kind"], _path(root["path"]), root["read_only"]),
        "mounts": tuple(Mount(**one) for one in mounts),
        "limits": Limits(**row["limits"]),
        "log_path": _path(row["log_path"]),
        "capabilities": Capabilities(tuple(rights["add"]), tuple(rights["drop"])),
        "rlimits": {name: (soft, hard) for name, (soft, hard) in row["rlimits"].items()},
    }
    return ProcessSpec(**{**row, **typed})


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
