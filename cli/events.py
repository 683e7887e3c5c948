"""`procorch events`: what happened, oldest first."""

from __future__ import annotations

import click

from cli.access import Cluster, all_namespaces_option, cluster_command
from cli.get import Query, TableView
from cli.output import print_table
from cli.resources import Target, kind_named, one_object
from procorch.objects import Object, get


def _types(ctx: click.Context, param: click.Parameter, value: str) -> frozenset[str]:
    """Raises BadParameter for a type that no event has."""
    wanted = frozenset(one.strip().capitalize() for one in value.split(",") if one.strip())
    if strange := wanted - {"Normal", "Warning"}:
        raise click.BadParameter(f"no event has the type {', '.join(sorted(strange))}: there are Normal and Warning")
    return wanted


@click.command("events")
@click.option("--for", "about", default="", help="Only of this object: pod/web.")
@click.option("--types", default="", callback=_types, help="Only of these types: Warning, Normal.")
@click.option("--watch", "-w", is_flag=True, help="Go on with what happens from now on.")
@all_namespaces_option
@cluster_command
async def command(cluster: Cluster, about: str, types: frozenset[str], watch: bool) -> None:
    """Show the events of a namespace or of one object."""
    fields = []
    if about:
        target = one_object([about])
        fields = [f"involvedObject.kind={target.kind.name}", f"involvedObject.name={target.name}"]
    if len(types) == 1:
        fields.append(f"type={''.join(types)}")
    query = Query(cluster, fields=",".join(fields))
    events = Target(kind_named("events"), None)
    if watch:
        await TableView(namespaces=cluster.all_namespaces).follow(query, events)
        return
    found = await query.objects(events)
    if not found:
        click.echo("No events found", err=True)
        return
    print_table(["TIME", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"], event_rows(found))


def event_rows(events: list[Object]) -> list[list[str]]:
    """Time, type, reason, object, count and message of each, oldest first."""
    return [
        [
            time_of(event),
            str(event.get("type") or ""),
            str(event.get("reason") or ""),
            f"{str(get(event, '.involvedObject.kind', '')).lower()}/{get(event, '.involvedObject.name', '')}",
            str(count_of(event)),
            " ".join(str(event.get("message") or "").split()),
        ]
        for event in sorted(events, key=time_of)
    ]


def count_of(event: Object) -> int:
    """How often it happened."""
    return int(event.get("count") or get(event, ".series.count", 1))


def time_of(event: Object) -> str:
    """When it happened last, as the text that sorts."""
    return str(
        get(event, ".series.lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
        or event["metadata"].get("creationTimestamp") or ""
    )  # fmt: skip
