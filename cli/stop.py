"""`procorch stop`: a replication controller and its pods, gone in an orderly way; kubectl had this command once."""

from __future__ import annotations

import click

from cli.access import Cluster, cluster_command
from cli.delete import until_gone
from cli.get import Query
from cli.resources import complete_words, kind_named, shown, targets
from procorch.objects import controller_of, uid_of


@click.command("stop")
@click.argument("words", nargs=-1, required=True, shell_complete=complete_words)
@cluster_command
async def command(cluster: Cluster, words: tuple[str, ...]) -> None:
    """Scale to none, wait until the pods are gone, then delete: `stop rc myweb`."""
    query = Query(cluster)
    for target in targets(words):
        if target.name is None:
            raise click.UsageError("name the objects to stop")
        (obj,) = await query.objects(target)
        if "scale" in target.kind.subresources:
            await cluster.client.patch(target.kind, query.key(target), {"spec": {"replicas": 0}}, subresource="scale")
            pods = await cluster.client.items("Pod", cluster.namespace)
            for pod in pods.objects:
                owner = controller_of(pod)
                if owner is not None and owner["uid"] == uid_of(obj):
                    await until_gone(cluster.client, kind_named("pods"), pod)
        await cluster.client.delete(target.kind, query.key(target), uid=uid_of(obj), propagation="Background")
        click.echo(f"{shown(target.kind, target.name)} stopped")
