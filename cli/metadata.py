"""`procorch label` and `procorch annotate`: words on objects, set, changed and taken away."""

from __future__ import annotations

import click

from cli.access import Cluster, cluster_command, selector_option
from cli.get import Query
from cli.resources import Target, complete_words, shown, targets
from procorch.objects import Object, key_of


def split_changes(words: tuple[str, ...]) -> tuple[list[str], dict[str, str | None]]:
    """`rc/web a=b c-` as (["rc/web"], {"a": "b", "c": None})."""
    resources: list[str] = []
    changes: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            changes[name] = value
        elif word.endswith("-") and resources:
            changes[word[:-1]] = None
        else:
            resources.append(word)
    if not changes:
        raise click.UsageError("say what to change: KEY=VALUE to set, KEY- to remove")
    return resources, changes


def _command(name: str, field: str, past: str, help_text: str) -> click.Command:
    @click.command(name, help=help_text)
    @click.argument("words", nargs=-1, required=True, shell_complete=complete_words)
    @selector_option
    @click.option("--all", "everything", is_flag=True, help="Every object of the type.")
    @click.option("--overwrite", is_flag=True, help="Change what is set already.")
    @cluster_command
    async def command(
        cluster: Cluster, words: tuple[str, ...], selector: str, everything: bool, overwrite: bool
    ) -> None:
        resources, changes = split_changes(words)
        query = Query(cluster, selector)
        for target in targets(resources):
            if target.name is None and not (everything or selector):
                raise click.UsageError("name the objects, or choose them with --selector or --all")
            for obj in await query.objects(target):
                click.echo(await _change(cluster, target, obj, field, changes, overwrite, past))

    return command


async def _change(
    cluster: Cluster,
    target: Target,
    obj: Object,
    field: str,
    changes: dict[str, str | None],
    overwrite: bool,
    past: str,
) -> str:
    """One object's change, refused where it would silently replace a value."""
    there = obj["metadata"].get(field) or {}
    name = shown(target.kind, obj["metadata"]["name"])
    if not overwrite:
        for key, value in changes.items():
            if value is not None and there.get(key, value) != value:
                raise click.ClickException(f"{name}: {key} is {there[key]!r} already: use --overwrite to change it")
    if all(there.get(key) == value for key, value in changes.items()):
        return f"{name} not {past}"
    patch = {"metadata": {field: changes, "resourceVersion": obj["metadata"]["resourceVersion"]}}
    await cluster.client.patch(target.kind, key_of(obj), patch)
    return f"{name} {past}"


label = _command(
    "label", "labels", "labeled", "Set or remove labels: `label pod web tier=front`, `label pod web tier-`."
)
annotate = _command(
    "annotate", "annotations", "annotated", "Set or remove annotations: `annotate rc web note='since May'`."
)
