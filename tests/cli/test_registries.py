"""The options about registries: checked where they are given, handed on as they are."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import cli
from cli.registries import arguments, registry_options


@click.command()
@registry_options
def told(registries: tuple[str, ...], registry_ca: Path | None, registry_auth: Path | None) -> None:
    click.echo("\n".join(arguments(registries, registry_ca, registry_auth)))


def test_they_are_handed_on(tmp_path: Path) -> None:
    for name in ("ca.pem", "config.json"):
        (tmp_path / name).touch()
    words = ["--registry", "docker.io=http://r.local:5000", "--registry", "r.local:5000"]
    words += ["--registry-ca", str(tmp_path / "ca.pem"), "--registry-auth", str(tmp_path / "config.json")]

    assert CliRunner().invoke(told, words).output.splitlines() == words
    assert CliRunner().invoke(told, []).output.splitlines() == [""]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--registry", "r.local/hub"], "say whose images are there"),
        (["--registry", "ftp://r.local"], "http://HOST[:PORT] for one without TLS"),
        (["--registry-ca", "/no/such"], "does not exist"),
        (["--registry-auth", "/"], "is a directory"),
    ],
)
@pytest.mark.parametrize("command", ["agent", "up"])
def test_what_is_wrong_is_told_before_anything_is_done(command: str, words: list[str], said: str) -> None:
    result = CliRunner().invoke(cli.procorch, [command, *words])

    assert result.exit_code == 2 and said in result.output
