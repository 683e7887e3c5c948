"""Two programs never have the same file, two agents never the same directory or machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from procorch.claims import Taken, held, holder, locked, machine

NAME = f"test-{os.getpid()}"
HOLD = """
import sys, time
from procorch.claims import machine
with machine(sys.argv[1]):
    print(flush=True)
    time.sleep(60)
"""


def test_who_finds_a_file_taken_is_told_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "who"
    with locked(file, Taken) as descriptor:
        os.write(descriptor, b"somebody\n")
        with pytest.raises(Taken, match=r"^somebody$"), locked(file, Taken):
            pass
        assert holder(file) == "somebody"

    with locked(file, Taken):
        assert file.read_text() == "somebody\n"
        assert file.stat().st_mode & 0o777 == 0o600
    assert holder(file) == ""


def test_a_second_agent_on_the_same_directory_is_told_who_is_there(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(Taken, match=rf"another agent \(pid {os.getpid()}\)"), held(tmp_path):
        pass

    with held(tmp_path):
        assert holder(tmp_path / "agent/lock") == str(os.getpid())
    assert holder(tmp_path / "agent/lock") == holder(tmp_path / "none") == ""


def test_a_second_agent_on_the_same_machine_is_told_who_is_there() -> None:
    with machine(NAME), pytest.raises(Taken, match=rf"a node already \(agent of pid {os.getpid()}\)"), machine(NAME):
        pass

    with machine(NAME), machine(f"{NAME}-other"):
        pass


def test_a_killed_agent_leaves_the_machine_free() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, NAME], stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()
        with pytest.raises(Taken, match=f"agent of pid {agent.pid}"), machine(NAME):
            pass
        agent.kill()

    with machine(NAME):
        pass
