"""Requests that mean harm, as bytes: what is sent, and with which codes it may be refused.

A row is `Attack(sentence, code or codes, make)`; `make` gives the bytes when they are wanted, some are megabytes. Most
are one request; one that sends slowly gives pieces, between which the test waits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
TARGET = f"{CONFIG_MAPS}/target"
POD = f"{PODS}/target"
MIB = 1 << 20
DEEP = 100_000

JSON = "application/json"
YAML = "application/yaml"
CBOR = "application/cbor"
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

Bytes = bytes | Sequence[bytes]


@dataclass(frozen=True)
class Attack:
    """codes: of the answer; 0 for no answer at all but the connection's end. pause: seconds between pieces."""

    name: str
    codes: tuple[int, ...]
    make: Callable[[], Bytes]
    pause: float = 0.0


def request(method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
    """One whole request; a header's name is written with underscores."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")


def config_map(more: str = "", name: str = '"hostile"') -> bytes:
    """A ConfigMap's JSON, with `more` behind its metadata's name."""
    return f'{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":{name}{more}}}}}'.encode()


def post(body: bytes, media: str = JSON, path: str = CONFIG_MAPS, **headers: str) -> bytes:
    return request("POST", path, body, Content_Type=media, **headers)


def strict(body: bytes, media: str = JSON) -> bytes:
    return post(body, media, f"{CONFIG_MAPS}?fieldValidation=Strict")


def patch(body: object, media: str, path: str = TARGET) -> bytes:
    return request("PATCH", path, body if isinstance(body, bytes) else orjson.dumps(body), Content_Type=media)


def chunked(pieces: Sequence[bytes], **headers: str) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return request("POST", CONFIG_MAPS, Transfer_Encoding="chunked", Content_Type=JSON, **headers) + body


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def pod(container: object = None, **spec: object) -> bytes:
    first = {"name": "c", "image": "host", **(container if isinstance(container, dict) else {})}
    about = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hostile"}}
    return orjson.dumps({**about, "spec": {"containers": [first], **spec}})


def get(path: str, **headers: str) -> bytes:
    return request("GET", path, **headers)
