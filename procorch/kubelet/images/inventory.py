"""The images that a node has, as its status tells them: those in its store with their sizes, then the Image objects."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from procorch.kubelet.images.objects import rows_of
from procorch.objects import Object
from runtime.images import ImageStore
from runtime.layers import Refused

MOST_IMAGES, MOST_NAMES = 50, 5  # as a kubelet has it, so that a node's object stays small

logger = logging.getLogger(__name__)


class Inventory:
    """The store is read when it has changed. objects: the cluster's Image objects."""

    def __init__(self, store: ImageStore, objects: Mapping[str, Object]) -> None:
        self._store = store
        self._objects = objects
        self._stored: list[dict[str, Any]] | None = None

    def changed(self) -> None:
        """The store is not what it was."""
        self._stored = None

    def rows(self) -> list[dict[str, Any]]:
        """For status.images: the largest first."""
        if self._stored is None:
            self._stored = self._read()
        return [*self._stored, *rows_of(self._objects.values())][:MOST_IMAGES]

    def _read(self) -> list[dict[str, Any]]:
        names: dict[str, list[str]] = {}
        sizes: dict[str, int] = {}
        try:
            for name, image in self._store.items():
                names.setdefault(image.id, []).append(name or image.id)
                sizes[image.id] = image.size
        except Refused as error:
            logger.warning("image store not read", extra={"error": str(error)})
        rows = [{"names": names[id_][:MOST_NAMES], "sizeBytes": sizes[id_]} for id_ in names]
        return sorted(rows, key=lambda row: (-row["sizeBytes"], row["names"]))
