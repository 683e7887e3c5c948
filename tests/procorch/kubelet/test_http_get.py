"""One GET, as probes ask it: a real listener, with and without TLS, that answers byte for byte as a test says."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from procorch import pki
from procorch.kubelet.http_get import MOST_BODY, NoAnswer, get, header_rows


async def dial(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    await asyncio.get_running_loop().sock_connect(made, (host, port))
    return made


@asynccontextmanager
async def answering(*answers: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A listener: its port, and the requests; one answer a connection, the last for all that come later."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with_answer = answers[min(len(asked), len(answers) - 1)]
        try:
            first = await reader.readexactly(1)
            asked.append(first + (await reader.readuntil(b"\r\n\r\n") if first == b"G" else b""))
            writer.write(with_answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def to(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_the_body_is_bounded() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000) as (port, _):
        answer = await get(URL(f"http://127.0.0.1:{port}/"), [], dial, 5)

    assert answer.body == b"x" * MOST_BODY


async def test_a_redirect_within_the_host_is_followed_with_the_same_headers() -> None:
    async with answering(to("/second?a=b"), OK) as (port, asked):
        headers = header_rows([{"name": "Host", "value": "web.example"}, {"name": "X-A", "value": "1"}], "me/1")
        answer = await get(URL(f"http://127.0.0.1:{port}/first"), headers, dial, 5)

    assert (answer.status, answer.body) == (200, b"ok")
    assert asked[1].startswith(b"GET /second?a=b HTTP/1.1\r\nHost: web.example\r\n")
    assert b"\r\nX-A: 1\r\n" in asked[1]


@pytest.mark.parametrize(
    ("given", "there", "absent"),
    [
        pytest.param([], {"User-Agent": "me/1", "Accept": "*/*", "Connection": "close"}, (), id="none"),
        pytest.param([{"name": "user-agent", "value": "you"}], {"user-agent": "you"}, ("User-Agent",), id="its own"),
        pytest.param([{"name": "Accept", "value": ""}], {}, ("Accept",), id="an empty Accept is none"),
        pytest.param([{"name": "Content-Length", "value": "9"}], {}, ("Content-Length",), id="not what frames"),
    ],
)
def test_headers(given: list[dict[str, str]], there: dict[str, str], absent: tuple[str, ...]) -> None:
    rows = header_rows(given, "me/1")

    assert there.items() <= dict(rows).items()
    assert not {name for name, _ in rows} & set(absent)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(b"", "EOF", id="nothing"),
        pytest.param(b"SSH-2.0-x\r\n\r\n", "malformed HTTP response", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000, "malformed HTTP response", id="no end of headers"),
        pytest.param(to("ftp://127.0.0.1/"), 'unsupported protocol scheme "ftp"', id="it leads out of the web"),
        pytest.param(to("/again"), "stopped after 10 redirects", id="it leads in a circle"),
    ],
)
async def test_what_is_no_answer(answer: bytes, words: str) -> None:
    async with answering(answer) as (port, _):
        with pytest.raises(NoAnswer, match=words):
            await get(URL(f"http://127.0.0.1:{port}/"), [], dial, 5)


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server whose certificate nobody has reason to trust."""
    now = time.time()
    pair = pki.Authority.open(tmp_path, now).issue_server("nobody", ["elsewhere.example"], now)
    (tmp_path / "key").write_bytes(pair.key)
    (tmp_path / "certificate").write_bytes(pair.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    return context


async def test_https_is_not_verified(tls: ssl.SSLContext) -> None:
    async with answering(OK, tls=tls) as (port, _):
        assert (await get(URL(f"https://127.0.0.1:{port}/"), [], dial, 5)).status == 200


async def test_https_to_who_speaks_plainly() -> None:
    async with answering(OK) as (port, _):
        with pytest.raises(NoAnswer, match="server gave HTTP response to HTTPS client"):
            await get(URL(f"https://127.0.0.1:{port}/"), [], dial, 5)


async def test_who_does_not_take_the_connection() -> None:
    """A full backlog, whose dialler gets no answer at all."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        port = busy.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            with pytest.raises(NoAnswer, match=rf"dial tcp 127.0.0.1:{port}: i/o timeout"):
                await get(URL(f"http://127.0.0.1:{port}/"), [], dial, 0.2)
