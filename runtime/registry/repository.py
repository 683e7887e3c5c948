"""One repository at one registry, by one credential: its manifests, blobs and tags.

What can be tried again is: a registry's own failures and cut connections, after pauses that double; a blob goes on
where it was cut off. Every byte that is given out was checked against its digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import aiohttp
from yarl import URL

from runtime.archives import TEXT_BYTES, check
from runtime.layers import CHUNK, Refused
from runtime.references import DIGEST

from .auth import Authorization, Denied, authorize
from .credentials import Credential
from .hosts import Endpoint
from .http import Unavailable, failing, get, read

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
TRIES = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
PROGRESS = 1 << 20  # bytes of a blob that are worth beginning to count the tries anew
TAGS_BYTES = 1 << 18
Answer = TypeVar("Answer")


class NotThere(Refused):
    """The registry has no such manifest or blob."""


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it was given out; digest: of its bytes."""

    body: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Blob:
    """digest, size: as the manifest says."""

    digest: str
    size: int

    @classmethod
    def of(cls, row: Any, what: str) -> Blob:
        """A descriptor. Raises Refused."""
        digest, size = (row.get("digest"), row.get("size")) if isinstance(row, dict) else (None, None)
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise Refused(f'{what} has no proper digest: "{str(digest)[:80]}"')
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise Refused(f"{what} has no proper size")
        return cls(digest, size)


class Repository:
    """name: as this registry calls it. http: of `http.session`. pause: seconds before the second try."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        endpoint: Endpoint,
        name: str,
        credential: Credential | None = None,
        *,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self.endpoint, self.name, self.credential = endpoint, name, credential
        self._http = http
        self._pause = pause
        self._authorization: Authorization | None = None
        self._authorizing = asyncio.Lock()

    async def manifest(self, wanted: str) -> Document:
        """wanted: a tag or digest. Raises Refused and its kinds."""
        return await self._patiently(lambda: self._manifest(wanted))

    async def text(self, blob: Blob, what: str) -> bytes:
        """A small blob, such as a config."""

        async def once() -> bytes:
            async with self._get(f"blobs/{blob.digest}") as answer:
                body = await read(answer, min(blob.size, TEXT_BYTES), what)
            check(blob.digest, _digest_of(body, blob.digest), what)
            return body

        return await self._patiently(once)

    async def tags(self) -> list[str]:
        """Some of those that there are; none where the registry does not tell."""
        try:
            async with self._get("tags/list", {"n": "1000"}) as answer:
                found = json.loads(await read(answer, TAGS_BYTES, "the list of tags")).get("tags") or []
        except (Refused, ValueError, AttributeError):
            return []
        return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []

    async def blob(self, blob: Blob, path: Path) -> None:
        """Writes the file. Raises Refused and its kinds, OSError."""
        download = _Download(blob, path)
        try:
            tries, counted = 0, 0
            while True:
                try:
                    return await self._go_on(download)
                except Unavailable as error:
                    if download.size - counted >= PROGRESS:
                        tries, counted = 0, download.size
                    tries += 1
                    if tries >= TRIES:
                        raise
                    await asyncio.sleep(self._wait(tries, error))
        finally:
            download.close()

    async def _go_on(self, download: _Download) -> None:
        blob, begun = download.blob, download.size
        if begun < blob.size or not begun:
            headers = {"Range": f"bytes={begun}-"} if begun else {}
            async with self._get(f"blobs/{blob.digest}", headers=headers) as answer:
                if begun and not (answer.status == 206 and _begins_at(answer, begun)):
                    download.restart()
                await download.take(answer)
        if download.size < blob.size:
            raise Unavailable(f"{self.endpoint.host} ended layer {blob.digest} after {download.size} bytes")
        if download.digest != blob.digest and begun:
            download.restart()  # of two answers put together; the whole in one may be right
            raise Unavailable(f"layer {blob.digest} did not go on as it began")
        check(blob.digest, download.digest, "a layer")

    async def _manifest(self, wanted: str) -> Document:
        async with self._get(f"manifests/{wanted}", headers={"Accept": ", ".join(MANIFESTS)}) as answer:
            body = await read(answer, TEXT_BYTES, "the manifest")
            said = answer.headers.get("Docker-Content-Digest", "")
            media_type = answer.content_type
        digest = wanted if DIGEST.fullmatch(wanted) else said if DIGEST.fullmatch(said) else ""
        actual = _digest_of(body, digest)
        check(digest or actual, actual, "the manifest")
        return Document(body, media_type, actual)

    @asynccontextmanager
    async def _get(
        self, what: str, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer 200 or 206, with authorization where that is asked for."""
        url = URL(f"{self.endpoint.url}/v2/{self.name}/{what}").update_query(query or {})
        if self.endpoint.mirror_of:
            url = url.update_query({"ns": self.endpoint.mirror_of})  # whose image it is, as containerd tells mirrors
        for last in (False, True):
            used = self._authorized()
            async with get(self._http, url, headers or {}, used.header if used else "") as answer:
                if answer.status != 401 or last:
                    await self._check(answer, what)
                    yield answer
                    return
                challenge = ", ".join(answer.headers.getall("WWW-Authenticate", []))
                await _problem(answer)  # to its end, so that the connection can be used again
            await self._authorize(challenge, used)

    def _authorized(self) -> Authorization | None:
        known = self._authorization
        return known if known is not None and known.is_fresh(asyncio.get_running_loop().time()) else None

    async def _authorize(self, challenge: str, used: Authorization | None) -> None:
        """One at a time: layers that come side by side need one token."""
        async with self._authorizing:
            if self._authorization is used or self._authorized() is None:
                scope, secure = f"repository:{self.name}:pull", self.endpoint.is_secure
                self._authorization = await authorize(self._http, challenge, self.credential, scope, secure=secure)

    async def _check(self, answer: aiohttp.ClientResponse, what: str) -> None:
        if answer.status in (200, 206):
            return
        said = await _problem(answer)
        message = f"{self.endpoint.host} answers {answer.status}" + (f": {said}" if said else "")
        if answer.status in (401, 403):
            raise Denied(message)
        if answer.status in (404, 410):
            raise NotThere(message)
        raise Refused(message)

    async def _patiently(self, once: Callable[[], Awaitable[Answer]]) -> Answer:
        for tried in range(1, TRIES):
            try:
                return await once()
            except Unavailable as error:
                await asyncio.sleep(self._wait(tried, error))
        return await once()

    def _wait(self, tried: int, error: Unavailable) -> float:
        return max(self._pause * 2.0 ** (tried - 1), min(error.after, LONGEST_PAUSE))


class _Download:
    """A file that grows; hashed and written beside the loop, which has others to serve."""

    def __init__(self, blob: Blob, path: Path) -> None:
        self.blob = blob
        self._file: BinaryIO = path.open("wb", buffering=0)
        self._lock = threading.Lock()
        self._begin()

    @property
    def digest(self) -> str:
        return f"{self._hash.name}:{self._hash.hexdigest()}"

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._begin()

    def close(self) -> None:
        """Not while a thread writes: the descriptor's number would soon be another file's."""
        with self._lock:
            self._file.close()

    async def take(self, answer: aiohttp.ClientResponse) -> None:
        """The rest of the blob, and not a byte more than the manifest said."""
        waiting = bytearray()
        try:
            with failing(answer.url):
                async for piece in answer.content.iter_any():
                    waiting += piece
                    if self.size + len(waiting) > self.blob.size:
                        raise Refused(f"layer {self.blob.digest} is larger than the {self.blob.size} bytes announced")
                    if len(waiting) >= CHUNK:
                        full, waiting = waiting, bytearray()
                        await asyncio.to_thread(self._write, full)
        except Unavailable:
            await asyncio.to_thread(self._write, waiting)  # so far it is good, and goes on from here
            raise
        await asyncio.to_thread(self._write, waiting)

    def _begin(self) -> None:
        self.size = 0
        self._hash = hashlib.new(self.blob.digest.partition(":")[0])

    def _write(self, data: bytearray) -> None:
        view = memoryview(data)
        with self._lock:
            while view and not self._file.closed:
                written = self._file.write(view)
                self._hash.update(view[:written])
                self.size += written
                view = view[written:]


def _begins_at(answer: aiohttp.ClientResponse, offset: int) -> bool:
    return answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")


def _digest_of(body: bytes, like: str) -> str:
    algorithm = like.partition(":")[0] or "sha256"
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


async def _problem(answer: aiohttp.ClientResponse) -> str:
    """The registry's own words, where it has some."""
    try:
        rows = json.loads(await read(answer, TAGS_BYTES, "the error"))["errors"]
        words = [str(row.get("message") or row.get("code") or "") for row in rows]
    except (Refused, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return ", ".join(word for word in words if word)[:300]
