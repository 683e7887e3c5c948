import json
import os
from pathlib import Path

import click
import pytest

from cli.directories import need_root, running, start_time, without_password


def test_a_plain_user_is_told_to_be_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(click.ClickException, match="procorch up needs root: run it with sudo"):
        need_root("procorch up")


@pytest.mark.parametrize(
    ("age", "found"),
    [pytest.param(0, True, id="the process that wrote it"), pytest.param(1, False, id="another with the same pid")],
)
def test_who_runs_is_known_by_pid_and_start_time(tmp_path: Path, age: int, found: bool) -> None:
    (tmp_path / "run").mkdir()
    state = {"pid": os.getpid(), "start_time": start_time(os.getpid()) - age}
    (tmp_path / "run/up.json").write_text(json.dumps(state))

    assert (running(tmp_path) is not None) is found


def test_no_state_is_nobody(tmp_path: Path) -> None:
    assert running(tmp_path) is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db:5432,db2/x?sslmode=require", "postgresql://me@db:5432,db2/x?sslmode=require"),
        ("postgresql://me@/x?host=%2Frun&password=secret", "postgresql://me@/x?host=%2Frun"),
        ("postgresql://db/x", "postgresql://db/x"),
        ("", ""),
    ],
)
def test_a_database_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
