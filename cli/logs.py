"""`procorch logs`: what a pod's containers wrote."""

from __future__ import annotations

import re
import sys
from contextlib import aclosing

import click

from cli.access import Cluster, cluster_command, selector_option
from cli.get import Query
from cli.resources import Target, complete_pods, kind_named, one_object
from procorch.objects import Object, annotations_of, controller_of, get, key_of, uid_of

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@click.command("logs")
@click.argument("pod", required=False, shell_complete=complete_pods)
@click.option("--container", "-c", default="", help="Which of the pod's containers.")
@click.option("--follow", "-f", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("--previous", "-p", is_flag=True, help="Of the container's life before the last restart.")
@click.option("--tail", type=int, default=-1, help="Only so many last lines; -1 for all.")
@click.option("--since", default="", help="Only what is younger: 10s, 5m, 2h.")
@click.option("--since-time", default="", help="Only what was written since: 2026-01-02T15:04:05Z.")
@click.option("--timestamps", is_flag=True, help="Each line with its time.")
@click.option("--limit-bytes", type=int, default=0, help="At most so much.")
@click.option("--all-containers", is_flag=True, help="Of each container in turn.")
@selector_option
@cluster_command
async def command(
    cluster: Cluster,
    pod: str | None,
    container: str,
    follow: bool,
    previous: bool,
    tail: int,
    since: str,
    since_time: str,
    timestamps: bool,
    limit_bytes: int,
    all_containers: bool,
    selector: str,
) -> int:
    """Print a container's output: `logs web`, `logs -f pod/web -c app`, `logs rc/web`, `logs -l app=web --tail 5`."""
    if bool(pod) == bool(selector):
        raise click.UsageError("name a pod, or choose pods with --selector")
    options: dict[str, str | int | bool] = {"timestamps": timestamps, "previous": previous, "follow": follow}
    if tail >= 0:
        options["tailLines"] = tail
    if since:
        options["sinceSeconds"] = seconds(since)
    if since_time:
        options["sinceTime"] = since_time
    if limit_bytes:
        options["limitBytes"] = limit_bytes
    query = Query(cluster, selector)
    target = await _target(query, pod)
    if target.name is not None and container:
        await _copy(cluster, query.key(target), container, options)
        return 0
    for obj in await query.objects(target):
        for name in containers(obj) if all_containers else [container or _default(obj)]:
            await _copy(cluster, key_of(obj), name, options)
    return 0


async def _target(query: Query, word: str | None) -> Target:
    """The pod that is meant: `web`, `pod/web`, or one of those that `rc/web` keeps. Raises a one-line error."""
    pods = kind_named("pods")
    if word is None or "/" not in word:
        return Target(pods, word)
    target = one_object([word])
    if target.kind is pods:
        return target
    (owner,) = await query.objects(target)
    scope = owner["metadata"].get("namespace")
    mine = [
        pod["metadata"]["name"]
        for pod in (await query.cluster.client.items(pods, scope)).objects
        if (controller_of(pod) or {}).get("uid") == uid_of(owner)
    ]
    if not mine:
        raise click.ClickException(f"{word} has no pods")
    if len(mine) > 1:
        click.echo(f"{word} has {len(mine)} pods: this is pod/{mine[0]}", err=True)
    return Target(pods, mine[0])


async def _copy(cluster: Cluster, key: str, container: str, options: dict[str, str | int | bool]) -> None:
    out = sys.stdout.buffer
    async with aclosing(cluster.client.log(key, container, **options)) as chunks:
        async for chunk in chunks:
            out.write(chunk)
            out.flush()


def _default(pod: Object) -> str:
    """The container that is meant where none is named: what the pod says itself, else its first. Says so."""
    names = containers(pod)
    chosen = annotations_of(pod).get(DEFAULT_CONTAINER, "")
    if chosen not in names:
        chosen = pod["spec"]["containers"][0]["name"]
    if len(names) > 1:
        click.echo(f"pod/{pod['metadata']['name']} has {', '.join(names)}: this is {chosen}", err=True)
    return str(chosen)


def containers(pod: Object) -> list[str]:
    """The names of a pod's containers, those that run first before the others."""
    rows = get(pod, ".spec.initContainers", []) + get(pod, ".spec.containers", [])
    return [row["name"] for row in rows]


def seconds(text: str) -> int:
    """`1h2m3s`, or a number of seconds. Raises a one-line error."""
    found = _DURATION.fullmatch(text)
    if text.isdigit():
        return int(text)
    if not text or found is None:
        raise click.UsageError(f'"{text}" is no duration: write 10s, 5m or 2h')
    return sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))
