"""`procorch encryption`: what it prints, and what it tells to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from procorch.encryption import read
from store import Key, Rule
from store.checksum import checksum
from tests.cli.conftest import Server, Shell


@pytest.fixture
def file(procorch: Shell, server: Server, tmp_path: Path) -> Iterator[Path]:
    """A file with a key, in force on the server."""
    path = tmp_path / "encryption.yaml"
    procorch("encryption", "new-key", str(path))
    server.api.config = replace(server.api.config, encryption=path)
    server.api.log.resealing.use(read(path))
    yield path


def secret(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"a": "hunter2"}}


def test_a_key_a_rewrite_and_the_old_key_may_go(procorch: Shell, server: Server, file: Path) -> None:
    server.create(secret("one"), secret("two"))
    added = procorch.run("encryption", "new-key", str(file))
    before = procorch("encryption", "status")
    rewritten = procorch.run("encryption", "rewrite")
    after = procorch.run("encryption", "status")

    assert added.stdout == f"{file}: key2 added\n"
    assert added.stderr == "now `procorch encryption rewrite`\n"
    assert before.splitlines()[0].split() == ["RESOURCE", "KEY", "VALUES"]
    assert [line.split() for line in before.splitlines() if line.startswith("secrets")] == [["secrets", "key1", "2"]]
    assert (rewritten.exit_code, rewritten.stdout) == (0, "2 values rewritten\n")
    assert rewritten.stderr == f"nothing needs key1 any more: it may be taken out of {file}\n"
    assert [line.split() for line in after.stdout.splitlines() if "secrets" in line] == [["secrets", "key2", "2"]]
    assert [line.split()[:3] for line in after.stdout.splitlines() if "others" in line] == [["all", "others", "none"]]


def test_what_is_in_the_clear_is_to_be_rewritten(procorch: Shell, server: Server, tmp_path: Path) -> None:
    server.create(secret("one"))
    server.api.log.resealing.use([Rule("/registry/secrets/", (Key("k", bytes(32)), None))])

    line = next(line for line in procorch("encryption", "status").splitlines() if line.startswith("secrets"))
    assert line.split() == ["secrets", "none", "1", "to", "be", "rewritten"]


def test_what_could_not_be_rewritten_is_named_and_the_exit_code_says_so(
    procorch: Shell, server: Server, file: Path
) -> None:
    server.create(secret("one"), secret("two"))
    log = server.api.log
    found = server.do(log.latest("/registry/secrets/default/one"))

    def spoil(session: object) -> int:
        connection = session._connection  # type: ignore[attr-defined]
        question = "SELECT value, created, moment FROM changes WHERE revision = ?"
        value, created, moment = connection.execute(question, (found.revision,)).fetchone()
        changed = (value[:-1], checksum(found.revision, found.key, value[:-1], created, moment), found.revision)
        change = "UPDATE changes SET value = ?, checksum = ? WHERE revision = ?"
        return int(connection.execute(change, changed).rowcount)

    assert server.do(log._writer.perform(spoil)) == 1
    procorch("encryption", "new-key", str(file))
    result = procorch.run("encryption", "rewrite")

    assert (result.exit_code, result.stdout) == (1, "1 value rewritten\n")
    assert result.stderr.startswith(f"secrets default/one, revision {found.revision}, is not what was written there")


def test_where_nothing_is_encrypted_it_says_how_to_begin(procorch: Shell) -> None:
    result = procorch.run("encryption", "rewrite")

    assert result.exit_code == 1
    assert "start the master with --encryption-provider-config FILE" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_new_key_tells_what_to_do_next(procorch: Shell, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    made = procorch.run("encryption", "new-key", str(path))
    last = procorch.run("encryption", "new-key", "--last", str(path))
    path.chmod(0o644)
    refused = procorch.run("encryption", "new-key", str(path))
    nowhere = procorch.run("encryption", "new-key", str(path / "below"))

    assert made.stdout == f"{path}: key1 made\n"
    assert f"--encryption-provider-config {path}" in made.stderr
    assert "make it the first key" in last.stderr
    assert [key and key.name for key in _keys(path)] == ["key1", "key2", None]
    assert (refused.exit_code, refused.stderr) == (
        1, f"Error: {path}: its mode 0644 lets others at the keys: chmod 600 {path}\n"
    )  # fmt: skip
    assert (nowhere.exit_code, nowhere.stderr.count("\n")) == (1, 1)


def _keys(path: Path) -> tuple[Key | None, ...]:
    path.chmod(0o600)
    (rule,) = read(path)
    return rule.providers
