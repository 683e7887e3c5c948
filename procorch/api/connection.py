"""One client's connection: how long its headers may take, and what is answered to what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, cast

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from procorch.api.heap import Heap
from procorch.api.request import Response, User, refusal
from procorch.clock import system_clock
from procorch.objects import ApiError, BadRequest

logger = logging.getLogger(__name__)

HEADER_SECONDS = 15.0  # from the connection, or from a later request's first byte, to the end of the headers
IDLE_SECONDS = 120.0  # between requests
SEND_SECONDS = 30.0  # for a small answer to be read
_PHRASES = frozenset(HTTPStatus)
_BODILESS = frozenset((HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED))


class Connection(RequestHandler):
    """aiohttp's, which times only the waiting between requests. Here a request that has begun is timed too."""

    __slots__ = ("_deadline", "user")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._deadline: asyncio.TimerHandle | None = None
        self.user: User | None = None
        """Whom the client's certificate names: TLS has verified it, once for all requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        certificate = transport.get_extra_info("peercert")
        self.user = user_of(certificate)
        if certificate:
            certificate.clear()  # which the transport would keep: nobody asks it again
        self._begin()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        waiter = self._waiter
        if self._messages or self._request_in_progress or (waiter is not None and waiter.done()):
            self._arrived()
        elif data and self._deadline is None:
            self._begin()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, _AtOnce):
            if not self._upgraded:
                return resp, await self._send(resp)
            resp = plain(resp.response)  # what came behind a request to upgrade is to be read as HTTP again
        timer = self._loop.call_later(SEND_SECONDS, self.give_up)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            timer.cancel()

    async def _send(self, answer: _AtOnce) -> bool:
        """Whether the client has gone before it was answered."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return True
        transport.write(answer.encoded())
        if self.writing_paused:
            timer = self._loop.call_later(SEND_SECONDS, self.give_up)
            try:
                await self._drain_helper()
            except ConnectionError:
                return True
            finally:
                timer.cancel()
        return False

    def give_up(self) -> None:
        """Ends the connection of a client that does not read what it has asked for."""
        remote = "" if self._current_request is None else self._current_request.remote
        logger.info("answer not read", extra={"remote": remote or ""})
        if self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A Status, and one line in the log."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        if isinstance(exc, HttpProcessingError):
            why = " ".join(str(message or exc).split())[:300]
            self.logger.info("no HTTP was received", extra={"remote": request.remote or "", "why": why})
            error: ApiError = BadRequest.of(f"the request is not HTTP/1.1: {why}")
        else:
            self.logger.error("request failed", exc_info=exc)
            error = ApiError("Internal error occurred", status, "InternalError")
        return last(refusal(error))

    def _begin(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(HEADER_SECONDS, self.force_close)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def user_of(certificate: Mapping[str, Any] | None) -> User | None:
    """The common name and the organizations of a certificate that TLS has verified."""
    if not certificate:
        return None
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    name = next((value for field, value in pairs if field == "commonName"), "")
    groups = tuple(value for field, value in pairs if field == "organizationName")
    return User(name, groups) if name else None


def whole(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    """An answer whose body is there and small, to be written at once, where HTTP has no rule of its own for it."""
    if http.version != HttpVersion11 or http.method == "HEAD" or not http.keep_alive or response.status in _BODILESS:
        return plain(response)
    return cast(web.StreamResponse, _AtOnce(response))


class _AtOnce:
    """What `Connection` writes by itself. aiohttp's own way, in some twenty calls, costs a small answer three times as
    much CPU; of a StreamResponse its loop wants to know nothing but `keep_alive`."""

    __slots__ = ("response",)

    keep_alive = True

    def __init__(self, response: Response) -> None:
        self.response = response

    def encoded(self) -> bytes:
        """Raises ValueError for a header that would become two."""
        response = self.response
        head = [_status_line(response.status), *(f"{name}: {value}" for name, value in response.headers.items()),
                f"Content-Length: {len(response.body)}", _date(int(system_clock()))]  # fmt: skip
        text = "\r\n".join(head)
        if text.count("\n") != len(head) - 1 or text.count("\r") != len(head) - 1 or "\0" in text:
            raise ValueError("a header of the answer has a line end or a NUL in it")
        return b"%b\r\n\r\n%b" % (text.encode(errors="surrogateescape"), response.body)


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase if status in _PHRASES else ''}"


@lru_cache(maxsize=2)
def _date(seconds: int) -> str:
    return f"Date: {formatdate(seconds, usegmt=True)}"


def plain(response: Response) -> web.Response:
    """An answer whose body is there."""
    return web.Response(status=response.status, headers=response.headers, body=response.body)


def last(response: Response) -> web.Response:
    """Such an answer, after which the connection ends: what the client still sends is not waited for."""
    answered = plain(response)
    answered.force_close()
    return answered


class Connections(web.Server):
    """Makes a Connection for each client."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._heap = Heap()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._heap.ended()

    async def shutdown(self, timeout: float | None = None) -> None:
        await super().shutdown(timeout)
        self._heap.close()

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


def protocol_logger() -> logging.Logger:
    """Where aiohttp reports. A body that is not as its headers say has been refused in a line of its own."""
    found = logging.getLogger(f"{__name__}.protocol")
    if _is_news not in found.filters:
        found.addFilter(_is_news)
    return found


def _is_news(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)
