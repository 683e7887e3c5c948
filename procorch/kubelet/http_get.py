"""One GET, as a probe or a hook asks: bounded, without a pool, with Kubernetes' words for what went wrong.

h11 and no client library: a session a question costs a node with hundreds of probes more than the question.
Source: pkg/probe/http (redirects that lead to another host are not followed) and net/http for the words.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h11
from yarl import URL

MOST_BODY = 10 * 1024
MOST_HEAD = 64 * 1024
MOST_REDIRECTS = 10
_LEADS_ON = (301, 302, 303, 307, 308)
_FRAMING = ("content-length", "transfer-encoding", "trailer")  # ours to say: net/http leaves them out, too
_PIECE = 16 * 1024

Dial = Callable[[str, int], Awaitable[socket.socket]]
"""(host, port) → a connection; raises OSError."""


class NoAnswer(Exception):
    """There was none that could be understood; the text is net/http's."""


@dataclass(frozen=True, slots=True)
class Answer:
    """body: its first MOST_BODY bytes."""

    status: int
    location: str
    body: bytes


def header_rows(given: Sequence[Mapping[str, Any]], user_agent: str) -> list[tuple[str, str]]:
    """The headers of a request, with those that the pod's author wants. Accept with no value means none."""
    asked = [(row["name"], row.get("value") or "") for row in given if row["name"].lower() not in _FRAMING]
    names = {name.lower() for name, _ in asked}
    rows = [] if "user-agent" in names else [("User-Agent", user_agent)]
    if "accept" not in names:
        rows.append(("Accept", "*/*"))
    if "connection" not in names:
        rows.append(("Connection", "close"))
    return rows + [(name, value) for name, value in asked if name.lower() != "accept" or value]


async def get(url: URL, headers: Sequence[tuple[str, str]], dial: Dial, timeout: float) -> Answer:
    """The answer after all redirects within the host. timeout: seconds for everything. Raises NoAnswer."""
    phase = _Phase()
    first = url
    try:
        async with asyncio.timeout(timeout):
            for _ in range(MOST_REDIRECTS):
                answer = await _ask(url, headers, dial, phase)
                following = _next(url, answer)
                if following is None or following.host != first.host:
                    return answer
                url = following
    except TimeoutError:
        what = f"dial tcp {address(url)}: i/o timeout" if phase.dialling else "context deadline exceeded"
        raise NoAnswer(f'Get "{url}": {what} (Client.Timeout exceeded while awaiting headers)') from None
    except (OSError, h11.ProtocolError) as error:
        raise NoAnswer(f'Get "{url}": {_words(url, error, phase)}') from None
    raise NoAnswer(f'Get "{url}": stopped after {MOST_REDIRECTS} redirects')


def dial_words(where: str, error: OSError) -> str:
    """Why nobody could be reached, in the dialer's words. where: address:port."""
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {where.rpartition(':')[0]}: no such host"
    words = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"dial tcp {where}: connect: {words}"


def address(url: URL) -> str:
    """host:port, an IPv6 address in brackets."""
    host = url.host or ""
    return f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}"


@dataclass(slots=True)
class _Phase:
    dialling: bool = True


async def _ask(url: URL, headers: Sequence[tuple[str, str]], dial: Dial, phase: _Phase) -> Answer:
    phase.dialling = True
    connected = await dial(url.host or "", url.port or 0)
    phase.dialling = False
    host = next((value for name, value in headers if name.lower() == "host"), address(url) if url.explicit_port else "")
    rows = [("Host", host or url.host or ""), *((name, value) for name, value in headers if name.lower() != "host")]
    context, name = (_context(), "") if url.scheme == "https" else (None, None)
    try:
        reader, writer = await asyncio.open_connection(sock=connected, limit=_PIECE, ssl=context, server_hostname=name)
    except BaseException:
        connected.close()
        raise
    try:
        talk = h11.Connection(h11.CLIENT, max_incomplete_event_size=MOST_HEAD)
        writer.write(talk.send(h11.Request(method="GET", target=url.raw_path_qs, headers=rows)) or b"")
        writer.write(talk.send(h11.EndOfMessage()) or b"")
        return await _answer(talk, reader)
    finally:
        writer.transport.abort()  # whatever it still says, nobody waits for its end


async def _answer(talk: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    head: h11.Response | None = None
    body = b""
    while len(body) < MOST_BODY:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            try:
                data = await reader.read(_PIECE)
            except ConnectionError:
                if head is None:
                    raise
                break
            if not data and head is None:
                break
            talk.receive_data(data)
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            break
    if head is None:
        raise h11.RemoteProtocolError("EOF")
    location = next((value.decode("latin-1") for name, value in head.headers if name == b"location"), "")
    return Answer(head.status_code, location, body[:MOST_BODY])


def _next(url: URL, answer: Answer) -> URL | None:
    """Where an answer sends us, if it does. Raises h11.RemoteProtocolError for what leads nowhere."""
    if answer.status not in _LEADS_ON or not answer.location:
        return None
    try:
        following = url.join(URL(answer.location))
    except ValueError as error:
        raise h11.RemoteProtocolError(f'failed to parse Location header "{answer.location}": {error}') from None
    if following.scheme not in ("http", "https"):
        raise h11.RemoteProtocolError(f'unsupported protocol scheme "{following.scheme}"')
    return following


def _words(url: URL, error: Exception, phase: _Phase) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return "http: server gave HTTP response to HTTPS client"
        return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, OSError):
        if phase.dialling:
            return dial_words(address(url), error)
        return f"read: {os.strerror(error.errno).lower()}" if error.errno else "EOF"
    return "EOF" if str(error) == "EOF" else f"malformed HTTP response: {error}"


_made: list[ssl.SSLContext] = []


def _context() -> ssl.SSLContext:
    """One for all, without the machine's certificates: it is asked whether somebody answers, not who."""
    if not _made:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        _made.append(context)
    return _made[0]
