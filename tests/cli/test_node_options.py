"""What a node is told of itself: handed on as it is, by its absolute path."""

from __future__ import annotations

from pathlib import Path

import click
from click.testing import CliRunner

from cli.node_options import node_arguments, node_options


@click.command()
@node_options
def told(pod_manifest_path: Path | None) -> None:
    click.echo("\n".join(node_arguments(pod_manifest_path)))


def test_they_are_handed_on(tmp_path: Path) -> None:
    words = ["--pod-manifest-path", str(tmp_path)]

    assert CliRunner().invoke(told, words).output.splitlines() == words
    assert CliRunner().invoke(told, []).output.splitlines() == [""]
    relative = CliRunner().invoke(told, ["--pod-manifest-path", "manifests"]).output.splitlines()
    assert Path(relative[1]) == Path.cwd() / "manifests", "an agent may run elsewhere"
