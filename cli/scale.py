"""`procorch scale`: more or fewer replicas."""

from __future__ import annotations

import click

from cli.access import Cluster, cluster_command
from cli.get import Query
from cli.resources import complete_words, shown, targets


@click.command("scale")
@click.argument("words", nargs=-1, required=True, shell_complete=complete_words)
@click.option("--replicas", type=click.IntRange(0), required=True, help="How many there shall be.")
@click.option("--current-replicas", type=int, help="Only if there are so many now.")
@cluster_command
async def command(cluster: Cluster, words: tuple[str, ...], replicas: int, current_replicas: int | None) -> None:
    """Change the number of replicas: `scale rc myweb --replicas 3`, `scale rs/web --replicas 0`."""
    query = Query(cluster)
    for target in targets(words):
        if target.name is None:
            raise click.UsageError("name the objects to scale")
        if "scale" not in target.kind.subresources:
            raise click.ClickException(f"{target.kind.plural} cannot be scaled")
        if current_replicas is not None:
            there = (await query.objects(target))[0]["spec"].get("replicas")
            if there != current_replicas:
                raise click.ClickException(f"expected {current_replicas} replicas, found {there}: not scaled")
        patch = {"spec": {"replicas": replicas}}
        await cluster.client.patch(target.kind, query.key(target), patch, subresource="scale")
        click.echo(f"{shown(target.kind, target.name)} scaled")
