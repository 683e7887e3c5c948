"""`procorch check`: names what is damaged, by the master or without one, and goes back to what is whole."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from store import Log, Row, Unusable, Write


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.procorch, ["check", *(str(word) for word in words)])


async def fill(path: Path) -> None:
    log = await Log.open(path)
    for number in range(6):
        await log.append(Write("/registry/pods/default/a", b"a%d" % number), Write("/registry/pods/default/b", b"b0"))
    await log.append(Write("/registry/new", b"only"))
    await log.close()


async def present(path: Path) -> dict[str, Row]:
    log = await Log.open(path)
    rows = {row.key: row for row in await log.items("/")}
    await log.close()
    return rows


def damage(path: Path, *revisions: int) -> None:
    with sqlite3.connect(path) as connection:
        for revision in revisions:
            connection.execute("UPDATE changes SET value = x'00' WHERE revision = ?", (revision,))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "store.db"))
    return tmp_path / "store.db"


def test_a_whole_store_is_told_as_such(path: Path):
    result = run("--data-dir", path.parent)

    assert (result.exit_code, result.stdout) == (0, "13 changes, 0 damaged\n")


def test_damage_of_the_past_is_named_and_the_store_opens(path: Path):
    damage(path, 3)
    result = run("--data-dir", path.parent)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "pods/default/a: damaged at revision 3, which is past: reads of then fail until it is compacted",
        "13 changes, 1 damaged",
    ]
    assert len(asyncio.run(present(path))) == 3


def test_objects_go_back_to_their_last_whole_values_when_told_to(path: Path):
    damage(path, 9, 11, 13)  # two values of a, and the only one of new
    with pytest.raises(Unusable, match=r"/registry/new at revision 13, /registry/pods/default/a at revision 11"):
        asyncio.run(present(path))
    told = run("--data-dir", path.parent)
    repaired = run("--data-dir", path.parent, "--repair")
    rows = asyncio.run(present(path))

    assert told.exit_code == 1
    assert "pods/default/a: damaged at revision 11: restore a backup, or go back with --repair" in told.stdout
    assert repaired.exit_code == 0
    assert rows["/registry/pods/default/a"].value == b"a3"
    assert rows["/registry/pods/default/b"].value == b"b0"
    assert "/registry/new" not in rows
    assert rows["/registry/pods/default/a"].revision > 13, "whoever had the damaged value hears of the change"
    assert rows["/registry/pods/default/a"].created == 1


def test_what_may_have_another_name_is_taken_out_when_told_to(path: Path):
    """As long as it is there the store does not open."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE changes SET key = '/registry/pods/default/q' WHERE revision IN (3, 11)")
    with pytest.raises(Unusable, match=r"/registry/pods/default/q at revision 3, .*q at revision 11; restore"):
        asyncio.run(present(path))
    told = run("--data-dir", path.parent)
    repaired = run("--data-dir", path.parent, "--repair")
    rows = asyncio.run(present(path))

    assert told.exit_code == 1
    assert told.stdout.splitlines()[0] == (
        "pods/default/q: damaged at revision 3, perhaps its name, too: restore a backup, or take it out with --repair"
    )
    assert repaired.stdout.splitlines()[:2] == [
        "pods/default/q: was damaged at revision 3, perhaps its name, too, and was taken out",
        "pods/default/q: was damaged at revision 11, perhaps its name, too, and was taken out; "
        "the object is back at its last whole value",
    ]
    assert rows["/registry/pods/default/a"].value == b"a4"
    assert "/registry/pods/default/q" not in rows


def test_the_running_master_is_asked(procorch, pod, tmp_path: Path):
    procorch.server.create(pod("a"))
    revision = procorch.server.api.log.revision
    damage(procorch.server.api.log._dialect.path, revision)
    (tmp_path / "admin.kubeconfig").write_text(procorch.kubeconfig.read_text())
    result = procorch.run("check", "--data-dir", str(tmp_path))

    assert result.exit_code == 1
    assert f"pods/default/a: damaged on disk at revision {revision}, whole in memory" in result.stdout


def test_the_running_master_knows_what_has_lost_its_name(procorch, pod, tmp_path: Path):
    procorch.server.create(pod("a"))
    log = procorch.server.api.log
    with sqlite3.connect(log._dialect.path) as connection:
        connection.execute("UPDATE changes SET key = 'x' WHERE revision = ?", (log.revision,))
    (tmp_path / "admin.kubeconfig").write_text(procorch.kubeconfig.read_text())
    result = procorch.run("check", "--data-dir", str(tmp_path))

    assert result.exit_code == 1
    assert (
        f"pods/default/a: damaged on disk at revision {log.revision}, name and all; before the next restart "
        "write it once more (`label` it), then `procorch compact`"
    ) in result.stdout


def test_where_there_is_no_store_that_is_said(tmp_path: Path):
    result = run("--data-dir", tmp_path)

    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}/store.db: there is no store\n")
