"""Commands whose input and output are the caller's, terminals, and who attaches to a process that runs."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from runtime import ProcessSpec, RuntimeFailed, User
from runtime.sessions import Reading

from .conftest import PATH

pytestmark = pytest.mark.kernel


def command(line: str, **more: object) -> ProcessSpec:
    return ProcessSpec("beside", ("sh", "-c", line), env=PATH, **more)  # type: ignore[arg-type]


async def all_of(reading: Reading) -> bytes:
    parts = []
    while data := await reading.read():
        parts.append(data)
    return b"".join(parts)


@pytest.fixture
async def main(bench, sandbox):
    """A process that answers lines of its input, and says so when that ends."""
    line = "while read line; do echo got $line; done; echo ended; sleep 100"
    await sandbox.start(bench.shell(line, stdin=True))
    return sandbox


def named(text: str) -> list[str]:
    """The processes of the machine whose command line has this text."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        try:
            if text in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
        except OSError:
            continue
    return found


async def gone(text: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while named(text):
            await asyncio.sleep(0.02)


async def test_input_output_errors_and_the_exit_code_are_the_callers(main):
    session = await main.open("main", command("wc -c; echo oops >&2; exit 3", stdin=True))
    try:
        await session.stdin.write(b"x" * 1_000_000)
        session.stdin.close()
        output, errors = await asyncio.gather(all_of(session.stdout), all_of(session.stderr))
        ran = await session.ended()
    finally:
        session.close()

    assert (output.strip(), errors, ran.exit_code, ran.error) == (b"1000000", b"oops\n", 3, "")


async def test_without_input_it_reads_an_end(main):
    session = await main.open("main", command("cat; echo read"))
    assert session.stdin is None
    assert await all_of(session.stdout) == b"read\n"
    session.close()


async def test_a_terminal_is_of_the_containers_own_and_has_a_size(main):
    line = "read go; tty; stty size; test -t 2 && echo errors too; exit 4"
    session = await main.open("main", command(line, tty=True, user=User(1000, 1000)))
    try:
        assert session.stderr is None
        session.resize(132, 43)
        await session.stdin.write(b"go\n")
        output = (await all_of(session.stdout)).decode()
        ran = await session.ended()
    finally:
        session.close()

    assert output.splitlines() == ["go", "/dev/pts/0", "43 132", "errors too"]
    assert ran.exit_code == 4


@pytest.mark.parametrize("tty", [False, True])
async def test_what_cannot_be_run_is_told(main, tty):
    session = await main.open("main", ProcessSpec("beside", ("nonsense",), env=PATH, tty=tty))
    ran = await session.ended()
    session.close()

    assert ran.exit_code == 128
    assert ran.error == 'exec: "nonsense": executable file not found in $PATH'


async def test_a_file_in_the_place_of_the_multiplexer_is_no_terminal(bench, sandbox):
    await sandbox.start(bench.shell("rm /dev/ptmx; mkfifo /dev/ptmx; echo made; sleep 100"))
    async with asyncio.timeout(10):
        while "made" not in (bench.output() if (bench.logs / "main.log").exists() else ""):
            await asyncio.sleep(0.02)

    with pytest.raises(RuntimeFailed, match="/dev/ptmx"):
        await sandbox.open("main", command("true", tty=True))


async def test_nobody_beside_what_does_not_run(main):
    session = await main.open("other", command("true"))
    with pytest.raises(RuntimeFailed, match="other: not running"):
        await session.ended()
    session.close()


@pytest.mark.parametrize("tty", [False, True])
async def test_a_command_ends_with_its_caller(main, tty):
    mark = f"3{os.getpid() % 10000:04}{tty:d}"
    session = await main.open("main", command(f"sleep {mark} & sleep {mark}1", tty=tty))
    async with asyncio.timeout(10):
        while len(named(f"sleep\0{mark}")) < 2:
            await asyncio.sleep(0.02)
    session.close()

    await gone(f"sleep\0{mark}", 3)


async def test_one_that_ignores_the_hang_up_ends_a_little_later(main):
    mark = f"4{os.getpid() % 10000:04}"
    session = await main.open("main", command(f"trap '' HUP; echo set; sleep {mark}"))
    assert await session.stdout.read() == b"set\n"
    session.close()

    await gone(f"sleep\0{mark}", 10)


async def test_who_is_attached_reads_what_is_written_from_then_on_and_writes_to_the_input(main, bench):
    first = await main.attach_to("main", tty=False)
    second = await main.attach_to("main", tty=False)
    try:
        await first.stdin.write(b"one\n")
        assert await first.stdout.read() == b"got one\n"
        assert await second.stdout.read() == b"got one\n"
        second.close()
        await first.stdin.write(b"two\n")
        assert await first.stdout.read() == b"got two\n"
        first.stdin.close()
        await main.close_input("main")
        assert await first.stdout.read() == b"ended\n"
    finally:
        first.close()
    assert bench.output() == "got one\ngot two\nended"


async def test_a_process_on_a_terminal(bench, sandbox):
    line = "read go; stty size; exec >/dev/null; exit 7"
    await sandbox.start(bench.shell(line, tty=True, stdin=True))
    session = await sandbox.attach_to("main", tty=True)
    session.resize(99, 33)
    await session.stdin.write(b"go\n")

    output = (await all_of(session.stdout)).decode()
    state = await sandbox.wait("main")
    session.close()

    assert output.splitlines()[-1] == "33 99"
    assert state.exit_code == 7
    assert "33 99" in bench.output()


async def test_who_does_not_read_is_let_go_and_the_process_goes_on(bench, sandbox):
    await sandbox.start(bench.shell("read go; head -c 5000000 /dev/zero; echo through >&2; sleep 100", stdin=True))
    session = await sandbox.attach_to("main", tty=False)
    await session.stdin.write(b"go\n")
    async with asyncio.timeout(30):
        while b"through" not in (bench.logs / "main.log").read_bytes():
            await asyncio.sleep(0.05)

    async with asyncio.timeout(10):
        heard = await all_of(session.stdout)
    session.close()

    assert 0 < len(heard) < 5_000_000


async def test_nothing_is_left_open_here_or_in_the_pause(main, runtime):
    def fds() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{main.pid}/fd"))  # noqa: PTH208

    async def many() -> None:
        for number in range(20):
            session = await main.open("main", command("sleep 30", tty=number % 2 == 0))
            session.close()
            attached = await main.attach_to("main", tty=False)
            attached.close()

    _, theirs = fds()
    await many()  # here it opens what is opened once
    async with asyncio.timeout(10):
        while not runtime._pool or fds()[1] > theirs:  # a warm pause is on its way, or a command on its way out
            await asyncio.sleep(0.02)
    ours, _ = fds()
    await many()
    async with asyncio.timeout(10):
        while fds()[0] > ours or fds()[1] > theirs:
            await asyncio.sleep(0.02)
