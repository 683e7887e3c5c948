"""hostPath: a file or directory of the node, permanent; checked for what the pod says it is."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from procorch.kubelet.volumes.volume import Made, Source, Volume, VolumeProblem
from procorch.objects import Object
from runtime import Mount

_CHECKS = {
    "Directory": (stat.S_ISDIR, "directory"),
    "File": (stat.S_ISREG, "file"),
    "Socket": (stat.S_ISSOCK, "socket"),
    "CharDevice": (stat.S_ISCHR, "character device"),
    "BlockDevice": (stat.S_ISBLK, "block device"),
}


async def materialize(volume: dict[str, Any], pod: Object, directory: Path, source: Source) -> Made:
    own = volume["hostPath"]
    path = Path(own["path"])
    type_ = own.get("type") or ""
    if not path.is_absolute() or ".." in path.parts:
        raise VolumeProblem(f"hostPath.path: {path}: must be absolute and without ..")
    try:
        check(path, _make(path, type_))
    except OSError as error:
        raise VolumeProblem(f"hostPath {path}: {error.strerror}") from error
    return Made(Mount("", path))


def _make(path: Path, type_: str) -> str:
    """Makes what may be made; the type that it then must be."""
    if type_ == "DirectoryOrCreate":
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
    elif type_ == "FileOrCreate" and not path.exists():  # its directory must exist: as Kubernetes has it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    return type_.removesuffix("OrCreate")


def check(path: Path, type_: str) -> None:
    """Raises VolumeProblem where the path is not what `type_` says. An empty type takes whatever is there."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if type_:
            raise VolumeProblem(f"hostPath type check failed: {path} is not a {_CHECKS[type_][1]}") from error
        raise VolumeProblem(f"hostPath {path}: {error.strerror}") from error
    if type_ and not _CHECKS[type_][0](mode):
        raise VolumeProblem(f"hostPath type check failed: {path} is not a {_CHECKS[type_][1]}")


VOLUME = Volume("hostPath", materialize, "kubernetes.io/host-path")
