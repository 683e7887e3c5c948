"""The agent's ends of its sockets: to a pause (questions, answers, news) and to the zygote (forks in order)."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .spec import RuntimeFailed
from .wire import Message, Unpacker, dumps, loads, pack


class Channel:
    """One connection to a pause. `on_event` hears what it tells unasked; `on_end` that the connection is over."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._unpacker = Unpacker()
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._last = 0
        self._unsent = b""
        self._given: list[int] = []
        self.open = True
        self._why = "the sandbox's pause has gone"
        self.on_event: Callable[[Message], None] = lambda message: None
        self.on_end: Callable[[], None] = lambda: None
        self._loop.add_reader(sock.fileno(), self._read)

    @classmethod
    def connect(cls, directory: Path) -> Channel:
        """To the pause whose socket is `directory`/control, however long that path is."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        fd = os.open(directory, os.O_PATH | os.O_CLOEXEC)
        try:
            sock.connect(f"/proc/self/fd/{fd}/control")
        except OSError:
            sock.close()
            raise
        finally:
            os.close(fd)
        return cls(sock)

    async def ask(self, message: Message, fds: Sequence[int] = ()) -> Message:
        """The answer to one question; raises RuntimeFailed with the pause's words, or if it has gone.

        fds: go with it. Only the first question of a channel may have some.
        """
        return await self.answered(self.post(message, fds))

    def post(self, message: Message, fds: Sequence[int] = ()) -> int:
        """Asks at once, and leaves the answer to `answered`, which must be called with this number."""
        if not self.open:
            raise RuntimeFailed(f"{message['do']}: {self._why}")
        self._last = number = self._last + 1
        self._waiting[number] = self._loop.create_future()
        self._send(pack(message | {"id": number}), fds)
        return number

    async def answered(self, number: int) -> Message:
        """What came for a question that was posted; raises as `ask`."""
        try:
            answer = await self._waiting[number]
        finally:
            self._waiting.pop(number, None)
        if "error" in answer:
            raise RuntimeFailed(answer["error"])
        return answer

    def take_fds(self) -> list[int]:
        """Those that came so far; they are the caller's."""
        given, self._given = self._given, []
        return given

    def _send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = socket.send_fds(self._sock, [data], fds) if fds else self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.add_writer(self._sock.fileno(), self._send_rest)

    def _send_rest(self) -> None:
        rest, self._unsent = self._unsent, b""
        self._loop.remove_writer(self._sock.fileno())
        self._send(rest)

    def _read(self) -> None:
        try:
            data, given, _, _ = socket.recv_fds(self._sock, 256 * 1024, 1, socket.MSG_CMSG_CLOEXEC)
            self._given += given
            messages = self._unpacker.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            data, messages = b"", []
        for message in messages:
            future = self._waiting.get(message.get("id", 0))
            if message.get("event") == "failed":
                self._why = f"the sandbox's pause ended: {message['error']}"
            elif future is None:
                self.on_event(message)
            elif not future.done():
                future.set_result(message)
        if not data:
            self.close()
            self.on_end()

    def close(self) -> None:
        if not self.open:
            return
        self.open = False
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        for fd in self.take_fds():
            os.close(fd)
        for future in self._waiting.values():
            if not future.done():
                future.set_result({"error": self._why})


FORKS_AT_ONCE = 4
"""Requests that may wait in a zygote's socket: enough that it never idles, and far from what the socket holds."""


class ZygoteEnded(RuntimeFailed):
    """It is not there to fork: another one can be started."""


class Zygote:
    """The process that forks pauses, from the agent's side. It dies with this connection."""

    def __init__(self, sock: socket.socket, process: asyncio.subprocess.Process) -> None:
        self._sock = sock
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[dict[str, Any]]] = deque()
        self._turns = asyncio.Semaphore(FORKS_AT_ONCE)
        self.alive = True
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._read)

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, mask: Path, hidden: list[str], tasks: list[str], open_files: tuple[int, int]) -> Zygote:
        """Raises RuntimeFailed with what the machine refused (not root, no overlay, …).

        open_files: the limits (soft, hard) that all it forks will have, whatever the agent has by now.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told = dumps({"fd": theirs.fileno(), "mask": str(mask), "hidden": hidden, "tasks": tasks})
        code = f"import sys; sys.path[:0] = [{str(Path(__file__).parents[1])!r}]; from runtime import zygote; "
        command = [sys.executable, "-S", "-E", "-s", "-B", "-c", code + "zygote.main(sys.argv[1])", told]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={},
                cwd="/",
                start_new_session=True,
            )
        zygote = cls(ours, process)
        try:
            await zygote._answer()
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, open_files)
        except BaseException:
            await zygote.close()
            raise
        return zygote

    async def _answer(self) -> dict[str, Any]:
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._waiting.append(future)
        answer = await future
        if "ended" in answer:
            raise ZygoteEnded("zygote: it has ended")
        if "error" in answer:
            raise RuntimeFailed(f"zygote: {answer['error']}")
        return answer

    async def fork(self, directory: Path, request: Message) -> tuple[int, Channel]:
        """A new pause: its pid and the connection to it. Its socket will be in `directory`, also if that is renamed.

        request: as pause.main takes it.
        """
        async with self._turns:
            return await self._fork(directory, request)

    async def _fork(self, directory: Path, request: Message) -> tuple[int, Channel]:
        if not self.alive:
            raise ZygoteEnded("zygote: it has ended")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        place = os.open(directory, os.O_PATH | os.O_CLOEXEC)
        try:
            socket.send_fds(self._sock, [dumps(request).encode()], [theirs.fileno(), place])
        except OSError as error:
            ours.close()
            if isinstance(error, ConnectionError):  # known before the loop has read the end: a second try needs another
                self._ended()
            raise ZygoteEnded(f"zygote: {error}") from error
        finally:
            theirs.close()
            os.close(place)
        try:
            answer = await self._answer()
        except BaseException:
            ours.close()
            raise
        return int(answer["pid"]), Channel(ours)

    def _read(self) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._ended()
        elif self._waiting and not (future := self._waiting.popleft()).done():
            future.set_result(loads(data.decode()))

    def _ended(self) -> None:
        if self.alive:
            self.alive = False
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()
            for future in self._waiting:
                if not future.done():
                    future.set_result({"ended": True})

    async def close(self) -> None:
        self._ended()
        await self._process.wait()
