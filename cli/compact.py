"""`procorch compact`: the past goes now, not by age and size."""

from __future__ import annotations

import json

import click

from cli.access import Cluster, cluster_command
from cli.units import duration


@click.command("compact")
@click.option("--revision", type=click.IntRange(1), help="The oldest revision that can still be read afterwards.")
@click.option("--keep", callback=duration, metavar="DURATION", help="How much of the past stays: 30m, 12h, 7d.")
@cluster_command
async def command(cluster: Cluster, revision: int | None, keep: float | None) -> None:
    """Delete superseded versions of objects now. With neither option, all but the present."""
    if revision is not None and keep is not None:
        raise click.UsageError("--revision and --keep exclude each other")
    query = {} if revision is None else {"revision": str(revision)}
    if keep is not None:
        query = {"keep": str(round(keep))}
    answer = await cluster.client.raw("POST", "/procorch/compact", query=query)
    told = json.loads(answer.body)
    if told["oldest"] == told["before"]:
        click.echo(f"nothing to do: the past begins at revision {told['oldest']}")
    else:
        click.echo(
            f"the past begins at revision {told['oldest']} (before: {told['before']}), now is {told['revision']}"
        )
