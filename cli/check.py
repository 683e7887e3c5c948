"""`procorch check`: is every stored value what was written?"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click

import store
from cli.access import Refused
from cli.directories import data_dir_option, database_option
from procorch.client import Client, Unreachable
from procorch.kubeconfig import KubeconfigError, load
from procorch.objects import ApiError
from store.check import Found

DAMAGED = 1


@click.command("check")
@data_dir_option
@database_option
@click.option("--repair", is_flag=True, help="Of a stopped master: damaged objects go back to their last whole values.")
def command(data_dir: Path, database: str, repair: bool) -> None:
    """Hold every stored value against its checksum, and name what is damaged. Exit code 1 if anything is.

    Asks the master, or reads the data directory if that is stopped.
    """
    data_dir = data_dir.absolute()
    try:
        found = None if repair else asyncio.run(_ask(data_dir / "admin.kubeconfig"))
        online = found is not None
        changes, damaged = found or _look(database or str(data_dir / "store.db"), repair=repair)
    except ApiError as error:
        raise Refused(error) from None
    except (store.LogError, KubeconfigError, OSError) as error:
        raise click.ClickException(str(error)) from None
    for one in damaged:
        click.echo(_line(one, online=online, repaired=repair))
    click.echo(f"{changes} changes, {len(damaged)} damaged")
    sys.exit(DAMAGED if damaged and not repair else 0)


def _line(found: Found, *, online: bool, repaired: bool) -> str:
    name = found.key.removeprefix("/registry/").encode("unicode_escape").decode()
    if not found.is_named:
        return _line_of_unnamed(name, found, online=online, repaired=repaired)
    if not found.is_newest:
        return f"{name}: damaged at revision {found.revision}, which is past: reads of then fail until it is compacted"
    if repaired:
        return f"{name}: was damaged at revision {found.revision}, and is back at its last whole value"
    if online:
        return f"{name}: damaged on disk at revision {found.revision}, whole in memory: write it once more (`label` it)"
    return f"{name}: damaged at revision {found.revision}: restore a backup, or go back with --repair"


def _line_of_unnamed(name: str, found: Found, *, online: bool, repaired: bool) -> str:
    """Of a change that may be of another object than its name says; a master does not start with it."""
    if repaired:
        back = "; the object is back at its last whole value" if found.is_newest else ""
        return f"{name}: was damaged at revision {found.revision}, perhaps its name, too, and was taken out{back}"
    if online:
        cure = "write it once more (`label` it), then `procorch compact`" if found.is_newest else "`procorch compact`"
        return f"{name}: damaged on disk at revision {found.revision}, name and all; before the next restart {cure}"
    return (
        f"{name}: damaged at revision {found.revision}, perhaps its name, too: restore a backup, or take it out with "
        "--repair"
    )


async def _ask(kubeconfig: Path) -> tuple[int, list[Found]] | None:
    """What the master says; None where none answers."""
    if not kubeconfig.exists():
        return None
    client = Client(load(kubeconfig).transport(), user_agent="procorch-cli")
    try:
        told = json.loads((await client.raw("GET", "/procorch/check")).body)
    except Unreachable:
        return None
    finally:
        await client.transport.close()
    return told["changes"], [Found(row["key"], row["revision"], row["newest"], row["named"]) for row in told["damaged"]]


def _look(url: str, *, repair: bool) -> tuple[int, list[Found]]:
    """Raises store.LogError, OSError."""
    from store.check import go_back, whole
    from store.dialects import dialect_of

    if "://" not in url and not Path(url).exists():
        raise store.Unusable(f"{url}: there is no store")
    dialect = dialect_of(url, patience=3.0)
    try:
        with dialect.transaction() as connection:
            changes, damaged = whole(connection)
            for found in damaged if repair else ():
                if found.is_newest or not found.is_named:
                    go_back(connection, found, int(time.time() * 1000))
    finally:
        dialect.close()
    return changes, damaged
