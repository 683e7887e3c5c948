"""Users of a root file system, by its own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.accounts import account
from runtime.layers import Refused
from tests.runtime.test_archives import write


@pytest.mark.parametrize(
    ("user", "numbers"),
    [
        ("web", (7, 8)),
        ("web:staff", (7, 9)),
        ("7", (7, 8)),
        ("5", (5, 0)),
        ("5:6", (5, 6)),
        ("99999999999", 'unable to find user "99999999999"'),
        ("nobody", 'unable to find user "nobody"'),
        ("web:none", 'unable to find group "none"'),
    ],
)
def test_users_are_those_of_the_image(tmp_path: Path, user: str, numbers: tuple[int, int] | str) -> None:
    write(tmp_path, {"etc/passwd": b"#\nroot:x:0:0::/:\nweb:x:7:8::/:/bin/sh\n", "real/group": b"staff:x:9:\n"})
    (tmp_path / "etc/group").symlink_to("/real/group")  # in the image, not on the machine

    if isinstance(numbers, tuple):
        assert account(tmp_path, user) == numbers
    else:
        with pytest.raises(Refused, match=numbers):
            account(tmp_path, user)
