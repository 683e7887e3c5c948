"""System calls: errors say what was tried on what, and keep their number."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import syscalls


@pytest.mark.parametrize(
    ("call", "number", "words"),
    [
        (lambda: syscalls.mount("x", "/no/such", "tmpfs"), errno.ENOENT, "mount tmpfs on /no/such"),
        (lambda: syscalls.umount("/no/such"), errno.ENOENT, "umount /no/such"),
        (lambda: syscalls.setns(-1, 0), errno.EBADF, "setns"),
        (lambda: syscalls.open_beneath(-100, "/no/such", 0, 0), errno.ENOENT, "open /no/such"),
        (lambda: syscalls.prctl(syscalls.PR_CAPBSET_READ, 4000), errno.EINVAL, "prctl"),
        (lambda: syscalls.filesystem_kind("/proc/self/no"), errno.ENOENT, "/proc/self/no"),
    ],
)
def test_an_error_keeps_its_number_and_says_what_was_tried(call, number, words):
    with pytest.raises(OSError) as raised:
        call()
    assert raised.value.errno == number
    assert words in str(raised.value)


def test_file_systems_are_told_apart():
    assert syscalls.filesystem_kind("/proc") == 0x9FA0


def test_a_title_is_what_ps_shows():
    program = (
        "import sys; from runtime import syscalls; syscalls.set_title('procorch:test');"
        "sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None and process.stdout.read(1) == b"x"
    shown = (
        Path(f"/proc/{process.pid}/cmdline").read_bytes().rstrip(b"\0"),
        Path(f"/proc/{process.pid}/comm").read_text(),
    )
    process.communicate()

    assert shown == (b"procorch:test", "procorch:test\n")


@pytest.mark.kernel
def test_a_clone_is_another_process_in_another_namespace():
    program = (
        "import os; from runtime import syscalls\n"
        "pid, fd = syscalls.clone(syscalls.CLONE_NEWPID)\n"
        "if pid == 0: os._exit(os.getpid())\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), fd >= 0)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)

    assert done.stdout == "1 True\n"


def test_no_inherited_signal_stays_ignored():
    """Not even 32, which the C library hides: an agent's parents may have left it ignored."""
    code = """
import ctypes, signal
from runtime import syscalls
ignore = ctypes.create_string_buffer((1).to_bytes(8, "little"), 64)
syscalls._call("rt_sigaction", "", 32, ctypes.addressof(ignore), 0, 8)
signal.signal(signal.SIGQUIT, signal.SIG_IGN)
def ignored():
    return next(int(line.split()[1], 16) for line in open("/proc/self/status") if line.startswith("SigIgn"))
assert ignored() & 1 << 31 and ignored() & 1 << signal.SIGQUIT - 1
syscalls.hear_all_signals()
print(ignored())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])

    assert done.stdout == "0\n", done.stderr
