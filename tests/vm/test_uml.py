"""vm/uml.sh: a command under a kernel with cgroup v2, and what is told when that kernel ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "vm/uml.sh"

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.timeout(200),  # the first run fetches the kernel
    pytest.mark.skipif("UML" in os.environ, reason="user-mode-linux does not run under itself"),
]


def under_uml(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    arguments = [str(SCRIPT), *command]
    return subprocess.run(arguments, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def starts() -> None:
    """Skips where the kernel cannot be had or does not start."""
    done = under_uml("true")
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr


def test_a_command_has_version_2_its_own_code_and_the_files_here(starts, tmp_path):
    (tmp_path / "here").write_text("as here\n")
    script = f"cat /sys/fs/cgroup/cgroup.controllers {tmp_path}/here; echo lost > {tmp_path}/here; exit 3"
    done = under_uml("sh", "-c", script)

    assert (done.returncode, done.stdout) == (3, "cpu io memory pids\nas here\n")
    assert (tmp_path / "here").read_text() == "as here\n"
    assert done.stderr.startswith("vm/uml.sh: cgroup v2 by user-mode-linux ") and done.stderr.count("\n") == 1


def test_a_kernel_that_panics_under_the_command_is_told_with_its_last_words(starts):
    done = under_uml("sh", "-c", "echo c > /proc/sysrq-trigger")

    assert done.returncode == 125
    assert "the kernel ended before the command did" in done.stderr
    assert "Kernel panic - not syncing: sysrq triggered crash" in done.stderr


def test_a_command_without_end_is_ended(starts):
    done = under_uml("sleep", "1000", UML_TIMEOUT="3")

    assert done.returncode == 125
    assert "ended after 3 s (UML_TIMEOUT)" in done.stderr


def test_a_kernel_that_does_not_start_is_told_with_its_last_words(tmp_path):
    kernel = tmp_path / "forky/linux.uml"
    kernel.parent.mkdir()
    kernel.write_text("#!/bin/sh\necho Kernel panic: no registers\n[ $# = 1 ] || kill -ABRT $$\n")
    kernel.chmod(0o755)
    done = under_uml("true", UML_DIR=str(tmp_path))

    assert (done.returncode, done.stdout) == (77, "")
    assert "user-mode-linux does not start on this machine" in done.stderr
    assert done.stderr.endswith("Kernel panic: no registers\n")


def test_a_kernel_that_cannot_be_had_is_told_and_nothing_half_is_kept(tmp_path):
    """With an apt that reaches nothing."""
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'E: nothing answers' >&2\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    done = under_uml("true", UML_DIR=str(tmp_path / "kept"), PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert done.returncode == 77
    assert "E: nothing answers" in done.stderr and "user-mode-linux (forky) cannot be had" in done.stderr
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["lock"]
