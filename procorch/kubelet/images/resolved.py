"""What an image name came to: a root, a program, and an imageID that says truthfully which; or why to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime import Mount, Root

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ImageProblem(Exception):
    """The image cannot be had here. reason: ErrImagePull, ErrImageNeverPull or InvalidImageName."""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Resolved:
    """What runs. user: uid and gid, None where the image has none. note: what it is, for people.

    mounts: what the image has besides its root. stored: it lies in the node's image store under a name.
    """

    root: Root
    image_id: str
    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[Mapping[str, str], ...] = field(default=())
    working_dir: str = ""
    user: tuple[int, int] | None = None
    note: str = ""
    mounts: tuple[Mount, ...] = ()
    stored: bool = False
