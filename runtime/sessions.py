"""What a caller holds of a program whose input and output are his own: run beside a process, or attached to one.

Its fds are pipes, or the far end of a terminal that the program made in its own /dev/pts. A session has a connection of
its own to the pause; that connection's end is how the pause hears that nobody wants the command any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Sequence
from pathlib import Path

from .channel import Channel
from .spec import Ran, RuntimeFailed
from .wire import Message

PIPE_BYTES = 1 << 20  # of a copy of a process's output: so far behind may he be who is attached
PIECE = 32 * 1024
_NO_TERMINAL = 5.0  # seconds in which a program must have made its terminal


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Reading:
    """One end to read from, as it comes."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """The next bytes; b"" at the end."""
        while self._fd >= 0:
            try:
                return os.read(self._fd, PIECE)
            except BlockingIOError:
                await self._ready()
            except OSError:  # EIO: of a terminal that no program has open any more
                break
        return b""

    async def _ready(self) -> None:
        came = self._loop.create_future()
        self._loop.add_reader(self._fd, _wake, came)
        try:
            await came
        finally:
            if self._fd >= 0:
                self._loop.remove_reader(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class Writing:
    """One end to write to."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._loop = asyncio.get_running_loop()

    async def write(self, data: bytes) -> None:
        """All of it. Raises BrokenPipeError where nobody reads any more."""
        view = memoryview(data)
        while view:
            if self._fd < 0:
                raise BrokenPipeError("closed")
            try:
                view = view[os.write(self._fd, view) :]
            except BlockingIOError:
                await self._ready()
            except OSError as error:
                raise BrokenPipeError(str(error)) from error

    async def _ready(self) -> None:
        room = self._loop.create_future()
        self._loop.add_writer(self._fd, _wake, room)
        try:
            await room
        finally:
            if self._fd >= 0:
                self._loop.remove_writer(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1


class Session:
    """stdin: None where there is none. stderr: None where it comes with stdout, on a terminal.

    Closed, it ends the command that runs for it, or hears no more of the process that it was attached to.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._terminal = -1
        self._ran: asyncio.Task[Message] | None = None
        self.stdin: Writing | None = None
        self.stdout: Reading | None = None
        self.stderr: Reading | None = None

    @property
    def tty(self) -> bool:
        return self._terminal >= 0

    def resize(self, width: int, height: int) -> None:
        """The terminal's size in columns and rows; nothing where there is no terminal."""
        if self._terminal >= 0:
            size = struct.pack("HHHH", min(height, 0xFFFF), min(width, 0xFFFF), 0, 0)
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, size)

    async def ended(self) -> Ran:
        """How the command ended. Raises RuntimeFailed if the pause cannot tell."""
        assert self._ran is not None, "only of a command that was opened"
        ran = (await asyncio.shield(self._ran))["ran"]
        return Ran(int(ran["exit_code"]), error=ran["error"])

    def close(self) -> None:
        """Twice is as good as once."""
        for one in (self.stdin, self.stdout, self.stderr):
            if one is not None:
                one.close()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1
        if self._ran is not None:
            self._ran.cancel()
        self._channel.close()

    def _take_terminal(self, fd: int) -> None:
        self._terminal = fd
        self.stdin = Writing(os.dup(fd))
        self.stdout = Reading(os.dup(fd))


async def open_session(directory: Path, request: Message, *, stdin: bool, tty: bool) -> Session:
    """directory: of the sandbox. request: a "run" as Sandbox makes it. Raises RuntimeFailed."""
    session = Session(_connect(directory))
    try:
        if tty:
            await _on_terminal(session, request)
        else:
            _on_pipes(session, request, stdin)
    except BaseException:
        session.close()
        raise
    return session


def _on_pipes(session: Session, request: Message, stdin: bool) -> None:
    theirs = []
    try:
        if stdin:
            reading, writing = os.pipe2(os.O_CLOEXEC)
            session.stdin = Writing(writing)
            theirs.append(reading)
        else:
            theirs.append(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        for name in ("stdout", "stderr"):
            reading, writing = os.pipe2(os.O_CLOEXEC)
            setattr(session, name, Reading(reading))
            theirs.append(writing)
        _begin(session, request | {"do": "open"}, theirs)
    finally:
        for fd in theirs:
            os.close(fd)


def _begin(session: Session, request: Message, fds: Sequence[int]) -> None:
    number = session._channel.post(request, fds)  # at once: the fds are closed behind it
    session._ran = asyncio.get_running_loop().create_task(session._channel.answered(number), name="session")
    session._ran.add_done_callback(lambda task: task.cancelled() or task.exception())


async def _on_terminal(session: Session, request: Message) -> None:
    """The command's first act is to send the far end of the terminal that it made."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    try:
        with theirs:
            _begin(session, request | {"do": "open"}, [theirs.fileno()])
        assert session._ran is not None
        waiting = asyncio.get_running_loop().create_task(_terminal_from(ours), name="terminal")
        done, _ = await asyncio.wait((waiting, session._ran), timeout=_NO_TERMINAL, return_when="FIRST_COMPLETED")
        if waiting in done and (fd := waiting.result()) >= 0:
            session._take_terminal(fd)
            return
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(_NO_TERMINAL):
            ran = await session.ended()
        raise RuntimeFailed(ran.error or "the command ended before it had a terminal")
    except TimeoutError:
        raise RuntimeFailed("the command has made no terminal") from None
    finally:
        ours.close()


async def _terminal_from(sock: socket.socket) -> int:
    """The fd that comes; -1 where the other side ended without sending one."""
    loop = asyncio.get_running_loop()
    came = loop.create_future()
    loop.add_reader(sock.fileno(), _wake, came)
    try:
        await came
    finally:
        loop.remove_reader(sock.fileno())
    data, fds, _, _ = socket.recv_fds(sock, 1, 1)
    return fds[0] if data and fds else -1


async def attach_session(directory: Path, name: str, *, tty: bool) -> Session:
    """directory: of the sandbox; name: of the process; tty: it has a terminal. Raises RuntimeFailed."""
    session = Session(_connect(directory))
    theirs = []
    try:
        for stream in ("stdout", "stderr"):
            reading, writing = os.pipe2(os.O_CLOEXEC)
            setattr(session, stream, Reading(reading))
            theirs.append(writing)
            with contextlib.suppress(OSError):  # more than this machine lets one have: then he must read faster
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        await session._channel.ask({"do": "attach", "name": name}, theirs)
        fds = session._channel.take_fds()
        if fds and tty:
            session._terminal = os.dup(fds[0])
        if fds:
            session.stdin = Writing(fds[0])
    except BaseException:
        session.close()
        raise
    finally:
        for fd in theirs:
            os.close(fd)
    return session


def _connect(directory: Path) -> Channel:
    try:
        return Channel.connect(directory)
    except OSError as error:
        raise RuntimeFailed(f"the sandbox's pause does not answer: {error}") from error
