"""What a volume type is, and how files of the API's objects are put on disk.

A directory of such files is never seen half written: the files lie in a directory named by the time, `..data` points
to it, and the names that the pod sees point through `..data`; a change swaps that one link.
Source of the layout: Kubernetes' atomic writer.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from procorch.kubelet.environment import Facts
from procorch.objects import Object
from runtime import Mount

READ_ALL = 0o644


class VolumeProblem(Exception):
    """The volume cannot be had now: FailedMount with this message."""


class Source(Protocol):
    """Where a volume's content comes from beyond the pod itself."""

    @property
    def facts(self) -> Facts: ...

    async def find(self, kind: str, namespace: str, name: str) -> Object:
        """A ConfigMap or Secret; raises NotFound."""
        ...

    async def token(self, pod: Object, audience: str, seconds: int) -> tuple[str, float]:
        """A token of the pod's ServiceAccount bound to the pod, and when (epoch seconds) a new one is wanted."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """A volume that is there. mount: its target is filled in per container. again: when (epoch) to make it anew."""

    mount: Mount
    again: float | None = None


Materialize = Callable[[dict[str, Any], Object, Path, Source], Awaitable[Made]]
"""(the volume's own part of the specification, pod, a directory for it alone, source) → Made; may be called often.

Raises VolumeProblem or ConfigProblem."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume type: the field of a pod's volume that names it, and what makes it. plugin: Kubernetes' name for it."""

    name: str
    materialize: Materialize
    plugin: str = ""

    def directory(self, base: Path, name: str) -> Path:
        """Where the volume of this name lies, of a pod whose volumes are in `base`."""
        return base / self.plugin.replace("/", "~") / name


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume. mode: permission bits. owner: uid, or -1 for the kubelet's own."""

    data: bytes
    mode: int = READ_ALL
    owner: int = -1


def write_files(directory: Path, files: Mapping[str, File], group: int | None) -> None:
    """Make `directory` show exactly `files` (relative path → File), in one step.

    group: the pod's fsGroup, which owns the files and may read them; None leaves them to the kubelet's group.
    Source of the modes: Kubernetes' SetVolumeOwnership (a read-only volume gains 0440, a directory the set-gid bit).
    """
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    files = {_checked(name): file for name, file in files.items()}
    if _shown(directory) == {name: (file.data, _mode(file, group)) for name, file in files.items()}:
        return
    stamp = datetime.now(UTC).strftime("%Y_%m_%d_%H_%M_%S.%f")
    fresh = directory / f"..{stamp}"
    fresh.mkdir(mode=0o755)
    for name, file in files.items():
        _write(fresh, name, file, group)
    if group is not None:
        for path in (directory, fresh):
            os.chown(path, -1, group)
            path.chmod(0o2775)
    shown = directory / "..data"
    old = shown.readlink() if shown.is_symlink() else None
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(shown)
    _point(directory, {name.split("/")[0] for name in files})
    if old is not None and old.name != fresh.name:
        shutil.rmtree(directory / old, ignore_errors=True)


def _checked(name: str) -> str:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or parts[0].startswith("..") or "" in parts:
        raise VolumeProblem(f"path {name!r} leads out of the volume")
    return name


def _mode(file: File, group: int | None) -> int:
    return file.mode if group is None else file.mode | 0o440


def _write(top: Path, name: str, file: File, group: int | None) -> None:
    path = top / name
    for parent in reversed(path.relative_to(top).parents[:-1]):
        (top / parent).mkdir(mode=0o755, exist_ok=True)
        if group is not None:
            os.chown(top / parent, -1, group)
            (top / parent).chmod(0o2775)
    path.write_bytes(file.data)
    os.chown(path, file.owner, -1 if group is None else group)
    path.chmod(_mode(file, group))


def _shown(directory: Path) -> dict[str, tuple[bytes, int]]:
    """What the volume shows now: path → (content, mode)."""
    data = directory / "..data"
    result = {}
    for path in data.rglob("*") if data.is_dir() else ():
        if path.is_file():
            result[str(path.relative_to(data))] = (path.read_bytes(), path.stat().st_mode & 0o7777)
    return result


def _point(directory: Path, names: set[str]) -> None:
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
    for link in directory.iterdir():
        if link.is_symlink() and not link.name.startswith("..") and link.name not in names:
            link.unlink()


def chosen(
    data: Mapping[str, bytes], source: Mapping[str, Any], default_mode: int | None, what: str
) -> dict[str, File]:
    """The keys that `items` choose, at their paths, or all. Raises VolumeProblem for a key that is not there."""
    mode = READ_ALL if default_mode is None else default_mode
    items = source.get("items")
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise VolumeProblem(f"references non-existent {what} key: {item['key']}")
        files[item["path"]] = File(data[item["key"]], mode if item.get("mode") is None else item["mode"])
    return files


def fs_group(pod: Object) -> int | None:
    """The group that owns the pod's volumes; None where the pod names none."""
    context = pod["spec"].get("securityContext") or {}
    group = context.get("fsGroup")
    return None if group is None else int(group)


def one_user(pod: Object) -> int | None:
    """The uid as which every container of the pod is told to run; None where one is told none, or they differ."""
    spec = pod["spec"]
    of_the_pod = (spec.get("securityContext") or {}).get("runAsUser")
    users = set()
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        own = (container.get("securityContext") or {}).get("runAsUser")
        users.add(of_the_pod if own is None else own)
    user = users.pop() if len(users) == 1 else None
    return None if user is None else int(user)
