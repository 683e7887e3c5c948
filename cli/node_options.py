"""What a node is told of itself: options that `agent` has, and `up`, which hands them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def node_options(command: Command) -> Command:
    """--pod-manifest-path, as `pod_manifest_path`."""
    return click.option(
        "--pod-manifest-path",
        type=click.Path(path_type=Path, resolve_path=True),
        help="A directory of Pod manifests, or one: static pods, which run on the node whatever a master says.",
    )(command)


def node_arguments(pod_manifest_path: Path | None) -> list[str]:
    """The same options for another program."""
    return ["--pod-manifest-path", str(pod_manifest_path)] if pod_manifest_path is not None else []
