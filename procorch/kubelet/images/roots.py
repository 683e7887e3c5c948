"""The roots that a scheme names: on the node as it is, or in an archive of the node's that must be unpacked first.

    host                the node's own file tree
    dir:///path         that directory
    venv:///path        the node's own file tree, with an environment (venv, conda prefix) in front of PATH
    tar:///path         a tar of a root file system
    oci:///path         an OCI layout, or an OCI or docker archive

`where` in what follows says in messages whose root it is: `image dir:///x`, `Image "web": root dir:///x`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from procorch.kubelet.images.resolved import PATH, ImageProblem, Resolved
from runtime import Mount, Root
from runtime.accounts import account
from runtime.images import Image
from runtime.layers import Refused
from runtime.roots import EMPTY

HOST_ID = "host"


@dataclass(frozen=True, slots=True)
class Archive:
    """A root that is unpacked before it can be used. kind: tar or oci."""

    kind: str
    path: Path
    where: str


def root_of(text: str, where: str) -> Resolved | Archive:
    """Raises ImageProblem."""
    if text in ("", "host"):
        return Resolved(Root("host"), HOST_ID, note="the node's file tree")
    scheme, colon, rest = text.partition("://")
    if not colon or scheme not in ("dir", "venv", "tar", "oci"):
        raise ImageProblem(
            f"{where}: this is no root; use host, dir:///path, venv:///path, tar:///path or oci:///path",
            "InvalidImageName",
        )
    path = absolute(rest, scheme, where)
    if scheme == "dir":
        return _directory(path, where)
    return _environment(path, where) if scheme == "venv" else Archive(scheme, path, where)


def absolute(rest: str, scheme: str, where: str) -> Path:
    """Raises ImageProblem."""
    path = Path(rest)
    if not path.is_absolute() or ".." in path.parts:
        raise ImageProblem(f"{where}: the path must be absolute, without '..' ({scheme}:///path)", "InvalidImageName")
    return path


def unpacked(found: Image, where: str) -> Resolved:
    """As the archive's config says. Raises ImageProblem for a user whom the image does not know."""
    config = found.config
    working_dir = f"/{config['WorkingDir'].lstrip('/')}" if config.get("WorkingDir") else ""
    pairs = (one.partition("=") for one in config.get("Env") or ())
    return Resolved(
        Root("dir", found.root),
        found.id,
        tuple(config.get("Entrypoint") or ()),
        tuple(config.get("Cmd") or ()),
        tuple({"name": name, "value": value} for name, _, value in pairs),
        working_dir,
        user_in(found.root, config.get("User") or "", where),
        note=f"the image {found.id}",
    )


def user_in(root: Path, user: str, where: str) -> tuple[int, int] | None:
    """The account of that name or number in the root; None for an empty text. Raises ImageProblem."""
    try:
        return account(root, user) if user else None
    except Refused as error:
        raise ImageProblem(f"{where}: {error}") from error


def _directory(path: Path, where: str) -> Resolved:
    if not path.is_dir():
        raise ImageProblem(f"{where}: {path} is no directory on this node")
    return Resolved(Root("dir", path), f"dir://{path}", note=f"the directory {path}")


def _environment(path: Path, where: str) -> Resolved:
    """Mounted at its own place, since programs in it name that place in their first line."""
    if not path.is_dir():
        raise ImageProblem(f"{where}: {path} is no directory on this node: make the environment there first")
    if path == Path("/") or not (path / "bin").is_dir():
        raise ImageProblem(f"{where}: {path} has no bin: it is no environment")
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
