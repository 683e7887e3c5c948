"""Is a gRPC server well? grpc.health.v1.Health/Check, asked over HTTP/2 in the clear.

Two messages with one field each are written and read here; a protobuf or gRPC library for them would weigh more than
the whole kubelet. Source: grpc's doc/health-checking.md and PROTOCOL-HTTP2.md; of the words: pkg/probe/grpc.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events
import h2.exceptions

MOST = 64 * 1024
_STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_CODES = (
    "OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists",
    "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal",
    "Unavailable", "DataLoss", "Unauthenticated",
)  # fmt: skip
_UNIMPLEMENTED, _UNAVAILABLE, _UNKNOWN = 12, 14, 2


class RpcFailed(Exception):
    """The server did not answer the question. code: gRPC's."""

    def __init__(self, code: int, why: str) -> None:
        name = _CODES[code] if 0 <= code < len(_CODES) else f"Code({code})"
        super().__init__(f"rpc error: code = {name} desc = {why}")
        self.code = code


async def check(connected: socket.socket, authority: str, service: str, timeout: float, agent: str) -> tuple[bool, str]:
    """(serving, why not). Takes the connection over. timeout: seconds, of which the server is told; the caller ends it.

    authority: host:port. agent: who asks.
    """
    try:
        reader, writer = await asyncio.open_connection(sock=connected)
    except BaseException:
        connected.close()
        raise
    try:
        state = await _call(reader, writer, authority, service, timeout, agent)
    except RpcFailed as failed:
        if failed.code == _UNIMPLEMENTED:
            what = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            return False, f"error: {what}: {failed}"
        return False, f"error: health rpc probe failed: {failed}"
    finally:
        writer.transport.abort()
    if state == "SERVING":
        return True, ""
    return False, f'service unhealthy (responded with "{state}")'


async def _call(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str, service: str, timeout: float, agent: str
) -> str:
    """The health that the server tells. Raises RpcFailed."""
    talk = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    talk.initiate_connection()
    headers = [
        (":method", "POST"), (":scheme", "http"), (":path", "/grpc.health.v1.Health/Check"), (":authority", authority),
        ("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", agent),
        ("grpc-timeout", f"{max(int(timeout * 1000), 1)}m"),
    ]  # fmt: skip
    stream = talk.get_next_available_stream_id()
    talk.send_headers(stream, headers)
    talk.send_data(stream, _framed(_request(service)), end_stream=True)
    told: dict[str, str] = {}
    body = b""
    heard = 0
    try:
        while True:
            writer.write(talk.data_to_send())
            data = await reader.read(MOST)
            heard += len(data)
            if not data:
                raise RpcFailed(_UNAVAILABLE, "error reading from server: EOF")
            if heard > MOST:
                raise RpcFailed(_UNKNOWN, f"received more than {MOST} bytes")
            for event in talk.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    told |= {str(name): str(value) for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                    talk.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamEnded):
                    return _state(told, body)
                elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                    raise RpcFailed(_UNAVAILABLE, f"stream terminated with error code: {event.error_code}")
    except (OSError, h2.exceptions.ProtocolError, UnicodeError) as error:
        raise RpcFailed(_UNAVAILABLE, f"connection error: {error}") from None


def _state(told: dict[str, str], body: bytes) -> str:
    code = told.get("grpc-status", "")
    if code != "0":
        if told.get(":status", "200") != "200":
            raise RpcFailed(_UNKNOWN, f"unexpected HTTP status code received from server: {told[':status']}")
        number = int(code) if code.isdecimal() else _UNKNOWN
        raise RpcFailed(number, unquote(told.get("grpc-message", "")))
    if len(body) < 5 or body[0] or len(body) - 5 != int.from_bytes(body[1:5], "big"):
        raise RpcFailed(_UNKNOWN, "the answer is not one plain message")
    try:
        number = dict(_varints(body[5:])).get(1, 0)
    except (IndexError, ValueError):
        raise RpcFailed(_UNKNOWN, "the answer is no HealthCheckResponse") from None
    return _STATES[number] if number < len(_STATES) else str(number)


def _framed(message: bytes) -> bytes:
    """Not compressed, its length, itself."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _request(service: str) -> bytes:
    """HealthCheckRequest: the service's name is field 1; an empty one is not written."""
    name = service.encode()
    return b"\x0a" + _written(len(name)) + name if name else b""


def _written(number: int) -> bytes:
    """A varint."""
    rows = b""
    while number > 0x7F:
        rows += bytes([number & 0x7F | 0x80])
        number >>= 7
    return rows + bytes([number])


def _varints(message: bytes) -> Iterator[tuple[int, int]]:
    """(field, value) of a message's numbers; what else is in it is passed over. Raises IndexError, ValueError."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, number()
        elif kind == 2:
            length = number()
            at += length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
