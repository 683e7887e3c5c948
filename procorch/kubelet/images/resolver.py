"""The order in which an image name is looked up on this node, and the work of what is not ready at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from procorch.kubelet.images.objects import match, over, root_of_object
from procorch.kubelet.images.resolved import ImageProblem, Resolved
from procorch.kubelet.images.roots import Archive, absolute, root_of, unpacked
from procorch.objects import Object
from runtime import Root
from runtime.images import ImageStore
from runtime.layers import Refused

SCHEMES = ("dir", "venv", "tar", "oci")


@dataclass(frozen=True, slots=True)
class Unpack:
    """An archive must be read first. wanted_by: the Image object whose root it is; None for a container's own."""

    archive: Archive
    wanted_by: Object | None = None


class Images:
    """What images are on one node. store: the node's; an archive is unpacked there when it is first asked for.

    Of one archive only one thread is at work, however many containers wait for it.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._unpacking: dict[Archive, asyncio.Lock] = {}

    def find(self, image: str, objects: Iterable[Object]) -> Resolved | Unpack:
        """What is there at once, or what must be done first. objects: the cluster's. Raises ImageProblem."""
        if image in ("", "host"):
            return _or_unpack(root_of("host", "image host"))
        scheme, colon, rest = image.partition("://")
        if colon:
            return _or_unpack(_by_scheme(scheme, rest, image))
        try:
            loaded = self._store.named(image)
        except Refused as error:
            raise ImageProblem(f'image "{image}": {error}') from error
        if loaded is not None:
            return unpacked(loaded, f"image {image}")
        if (found := match(image, objects)) is not None:
            root = root_of_object(found)
            return Unpack(root, found) if isinstance(root, Archive) else over(root, found)
        raise ImageProblem(
            f'image "{image}" means nothing here: it was not loaded on this node, no Image object has a pattern for '
            f"it, and no registry is asked. Load it on the node (procorch image load FILE --name {image}; FILE as "
            "`podman save`, `docker save` or `skopeo copy` write it), or create an Image (apiVersion: "
            f'procorch.dev/v1, kind: Image, spec.patterns: ["{image}"], spec.root: host, spec.entrypoint: [...]), or '
            "use image: host with a command"
        )

    async def fetch(self, what: Unpack) -> Resolved:
        """Does it. Raises ImageProblem."""
        archive = what.archive
        lock = self._unpacking.setdefault(archive, asyncio.Lock())
        try:
            async with lock:
                take = self._store.tar if archive.kind == "tar" else self._store.oci
                found = await asyncio.to_thread(take, archive.path)
        except Refused as error:
            raise ImageProblem(f"{archive.where}: {error}") from error
        finally:
            if not lock.locked():
                self._unpacking.pop(archive, None)
        root = unpacked(found, archive.where)
        return root if what.wanted_by is None else over(root, what.wanted_by, found.id)


def _by_scheme(scheme: str, rest: str, image: str) -> Resolved | Archive:
    where = f"image {image}"
    if scheme in SCHEMES:
        return root_of(image, where)
    if scheme == "exec":
        path = absolute(rest, scheme, where)
        if not path.is_file():
            raise ImageProblem(f"{where}: {path} is no file on this node")
        return Resolved(Root("host"), f"exec://{path}", (str(path),), note=f"the node's program {path}")
    raise ImageProblem(
        f'image "{image}": scheme {scheme} is not supported; use host, dir:///path, exec:///path, venv:///path, '
        "tar:///path, oci:///path, the name of a loaded image or an Image object",
        "InvalidImageName",
    )


def _or_unpack(root: Resolved | Archive) -> Resolved | Unpack:
    return Unpack(root) if isinstance(root, Archive) else root
