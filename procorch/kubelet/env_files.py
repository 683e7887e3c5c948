"""Variables out of a file that another container of the pod has written, for `valueFrom.fileKeyRef`.

NAME='value' a line, the quotes always, with everything between them as it is, line ends too; then perhaps a comment.
Source: KEP-3721, which takes this part of the shell's language and no more.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runtime import syscalls

MOST_BYTES = 1 << 20


class EnvFileProblem(ValueError):
    """The file does not say what was asked; the text says why."""


def read(volume: Path, path: str) -> str:
    """The text of a file in a volume, whatever links lie there. Raises OSError, EnvFileProblem."""
    root = os.open(volume, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = syscalls.open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK, syscalls.RESOLVE_BENEATH)
    finally:
        os.close(root)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise EnvFileProblem("not a file")
    with os.fdopen(fd, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise EnvFileProblem(f"more than {MOST_BYTES >> 10} KiB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EnvFileProblem(f"not UTF-8: {error.reason} at byte {error.start}") from None


def value_of(text: str, key: str) -> str | None:
    """The first value of the variable; None where the file does not name it. Raises EnvFileProblem."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        at, line = number + 1, lines[number].lstrip(" \t")
        number += 1
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, rest = line.partition("=")
        if not equals or not name or name != name.strip():
            raise EnvFileProblem(f"line {at}: NAME='value' is wanted, without a blank before the =")
        if rest[:1] in (" ", "\t") or not rest.strip():
            value, rest = "", ""  # as a shell reads it: nothing, and then something else
        elif not rest.startswith("'"):
            raise EnvFileProblem(f"line {at}: the value of {name} must be enclosed in single quotes")
        else:
            value, closed, rest = rest[1:].partition("'")
            while not closed:
                if number == len(lines):
                    raise EnvFileProblem(f"line {at}: the value of {name} has no closing quote")
                more, closed, rest = lines[number].partition("'")
                value += f"\n{more}"
                number += 1
        if rest.strip() and not (rest[0] in " \t" and rest.strip().startswith("#")):
            raise EnvFileProblem(f"line {number}: only a comment may follow the value of {name}")
        if name == key:
            return value
    return None
