"""`procorch backup`: from a master that runs, from one that is stopped, to a pipe (end to end: tests/e2e)."""

from __future__ import annotations

import asyncio
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from procorch import pki
from store import Log, Write
from store.backup import check


@pytest.fixture
def data_dir(procorch, tmp_path: Path) -> Path:
    """The data directory of the server's cluster, as far as a backup looks at it."""
    found = tmp_path / "data"
    pki.Authority.open(found / "pki", 1_700_000_000)
    pki.signing_key(found / "pki")
    shutil.copy(procorch.kubeconfig, found / "admin.kubeconfig")
    return found


def stored(data_dir: Path) -> None:
    async def fill() -> None:
        log = await Log.open(data_dir / "store.db")
        await log.append(*(Write(f"/{number}", b"x") for number in range(5)))
        await log.close()

    asyncio.run(fill())


def test_the_running_master_is_asked(procorch, pod, data_dir: Path, tmp_path: Path):
    procorch.server.create(pod("a"), pod("b"))
    said = procorch("backup", str(tmp_path / "file"), "--data-dir", str(data_dir))
    with (tmp_path / "file").open("rb") as file:
        summary = check(file)

    assert said == (
        f"revision {summary.header.revision}: {summary.objects} objects without the cluster's keys, "
        f"{summary.size} bytes, sha256 {summary.sha256}\n"
    )
    assert summary.header.revision == procorch.server.api.log.revision


def test_of_a_stopped_master_the_directory_is_read(procorch, data_dir: Path, tmp_path: Path):
    stored(data_dir)
    procorch.server.close()
    try:
        said = procorch("backup", str(tmp_path / "file"), "--data-dir", str(data_dir))
        without = procorch("backup", str(tmp_path / "bare"), "--data-dir", str(data_dir), "--without-keys")
    finally:
        procorch.server.__init__()  # for the fixture to close

    assert said.startswith("revision 5: 5 objects with the cluster's keys")
    assert without.startswith("revision 5: 5 objects without the cluster's keys")
    assert b"PRIVATE KEY" in (tmp_path / "file").read_bytes()
    assert b"PRIVATE KEY" not in (tmp_path / "bare").read_bytes()


def test_a_dash_is_standard_output_and_the_line_goes_to_standard_error(tmp_path: Path):
    stored(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "backup", "-", "--data-dir", tmp_path], capture_output=True, check=True
    )

    assert check(io.BytesIO(done.stdout)).objects == 5
    assert done.stderr.decode().startswith("revision 5: 5 objects")


def test_where_no_cluster_is_that_is_said(tmp_path: Path, procorch):
    procorch.kubeconfig.unlink()
    result = procorch.run("backup", str(tmp_path / "file"), "--data-dir", str(tmp_path / "empty"))

    assert result.exit_code == 1
    assert "no cluster here: name one with --data-dir or --kubeconfig" in result.stderr
    assert not (tmp_path / "file").exists()


def test_a_place_that_cannot_be_written_is_one_line(procorch, data_dir: Path):
    result = procorch.run("backup", "/proc/self/file", "--data-dir", str(data_dir))

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1 and "/proc/self" in result.stderr
