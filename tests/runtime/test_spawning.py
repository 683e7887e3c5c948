"""A child and what the pause holds of it: who is attached, its exit, its pid as the machine sees it."""

from __future__ import annotations

import os

import pytest

from runtime.spawning import Running, clone_with_pipes, host_pid


@pytest.fixture
def one():
    return Running("a", 1, -1)


def attached(one: Running) -> tuple[int, int]:
    ends = [os.pipe() for _ in range(2)]
    for _, writing in ends:
        os.set_blocking(writing, False)
    one.attached.append(dict(zip(("stdout", "stderr"), (writing for _, writing in ends), strict=True)))
    return ends[0][0], ends[1][0]


def test_each_who_is_attached_gets_each_stream(one):
    readers = [attached(one), attached(one)]
    one.copy("stdout", b"out")
    one.copy("stderr", b"err")

    for out, err in readers:
        assert (os.read(out, 10), os.read(err, 10)) == (b"out", b"err")
        os.close(out)
        os.close(err)
    for row in list(one.attached):
        one.let_go(row)


def test_who_does_not_read_or_has_gone_is_let_go_and_the_others_stay(one):
    slow, gone, good = attached(one), attached(one), attached(one)
    for fd in gone:
        os.close(fd)
    for _ in range(40):
        one.copy("stdout", b"x" * 4096)
        os.read(good[0], 4096)

    assert len(one.attached) == 1
    assert len(os.read(slow[0], 1 << 20)) == 1 << 16
    assert os.read(slow[0], 10) == b"", "its end was closed"
    for fd in (*slow, *good):
        os.close(fd)
    one.let_go(one.attached[0])


@pytest.mark.kernel
def test_a_child_tells_why_it_could_not_run():
    null = os.open("/dev/null", os.O_RDONLY)
    steps = [["execute", ["nonsense"], {"PATH": "/bin"}]]
    pidfd, told, out, err, stdin = clone_with_pipes(steps, (null, -1), 0)
    pid = host_pid(pidfd)
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)

    assert result is not None
    assert (result.si_pid, result.si_status) == (pid, 127)
    assert os.read(told, 200) == b'exec: "nonsense": executable file not found in $PATH'
    assert (os.read(out, 1), os.read(err, 1), stdin) == (b"", b"", -1)
    for fd in (null, pidfd, told, out, err):
        os.close(fd)
