"""One client's connection: how long its headers may take, and what is answered to what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from procorch.api.request import Response, User, refusal
from procorch.objects import ApiError, BadRequest

logger = logging.getLogger(__name__)

HEADER_SECONDS = 15.0  # from the connection, or from a later request's first byte, to the end of the headers
IDLE_SECONDS = 120.0  # between requests
SEND_SECONDS = 30.0  # for a small answer to be read


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
        self.user = user_of(transport.get_extra_info("peercert"))
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
        timer = self._loop.call_later(SEND_SECONDS, self.give_up)
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            timer.cancel()

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
