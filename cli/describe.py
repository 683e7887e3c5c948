"""`procorch describe`: one object for people to read, with what happened to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from cli.access import Cluster, all_namespaces_option, cluster_command, selector_option
from cli.events import event_rows
from cli.get import Query
from cli.resources import complete_words, targets
from procorch.kinds.kind import Kind
from procorch.objects import Object, annotations_of, controller_of, get, labels_of

HIDDEN = {"managedFields", "resourceVersion", "generation", "uid", "labels", "annotations", "name", "namespace"}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@click.command("describe")
@click.argument("words", nargs=-1, required=True, shell_complete=complete_words)
@selector_option
@all_namespaces_option
@cluster_command
async def command(cluster: Cluster, words: tuple[str, ...], selector: str) -> None:
    """Show objects in full, in words: `describe pod web`, `describe node`, `describe rc -l app=web`."""
    query = Query(cluster, selector)
    first = True
    for target in targets(words):
        for obj in await query.objects(target):
            if not first:
                click.echo("\n")
            first = False
            for line in described(target.kind, obj):
                click.echo(line)
            for line in await _more(cluster, target.kind, obj):
                click.echo(line)
    if first:
        click.echo("No resources found", err=True)


def described(kind: Kind, obj: Object) -> Iterator[str]:
    """The object's lines: who it is, then spec and status with their fields in words."""
    metadata = obj["metadata"]
    yield _line("Name", metadata["name"])
    if kind.namespaced:
        yield _line("Namespace", metadata.get("namespace"))
    yield from _pairs("Labels", labels_of(obj), "=")
    yield from _pairs("Annotations", {k: v for k, v in annotations_of(obj).items() if k != LAST_APPLIED}, ": ")
    yield _line("Created", metadata.get("creationTimestamp"))
    if metadata.get("deletionTimestamp"):
        yield _line("Deleting since", metadata["deletionTimestamp"])
    if owner := controller_of(obj):
        yield _line("Controlled By", f"{owner['kind']}/{owner['name']}")
    for name, value in obj.items():
        if name in ("apiVersion", "kind", "metadata"):
            continue
        if kind.name == "Secret" and name == "data":
            yield "Data:"
            yield from (f"  {key}:  {len(text) * 3 // 4} bytes" for key, text in (value or {}).items())
        else:
            yield from _section(_title(name), value, 0)


def _line(name: str, value: Any) -> str:
    return f"{name + ':':<16}{'<none>' if value in (None, '') else value}"


def _pairs(name: str, pairs: dict[str, str], between: str) -> Iterator[str]:
    rows = [f"{key}{between}{' '.join(str(value).split())[:140]}" for key, value in sorted(pairs.items())]
    yield _line(name, rows[0] if rows else None)
    yield from (" " * 16 + row for row in rows[1:])


def _title(name: str) -> str:
    """`nodeName` as `Node Name`; `podIP` as `Pod IP`."""
    words = ""
    for before, character in zip(" " + name, name, strict=False):
        words += " " + character if character.isupper() and not before.isupper() else character
    return words[:1].upper() + words[1:]


def _section(name: str, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict) and value:
        yield f"{indent}{name}:"
        for key, inner in value.items():
            plain = not key[:1].isalpha() or any(mark in key for mark in "./-_ ")
            yield from _section(key if plain else _title(key), inner, depth + 1)
    elif isinstance(value, list) and value:
        if not any(isinstance(one, dict | list) for one in value):
            yield f"{indent}{name}:  {', '.join(_scalar(one) for one in value)}"
            return
        yield f"{indent}{name}:"
        for one in value:
            yield from _row(one, depth + 1)
    elif value not in (None, {}, []):
        text = _scalar(value)
        if "\n" in text:
            yield f"{indent}{name}:"
            yield from (f"{indent}  {line}" for line in text.rstrip("\n").splitlines())
        else:
            yield f"{indent}{name}:  {text}"


def _row(value: Any, depth: int) -> Iterator[str]:
    """One object of a list: under its name or type where it has one."""
    indent = "  " * depth
    if not isinstance(value, dict):
        yield f"{indent}{_scalar(value)}"
        return
    key = next((key for key in ("name", "type", "ip", "key", "port") if key in value), None)
    if key is None or all(not isinstance(one, dict | list) for one in value.values()):
        shown = [f"{name}={_scalar(one)}" for name, one in value.items() if not isinstance(one, dict | list)]
        yield f"{indent}- {'  '.join(shown)}"
        rest = {name: one for name, one in value.items() if isinstance(one, dict | list)}
    else:
        yield f"{indent}{value[key]}:"
        rest = {name: one for name, one in value.items() if name != key}
    for name, one in rest.items():
        yield from _section(_title(name), one, depth + 1)


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _more(cluster: Cluster, kind: Kind, obj: Object) -> list[str]:
    """What other objects say of this one: a node's pods, and the events."""
    lines: list[str] = []
    name = obj["metadata"]["name"]
    if kind.name == "Node":
        pods = await cluster.client.items("Pod", field_selector=f"spec.nodeName={name}")
        lines.append(f"Pods:  {len(pods.objects)}")
        lines += [
            f"  {pod['metadata']['namespace']}/{pod['metadata']['name']}  {get(pod, '.status.phase', 'Pending')}"
            for pod in pods.objects
        ]
    if kind.name == "Event":
        return lines
    fields = f"involvedObject.kind={kind.name},involvedObject.name={name}"
    found = await cluster.client.items("Event", obj["metadata"].get("namespace"), field_selector=fields)
    mine = [
        event
        for event in found.objects
        if get(event, ".involvedObject.uid") in (None, "", obj["metadata"]["uid"], name)
    ]
    lines.append("Events:" if mine else "Events:         <none>")
    lines += [
        f"  {row[0]}  {row[1]:<8}{row[2]:<20}{row[5]}" + (f" (x{row[4]})" if row[4] != "1" else "")
        for row in event_rows(mine)
    ]
    return lines
