"""What an image name means on this node: a root, a program, and an imageID that says truthfully which.

    "" or host          the node's own file tree; the container brings its command
    dir:///path         that directory as the root
    exec:///path        that program of the node's own file tree
    anything else       the most specific Image object of the cluster whose pattern matches

Nothing is silently replaced: what is none of these is an ImageProblem whose message says what to do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from procorch.objects import Object, get
from runtime import Root

HOST_ID = "host"


class ImageProblem(Exception):
    """The image cannot be had here. reason: ErrImagePull or InvalidImageName."""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Resolved:
    """What runs. user: `uid[:gid]`, or empty where the image has none. note: what it is, for people."""

    root: Root
    image_id: str
    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Mapping[str, str], ...] = field(default=())
    working_dir: str = ""
    user: str = ""
    note: str = ""


def resolve(image: str, images: Iterable[Object]) -> Resolved:
    """images: the cluster's Image objects. Raises ImageProblem."""
    if image in ("", "host"):
        return Resolved(Root("host"), HOST_ID)
    scheme, colon, rest = image.partition("://")
    if colon:
        return _by_scheme(scheme, rest, image)
    found = match(image, images)
    if found is None:
        raise ImageProblem(
            f'image "{image}" means nothing on this cluster: no Image object has a pattern for it, and no registry is '
            f'asked. Create one (kind: Image, apiVersion: procorch.dev/v1, spec.patterns: ["{image}"], '
            "spec.entrypoint: [...]), or use image: host with a command"
        )
    return _by_object(found)


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


def _by_scheme(scheme: str, rest: str, image: str) -> Resolved:
    path = Path(rest)
    if scheme == "dir":
        return Resolved(root_of(image, "image"), f"dir://{path}", note=f"the directory {path}")
    if scheme == "exec":
        if not path.is_absolute():
            raise ImageProblem(f"image {image}: the path must be absolute (exec:///path)", "InvalidImageName")
        if not path.is_file():
            raise ImageProblem(f"image {image}: {path} is no file on this node")
        return Resolved(Root("host"), f"exec://{path}", (str(path),), note=f"the node's program {path}")
    raise ImageProblem(
        f'image "{image}": scheme {scheme} is not supported; use host, dir:///path, exec:///path or an Image object',
        "InvalidImageName",
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
