"""What the kubelet remembers of a pod: taken in from the machine, and the same after it was written and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from procorch.kubelet.plan import BACKOFF_FIRST, BACKOFF_FORGOTTEN, Pause
from procorch.kubelet.record import PAUSE_GONE, Attempt, ContainerRecord, PodDirectory, PodRecord, process_name
from procorch.objects import Object
from runtime import Capabilities, Limits, Mount, ProcessSpec, ProcessState, Root, User

POD: Object = {"metadata": {"name": "web", "namespace": "default", "uid": "u"}, "spec": {"containers": []}}
LAUNCH = ProcessSpec(
    "a.0",
    ("/bin/sh", "-c", "exit"),
    env={"A": "b"},
    user=User(1, 2, (3, 4)),
    root=Root("dir", Path("/srv"), read_only=True),
    mounts=(Mount("/v", Path("/src"), options=("x",)), Mount("/t", None, "tmpfs")),
    limits=Limits(100, 200, 1 << 20, 9),
    log_path=Path("/logs/a/0.log"),
    capabilities=Capabilities(("NET_ADMIN",), ("ALL",)),
    rlimits={"NOFILE": (1, 2)},
)


def alive(**containers: ContainerRecord) -> PodRecord:
    return PodRecord(sandbox="s", pause=Pause.ALIVE, containers=containers)


def test_what_the_machine_says_of_the_newest_attempt_is_taken_in() -> None:
    record = alive(a=ContainerRecord(Attempt(0, "s")))

    record.take_in({"a.0": ProcessState("a.0", 7, 1.0, 2.0, 137, 9, True)}, now=3.0)

    one = record.of("a").current
    assert one == Attempt(0, "s", "", 7, 1.0, 2.0, 137, 9, True)


def test_a_process_that_no_record_knows_becomes_one() -> None:
    record = alive()

    record.take_in({"a.2": ProcessState("a.2", 7, 1.0), "odd": ProcessState("odd", 8, 1.0)}, now=3.0)

    assert list(record.containers) == ["a"]
    one = record.of("a").current
    assert one is not None
    assert (one.number, one.pid, one.running) == (2, 7, True)


@pytest.mark.parametrize(
    ("pause", "sandbox", "processes"),
    [
        pytest.param(Pause.DEAD, "s", {"a.0": ProcessState("a.0", 7, 1.0)}, id="its pause is dead"),
        pytest.param(Pause.ALIVE, "earlier", {"a.0": ProcessState("a.0", 7, 1.0)}, id="it was of another sandbox"),
        pytest.param(Pause.ALIVE, "s", {}, id="the machine does not know it"),
    ],
)
def test_what_cannot_run_any_more_has_ended(pause: Pause, sandbox: str, processes: dict[str, ProcessState]) -> None:
    container = ContainerRecord(Attempt(0, sandbox, started_at=1.0), started=True, ready=True)
    record = PodRecord(sandbox="s", pause=pause, containers={"a": container})

    record.take_in(processes, now=5.0)

    one = container.current
    assert one is not None
    assert (one.finished_at, one.exit_code, one.message) == (5.0, 137, PAUSE_GONE)
    assert not container.started
    assert not container.ready


def test_a_new_attempt_makes_the_newest_the_last_and_doubles_the_wait() -> None:
    record, waits = ContainerRecord(), []
    for number in range(4):
        record.begin(Attempt(number, "s", started_at=100.0 * number))
        assert record.current is not None
        record.current.finished_at = 100.0 * number + 1
        waits.append(record.backoff)

    assert waits == [0.0, BACKOFF_FIRST, BACKOFF_FIRST * 2, BACKOFF_FIRST * 4]
    assert record.last is not None
    assert record.last.number == 2


def test_a_long_good_run_is_waited_for_no_more() -> None:
    container = ContainerRecord(Attempt(1, "s", finished_at=1000.0 + BACKOFF_FORGOTTEN + 1), None, 80.0, 1000.0)
    record = alive(a=container)

    assert record.seen(removed=False).containers["a"].backoff == 0.0
    assert container.current is not None
    container.current.finished_at = 1001.0
    assert record.seen(removed=False).containers["a"].backoff == 80.0


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    directory = PodDirectory(tmp_path, "u")
    container = ContainerRecord(Attempt(1, "s", "host", 7, 1.0), Attempt(0, "s", exit_code=1), 10.0, 0.5, LAUNCH, True)
    record = PodRecord(1.0, "s", 2, "10.0.0.2", "Evicted", "why", containers={"a": container})
    directory.save_pod(POD)
    directory.save(record)

    assert PodDirectory(tmp_path, "u").load() == (POD, record)


def test_what_is_only_of_this_moment_is_not_written(tmp_path: Path) -> None:
    directory = PodDirectory(tmp_path, "u")
    directory.save_pod(POD)
    directory.save(PodRecord(containers={"a": ContainerRecord(waiting=("Wait", ""), stopped_at=1.0, unhealthy="ill")}))

    found = directory.load()
    assert found is not None
    assert found[1].of("a") == ContainerRecord()


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    directory = PodDirectory(tmp_path, "u")
    directory.save(PodRecord(1.0))
    (tmp_path / "u/record.json").unlink()
    directory.save(PodRecord(1.0))

    assert not (tmp_path / "u/record.json").exists()
    directory.save(PodRecord(2.0))
    assert (tmp_path / "u/record.json").exists()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param('{"sandbox": "s", "of_another_version": 1, "containers": {}}', "s", id="more than we know"),
        pytest.param("{", "", id="cut off"),
        pytest.param('{"containers": {"a": {"launch": {"name": "a.0"}}}}', "", id="a launch that is none"),
    ],
)
def test_a_damaged_record_is_as_good_as_none(tmp_path: Path, text: str, kept: str) -> None:
    directory = PodDirectory(tmp_path, "u")
    directory.save_pod(POD)
    (directory.path / "record.json").write_text(text)

    found = directory.load()

    assert found is not None
    assert found[1] == PodRecord(sandbox=kept)


def test_a_pod_that_cannot_be_read_is_not_there(tmp_path: Path) -> None:
    assert PodDirectory(tmp_path, "u").load() is None
    (tmp_path / "u").mkdir()
    (tmp_path / "u/pod.json").write_text("{")
    assert PodDirectory(tmp_path, "u").load() is None


def test_the_files_are_the_owners_alone(tmp_path: Path) -> None:
    directory = PodDirectory(tmp_path, "u")
    directory.save_pod(POD)

    assert directory.path.stat().st_mode & 0o777 == 0o700
    assert (directory.path / "pod.json").stat().st_mode & 0o777 == 0o600


def test_a_process_is_named_by_container_and_attempt() -> None:
    assert process_name("web", 3) == "web.3"
