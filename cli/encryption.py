"""`procorch encryption`: keys for what the store holds, and the store written anew with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cli.access import Cluster, cluster_command

PATH = "/procorch/encryption"


@click.group("encryption")
def command() -> None:
    """Encryption of Secrets, and of whatever else, in the store."""


@command.command("new-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--last", is_flag=True, help="It only reads at first: where several masters share a database.")
def new_key(file: Path, last: bool) -> None:
    """Put a new key into FILE, an EncryptionConfiguration; make it, for Secrets, where there is none.

    It becomes the first key: what is written from the next start, or the next `procorch encryption rewrite`, on is
    encrypted with it. Older keys stay until nothing needs them.
    """
    from procorch.encryption import EncryptionProblem, add_key  # it knows the store, which the others need not wait for

    is_new = not file.exists()
    try:
        names = add_key(file, last=last)
    except EncryptionProblem as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    click.echo(f"{file}: {', '.join(names)} {'made' if is_new else 'added'}")
    if is_new:
        click.echo(f"start the master with --encryption-provider-config {file.absolute()}", err=True)
    elif last:
        click.echo("have all masters read it (SIGHUP or a restart), make it the first key, and once more", err=True)
    else:
        click.echo("now `procorch encryption rewrite`", err=True)


@command.command("status")
@cluster_command
async def status(cluster: Cluster) -> None:
    """How what the store holds is encrypted, history included."""
    found = json.loads((await cluster.client.raw("GET", PATH)).body)
    rows = [("RESOURCE", "KEY", "VALUES", "")]
    for form in found["forms"]:
        is_old = "" if form["current"] else "to be rewritten"
        rows.append((form["resource"] or "all others", form["key"] or "none", str(form["values"]), is_old))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    _tell_unused(found)


@command.command("rewrite")
@cluster_command
async def rewrite(cluster: Cluster) -> int:
    """Have the master read its file again and write all values as it says, history included.

    It may be stopped, and run again; the cluster goes on meanwhile.
    """
    last: dict[str, Any] = {}
    async for last in cluster.client.progress("POST", PATH):
        if "forms" not in last and sys.stderr.isatty():
            click.echo(f"{last['changed']} values\r", nl=False, err=True)
    if "forms" not in last:
        why = last.get("error", "the master ended in its middle")
        raise click.ClickException(f"{why}; {_values(last.get('changed', 0))} rewritten until then: run it again")
    click.echo(f"{_values(last['changed'])} rewritten")
    for row in last["lost"]:
        click.echo(f"{row['object']}, revision {row['revision']}, {row['why']}", err=True)
    if last["left"]:
        click.echo(f"{_values(last['left'])} came from another master meanwhile: run it again", err=True)
    _tell_unused(last)
    return 1 if last["lost"] or last["left"] else 0


def _values(number: int) -> str:
    return f"{number} value" if number == 1 else f"{number} values"


def _tell_unused(found: dict[str, Any]) -> None:
    if names := found["unused"]:
        they = "it" if len(names) == 1 else "they"
        click.echo(f"nothing needs {', '.join(names)} any more: {they} may be taken out of {found['file']}", err=True)
