"""`procorch delete`: objects by name, by label or by file, and by default until they are gone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import click

from cli.access import Cluster, all_namespaces_option, cluster_command, refusal, selector_option
from cli.get import Query
from cli.manifests import read
from cli.resources import Target, complete_words, nothing_found, shown, targets
from procorch.client import Client
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, Expired, NotFound, Object, key_of, uid_of

CASCADES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}


@click.command("delete")
@click.argument("words", nargs=-1, shell_complete=complete_words)
@click.option("--filename", "-f", "files", multiple=True, help="A file, a folder, or - for standard input.")
@click.option("--recursive", "-R", is_flag=True, help="Look into the folders of a folder too.")
@selector_option
@all_namespaces_option
@click.option("--all", "everything", is_flag=True, help="Every object of the type.")
@click.option("--cascade", type=click.Choice(list(CASCADES)), default="background", show_default=True)
@click.option("--grace-period", type=int, default=-1, help="Seconds that a pod has to end; its own choice by default.")
@click.option("--force", is_flag=True, help="Do not wait for a pod's end: grace period 0.")
@click.option("--now", is_flag=True, help="Grace period 1.")
@click.option("--wait/--no-wait", default=True, help="Return when they are gone (the default), or at once.")
@click.option("--timeout", type=float, default=0.0, help="Seconds to wait; 0 for as long as it takes.")
@click.option("--ignore-not-found", is_flag=True, help="Exit with 0 for what is not there.")
@cluster_command
async def command(
    cluster: Cluster,
    words: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    selector: str,
    everything: bool,
    cascade: str,
    grace_period: int,
    force: bool,
    now: bool,
    wait: bool,
    timeout: float,
    ignore_not_found: bool,
) -> int:
    """Delete objects: `delete pod web`, `delete rc/web svc/web`, `delete pods -l app=web`, `delete -f app.yaml`."""
    grace = 0 if force else 1 if now else grace_period if grace_period >= 0 else None
    if files and words:
        raise click.UsageError("name files or resources, not both")
    query = Query(cluster, selector)
    if files:
        chosen = [(m.kind, m.key(cluster.namespace)) for m in read(files, recursive)]
    else:
        chosen = await _chosen(query, targets(words), everything)
    failed, gone = 0, []
    for kind, key in chosen:
        name = key.rpartition("/")[2]
        try:
            obj = await cluster.client.delete(kind, key, grace=grace, propagation=CASCADES[cascade])
        except ApiError as error:
            if not (isinstance(error, NotFound) and ignore_not_found):
                failed += 1
                click.echo(refusal(error), err=True)
            continue
        click.echo(f"{shown(kind, name)} deleted{' by force' if force else ''}")
        if obj.get("kind") == kind.name:
            gone.append((kind, obj))
    if wait and gone:
        try:
            async with asyncio.timeout(timeout or None):
                for kind, obj in gone:
                    await until_gone(cluster.client, kind, obj)
        except TimeoutError:
            raise click.ClickException(f"still there after {timeout:g} s: see `procorch get`") from None
    return 1 if failed else 0


async def _chosen(query: Query, wanted: list[Target], everything: bool) -> list[tuple[Kind, str]]:
    chosen: list[tuple[Kind, str]] = []
    for target in wanted:
        if target.name is not None:
            chosen.append((target.kind, query.key(target)))
        elif not (everything or query.labels):
            raise click.UsageError("name the objects, or choose them with --selector or --all")
        else:
            chosen += [(target.kind, key_of(obj)) for obj in await query.objects(target)]
    if not chosen:
        click.echo(nothing_found(wanted, query.cluster.scope), err=True)
    return chosen


async def until_gone(client: Client, kind: Kind, obj: Object) -> None:
    """Waits by a watch until this very object (by uid) is no more."""
    namespace, fields = obj["metadata"].get("namespace"), f"metadata.name={obj['metadata']['name']}"
    while True:
        found = await client.items(kind, namespace, field_selector=fields)
        if not any(uid_of(one) == uid_of(obj) for one in found.objects):
            return
        try:
            async with aclosing(
                client.watch(kind, namespace, resource_version=found.resource_version, field_selector=fields)
            ) as events:
                async for event, one in events:
                    if event == "DELETED" and uid_of(one) == uid_of(obj):
                        return
        except Expired:
            continue
