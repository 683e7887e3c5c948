"""emptyDir: a directory that begins empty and lives as long as the pod; on disk or in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from procorch.kubelet.volumes.volume import Made, Source, Volume, VolumeProblem, fs_group
from procorch.objects import Object
from procorch.quantity import byte_count
from runtime import Mount


async def materialize(volume: dict[str, Any], pod: Object, directory: Path, source: Source) -> Made:
    own = volume.get("emptyDir") or {}
    group = fs_group(pod)
    medium = own.get("medium") or ""
    if medium == "Memory":
        options = ["mode=2777" if group is not None else "mode=777"]
        if group is not None:
            options.append(f"gid={group}")
        limit = own.get("sizeLimit")
        if limit is not None and byte_count(limit) > 0:
            options.append(f"size={byte_count(limit)}")
        return Made(Mount("", Path(f"volume-{volume['name']}"), "tmpfs", options=tuple(options)))
    if medium:
        raise VolumeProblem(f"emptyDir.medium: {medium}: not supported")
    _make(directory, group)
    return Made(Mount("", directory))


def _make(directory: Path, group: int | None) -> None:
    if not directory.exists():
        directory.mkdir(parents=True)
        if group is not None:
            os.chown(directory, -1, group)
        directory.chmod(0o2777 if group is not None else 0o777)


def on_disk(pod: Object) -> list[str]:
    """The names of the pod's emptyDirs that are directories."""
    rows = pod["spec"].get("volumes") or ()
    return [row["name"] for row in rows if (own := row.get("emptyDir")) is not None and own.get("medium") != "Memory"]


def place(base: Path, name: str) -> Path:
    """base: the pod's own directory for volumes."""
    return VOLUME.directory(base, name)


VOLUME = Volume("emptyDir", materialize, "kubernetes.io/empty-dir")
