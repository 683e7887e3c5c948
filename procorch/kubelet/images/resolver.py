"""The order in which an image name is looked up on this node, and the work of what is not ready at once.

find ──▶ Resolved                            it is there
     ──▶ Unpack (an archive of the node's)  ─┐
     ──▶ Pull   (a registry's)              ─┴▶ fetch ──▶ Fetched
     ──▶ ImageProblem, which says what to do
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from procorch.kubelet.images.objects import match, over, root_of_object
from procorch.kubelet.images.policy import Step, next_step
from procorch.kubelet.images.resolved import ImageProblem, Resolved
from procorch.kubelet.images.roots import Archive, absolute, root_of, unpacked
from procorch.objects import Object
from runtime import Root
from runtime.image_names import Name
from runtime.images import Image, ImageStore
from runtime.layers import Refused
from runtime.references import Reference
from runtime.registry.credentials import Keyring
from runtime.registry.puller import Puller
from runtime.turns import Turns

SCHEMES = ("dir", "venv", "tar", "oci")


@dataclass(frozen=True, slots=True)
class Unpack:
    """An archive must be read first. wanted_by: the Image object whose root it is; None for a container's own."""

    archive: Archive
    wanted_by: Object | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """A registry's image, of which something must be found out first. image: as the container writes it.

    there: what the store has by this name.
    """

    image: str
    reference: Reference
    step: Step
    there: tuple[Name, Image] | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """pull: seconds that a registry's answer took; None where none was asked. size: bytes, of the image's files."""

    resolved: Resolved
    pull: float | None = None
    size: int = 0


class Images:
    """What images are on one node. store: the node's; an archive is unpacked there when it is first asked for.

    puller: asks the registries; None where none is configured. keyring: of the node, for all its pods.
    Of one archive only one thread is at work, however many containers wait for it.
    """

    def __init__(
        self, store: ImageStore, puller: Puller | None = None, keyring: Callable[[], Keyring] = Keyring
    ) -> None:
        self.store = store
        self._puller = puller
        self._keyring = keyring
        self._turns = Turns()

    def find(self, image: str, objects: Iterable[Object], policy: str = "") -> Resolved | Unpack | Pull:
        """What is there at once, or what must be done first. objects: the cluster's. Raises ImageProblem."""
        if image in ("", "host"):
            return _or_unpack(root_of("host", "image host"))
        scheme, colon, rest = image.partition("://")
        if colon:
            return _or_unpack(_by_scheme(scheme, rest, image))
        try:
            named = self.store.named(image)
        except Refused as error:
            raise ImageProblem(f'image "{image}": {error}') from error
        if named is not None and not named[0].was_pulled:
            return replace(unpacked(named[1], f"image {image}"), stored=True)
        if (found := match(image, objects)) is not None:
            root = root_of_object(found)
            return Unpack(root, found) if isinstance(root, Archive) else over(root, found)
        return self._of_registry(image, named, policy)

    async def fetch(
        self, what: Unpack | Pull, keyring: Callable[[], Awaitable[Keyring]], started: Callable[[], None]
    ) -> Fetched:
        """Does it. keyring: the pod's credentials; started: a registry is asked now. Raises ImageProblem."""
        if isinstance(what, Unpack):
            return Fetched(await self._unpack(what))
        try:
            credentials = await keyring() + self._keyring()
            return await self._pull(what, credentials, started)
        except Refused as error:
            raise ImageProblem(f"{what.reference}: {error}") from error

    def _of_registry(self, image: str, there: tuple[Name, Image] | None, policy: str) -> Resolved | Pull:
        try:
            reference = Reference.parse(image)
        except ValueError as error:
            raise ImageProblem(f'couldn\'t parse image name "{image}": {error}', "InvalidImageName") from None
        servable = self._puller is not None and bool(self._puller.registries.of(reference.host))
        private = there is not None and there[0].access is not None
        step = next_step(policy, present=there is not None, private=private, servable=servable)
        if step is Step.USE and there is not None:
            return _pulled(reference, there[1], there[0].digest)
        if step is Step.ABSENT:
            raise ImageProblem(
                f'Container image "{image}" is not present with pull policy of Never: load it on the node (procorch '
                f"image load FILE --name {image}), or use imagePullPolicy: IfNotPresent",
                "ErrImageNeverPull",
            )
        if step is Step.UNKNOWN:
            raise ImageProblem(_unknown(image, reference))
        return Pull(image, reference, step, there)

    async def _pull(self, what: Pull, keyring: Keyring, started: Callable[[], None]) -> Fetched:
        reference, puller = what.reference, self._puller
        if what.step in (Step.VERIFY, Step.RECOGNIZE) and what.there is not None:
            name, image = what.there
            if keyring.fingerprints & set(name.access or ()):
                return Fetched(_pulled(reference, image, name.digest))
        if puller is None or what.step is Step.RECOGNIZE:
            raise ImageProblem(
                f'image "{what.image}" is on this node, but was pulled with credentials that this pod does not have: '
                "give it the imagePullSecrets that the image needs",
                "ErrImageNeverPull",
            )
        started()
        pulled = await puller.pull(reference, keyring)
        resolved = _pulled(reference, pulled.image, pulled.digest)
        return Fetched(resolved, pulled.seconds, pulled.image.size)

    async def _unpack(self, what: Unpack) -> Resolved:
        archive = what.archive
        take = self.store.tar if archive.kind == "tar" else self.store.oci
        try:
            async with self._turns.of(archive):
                found = await asyncio.to_thread(take, archive.path)
        except Refused as error:
            raise ImageProblem(f"{archive.where}: {error}") from error
        root = unpacked(found, archive.where)
        return root if what.wanted_by is None else over(root, what.wanted_by, found.id)


def _pulled(reference: Reference, image: Image, digest: str) -> Resolved:
    """Called by what its registry has it as, so that exactly this can be had again."""
    name = f"{reference.name}@{digest}"
    return replace(unpacked(image, f"image {reference}"), image_id=name, note=f"the image {name}", stored=True)


def _unknown(image: str, reference: Reference) -> str:
    return (
        f'image "{image}" means nothing here: it was not loaded on this node, no Image object has a pattern for '
        f"it, and no registry is configured for {reference.host}. Load it on the node (procorch image load FILE --name "
        f"{image}; FILE as `podman save`, `docker save` or `skopeo copy` write it), or create an Image (apiVersion: "
        f'procorch.dev/v1, kind: Image, spec.patterns: ["{image}"], spec.root: host, spec.entrypoint: [...]), or '
        f"let the node ask a registry (its option --registry {reference.host}, or --registry {reference.host}=URL for "
        "a mirror), or use image: host with a command"
    )


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
        "tar:///path, oci:///path, or a name",
        "InvalidImageName",
    )


def _or_unpack(root: Resolved | Archive) -> Resolved | Unpack:
    return Unpack(root) if isinstance(root, Archive) else root
