"""Image: what a container's `image` means on nodes without a registry: a root and a program.

    spec:
      patterns: ["mysql", "mysql:*"]       names, with * for anything
      root: host                           or dir:///, venv:///, tar:///, oci:/// with an absolute path on the node
      entrypoint: [/opt/mysql/start]       the image's ENTRYPOINT; a container's command takes its place
      args: []                             the image's CMD; a container's args take its place
      env: [{name: LANG, value: C.UTF-8}]
      workingDir: /
      user: mysql                          uid[:gid] or names that the root's /etc/passwd and /etc/group know

Ours (procorch.dev/v1), cluster-scoped. An archive (tar, oci) brings entrypoint, args, env, workingDir and user of its
own; what is said here goes before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import indexed, part, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.names import env_name
from procorch.objects import Cause, Object

_PATTERN = re.compile(r"[A-Za-z0-9*?\[\]][A-Za-z0-9*?\[\]._:/@-]*")
_USER = re.compile(r"([0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,31})(:([0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,31}))?")
_ROOTS = ("dir", "venv", "tar", "oci")
_NEEDED = "must be host, or dir://, venv://, tar:// or oci:// and an absolute path"
_LARGEST_ID = 2**31 - 1
_WIDEST = 60  # characters of a program in a table


def validate(image: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(image, "spec")
    patterns = spec.get("patterns")
    if not texts(patterns):
        yield Cause.required("spec.patterns", "names the images that are meant, such as mysql or mysql:*")
    for index, pattern in enumerate(texts(patterns)):
        if not _PATTERN.fullmatch(pattern):
            yield Cause.invalid(f"spec.patterns[{index}]", pattern, "must be an image name, with * for anything")
        if pattern in texts(patterns)[:index]:
            yield Cause.duplicate(f"spec.patterns[{index}]", pattern)
    yield from _root(text(spec.get("root")))
    directory = text(spec.get("workingDir"))
    if directory and not directory.startswith("/"):
        yield Cause.invalid("spec.workingDir", directory, "must be an absolute path")
    user = text(spec.get("user"))
    if user and not (_USER.fullmatch(user) and all(_is_possible(one) for one in user.split(":"))):
        yield Cause.invalid("spec.user", user, "must be user or user:group, as names or numbers")
    for where, variable in indexed(spec.get("env"), "spec.env"):
        name = text(variable.get("name"))
        if not name:
            yield Cause.required(f"{where}.name")
        for message in env_name(name) if name else ():
            yield Cause.invalid(f"{where}.name", name, message)


def _is_possible(account: str) -> bool:
    return not account.isdecimal() or int(account) <= _LARGEST_ID


def _root(root: str) -> Iterator[Cause]:
    scheme, colon, path = root.partition("://")
    if not root:
        yield Cause.required("spec.root", _NEEDED)
    elif root == "host":
        return
    elif colon and scheme == "exec":
        yield Cause.invalid("spec.root", root, "a program is no root: use host, and the program as spec.entrypoint")
    elif not colon or scheme not in _ROOTS or not path.startswith("/"):
        yield Cause.invalid("spec.root", root, _NEEDED)
    elif ".." in path.split("/"):
        yield Cause.invalid("spec.root", root, "must not contain '..'")


def _patterns(image: Object, now: float) -> str:
    return ",".join(texts(part(image, "spec").get("patterns"))) or "<none>"


def _program(image: Object, now: float) -> str:
    """What it starts, as much of it as has room: an entrypoint may be a whole script."""
    spec = part(image, "spec")
    words = " ".join(" ".join([*texts(spec.get("entrypoint")), *texts(spec.get("args"))]).split())
    return (words if len(words) <= _WIDEST else f"{words[: _WIDEST - 3]}...") or "<none>"


KIND = Kind(
    "Image", "images", group="procorch.dev",
    short_names=("img",), namespaced=False,
    validate=validate,
    columns=(
        NAME, Column("Patterns", _patterns), Column("Root", ".spec.root"), Column("Program", _program, priority=1), AGE,
    ),
    generation=True,
)  # fmt: skip
