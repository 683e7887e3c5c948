"""What an image name means on this node: a root, a program, and an imageID that says truthfully which.

    "" or host          the node's own file tree; the container brings its command
    dir:///path         that directory as the root
    exec:///path        that program of the node's own file tree
    venv:///path        the node's own file tree, with an environment (venv, conda prefix) in front of PATH
    tar:///path         a tar of a root file system, unpacked into the node's image store
    oci:///path         an OCI layout, or an OCI or docker archive, unpacked likewise
    anything else       what `procorch image load` has named so on this node; else the most specific Image object of
                        the cluster whose pattern matches

Nothing is silently replaced: what is none of these is an ImageProblem whose message says what to do.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from procorch.objects import Object, get
from runtime import Mount, Root
from runtime.images import Image, ImageStore, account
from runtime.layers import Refused
from runtime.roots import EMPTY

HOST_ID = "host"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageProblem(Exception):
    """The image cannot be had here. reason: ErrImagePull or InvalidImageName."""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Resolved:
    """What runs. user: `uid[:gid]`, or empty where the image has none. note: what it is, for people.

    mounts: what the image has besides its root.
    """

    root: Root
    image_id: str
    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Mapping[str, str], ...] = field(default=())
    working_dir: str = ""
    user: str = ""
    note: str = ""
    mounts: tuple[Mount, ...] = ()


class Images:
    """What images are on one node. store: the node's; an archive is unpacked there when it is first asked for.

    Of one archive only one thread is at work, however many containers wait for it.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._unpacking: dict[str, asyncio.Lock] = {}

    async def resolve(self, image: str, objects: Iterable[Object]) -> Resolved:
        """objects: the cluster's Image objects. Raises ImageProblem."""
        if image in ("", "host"):
            return Resolved(Root("host"), HOST_ID)
        scheme, colon, rest = image.partition("://")
        if scheme in ("tar", "oci") and colon:
            return await self._by_archive(scheme, rest, image)
        if colon:
            return _by_scheme(scheme, rest, image)
        try:
            loaded = self._store.named(image)
        except Refused as error:
            raise ImageProblem(f'image "{image}": {error}') from error
        if loaded is not None:
            return _by_archive(loaded, image)
        if (found := match(image, objects)) is not None:
            return _by_object(found)
        raise ImageProblem(
            f'image "{image}" means nothing here: it was not loaded on this node, no Image object has a pattern for '
            f"it, and no registry is asked. Load it on the node (procorch image load FILE --name {image}; FILE as "
            "`podman save`, `docker save` or `skopeo copy` write it), or create an Image (apiVersion: "
            f'procorch.dev/v1, kind: Image, spec.patterns: ["{image}"], spec.root: host, spec.entrypoint: [...]), or '
            "use image: host with a command"
        )

    async def _by_archive(self, scheme: str, rest: str, image: str) -> Resolved:
        path = _absolute(rest, image, scheme)
        take = self._store.tar if scheme == "tar" else self._store.oci
        lock = self._unpacking.setdefault(image, asyncio.Lock())
        try:
            async with lock:
                found = await asyncio.to_thread(take, path)
        except Refused as error:
            raise ImageProblem(f"image {image}: {error}") from error
        finally:
            if not lock.locked():
                self._unpacking.pop(image, None)
        return _by_archive(found, image)


def match(image: str, images: Iterable[Object]) -> Object | None:
    """The Image object with the most specific pattern for the name: most literal characters, then fewest stars.

    A pattern without a tag also means the tag `latest`; `docker.io/` and `library/` before a name are optional.
    """
    names = spellings(image)
    best: tuple[tuple[int, int, str], Object] | None = None
    for one in images:
        for pattern in get(one, ".spec.patterns", []):
            if not any(_matches(pattern, name) for name in names):
                continue
            stars = pattern.count("*") + pattern.count("?")
            rank = (len(pattern) - stars, -stars, one["metadata"]["name"])
            if best is None or rank > best[0]:
                best = (rank, one)
    return best[1] if best is not None else None


def spellings(image: str) -> set[str]:
    """The ways in which one image is written."""
    names = {image}
    for prefix in ("docker.io/library/", "docker.io/", "library/"):
        if image.startswith(prefix):
            names.add(image.removeprefix(prefix))
            break
    if "@" not in image:
        for name in list(names):
            base, colon, tag = name.rpartition(":")
            if not colon or "/" in tag:
                names.add(f"{name}:latest")
            elif tag == "latest":
                names.add(base)
    return names


def root_of(text: str, where: str) -> Root:
    """`host` or `dir:///path`. Raises ImageProblem."""
    if text in ("", "host"):
        return Root("host")
    if text.startswith("dir://"):
        path = Path(text.removeprefix("dir://"))
        if not path.is_absolute():
            raise ImageProblem(f"{where}: {text}: the path must be absolute (dir:///path)", "InvalidImageName")
        if not path.is_dir():
            raise ImageProblem(f"{where}: {path} is no directory on this node")
        return Root("dir", path)
    raise ImageProblem(f'{where}: root "{text}" is neither host nor dir:///path', "InvalidImageName")


def user_of(text: str) -> tuple[int, int] | None:
    """`uid[:gid]` as numbers; None for an empty text. Raises ImageProblem for names: no user database is read."""
    if not text:
        return None
    uid, _, gid = text.partition(":")
    if not uid.isdecimal() or (gid and not gid.isdecimal()):
        raise ImageProblem(f'user "{text}" is not of the form uid[:gid] in numbers', "InvalidImageName")
    return int(uid), int(gid or 0)


def _absolute(rest: str, image: str, scheme: str) -> Path:
    path = Path(rest)
    if not path.is_absolute() or ".." in path.parts:
        raise ImageProblem(f"image {image}: the path must be absolute ({scheme}:///path)", "InvalidImageName")
    return path


def _by_scheme(scheme: str, rest: str, image: str) -> Resolved:
    if scheme == "dir":
        return Resolved(root_of(image, "image"), f"dir://{Path(rest)}", note=f"the directory {Path(rest)}")
    if scheme == "venv":
        return _by_environment(_absolute(rest, image, scheme), image)
    if scheme == "exec":
        path = _absolute(rest, image, scheme)
        if not path.is_file():
            raise ImageProblem(f"image {image}: {path} is no file on this node")
        return Resolved(Root("host"), f"exec://{path}", (str(path),), note=f"the node's program {path}")
    raise ImageProblem(
        f'image "{image}": scheme {scheme} is not supported; use host, dir:///path, exec:///path, venv:///path, '
        "tar:///path, oci:///path, the name of a loaded image or an Image object",
        "InvalidImageName",
    )


def _by_environment(path: Path, image: str) -> Resolved:
    """Mounted at its own place, since programs in it name that place in their first line."""
    if not path.is_dir():
        raise ImageProblem(f"image {image}: {path} is no directory on this node: make the environment there first")
    if path == Path("/") or not (path / "bin").is_dir():
        raise ImageProblem(f"image {image}: {path} has no bin: it is no environment")
    places = {path.resolve(): path.resolve()}
    if _is_masked(path):
        places[path] = path.resolve()  # where a link leads to it that the container cannot see
    variables = {"PATH": f"{path}/bin:{PATH}"}
    if (path / "pyvenv.cfg").is_file():
        variables["VIRTUAL_ENV"] = str(path)
        base = _base_of(path / "pyvenv.cfg")
        if base is not None and _is_masked(base):
            places[base] = base
    elif (path / "conda-meta").is_dir():
        variables["CONDA_PREFIX"] = str(path)
    return Resolved(
        Root("host"),
        f"venv://{path}",
        env=tuple({"name": name, "value": value} for name, value in variables.items()),
        note=f"the node's file tree with the environment {path}",
        mounts=tuple(Mount(str(target), source, read_only=True) for target, source in places.items()),
    )


def _base_of(config: Path) -> Path | None:
    """The prefix of the Python that a venv was made from: `home` in its pyvenv.cfg is that prefix's bin."""
    for line in config.read_text(errors="replace").splitlines():
        key, _, value = line.partition("=")
        home = Path(value.strip())
        if key.strip() == "home" and home.name == "bin" and (home / "python3").exists():
            return home.parent.resolve()
    return None


def _is_masked(path: Path) -> bool:
    return any(path.is_relative_to(one) for one in EMPTY)


def _by_archive(found: Image, image: str) -> Resolved:
    """As the archive's config says. Raises ImageProblem for a user whom the image does not know."""
    config = found.config
    user = config.get("User") or ""
    try:
        user = account(found.root, user) if user else ""
    except Refused as error:
        raise ImageProblem(f"image {image}: {error}") from error
    working_dir = f"/{config['WorkingDir'].lstrip('/')}" if config.get("WorkingDir") else ""
    pairs = (one.partition("=") for one in config.get("Env") or ())
    return Resolved(
        Root("dir", found.root),
        found.id,
        tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()),
        tuple({"name": name, "value": value} for name, _, value in pairs),
        working_dir,
        user,
        note=f"the image {found.id}",
    )


def _by_object(obj: Object) -> Resolved:
    name, spec = obj["metadata"]["name"], obj.get("spec") or {}
    root = root_of(spec.get("root") or "host", f'Image "{name}"')
    digest = hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest()
    entrypoint = tuple(spec.get("entrypoint") or ())
    if entrypoint and entrypoint[0].startswith("/"):
        inside = Path("/") if root.path is None else root.path
        if not (inside / entrypoint[0].lstrip("/")).exists():
            raise ImageProblem(f'Image "{name}": its program {entrypoint[0]} is not on this node; install it first')
    user_of(spec.get("user") or "")
    where = "the node's file tree" if root.path is None else str(root.path)
    return Resolved(
        root,
        f"image.procorch.dev/{name}@sha256:{digest}",
        entrypoint,
        tuple(spec.get("args") or ()),
        tuple(spec.get("env") or ()),
        spec.get("workingDir") or "",
        spec.get("user") or "",
        note=f'Image "{name}": {entrypoint[0] if entrypoint else "no program of its own"} in {where}',
    )


def _matches(pattern: str, name: str) -> bool:
    """Shell-like: `*` and `?` match anything, a slash or colon included."""
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch("".join(parts), name) is not None


def status_images(images: Iterable[Object]) -> list[dict[str, Any]]:
    """The Image objects as rows of a node's status.images; names with wildcards are no names."""
    rows = []
    for one in images:
        names = [name for name in get(one, ".spec.patterns", []) if "*" not in name and "?" not in name]
        if names:
            rows.append({"names": names, "sizeBytes": 0})
    return rows[:50]
