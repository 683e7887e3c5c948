"""The machine's image store: archives unpacked once each, and the names they go by.

    <directory>/sha256-<config's digest>/   rootfs/, image.json      of an OCI or docker image
                tar-sha256-<the tar's>/     rootfs/, image.json      of a plain tar of a root file system
                .<the same>.partial/        being unpacked or removed: nobody's after a crash
                .locks/, names.json

Unpacking is into .partial, synced, then renamed: what has its name is whole, whenever the power went. A lock per
digest lets one unpack while others, in this process or another, wait and find it done. All here blocks.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import archives
from .archives import Found, Source, check
from .changes import Changes
from .layers import CHUNK, Bounds, Measured, Refused, Tree, apply

NAMES = "names.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}")
_ID = re.compile(r"(tar@)?sha(256|512):[0-9a-f]+")
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Image:
    """id: `sha256:…` (of the config) or `tar@sha256:…`. config: OCI's `Entrypoint`, `Cmd`, `Env`, `User`, …

    size: bytes of its files when it was unpacked.
    """

    id: str
    root: Path
    config: Mapping[str, Any]
    size: int


class ImageStore:
    """directory: made when first needed, open to root alone. Methods raise Refused with a text for people."""

    def __init__(self, directory: Path, bounds: Bounds | None = None) -> None:
        self.directory = directory
        self._bounds = bounds or Bounds()
        self._tars: dict[tuple[str, int, int, int, int], str] = {}  # file as it was → digest

    def tar(self, path: Path) -> Image:
        """A tar of a root file system, compressed or not."""
        with self._failing(path):
            archives.need_file(path)
            digest = self._digest_of(path)

            def fill(tree: Tree) -> None:
                with path.open("rb") as file:
                    stored, _ = apply(tree, file, whole=True)
                check(digest, stored, "the file as read again")

            return self._unpacked(f"tar@{digest}", {}, fill)

    def oci(self, path: Path) -> Image:
        """The one image of a layout directory, or of an OCI or docker archive."""
        with self._failing(path), archives.opened(path, self._scratch(), self._bounds) as source:
            if source is None:
                raise Refused("neither an OCI layout nor an OCI or docker archive")
            found = archives.images_in(source)
            if len(found) > 1:
                raise Refused(f"holds {len(found)} images: load it with `procorch image load` and use a name")
            return self._image(source, found[0])

    def load(self, path: Path, name: str = "") -> list[tuple[str, Image]]:
        """Unpack and name all that the file holds: the names of the archive, or `name`, which a plain tar needs."""
        if name and not _NAME.fullmatch(name):
            raise Refused(f'"{name}" is no image name')
        with self._failing(path), archives.opened(path, self._scratch(), self._bounds) as source:
            if source is None and path.is_dir():
                raise Refused(f"no OCI layout; a directory needs no loading: use image: dir://{path.absolute()}")
            if source is not None:
                found = archives.images_in(source)
                if name and len(found) > 1:
                    raise Refused(f"holds {len(found)} images: they cannot all be {name}")
                named = [(one, (name,) if name else tuple(filter(_NAME.fullmatch, one.names))) for one in found]
                if not any(names for _, names in named):
                    raise Refused("the archive does not name its image: give --name")
                loaded = [(each, self._image(source, one)) for one, names in named for each in names]
                self._write_names({canonical(each): image.id for each, image in loaded})
                return [(canonical(each), image) for each, image in loaded]
        if not name:
            raise Refused(f"{path}: a plain tar does not name its image: give --name")
        image = self.tar(path)
        self._write_names({canonical(name): image.id})
        return [(canonical(name), image)]

    def named(self, name: str) -> Image | None:
        """The image that was loaded by this name, however it is written."""
        id_ = self._names().get(canonical(name))
        return None if id_ is None else self._read(id_)

    def changes(self) -> Changes:
        """Heard whenever a name is given or taken, by whichever process. Called in a running loop."""
        return Changes(self._scratch(), NAMES)

    def items(self) -> list[tuple[str, Image]]:
        """Every name with its image, and the images without a name under an empty one; sorted."""
        rows = [(name, image) for name, id_ in self._names().items() if (image := self._read(id_)) is not None]
        known = {image.id for _, image in rows}
        for path in self.directory.glob("[!.]*/image.json"):
            image = _at(path.parent)
            if image is not None and image.id not in known:
                rows.append(("", image))
        return sorted(rows, key=lambda row: (row[0], row[1].id))

    def remove(self, name: str) -> bool:
        """A name, and the image with its last name; or an image by its id with all its names.

        False: only the name went. Raises Refused where nothing is called so or a process runs on it.
        """
        names = self._names()
        by_id = _ID.fullmatch(name) is not None and (name in names.values() or self._read(name) is not None)
        id_ = name if by_id else names.get(canonical(name))
        if id_ is None:
            raise Refused(f'no image is called "{name}"')
        going = [one for one, of in names.items() if of == id_] if by_id else [canonical(name)]
        if not by_id and list(names.values()).count(id_) > 1:
            self._write_names({}, going)
            return False
        with self._failing(None), self._locked(_key(id_)):
            if (pid := _user_of(_key(id_))) is not None:
                raise Refused(f"{name} is in use by process {pid}: delete its pod first")
            self._write_names({}, going)
            partial = self._partial(_key(id_))
            _discard(partial)
            if (path := self.directory / _key(id_)).exists():
                path.rename(partial)
                _discard(partial)
        return True

    # Unpacking

    def _image(self, source: Source, found: Found) -> Image:
        def fill(tree: Tree) -> None:
            for layer in found.layers:
                algorithm = layer.digest.partition(":")[0] or "sha256"
                with source.open(layer.place) as file:
                    stored, diff_id = apply(tree, file, algorithm)
                check(layer.digest or stored, stored, f"layer {layer.place}")
                check(layer.diff_id, diff_id, f"the tar of layer {layer.place}")

        return self._unpacked(found.digest, found.config, fill)

    def _unpacked(self, id_: str, config: Mapping[str, Any], fill: Callable[[Tree], None]) -> Image:
        if (image := self._read(id_)) is not None:
            return image
        key = _key(id_)
        with self._locked(key):
            if (image := self._read(id_)) is not None:
                return image
            partial = self._partial(key)
            _discard(partial)
            try:
                (partial / "rootfs").mkdir(parents=True)
                (partial / "rootfs").chmod(0o755)
                with _directory(partial / "rootfs") as root:
                    tree = Tree(root, self._room(root))
                    fill(tree)
                about = {"id": id_, "size": tree.size, "config": dict(config)}
                (partial / "image.json").write_text(json.dumps(about))
                with _directory(partial) as fd:
                    _libc.syncfs(fd)
                partial.rename(self.directory / key)
                self._sync()
            except BaseException:
                _discard(partial)
                raise
        image = self._read(id_)
        if image is None:
            raise Refused("it was removed as soon as it was unpacked")
        return image

    def _room(self, fd: int) -> Bounds:
        """A tenth of what is free stays free: a small archive may hold much."""
        free = os.fstatvfs(fd)
        return replace(self._bounds, size=min(self._bounds.size, free.f_bavail * free.f_frsize * 9 // 10))

    def _read(self, id_: str) -> Image | None:
        return _at(self.directory / _key(id_))

    def _digest_of(self, path: Path) -> str:
        """Read once for a file that stays as it is."""
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            key = (str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if key not in self._tars:
                measured = Measured(file, self._bounds.size)
                while measured.read(CHUNK):
                    pass
                self._tars[key] = measured.digest
            return self._tars[key]

    # Names and files

    def _names(self) -> dict[str, str]:
        try:
            names: dict[str, str] = json.loads((self.directory / NAMES).read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Refused(f"{self.directory / NAMES} cannot be read: {error}") from error
        return names

    def _write_names(self, new: Mapping[str, str], gone: list[str] | None = None) -> None:
        with self._locked("names"):
            names = {name: id_ for name, id_ in self._names().items() if name not in (gone or ())} | dict(new)
            partial = self.directory / ".names.partial"
            with partial.open("w") as file:
                json.dump(names, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self.directory / NAMES)
            self._sync()

    def _partial(self, key: str) -> Path:
        return self.directory / f".{key}.partial"

    def _scratch(self) -> Path:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.directory

    def _sync(self) -> None:
        with _directory(self.directory) as fd:
            os.fsync(fd)

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        locks = self._scratch() / ".locks"
        locks.mkdir(exist_ok=True)
        with (locks / key).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _failing(self, path: Path | None) -> Iterator[None]:
        """Whatever goes wrong names the file."""
        try:
            yield
        except Refused as error:
            raise Refused(str(error) if path is None or str(path) in str(error) else f"{path}: {error}") from error
        except OSError as error:
            where = error.filename or path or self.directory
            raise Refused(f"{where}: {os.strerror(error.errno or 0)}") from error


def canonical(name: str) -> str:
    """The one full spelling: `busybox` is docker.io/library/busybox:latest."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name
    if first == "docker.io" and "/" not in rest:
        rest = f"library/{rest}"
    if "@" not in rest and ":" not in rest.rpartition("/")[2]:
        rest += ":latest"
    return f"{first}/{rest}"


def _user_of(key: str) -> int | None:
    """A process whose mounts name this image's tree; one mount table a mount namespace would do, but is as long."""
    mark = f"/{key}/rootfs".encode()
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if mark in path.read_bytes():
                return int(path.parent.name)
        except OSError:
            continue
    return None


def _key(id_: str) -> str:
    return id_.replace(":", "-").replace("@", "-").replace("/", "-")


def _at(path: Path) -> Image | None:
    try:
        about = json.loads((path / "image.json").read_bytes())
    except (OSError, ValueError):
        return None
    return Image(about["id"], path / "rootfs", about["config"], about["size"])


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _discard(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
