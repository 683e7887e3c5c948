"""Registries for tests: Debian's docker-registry, and one of our own that does what no registry should."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from runtime.archives import architecture
from tests.runtime.test_archives import digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
SECRET = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"  # bcrypt's of "secret"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Made:
    """An image, or an index of several, as a registry keeps it."""

    body: bytes
    media_type: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: tuple[Made, ...] = ()

    @property
    def digest(self) -> str:
        return digest_of(self.body)

    @property
    def layers(self) -> list[str]:
        return [row["digest"] for row in json.loads(self.body)["layers"]]

    @property
    def config(self) -> str:
        return str(json.loads(self.body)["config"]["digest"])


def packed(data: bytes) -> bytes:
    """The same whenever it is done."""
    return gzip.compress(data, mtime=0)


def make(*layers: bytes, pack: Callable[[bytes], bytes] = packed, arch: str = "", **config: Any) -> Made:
    """An image of these tars. config: `Cmd`, `Env`, … arch: this machine's if empty."""
    about = {
        "os": "linux", "architecture": arch or architecture(), "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest_of(one) for one in layers]},
    }  # fmt: skip
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, media_type: str) -> dict[str, Any]:
        blobs[digest_of(data)] = data
        return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}

    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": blob(json.dumps(about).encode(), CONFIG),
        "layers": [blob(pack(one), LAYER) for one in layers],
    }  # fmt: skip
    return Made(json.dumps(manifest).encode(), MANIFEST, blobs)


def index_of(*images: tuple[str, Made]) -> Made:
    """Of (architecture, image)."""
    rows = [
        {
            "mediaType": one.media_type, "digest": one.digest, "size": len(one.body),
            "platform": {"os": "linux", "architecture": arch},
        }
        for arch, one in images
    ]  # fmt: skip
    body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}).encode()
    return Made(body, INDEX, manifests=tuple(one for _, one in images))


# The real one


class RealRegistry:
    """A docker-registry that runs. url: with its scheme; log: what it was asked, a line each."""

    def __init__(self, url: str, log: Path, context: ssl.SSLContext | None, auth: str) -> None:
        self.url, self._log, self._context = url, log, context
        self._headers = {"Authorization": auth} if auth else {}

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def push(self, repository: str, tag: str, made: Made) -> None:
        for one in made.manifests:
            self.push(repository, one.digest, one)
        for digest, data in made.blobs.items():
            where = self._ask("POST", f"/v2/{repository}/blobs/uploads/", 202)
            path = re.sub(r"^https?://[^/]+", "", where or "")
            self._ask("PUT", f"{path}{'&' if '?' in path else '?'}digest={digest}", 201, data)
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", 201, made.body, made.media_type)

    def asked(self, pattern: str) -> int:
        """How many requests so far whose path has this in it."""
        return len(re.findall(rf'http\.request\.uri="?[^" ]*{pattern}', self._log.read_text()))

    def _ask(self, verb: str, path: str, status: int, body: bytes = b"", media_type: str = "") -> str | None:
        kind = http.client.HTTPSConnection if self._context else http.client.HTTPConnection
        more = {"context": self._context} if self._context else {}
        with contextlib.closing(kind(self.host, timeout=10, **more)) as connection:  # type: ignore[arg-type]
            headers = self._headers | {"Content-Type": media_type or "application/octet-stream"}
            connection.request(verb, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == status, f"{verb} {path}: {answer.status} {text!r}"
            return answer.headers.get("Location")


@contextmanager
def real_registry(
    directory: Path, *, private: bool = False, tls: tuple[Path, Path, Path] | None = None, address: str = "127.0.0.1",
    popen: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen, port: int = 0,
) -> Iterator[RealRegistry]:  # fmt: skip
    """directory: what was pushed stays there. private: only the user `me` with the password `secret` gets in.

    tls: CA, certificate and key. popen: starts it on another host.
    """
    program = shutil.which("docker-registry") or shutil.which("docker-registry", path=str(Path(sys.executable).parent))
    assert program is not None, "docker-registry is missing: make test installs it (tests/needs.py)"
    directory.mkdir(exist_ok=True)
    port = port or _free_port(address)
    http_part: dict[str, Any] = {"addr": f"{address}:{port}"}
    context = None
    if tls is not None:
        http_part["tls"] = {"certificate": str(tls[1]), "key": str(tls[2])}
        context = ssl.create_default_context(cafile=str(tls[0]))
    config: dict[str, Any] = {
        "version": 0.1, "log": {"level": "info", "formatter": "text", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}}, "http": http_part,
    }  # fmt: skip
    auth = ""
    if private:
        (directory / "htpasswd").write_text(f"me:{SECRET}\n")
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(directory / "htpasswd")}}
        auth = "Basic " + base64.b64encode(b"me:secret").decode()
    (directory / "config.json").write_text(json.dumps(config))
    log = directory / "log"
    with log.open("wb") as output:
        process = popen([program, "serve", str(directory / "config.json")], stdout=output, stderr=output)
    url = f"{'https' if tls else 'http'}://{address}:{port}"
    try:
        made = RealRegistry(url, log, context, auth)
        _until_answers(made, process)
        yield made
    finally:
        process.kill()
        process.wait()


def _until_answers(registry: RealRegistry, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while "listening on" not in registry._log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, registry._log.read_text()
        time.sleep(0.02)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


# The hostile one

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Hostile:
    """A registry with what `put` gave it, and faults: `faults[path]` are handlers, each for one request, in order.

    requests: (method, path, Authorization) of all that came.
    """

    def __init__(self) -> None:
        self.url = ""
        self.manifests: dict[str, Made] = {}
        self.blobs: dict[str, bytes] = {}
        self.faults: dict[str, list[Handler]] = {}
        self.always: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None
        self.requests: list[tuple[str, str, str]] = []
        self.ranges = True

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def put(self, repository: str, tag: str, made: Made) -> Made:
        for one in made.manifests:
            self.put(repository, one.digest, one)
        for name in (tag, made.digest):
            self.manifests[f"/v2/{repository}/manifests/{name}"] = made
        self.blobs |= {f"/v2/{repository}/blobs/{digest}": data for digest, data in made.blobs.items()}
        return made

    def fail(self, path: str, *handlers: Handler) -> None:
        self.faults.setdefault(path, []).extend(handlers)

    def asked(self, path: str) -> int:
        return sum(1 for _, one, _ in self.requests if path in one)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, request.headers.get("Authorization", "")))
        if self.always is not None and (answer := await self.always(request)) is not None:
            return answer
        if self.faults.get(request.path):
            return await self.faults[request.path].pop(0)(request)
        if (made := self.manifests.get(request.path)) is not None:
            headers = {"Content-Type": made.media_type, "Docker-Content-Digest": made.digest}
            return web.Response(body=made.body, headers=headers)
        if (data := self.blobs.get(request.path)) is not None:
            begin = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
            if begin is None or not self.ranges:
                return web.Response(body=data)
            at = int(begin.group(1))
            headers = {"Content-Range": f"bytes {at}-{len(data) - 1}/{len(data)}"}
            return web.Response(status=206, body=data[at:], headers=headers)
        return web.json_response({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}, status=404)


def answers(status: int, body: bytes = b"", **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return handler


def cut(data: bytes, at: int) -> Handler:
    """Announces all, sends so many bytes, and hangs up."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await response.prepare(request)
        await response.write(data[:at])
        assert request.transport is not None
        request.transport.close()
        return response

    return handler


def endless(piece: bytes = b"x" * 65536) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(piece)
        return response

    return handler


def held(gate: asyncio.Event, then: Handler) -> Handler:
    """Answers when the test opens the gate."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await then(request)

    return handler


@asynccontextmanager
async def hostile_registry(context: ssl.SSLContext | None = None) -> AsyncIterator[Hostile]:
    registry = Hostile()
    runner = web.ServerRunner(web.Server(registry.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    registry.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
    try:
        yield registry
    finally:
        await runner.cleanup()
