"""What a node is told of itself: handed on as it is, by its absolute path."""

from __future__ import annotations

from pathlib import Path

import click
from click.testing import CliRunner

from cli.node_options import node_arguments, node_options


@click.command()
@node_options
def told(pod_manifest_path: Path | None, allowed_unsafe_sysctls: tuple[str, ...]) -> None:
    click.echo("\n".join(node_arguments(pod_manifest_path, allowed_unsafe_sysctls)))


def test_they_are_handed_on(tmp_path: Path) -> None:
    words = ["--pod-manifest-path", str(tmp_path)]
    words += ["--allowed-unsafe-sysctls", "kernel.msg*", "--allowed-unsafe-sysctls", "net.core.somaxconn"]

    assert CliRunner().invoke(told, words).output.splitlines() == words
    assert CliRunner().invoke(told, []).output.splitlines() == [""]
    relative = CliRunner().invoke(told, ["--pod-manifest-path", "manifests"]).output.splitlines()
    assert Path(relative[1]) == Path.cwd() / "manifests", "an agent may run elsewhere"


def test_kernel_settings_with_commas_and_only_those_of_namespaces() -> None:
    asked = ["--allowed-unsafe-sysctls", "kernel.msg*, net.core.somaxconn"]
    assert CliRunner().invoke(told, asked).output.split()[1::2] == ["kernel.msg*", "net.core.somaxconn"]

    refused = CliRunner().invoke(told, ["--allowed-unsafe-sysctls", "vm.swappiness"])
    assert refused.exit_code == 2
    assert "not known to be namespaced" in refused.output
