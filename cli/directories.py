"""Where a cluster on this machine keeps its state, and which one runs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click

DEFAULT = Path("/var/lib/procorch")

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT,
    show_default=True,
    envvar="PROCORCH_DATA_DIR",
    help="The one directory of all state.",
)


database_option = click.option(
    "--database",
    default="",
    envvar="PROCORCH_DATABASE",
    metavar="URL",
    help="postgresql://user@host,host/database, which several masters may share (better by $PROCORCH_DATABASE, which "
    "`ps` does not show); by default a file in the data directory.",
)


encryption_option = click.option(
    "--encryption-provider-config",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=lambda context, parameter, path: path and path.absolute(),
    envvar="PROCORCH_ENCRYPTION_PROVIDER_CONFIG",
    metavar="FILE",
    help="Kubernetes' EncryptionConfiguration: what is encrypted in the store, and the keys. `procorch encryption "
    "new-key FILE` makes one.",
)


def without_password(url: str) -> str:
    """A database's URL as it may be shown and kept."""
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    shown = parts._replace(netloc=f"{user}@{host}" if user else host)
    query = "&".join(one for one in parts.query.split("&") if not one.startswith("password="))
    return urlunsplit(shown._replace(query=query))


def need_root(what: str) -> None:
    """Raises a one-line error for a plain user."""
    if os.geteuid() != 0:
        raise click.ClickException(f"{what} needs root: run it with sudo")


def running(data_dir: Path) -> dict[str, Any] | None:
    """What `up` wrote about itself, if that process still lives."""
    try:
        found: dict[str, Any] = json.loads((data_dir / "run/up.json").read_text())
    except (OSError, ValueError):
        return None
    return found if start_time(int(found["pid"])) == found["start_time"] else None


def start_time(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 if there is none. A pid alone may be another's by now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])
