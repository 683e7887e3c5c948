"""Files with variables: the shell's quotes and nothing else, read beneath their volume."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procorch.kubelet.env_files import MOST_BYTES, EnvFileProblem, read, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("A='1'\n", "1", id="one"),
        pytest.param("# A='0'\n\n  \t\n  A='1' # one\nA='2'", "1", id="the first, after comments and blanks"),
        pytest.param("A='a \\n \"$B\" # = b'", 'a \\n "$B" # = b', id="as it is"),
        pytest.param("A='a\n\n b'\nB='c'", "a\n\n b", id="several lines"),
        pytest.param("A=\n", "", id="nothing"),
        pytest.param("A= # none", "", id="nothing, and a comment"),
        pytest.param("A= '1'", "", id="a word of its own is no value"),
        pytest.param("AA='1'\nB='A=1'", None, id="not there"),
    ],
)
def test_values(text: str, value: str | None) -> None:
    assert value_of(text, "A") == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("A", "line 1: NAME='value' is wanted", id="no ="),
        pytest.param("\nA ='1'", "line 2: NAME='value' is wanted, without a blank before the =", id="a blank before"),
        pytest.param("='1'", "line 1: NAME='value' is wanted", id="no name"),
        pytest.param("A=1", "line 1: the value of A must be enclosed in single quotes", id="no quotes"),
        pytest.param("B='1'\nA='1\n2", "line 2: the value of A has no closing quote", id="not closed"),
        pytest.param("A='1''2'", "line 1: only a comment may follow the value of A", id="more"),
        pytest.param("A='1'#2", "line 1: only a comment may follow the value of A", id="a comment too close"),
    ],
)
def test_what_is_no_such_file(text: str, why: str) -> None:
    with pytest.raises(EnvFileProblem, match=why.replace("(", r"\(")):
        value_of(text, "A")


def test_nothing_outside_the_volume_is_read(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "secret").write_text("A='1'")
    (tmp_path / "volume/link").symlink_to("../secret")
    (tmp_path / "volume/good").write_text("A='1'")

    assert read(tmp_path / "volume", "good") == "A='1'"
    for path in ("link", "../secret"):
        with pytest.raises(OSError):
            read(tmp_path / "volume", path)


def test_what_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * (MOST_BYTES + 1))
    (tmp_path / "bytes").write_bytes(b"A='\xff'")
    for path, why in (
        ("pipe", "not a file"),
        ("large", "more than 1024 KiB"),
        ("bytes", "not UTF-8"),
        (".", "not a file"),
    ):
        with pytest.raises(EnvFileProblem, match=why):
            read(tmp_path, path)
