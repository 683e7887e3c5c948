"""`procorch reset`: nothing of the cluster is left on this machine."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import click

from cli.directories import data_dir_option, need_root
from cli.down import stop
from cli.up import undo_node
from procorch.claims import holder

MARKS = ("pki", "run", "log", "store.db", "master-id", "node", "nodes", "agent")
"""What a data directory of ours holds: a directory with none of these is not ours to remove."""


@click.command("reset")
@data_dir_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def command(data_dir: Path, yes: bool) -> None:
    """Stop the cluster and remove its objects, keys, pods, network and cgroups from this machine."""
    need_root("procorch reset")
    data_dir = data_dir.absolute()
    if not data_dir.exists():
        click.echo(f"{data_dir} does not exist: nothing to reset")
        return
    if not any((data_dir / mark).exists() for mark in MARKS) and any(data_dir.iterdir()):
        raise click.ClickException(f"{data_dir} is not a data directory of procorch: not removing it")
    if not yes:
        click.confirm(f"Remove the cluster in {data_dir} and everything in it?", abort=True)
    told = _told(data_dir)
    ports = _lab_ports(told)
    stop(data_dir, 60.0)
    if holder(data_dir / "master-id"):
        raise click.ClickException(f"a master still runs in {data_dir}: stop it first, then do this again")
    if (data_dir / "agent").is_dir():  # a node without `up`, of systemd's for example
        undo_node(data_dir)
    _remove_labs(ports)
    _remove(data_dir)
    if database := told.get("database"):
        click.echo(f"removed {data_dir}; the objects are still in {database}: drop that database yourself")
    else:
        click.echo(f"removed {data_dir}; nothing is left")


def _remove(data_dir: Path) -> None:
    """All that is in it, and the directory itself where it is not a mount point."""
    for entry in data_dir.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    with contextlib.suppress(OSError):
        data_dir.rmdir()


def _told(data_dir: Path) -> dict[str, Any]:
    """What the last `up` wrote about itself."""
    try:
        state: dict[str, Any] = json.loads((data_dir / "run/up.json").read_text())
    except (OSError, ValueError):
        return {}
    return state


def _lab_ports(told: dict[str, Any]) -> list[int]:
    """The API ports under whose numbers `up --nodes` made hosts here: their cgroups may have outlived a kill."""
    return [int(str(told["server"]).rpartition(":")[2])] if told.get("nodes") else []


def _remove_labs(ports: list[int]) -> None:
    from procorch.hosts import remove_cgroups

    for port in ports:
        remove_cgroups(f"procorch-lab-{port}")
