"""The supervisor with real programs: small ones, that say they are ready, or die."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procorch.supervisor import Program, StartFailed, Supervisor

READY = "from procorch.notify import notify; notify('READY=1')\n"
STAY = "import time; time.sleep(600)\n"


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, said.append, {"server": "https://x"})
    yield made
    made.stop()


def program(tmp_path: Path, code: str, name: str = "one") -> Program:
    return Program(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", {"GIVEN": "yes"})


def test_programs_that_say_so_are_ready_and_recorded(tmp_path: Path, supervisor: Supervisor) -> None:
    supervisor.start(program(tmp_path, READY + STAY))
    supervisor.start(program(tmp_path, READY + STAY, "two"))
    supervisor.wait_ready(20)
    state = json.loads((tmp_path / "up.json").read_text())

    assert state["pid"] == os.getpid() and state["server"] == "https://x"
    assert {name: row["ready"] for name, row in state["programs"].items()} == {"one": True, "two": True}


def test_a_program_that_ends_before_it_is_ready_is_told_with_its_last_words(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    supervisor.start(program(tmp_path, "import sys; sys.exit('the disk is on fire')"))

    with pytest.raises(StartFailed, match=r"one ended with code 1:\n  the disk is on fire"):
        supervisor.wait_ready(20)


def test_a_program_that_says_nothing_is_told_after_the_time(tmp_path: Path, supervisor: Supervisor) -> None:
    supervisor.start(program(tmp_path, STAY))

    with pytest.raises(StartFailed, match=r"not ready after 0 s: one; see .*one\.log"):
        supervisor.wait_ready(0.2)


def test_what_dies_is_started_again(tmp_path: Path, supervisor: Supervisor, said: list[str]) -> None:
    one = program(tmp_path, READY + STAY)
    supervisor.start(one)
    supervisor.wait_ready(20)
    assert one.process is not None
    first = one.process.pid
    keeper = threading.Thread(target=supervisor.keep)
    keeper.start()
    os.kill(first, signal.SIGKILL)
    try:
        for _ in range(200):
            if one.process.pid != first and one.ready:
                break
            keeper.join(0.05)
    finally:
        supervisor.stopping = True
        keeper.join(10)

    assert one.process.pid != first
    assert said == [f"one ended with code -9; starting it again in 1 s; see {one.log}"]


def test_what_cannot_be_started_again_is_tried_again_and_costs_no_other_program(
    tmp_path: Path, supervisor: Supervisor, said: list[str]
) -> None:
    """A host that lost power starts nothing; nor can a full disk end the supervisor."""
    starts = []

    def spawn(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        starts.append(args)
        if len(starts) == 2:
            raise ProcessLookupError("host one is off")
        return subprocess.Popen(*args, **options)

    dying = program(tmp_path, READY)
    dying.spawn = spawn
    supervisor.start(dying)
    assert dying.process is not None
    dying.process.wait(20)
    (tmp_path / ".up.json").unlink(missing_ok=True)
    (tmp_path / ".up.json").mkdir()  # cannot be written
    for now in (1.0, 100.0, 101.0, 200.0):
        supervisor._look_after(dying, now)
        dying.process.wait(20)
    (tmp_path / ".up.json").rmdir()

    assert len(starts) == 3
    assert "one cannot be started: host one is off" in said
    assert any("up.json not written" in line for line in said)


def test_what_does_not_stop_is_killed(
    tmp_path: Path, supervisor: Supervisor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procorch.supervisor.STOP_SECONDS", 0.2)
    deaf = program(tmp_path, "import signal; signal.signal(15, signal.SIG_IGN)\n" + READY + STAY)
    supervisor.start(deaf)
    supervisor.wait_ready(20)
    supervisor.stop()

    assert deaf.process is not None and deaf.process.returncode == -signal.SIGKILL
    assert said == ["one did not stop in 0 s: killed"]
    assert not (tmp_path / "up.json").exists()


def test_programs_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from procorch.supervisor import Program, Supervisor
s = Supervisor(Path({str(tmp_path)!r}), print, {{}})
s.start(Program("one", [sys.executable, "-c", "from procorch.supervisor import die_with_supervisor as d; d()\\n"
    "import os; " + {READY + STAY!r}], Path({str(tmp_path)!r}) / "log"))
s.wait_ready(20)
print(s.programs[0].process.pid, flush=True)
s.keep()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    import select

    assert select.select([child], [], [], 10)[0], "the program ended, too"
    os.close(child)
