"""Volumes: each type is a file with a VOLUME; the table below is all that the kubelet knows of them."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from procorch.kubelet.environment import ConfigProblem, expand
from procorch.kubelet.volumes import empty_dir, host_path, projected
from procorch.kubelet.volumes.volume import Made, Source, Volume, VolumeProblem
from procorch.objects import Object
from runtime import Mount

__all__ = ["VOLUMES", "Made", "Source", "Volume", "VolumeProblem", "make_all", "mounts_of", "remove_all"]

VOLUMES: dict[str, Volume] = {
    volume.name: volume for volume in (empty_dir.VOLUME, host_path.VOLUME, *projected.VOLUMES)
}

_ELSEWHERE = {
    "gcePersistentDisk": "this node is no Google Compute Engine instance",
    "awsElasticBlockStore": "this node is no Amazon EC2 instance",
    "azureDisk": "this node is no Azure machine",
}


async def make_all(pod: Object, base: Path, source: Source) -> dict[str, Made]:
    """name → Made, for every volume of the pod. base: the pod's own directory for volumes.

    Raises VolumeProblem with the message of Kubernetes' FailedMount event.
    """
    made = {}
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        kind = VOLUMES.get(type_of(volume))
        if kind is None:
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{name}" : {_unsupported(volume)}')
        directory = kind.directory(base, name)
        try:
            made[name] = await kind.materialize(volume, pod, directory, source)
        except (VolumeProblem, ConfigProblem) as error:
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{name}" : {what}') from error
    return made


def mounts_of(container: Mapping[str, Any], made: Mapping[str, Made], env: Mapping[str, str]) -> list[Mount]:
    """The container's volumeMounts. Raises ConfigProblem."""
    mounts = []
    for row in container.get("volumeMounts") or []:
        if row["name"] not in made:
            raise ConfigProblem(f"volumeMount {row['name']}: the pod has no such volume")
        if row.get("mountPropagation") not in (None, "", "None"):
            raise ConfigProblem(f"volumeMounts.mountPropagation: {row['mountPropagation']}: not supported")
        sub_path = row.get("subPath") or expand(row.get("subPathExpr") or "", env)
        if sub_path.startswith("/") or ".." in sub_path.split("/"):
            raise ConfigProblem(f"volumeMounts.subPath: {sub_path}: must be relative and without ..")
        mount = made[row["name"]].mount
        target, sub_path = row["mountPath"], _through_link(mount, sub_path)
        read_only = mount.read_only or bool(row.get("readOnly"))
        mounts.append(replace(mount, target=target, sub_path=sub_path, read_only=read_only))
    return sorted(mounts, key=lambda mount: mount.target.rstrip("/").count("/"))  # the outer before the inner


def _through_link(mount: Mount, sub_path: str) -> str:
    """A file of a configMap and the like is a link into ..data: name the file itself, as it is now."""
    if not sub_path or mount.source is None:
        return sub_path
    first, _, rest = sub_path.partition("/")
    link = mount.source / first
    if link.is_symlink() and str(link.readlink()) == f"..data/{first}":
        return "/".join(part for part in (str((mount.source / "..data").readlink()), first, rest) if part)
    return sub_path


def type_of(volume: Mapping[str, Any]) -> str:
    """The field that says what kind of volume it is; none means emptyDir."""
    names = [name for name in volume if name != "name" and volume[name] is not None]
    return names[0] if names else "emptyDir"


async def remove_all(directory: Path) -> None:
    """Take away all that was made for a pod. What a hostPath shows is not in there."""
    try:
        await asyncio.to_thread(shutil.rmtree, directory)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def _unsupported(volume: Mapping[str, Any]) -> str:
    name = type_of(volume)
    return f"volume type {name}: {_ELSEWHERE.get(name, 'not supported')}"
