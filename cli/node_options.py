"""What a node is told of itself: options that `agent` has, and `up`, which hands them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def node_options(command: Command) -> Command:
    """--pod-manifest-path and --allowed-unsafe-sysctls (several, or with commas), as their names with _."""
    for option in (
        click.option(
            "--allowed-unsafe-sysctls", multiple=True, metavar="NAME[,NAME…]", callback=_checked,
            help="Kernel settings of its own namespaces that a pod may have beside the safe ones; kernel.msg* for all "
            "that begin so.",
        ),
        click.option(
            "--pod-manifest-path", type=click.Path(path_type=Path, resolve_path=True),
            help="A directory of Pod manifests, or one: static pods, which run on the node whatever a master says.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def node_arguments(pod_manifest_path: Path | None, allowed_unsafe_sysctls: tuple[str, ...]) -> list[str]:
    """The same options for another program."""
    words = ["--pod-manifest-path", str(pod_manifest_path)] if pod_manifest_path is not None else []
    return words + [word for name in allowed_unsafe_sysctls for word in ("--allowed-unsafe-sysctls", name)]


def _checked(context: click.Context, option: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.strip() for word in words for name in word.split(",") if name.strip())
    if names:
        from procorch.kubelet.sysctls import check_patterns

        if problem := check_patterns(names):
            raise click.BadParameter(problem)
    return names
