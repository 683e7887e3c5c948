"""The cluster's Image objects: which of them an image name means, and what one of them makes of its root."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from procorch.kubelet.images.resolved import ImageProblem, Resolved
from procorch.kubelet.images.roots import Archive, root_of, user_in
from procorch.objects import Object, get
from runtime import syscalls


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


def root_of_object(obj: Object) -> Resolved | Archive:
    """Raises ImageProblem."""
    text = get(obj, ".spec.root", "host") or "host"
    return root_of(text, f'Image "{obj["metadata"]["name"]}": root {text}')


def over(root: Resolved, obj: Object, content: str = "") -> Resolved:
    """What the object says goes before what its root brings. Raises ImageProblem.

    content: the digest of an archive's content, of which the object has only the path.
    As with a container's command: an entrypoint of the object's own leaves the root's arguments away.
    """
    name, spec = obj["metadata"]["name"], obj.get("spec") or {}
    entrypoint, args = tuple(spec.get("entrypoint") or ()), tuple(spec.get("args") or ())
    inside = Path("/") if root.root.path is None else root.root.path
    if entrypoint and entrypoint[0].startswith("/") and not _is_in(inside, entrypoint[0]):
        where = "on this node; install it first" if inside == Path("/") else f"in {root.image_id}"
        raise ImageProblem(f'Image "{name}": its program {entrypoint[0]} is not {where}')
    own = {row["name"]: row for row in spec.get("env") or ()}
    digest = hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)).hexdigest()
    runs = entrypoint or root.entrypoint
    return replace(
        root,
        image_id=f"image.procorch.dev/{name}@sha256:{digest}" + (f"+{content}" if content else ""),
        entrypoint=runs,
        args=args or (() if entrypoint else root.args),
        env=(*(row for row in root.env if row["name"] not in own), *own.values()),
        working_dir=spec.get("workingDir") or root.working_dir,
        user=user_in(inside, spec.get("user") or "", f'Image "{name}"') or root.user,
        note=f'Image "{name}": {runs[0] if runs else "no program of its own"} in {root.note}',
    )


def rows_of(images: Iterable[Object]) -> list[dict[str, Any]]:
    """The Image objects as rows of a node's status.images; names with wildcards are no names."""
    rows = []
    for one in images:
        names = [name for name in get(one, ".spec.patterns", []) if "*" not in name and "?" not in name]
        if names:
            rows.append({"names": names, "sizeBytes": 0})
    return rows


def _matches(pattern: str, name: str) -> bool:
    """Shell-like: `*` and `?` match anything, a slash or colon included."""
    parts = (".*" if one == "*" else "." if one == "?" else re.escape(one) for one in pattern)
    return re.fullmatch("".join(parts), name) is not None


def _is_in(root: Path, path: str) -> bool:
    """Links are followed as the container will follow them: inside the root."""
    try:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.close(syscalls.open_beneath(fd, path.lstrip("/"), syscalls.O_PATH, syscalls.RESOLVE_IN_ROOT))
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
