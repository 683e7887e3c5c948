"""The options by which a node is told of registries: the same for `agent` and for `up`, which hands them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, resolve_path=True)


def registry_options(command: Command) -> Command:
    """--registry (several), --registry-ca and --registry-auth, as `registries`, `registry_ca`, `registry_auth`."""
    for option in (
        click.option(
            "--registry-auth", type=_FILE,
            help="A Docker config.json: credentials for registries that all pods of the node may use.",
        ),
        click.option("--registry-ca", type=_FILE, help="Authorities (PEM) to trust besides the system's."),
        click.option(
            "--registry", "registries", multiple=True, metavar="[NAME=]URL", callback=_checked,
            help="A registry to ask for images: HOST[:PORT], or http://HOST[:PORT] without TLS. With NAME= it is asked "
            "for the images of that host, too (docker.io=… for short names, *=… for all). Without this option nobody "
            "is asked.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def arguments(registries: tuple[str, ...], ca: Path | None, auth: Path | None) -> list[str]:
    """The same options for another program."""
    words = [word for registry in registries for word in ("--registry", registry)]
    words += ["--registry-ca", str(ca)] if ca is not None else []
    return words + (["--registry-auth", str(auth)] if auth is not None else [])


def _checked(context: click.Context, option: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    if words:
        from runtime.registry.hosts import Registries

        try:
            Registries(words)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return words
