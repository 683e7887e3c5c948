"""A watch on its client's connection: what waits goes at the client's pace, then each event as it happens."""

from __future__ import annotations

import asyncio

from aiohttp import web

from procorch.api.connection import SEND_SECONDS
from procorch.api.request import Response
from procorch.api.unread import SMALL
from procorch.api.watch import BACKLOG, Watch


class Wire:
    """The client's end of a watch. A client that does not read is cut off: at BACKLOG bytes that wait for it, when all
    watchers together have too many, and SEND_SECONDS after the watch has ended."""

    def __init__(self, transport: asyncio.Transport, watch: Watch) -> None:
        self._transport = transport
        self._watch = watch
        self._deadline: asyncio.TimerHandle | None = None

    def write(self, line: bytes) -> None:
        """An event, at once."""
        waiting = self.unsent()
        if self._transport.is_closing():
            self._watch.end()
        elif waiting > BACKLOG:
            self._watch.drop()
        else:
            self._transport.write(_frame(line))
            if waiting > SMALL:
                self._watch.grew(len(line))

    def unsent(self) -> int:
        """Bytes that the socket has not taken."""
        return self._transport.get_write_buffer_size()

    def end(self) -> None:
        """The watch has ended: what waits may still be read, for a while."""
        self._deadline = asyncio.get_running_loop().call_later(SEND_SECONDS, self._transport.abort)

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


async def watched(http: web.BaseRequest, response: Response, watch: Watch) -> web.StreamResponse:
    """Until the watch or its client ends it."""
    answered = web.StreamResponse(status=response.status, headers=response.headers)
    answered.enable_chunked_encoding()
    transport = http.transport
    if transport is None:  # the client has gone
        watch.end()
        return answered
    wire = watch.wire = Wire(transport, watch)
    try:
        writer = await answered.prepare(http)
        if writer is not None:
            writer.send_headers()
        while waiting := watch.take():
            await answered.write(waiting)
            await asyncio.sleep(0)  # a client that reads as fast as we write must not take every turn of the loop
        if not watch.ended.is_set():
            watch.sink = wire.write
            await watch.ended.wait()
        await answered.write_eof()
    except ConnectionError:
        pass  # the client has gone, or was cut off
    finally:
        watch.end()
        wire.close()
        watch.sink = watch.wire = None  # or each held the other, and the connection's buffers, until a collection
    return answered


_framed: tuple[bytes, bytes] = (b"", b"")


def _frame(line: bytes) -> bytes:
    """An HTTP chunk. The last one is kept: the same line goes to every watcher."""
    global _framed
    if _framed[0] is not line:
        _framed = (line, b"%x\r\n%b\r\n" % (len(line), line))
    return _framed[1]
