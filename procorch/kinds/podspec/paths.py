"""Paths below something: in a volume, in a file system that is mounted.

Source: pkg/apis/core/validation (validateLocalDescendingPath and its like).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.objects import Cause


def local_path(given: str, field: str, *, reserved: bool = False) -> Iterator[Cause]:
    """A relative path that stays below; reserved: names beginning with `..` are the atomic writer's."""
    if given.startswith("/"):
        yield Cause.invalid(field, given, "must be a relative path")
    yield from no_backsteps(given, field)
    if reserved and given.startswith("..") and not given.startswith("../"):
        yield Cause.invalid(field, given, "must not start with '..'")


def no_backsteps(given: str, field: str) -> Iterator[Cause]:
    """A path that does not climb."""
    if ".." in given.split("/"):
        yield Cause.invalid(field, given, "must not contain '..'")
