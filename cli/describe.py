"""`procorch describe`: one object for people to read, with what happened to it."""

from __future__ import annotations

import time

import click

from cli.access import Cluster, all_namespaces_option, cluster_command, refusal, selector_option
from cli.descriptions.page import Grid, Page, Value, lines, moment, pairs
from cli.events import count_of, time_of
from cli.get import Query
from cli.resources import Target, complete_words, nothing_found, targets
from procorch.kinds.cells import age
from procorch.kinds.kind import Kind
from procorch.objects import NotFound, Object, annotations_of, controller_of, get, labels_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@click.command("describe")
@click.argument("words", nargs=-1, required=True, shell_complete=complete_words)
@selector_option
@all_namespaces_option
@click.option("--show-events/--no-show-events", default=True, help="With the events of the object (the default).")
@cluster_command
async def command(cluster: Cluster, words: tuple[str, ...], selector: str, show_events: bool) -> int:
    """Show objects in full, in words: `describe pod web`, `describe node`, `describe rc -l app=web`."""
    query = Query(cluster, selector)
    wanted = targets(words)
    shown = missing = 0
    for target in wanted:
        try:
            found = await query.objects(target)
        except NotFound as error:
            missing += 1
            click.echo(refusal(error), err=True)
            continue
        for obj in found:
            if shown:
                click.echo("\n")
            shown += 1
            await _describe(cluster, target, obj, show_events)
    if not shown and not missing:
        click.echo(nothing_found(wanted, cluster.scope), err=True)
    return 1 if missing else 0


async def _describe(cluster: Cluster, target: Target, obj: Object, show_events: bool) -> None:
    page = {**identity(target.kind, obj), **await _page(cluster, target.kind, obj)}
    if show_events and target.kind.name not in ("Event", "Secret", "ConfigMap"):
        page |= event_page(await _events(cluster, target.kind, obj), time.time())
    for line in lines(page):
        click.echo(line)


def identity(kind: Kind, obj: Object) -> Page:
    """Who an object is: what every page begins with."""
    metadata = obj["metadata"]
    owner = controller_of(obj)
    annotations = {key: value for key, value in annotations_of(obj).items() if key != LAST_APPLIED}
    page: dict[str, Value] = {
        "Name": str(metadata["name"]),
        "Namespace": str(metadata.get("namespace", "")) if kind.namespaced else None,
        "Labels": pairs(labels_of(obj)),
        "Annotations": pairs(annotations, ": "),
        "CreationTimestamp": moment(metadata.get("creationTimestamp")),
        "DeletionTimestamp": moment(metadata["deletionTimestamp"]) if metadata.get("deletionTimestamp") else None,
        "Finalizers": [str(one) for one in metadata.get("finalizers") or []] or None,
        "Controlled By": f"{owner['kind']}/{owner['name']}" if owner else None,
    }
    return page


async def _page(cluster: Cluster, kind: Kind, obj: Object) -> Page:
    """The kind's own page, with what it needs from other objects."""
    client, namespace = cluster.client, obj["metadata"].get("namespace")
    match kind.name:
        case "Pod":
            from cli.descriptions.pod import describe_pod

            return describe_pod(obj)
        case "ReplicationController" | "ReplicaSet":
            from cli.descriptions.replicas import describe_replicas

            return describe_replicas(obj, (await client.items("Pod", namespace)).objects)
        case "Service":
            from cli.descriptions.service import describe_service

            choice = f"kubernetes.io/service-name={obj['metadata']['name']}"
            return describe_service(obj, (await client.items("EndpointSlice", namespace, choice)).objects)
        case "Node":
            from cli.descriptions.node import describe_node

            name = obj["metadata"]["name"]
            pods = await client.items("Pod", field_selector=f"spec.nodeName={name}")
            try:
                lease = await client.get("Lease", f"kube-node-lease/{name}")
            except NotFound:
                lease = None
            return describe_node(obj, pods.objects, lease, time.time())
        case "ConfigMap" | "Secret":
            from cli.descriptions import data

            return data.describe_secret(obj) if kind.name == "Secret" else data.describe_config_map(obj)
    from cli.descriptions.fields import describe_fields

    return describe_fields(kind, obj)


async def _events(cluster: Cluster, kind: Kind, obj: Object) -> list[Object]:
    """Those of this very object: by uid, where an event has one. A node's carry its name there, as kubelets write."""
    name = obj["metadata"]["name"]
    fields = f"involvedObject.kind={kind.name},involvedObject.name={name}"
    found = await cluster.client.items("Event", obj["metadata"].get("namespace"), field_selector=fields)
    mine = (None, "", obj["metadata"]["uid"], name)
    return [event for event in found.objects if get(event, ".involvedObject.uid") in mine]


def event_page(events: list[Object], now: float) -> Page:
    """What happened, oldest first. now: seconds since the epoch."""
    rows = []
    for event in sorted(events, key=time_of):
        ago, count = age(time_of(event), now), count_of(event)
        if count > 1 and event.get("firstTimestamp"):
            ago = f"{ago} (x{count} over {age(event['firstTimestamp'], now)})"
        source = event.get("reportingComponent") or get(event, ".source.component", "")
        message = " ".join(str(event.get("message") or "").split())
        rows.append((str(event.get("type") or ""), str(event.get("reason") or ""), ago, str(source), message))
    return {"Events": Grid(("Type", "Reason", "Age", "From", "Message"), rows)}
