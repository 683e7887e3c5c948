"""Processes that are killed by the hundred: forked from one that has already imported what they need.

A life costs milliseconds instead of the third of a second that Python needs to import SQLAlchemy, and most kills hit
what we wrote instead of imports. Run as a program, it reads one line of JSON a life, calls the named function with it
in a child, and kills the child when it is told so, or when whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Nursery:
    """`async with Nursery("module:function") as nursery`: one life at a time.

    before: a command that the program is started by (a namespace, a tracer). modules: imported beforehand, too.
    """

    def __init__(self, function: str, *modules: str, before: Sequence[str] = ()) -> None:
        self._command = [*before, sys.executable, "-m", "tests.faults.nursery", function, *modules]
        self._stack = AsyncExitStack()
        self._program: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._program = await asyncio.create_subprocess_exec(
            *self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._program.stdin is not None
        self._program.stdin.close()  # its child goes, then it goes
        await self._program.wait()

    @property
    def pid(self) -> int:
        """Of the program, whose namespaces its lives share."""
        return self._program.pid

    async def begin(self, **arguments: Any) -> int:
        """A life begins; its process id."""
        return int(await self._say(json.dumps(arguments)))

    async def kill(self) -> int:
        """SIGKILL, and wait until it is gone: -9, or how it had ended before."""
        await self._write("kill")
        return await self.ended()

    async def ended(self) -> int:
        """Waits for the end of a life: its exit code, or the signal below zero."""
        return int(await self._line())

    async def _say(self, line: str) -> str:
        await self._write(line)
        return await self._line()

    async def _write(self, line: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(line.encode() + b"\n")
        await self._program.stdin.drain()

    async def _line(self) -> str:
        assert self._program.stdout is not None
        line = await self._program.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command}: ended by itself")
        return line.decode()


def main(function: Callable[..., object]) -> None:
    while line := sys.stdin.buffer.raw.readline():  # unbuffered: poll below must see what has not been read
        if line.strip() == b"kill":
            continue  # it had ended by itself, and that has been told
        child = os.fork()
        if child == 0:
            _live(function, json.loads(line))
        _print(child)
        _print(_watch_over(child))


def _live(function: Callable[..., object], arguments: dict[str, Any]) -> None:
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        function(**arguments)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _watch_over(child: int) -> int:
    pidfd = os.pidfd_open(child)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if pidfd in ready:
            break
        if not sys.stdin.buffer.raw.readline():
            poll.unregister(0)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _print(number: int) -> None:
    os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    for other in sys.argv[2:]:
        importlib.import_module(other)
    main(getattr(importlib.import_module(module), name))
