"""What a node keeps for itself: checked where it is given, handed on as it is."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from cli.node_resources import NodeResources, node_resources


@click.command()
@node_resources
def told(node_resources: NodeResources) -> None:
    click.echo("\n".join(node_resources.arguments()))


def test_they_are_handed_on_where_they_say_something() -> None:
    words = ["--system-reserved=cpu=500m", "--eviction-hard=memory.available<1Gi", "--eviction-max-pod-grace-period=9"]

    assert CliRunner().invoke(told, words).output.splitlines() == words
    assert CliRunner().invoke(told, []).output.splitlines() == [""]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--system-reserved=gpu=1"], "gpu=1: write cpu=500m, memory=1Gi or ephemeral-storage=10Gi"),
        (["--kube-reserved=cpu=many"], "quantities must match"),
        (["--eviction-hard=memory<1Gi"], "eviction: memory<1Gi: write SIGNAL<AMOUNT with one of memory.available"),
        (["--eviction-soft=memory.available<1Gi"], "a soft threshold needs a grace period: memory.available=1m30s"),
        (["--eviction-pressure-transition-period=soon"], "soon: not a duration: write 90s or 1m30s"),
    ],
)
def test_what_cannot_be_understood_is_said_at_once(words: list[str], problem: str) -> None:
    done = CliRunner().invoke(told, words)

    assert done.exit_code == 2
    assert problem in " ".join(done.output.split())


def test_both_reservations_add_up() -> None:
    options = NodeResources(system_reserved="cpu=500m,memory=1Gi", kube_reserved="cpu=250m")

    assert options.reserved() == {"cpu": "750m", "memory": "1Gi"}
    assert options.eviction().transition == 300
