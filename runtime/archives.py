"""What an image archive holds: an OCI layout (a directory, or a tar of one) or what `docker save` writes.

    index.json ──▶ manifest (for this machine) ──▶ config, layers        every blob by its digest
    manifest.json (docker's) ──▶ config, layers                          layers by the config's diff_ids

Source: the OCI image specification; the "Docker Image Specification v1.2" for manifest.json.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from . import syscalls
from .layers import CHUNK, Bounds, Entry, Measured, Refused, damage, decompressed, inside
from .references import DIGEST

TEXT_BYTES = 4 << 20  # an index, a manifest or a config
MOST_NAMES = 10_000  # in an image's archive; a root file system has more
DEEPEST_INDEX = 4
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True, slots=True)
class Layer:
    """place: in the archive. digest: of the stored bytes, empty where only diff_id, the tar's, is known."""

    place: str
    digest: str
    diff_id: str


@dataclass(frozen=True, slots=True)
class Found:
    """One image. digest: of its config. config: `Entrypoint`, `Cmd`, `Env`, … names: that the archive gives it."""

    digest: str
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]
    names: tuple[str, ...]


class Source(Protocol):
    """Where blobs are read. open raises Refused for what is not there."""

    def open(self, place: str) -> BinaryIO: ...

    def has(self, place: str) -> bool: ...


class Layout:
    """An OCI layout in a directory; nothing outside of it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, place: str) -> bool:
        return (self._path / place).is_file()

    def open(self, place: str) -> BinaryIO:
        root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return open(syscalls.open_beneath(root, inside(place), os.O_RDONLY, syscalls.RESOLVE_BENEATH), "rb")
        except OSError as error:
            raise Refused(f"{place}: {os.strerror(error.errno or 0)}") from error
        finally:
            os.close(root)


class Archive:
    """A tar of blobs, uncompressed, read at random."""

    def __init__(self, tar: tarfile.TarFile, names: Mapping[str, tarfile.TarInfo]) -> None:
        self._tar, self._names = tar, names

    def has(self, place: str) -> bool:
        return place in self._names

    def open(self, place: str) -> BinaryIO:
        entry = self._names.get(inside(place))
        try:
            file = None if entry is None else self._tar.extractfile(entry)
        except (KeyError, RecursionError):
            file = None
        if file is None:
            raise Refused(f"{place} is not in the archive")
        return cast(BinaryIO, file)


@contextmanager
def opened(path: Path, scratch: Path, bounds: Bounds) -> Iterator[Source | None]:
    """What the directory or file holds; None for a tar that is no image archive. scratch: for a decompressed copy."""
    if path.is_dir():
        layout = Layout(path)
        yield layout if layout.has("index.json") else None
        return
    need_file(path)
    with path.open("rb") as file, damage(path.name), tempfile.TemporaryFile(dir=scratch) as copy:
        plain: BinaryIO = file
        if decompressed(cast(BinaryIO, file)) is not file:
            measured = io.BufferedReader(Measured(decompressed(cast(BinaryIO, file)), bounds.size), CHUNK)
            while data := measured.read(CHUNK):
                copy.write(data)
            plain = cast(BinaryIO, copy)
        plain.seek(0)
        with tarfile.open(fileobj=plain, mode="r:", tarinfo=Entry) as tar:
            names = _names_in(tar)
            yield Archive(tar, names) if "index.json" in names or "manifest.json" in names else None


def need_file(path: Path) -> None:
    """Raises Refused for a pipe or device, which would be waited for; OSError where there is nothing."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Refused("is no regular file")


def images_in(source: Source) -> list[Found]:
    """Every image for this machine, those with one config once. Raises Refused where there is none."""
    try:
        return _images_in(source)
    except (AttributeError, TypeError):  # a list where a map belongs, and the like
        raise Refused("its index, manifest or config is malformed") from None


def _images_in(source: Source) -> list[Found]:
    docker = _json(_read(source, "manifest.json"), list, "manifest.json") if source.has("manifest.json") else []
    if source.has("index.json"):
        index = _json(_read(source, "index.json"), dict, "index.json")
        found = list(_of_index(source, index, (), 0))
    else:
        found = [_of_docker(source, row) for row in docker]
    tags: dict[str, list[str]] = {}
    for row in docker:
        if isinstance(row, dict) and isinstance(row.get("Config"), str):
            key = row["Config"].rpartition("/")[2].removesuffix(".json")
            tags.setdefault(f"sha256:{key}", []).extend(map(str, row.get("RepoTags") or []))
    by_digest: dict[str, Found] = {}
    for one in found:
        old = by_digest[one.digest].names if one.digest in by_digest else ()
        names = tuple(dict.fromkeys([*old, *one.names, *tags.get(one.digest, ())]))
        by_digest[one.digest] = Found(one.digest, one.config, one.layers, names)
    if not by_digest:
        raise Refused(f"holds no image for linux/{architecture()}")
    return list(by_digest.values())


def architecture() -> str:
    """This machine's, as images name it."""
    return _ARCHITECTURE.get(platform.machine(), platform.machine())


def choose(rows: Any) -> Mapping[str, Any]:
    """Of an index's manifests the one for this machine; of several variants the plainest. Raises Refused."""
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    images = [row for row in rows if not _is_attestation(row)]
    ours = [row for row in images if _is_ours(row.get("platform"))]
    if not ours:
        platforms = [row["platform"] for row in images if isinstance(row.get("platform"), dict)]
        there = sorted({f"{one.get('os')}/{one.get('architecture')}" for one in platforms})
        raise Refused(f"holds no image for linux/{architecture()}, but for {', '.join(there) or 'no machine'}")
    return min(ours, key=lambda row: _variant(row.get("platform")))


def check(digest: str, actual: str, what: str) -> None:
    """Raises Refused for a wrong digest."""
    if digest != actual:
        raise Refused(f"{what} is not what its digest says: {digest} expected, {actual} found")


def _names_in(tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    names: dict[str, tarfile.TarInfo] = {}
    while (entry := tar.next()) is not None and len(names) <= MOST_NAMES:
        if ".." not in entry.name.split("/"):
            names["/".join(part for part in entry.name.split("/") if part not in ("", "."))] = entry
    return names if len(names) <= MOST_NAMES else {}


def _of_index(source: Source, index: Mapping[str, Any], names: tuple[str, ...], depth: int) -> Iterator[Found]:
    if depth > DEEPEST_INDEX:
        raise Refused("index within index within index")
    for row in index.get("manifests") or []:
        if not isinstance(row, dict) or not _is_ours(row.get("platform")):
            continue
        if _is_attestation(row):
            continue
        notes = row.get("annotations") or {}
        own = tuple(name for key in _NAMES if _is_name(name := str(notes.get(key) or "")))[:1]
        manifest = _json(_blob(source, str(row.get("digest"))), dict, "manifest")
        if "manifests" in manifest:
            yield from _of_index(source, manifest, own or names, depth + 1)
        else:
            yield from _of_manifest(source, manifest, own or names)


def _is_attestation(row: Mapping[str, Any]) -> bool:
    """A manifest about an image, not of one."""
    notes = row.get("annotations") or {}
    return not isinstance(notes, dict) or "vnd.docker.reference.type" in notes


def _is_name(text: str) -> bool:
    """A layout's own note is often a mere tag, `latest`, which says nothing."""
    return "/" in text or ":" in text


def _of_manifest(source: Source, manifest: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Found]:
    digest = str((manifest.get("config") or {}).get("digest"))
    config = _json(_blob(source, digest), dict, "config")
    if not _is_ours(config):
        return
    digests = [str(row.get("digest")) for row in manifest.get("layers") or []]
    places = [_place(one) for one in digests]
    yield Found(digest, _config_in(config), _layers(places, digests, config), names)


def _of_docker(source: Source, row: Any) -> Found:
    if not isinstance(row, dict) or not isinstance(row.get("Config"), str):
        raise Refused("manifest.json is none of docker's")
    text = _read(source, row["Config"])
    config = _json(text, dict, "config")
    if not _is_ours(config):
        raise Refused(f"is for {config.get('os')}/{config.get('architecture')}, this node is linux/{architecture()}")
    digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    name = row["Config"].rpartition("/")[2].removesuffix(".json")
    if DIGEST.fullmatch(f"sha256:{name}"):
        check(f"sha256:{name}", digest, "the config")
    places = [str(one) for one in row.get("Layers") or []]
    names = tuple(map(str, row.get("RepoTags") or []))
    return Found(digest, _config_in(config), _layers(places, [""] * len(places), config), names)


def _layers(places: list[str], digests: list[str], config: Mapping[str, Any]) -> tuple[Layer, ...]:
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or len(diff_ids) != len(places):
        raise Refused("the config does not name the layers that the manifest has")
    return tuple(Layer(*row) for row in zip(places, digests, map(str, diff_ids), strict=True))


def _is_ours(platform: Any) -> bool:
    """Of a descriptor's platform, or of a config: what says nothing fits."""
    if not isinstance(platform, dict):
        return True
    return platform.get("os", "linux") == "linux" and platform.get("architecture") in (None, "", architecture())


def _variant(platform: Any) -> tuple[bool, str]:
    """v8 is what every arm64 has; of others the lowest runs everywhere."""
    variant = str(platform.get("variant") or "") if isinstance(platform, dict) else ""
    return variant not in ("", "v8"), variant


def _config_in(config: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = config.get("config") or {}
    if not isinstance(inner, dict):
        raise Refused("the config is none")
    for name in ("Entrypoint", "Cmd", "Env"):
        words = inner.get(name) or []
        if not isinstance(words, list) or not all(isinstance(one, str) and "\0" not in one for one in words):
            raise Refused(f"the config's {name} is no list of texts")
    for name in ("User", "WorkingDir"):
        if not isinstance(inner.get(name) or "", str):
            raise Refused(f"the config's {name} is no text")
    return inner


def _place(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise Refused(f'"{digest[:80]}" is no digest')
    return "blobs/" + digest.replace(":", "/")


def _blob(source: Source, digest: str) -> bytes:
    place = _place(digest)
    data = _read(source, place)
    algorithm = digest.partition(":")[0]
    check(digest, f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}", place)
    return data


def _read(source: Source, place: str) -> bytes:
    with source.open(place) as file:
        data = file.read(TEXT_BYTES + 1)
    if len(data) > TEXT_BYTES:
        raise Refused(f"{place} is larger than {TEXT_BYTES} bytes")
    return data


def _json(text: bytes, kind: type, what: str) -> Any:
    with damage(what):
        data = json.loads(text)
    if not isinstance(data, kind):
        raise Refused(f"{what} is not what it should be")
    return data
