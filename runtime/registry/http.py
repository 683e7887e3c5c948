"""HTTP to a registry: redirects carry no credential to strangers, answers are bounded, failures have names."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from yarl import URL

from runtime.layers import Refused

CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 30.0
MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class Unavailable(Refused):
    """No answer that counts: not reached, cut off, too slow, or the registry's own failure. Worth another try.

    after: seconds that the registry asks to be left alone.
    """

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


def session(ca: Path | None = None) -> aiohttp.ClientSession:
    """ca: PEM of authorities that are trusted besides the system's. Raises OSError, ssl.SSLError. Has to be closed."""
    context = ssl.create_default_context()
    if ca is not None:
        context.load_verify_locations(ca)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit_per_host=8),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": "procorch", "Accept-Encoding": "identity"},
    )


@asynccontextmanager
async def get(
    http: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], authorization: str = ""
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer after all redirects. `authorization` goes to the first host alone.

    Raises Unavailable, and Refused for a redirect that leads from TLS to where there is none.
    """
    origin = url.origin()
    for _ in range(MOST_REDIRECTS + 1):
        own = {"Authorization": authorization} if authorization and url.origin() == origin else {}
        async with _answer(http, url, {**headers, **own}) as answer:
            if answer.status not in _REDIRECTS:
                yield answer
                return
            url = _next(url, answer.headers.get("Location", ""))
    raise Refused(f"{origin.host} redirects more than {MOST_REDIRECTS} times")


async def read(answer: aiohttp.ClientResponse, most: int, what: str) -> bytes:
    """The whole body. Raises Refused where it is larger, Unavailable."""
    body = bytearray()
    with failing(answer.url):
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > most:
                raise Refused(f"{what} is larger than {most} bytes")
    return bytes(body)


class failing:
    """Inside, what goes wrong on the way to this address becomes Unavailable; its certificate's faults Refused."""

    def __init__(self, url: URL) -> None:
        self._host = url.authority

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            why = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
            raise Refused(
                f"{self._host} is not trusted: {why} (the node's option --registry-ca names authorities; a registry "
                "without TLS is written http://…)"
            ) from error
        if isinstance(error, TimeoutError | asyncio.TimeoutError):
            raise Unavailable(f"{self._host} does not answer") from error
        if isinstance(error, aiohttp.ClientConnectorError):
            raise Unavailable(f"{self._host} cannot be reached: {error.os_error.strerror or error.os_error}") from error
        if isinstance(error, aiohttp.ClientError):
            raise Unavailable(f"{self._host}: {error or type(error).__name__}") from error


@asynccontextmanager
async def _answer(
    http: aiohttp.ClientSession, url: URL, headers: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    with failing(url):
        answer = await http.get(url, headers=headers, allow_redirects=False)
    try:
        if answer.status >= 500 or answer.status == 429:
            wait = answer.headers.get("Retry-After", "")
            after = float(wait) if wait.isascii() and wait.isdecimal() else 0.0
            raise Unavailable(f"{url.authority} answers {answer.status} {answer.reason}", after)
        yield answer
    finally:
        answer.close()


def _next(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location, encoded=True))  # signed addresses stay as they are
    except ValueError:
        target = URL()
    if not location or target.scheme not in ("https", "http") or not target.host:
        raise Refused(f'{url.authority} redirects to "{location[:200]}", which is no address')
    if url.scheme == "https" and target.scheme != "https":
        raise Refused(f"{url.authority} redirects to {target.authority} without TLS")
    return target
