"""The machine's image store: archives unpacked once each, and the names they go by.

    <directory>/sha256-<config's digest>/   rootfs/, image.json      of an OCI or docker image
                tar-sha256-<the tar's>/     rootfs/, image.json      of a plain tar of a root file system
                .<the same>.partial/        being unpacked or removed: nobody's after a crash
                .pull-….partial/            being transferred, likewise
                .locks/, names.json         (image_names.py)

An image.json's time of change is when the image was last given to a container.

Unpacking is into .partial, synced, then renamed: what has its name is whole, whenever the power went. A lock per
digest lets one unpack while others, in this process or another, wait and find it done. All here blocks.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import archives
from .archives import Found, Source, check
from .changes import Changes
from .image_names import Name, Names, locked, sync
from .layers import CHUNK, Bounds, Measured, Refused, Tree, apply
from .references import Reference, canonical

PARTIAL = ".partial"
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
        self._names = Names(directory)
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
                self._names.write({canonical(each): Name(image.id) for each, image in loaded})
                return [(canonical(each), image) for each, image in loaded]
        if not name:
            raise Refused(f"{path}: a plain tar does not name its image: give --name")
        image = self.tar(path)
        self._names.write({canonical(name): Name(image.id)})
        return [(canonical(name), image)]

    def named(self, name: str) -> tuple[Name, Image] | None:
        """The image that goes by this name, however it is written."""
        found = self._names.read().get(_key_of(name))
        image = None if found is None else self.by_id(found.id)
        return None if found is None or image is None else (found, image)

    def by_id(self, id_: str) -> Image | None:
        return _at(self.directory / _key(id_))

    def note_use(self, root: Path) -> None:
        """A container gets this root now, which may be an image's; told by `last_used`."""
        if root.parent.parent == self.directory:
            with suppress(OSError):  # it is removed at this moment, or the disk is full: no reason not to start
                os.utime(root.parent / "image.json")

    def last_used(self, image: Image) -> float:
        """Epoch seconds; of an image that no container had yet, when it came."""
        return (image.root.parent / "image.json").stat().st_mtime

    def changes(self) -> Changes:
        """Heard whenever a name is given or taken, by whichever process. Called in a running loop."""
        return self._names.changes()

    def items(self) -> list[tuple[str, Image]]:
        """Every name with its image, and the images without a name under an empty one; sorted."""
        names = self._names.read()
        rows = [(name, image) for name, one in names.items() if (image := self.by_id(one.id)) is not None]
        known = {image.id for _, image in rows}
        for path in self.directory.glob("[!.]*/image.json"):
            image = _at(path.parent)
            if image is not None and image.id not in known:
                rows.append(("", image))
        return sorted(rows, key=lambda row: (row[0], row[1].id))

    def remove(self, name: str) -> bool:
        """A name, and the image with its last name; or an image by its id with all its names.

        A pulled tag takes its digest with it, unless another tag of the repository has the same.
        False: only the name went. Raises Refused where nothing is called so or a process runs on it.
        """
        names = self._names.read()
        key = _key_of(name)
        by_id = _ID.fullmatch(name) is not None and (
            any(one.id == name for one in names.values()) or self.by_id(name) is not None
        )
        if not by_id and key not in names:
            raise Refused(f'no image is called "{name}"')
        id_ = name if by_id else names[key].id
        of_image = {one for one, row in names.items() if row.id == id_}
        going = of_image if by_id else {key} | _left_alone(key, of_image, names)
        if going != of_image:
            self._names.write({}, going)
            return False
        with self._failing(None), locked(self._scratch(), _key(id_)):
            if (pid := _user_of(_key(id_))) is not None:
                raise Refused(f"{name} is in use by process {pid}: delete its pod first")
            self._names.write({}, going)
            partial = self._partial(_key(id_))
            _discard(partial)
            if (path := self.directory / _key(id_)).exists():
                path.rename(partial)
                _discard(partial)
        return True

    # From a registry

    def begin_transfer(self) -> Path:
        """A directory for what is being transferred."""
        return Path(tempfile.mkdtemp(prefix=".pull-", suffix=PARTIAL, dir=self._scratch()))

    def end_transfer(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)

    def need_room(self, size: int) -> None:
        """Raises Refused where so many bytes are more than an image may have, or than is free."""
        with _directory(self._scratch()) as fd:
            most = self._room(fd).size
        if size > most:
            raise Refused(f"its layers have {size} bytes, of which {self.directory} takes {most} at most")

    def note_pull(self, reference: Reference, image: Image, digest: str, fingerprint: str) -> None:
        """A registry has this image by this name now. fingerprint: of who asked; empty for nobody in particular."""
        name = Name(image.id, digest, time.time(), (fingerprint,) if fingerprint else None)
        self._names.write({reference.key: name, f"{reference.name}@{digest}": name})

    def clear(self) -> None:
        """What transfers and unpacking of processes that were killed left. Nobody may pull meanwhile."""
        for path in self.directory.glob(f".*{PARTIAL}"):
            if path.name.startswith(".pull-"):
                shutil.rmtree(path, ignore_errors=True)
            elif path.is_dir():
                with suppress(BlockingIOError), locked(self.directory, path.name[1 : -len(PARTIAL)], wait=False):
                    shutil.rmtree(path, ignore_errors=True)  # nobody is unpacking it

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
        if (image := self.by_id(id_)) is not None:
            return image
        key = _key(id_)
        with locked(self._scratch(), key):
            if (image := self.by_id(id_)) is not None:
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
                sync(self.directory)
            except BaseException:
                _discard(partial)
                raise
        image = self.by_id(id_)
        if image is None:
            raise Refused("it was removed as soon as it was unpacked")
        return image

    def _room(self, fd: int) -> Bounds:
        """A tenth of what is free stays free: a small archive may hold much."""
        free = os.fstatvfs(fd)
        return replace(self._bounds, size=min(self._bounds.size, free.f_bavail * free.f_frsize * 9 // 10))

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

    # Files

    def _partial(self, key: str) -> Path:
        return self.directory / f".{key}{PARTIAL}"

    def _scratch(self) -> Path:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.directory

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


def _key_of(name: str) -> str:
    """As in the file of names: a digest makes a tag beside it needless."""
    full, at, digest = canonical(name).partition("@")
    if not at:
        return full
    host, _, path = full.partition("/")
    return f"{host}/{path.partition(':')[0]}@{digest}"


def _left_alone(tag: str, of_image: set[str], names: Mapping[str, Name]) -> set[str]:
    """The digest that stands beside a pulled tag, where no other tag of its repository stands beside it."""
    repository, digest = tag.rpartition(":")[0], names[tag].digest
    if not digest or "@" in tag:
        return set()
    others = {one for one in of_image if one.startswith(f"{repository}:") and one != tag}
    beside = f"{repository}@{digest}"
    return {beside} & of_image if all(names[one].digest != digest for one in others) else set()


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
