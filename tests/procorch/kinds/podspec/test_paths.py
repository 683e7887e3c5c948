"""Paths that stay below what they are in."""

from __future__ import annotations

import pytest

from procorch.kinds.podspec.paths import local_path


@pytest.mark.parametrize(
    ("path", "problems"),
    [
        ("a/b", []),
        ("/a", ["must be a relative path"]),
        ("a/../b", ["must not contain '..'"]),
        ("..data", ["must not start with '..'"]),
        ("../a", ["must not contain '..'"]),
    ],
)
def test_a_path(path: str, problems: list[str]) -> None:
    found = [cause.message for cause in local_path(path, "f", reserved=True)]

    assert found == [f'Invalid value: "{path}": {problem}' for problem in problems]


def test_two_dots_at_the_beginning_are_reserved_only_where_files_are_written() -> None:
    assert list(local_path("..data", "f")) == []
