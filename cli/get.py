"""`procorch get`: what there is, as a table or in full; with -w as it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import click

from cli import jsonpath
from cli.access import Cluster, all_namespaces_option, cluster_command, refusal, selector_option
from cli.output import check_format, output_option, print_objects, print_table, table_rows
from cli.resources import Target, complete_words, nothing_found, shown, targets
from procorch import quantity
from procorch.kinds.cells import label_text
from procorch.objects import NotFound, Object, get


@click.command("get")
@click.argument("words", nargs=-1, shell_complete=complete_words)
@output_option
@selector_option
@click.option("--field-selector", default="", help="Only what has these fields: spec.nodeName=a,status.phase!=Running.")
@all_namespaces_option
@click.option("--watch", "-w", is_flag=True, help="Go on showing what changes, until Ctrl-C.")
@click.option("--no-headers", is_flag=True, help="Rows alone.")
@click.option("--show-labels", is_flag=True, help="A last column with the labels.")
@click.option("--label-columns", "-L", multiple=True, help="A column with this label: app,tier.")
@click.option("--sort-by", default="", metavar="PATH", help="In the order of this field: .metadata.name.")
@click.option("--show-managed-fields", is_flag=True, help="YAML and JSON with who manages which field.")
@click.option("--ignore-not-found", is_flag=True, help="Exit with 0 when a named object is not there.")
@cluster_command
async def command(
    cluster: Cluster,
    words: tuple[str, ...],
    output: str,
    selector: str,
    field_selector: str,
    watch: bool,
    no_headers: bool,
    show_labels: bool,
    label_columns: tuple[str, ...],
    sort_by: str,
    show_managed_fields: bool,
    ignore_not_found: bool,
) -> int:
    """Show objects: `get pods`, `get rc,svc`, `get pod web`, `get node/n1 -o yaml`, `get all -A`."""
    check_format(output)
    wanted = targets(words)
    if cluster.all_namespaces and any(target.name is not None for target in wanted):
        raise click.UsageError("an object cannot be named in all namespaces: leave out --all-namespaces, or the name")
    query = Query(cluster, selector, field_selector)
    columns = tuple(one.strip() for words in label_columns for one in words.split(",") if one.strip())
    view = TableView(output == "wide", cluster.all_namespaces, no_headers, show_labels, columns, sort_by)
    if watch:
        if len(wanted) != 1:
            raise click.UsageError("--watch follows one resource type")
        if output in ("", "wide"):
            await view.follow(query, wanted[0])
        else:
            await _follow(query, wanted[0], output, managed_fields=show_managed_fields)
        return 0
    if output in ("", "wide"):
        missing = await view.show(query, wanted, quiet=ignore_not_found)
    else:
        objects, missing = await _objects(query, wanted, sort_by, quiet=ignore_not_found)
        if objects or any(target.name is None for target in wanted):
            as_list = len(wanted) != 1 or wanted[0].name is None
            print_objects(
                output, objects, as_list=as_list, no_headers=no_headers, managed_fields=show_managed_fields
            )  # fmt: skip
    return 1 if missing and not ignore_not_found else 0


async def _objects(query: Query, wanted: list[Target], sort_by: str, *, quiet: bool) -> tuple[list[Object], int]:
    """What is to be shown in full, and the number of named objects that are not there."""
    missing = 0
    objects: list[Object] = []
    for target in wanted:
        try:
            objects += await query.objects(target)
        except NotFound as error:
            missing += 1
            if not quiet:
                click.echo(refusal(error), err=True)
    if sort_by:
        objects.sort(key=lambda obj: sort_key(sort_by, obj))
    return objects, missing


def sort_key(path: str, obj: Object) -> tuple[int, float, str]:
    """Numbers (quantities too) by size, then text; what has no such field comes first."""
    path = path.strip("{}")
    try:
        found = jsonpath.find(path if path.startswith((".", "[", "$")) else f".{path}", obj)
    except jsonpath.JSONPathError as error:
        raise click.ClickException(f"--sort-by: {error}") from None
    if not found or found[0] is None:
        return 0, 0.0, ""
    try:
        return 1, float(quantity.parse(found[0])), ""
    except ValueError:
        return 2, 0.0, str(found[0])


class Query:
    """What the command line chose: a cluster's namespace, labels and fields."""

    def __init__(self, cluster: Cluster, labels: str = "", fields: str = "") -> None:
        self.cluster, self.labels, self.fields = cluster, labels, fields

    def key(self, target: Target) -> str:
        assert target.name is not None
        return f"{self.cluster.namespace}/{target.name}" if target.kind.namespaced else target.name

    async def objects(self, target: Target) -> list[Object]:
        """The one named, or all that are chosen. Raises NotFound."""
        if target.name is not None:
            return [await self.cluster.client.get(target.kind, self.key(target))]
        scope = self.cluster.scope if target.kind.namespaced else None
        found = await self.cluster.client.items(target.kind, scope, self.labels, self.fields)
        return found.objects


class TableView:
    """Tables on the terminal."""

    def __init__(
        self,
        wide: bool = False,
        namespaces: bool = False,
        no_headers: bool = False,
        labels: bool = False,
        label_columns: tuple[str, ...] = (),
        sort_by: str = "",
    ) -> None:
        self.wide, self.namespaces, self.no_headers, self.labels = wide, namespaces, no_headers, labels
        self.label_columns, self.sort_by = label_columns, sort_by
        self._columns: list[Object] = []

    async def show(self, query: Query, wanted: list[Target], *, quiet: bool = False) -> int:
        """One table a kind. The number of named objects that are not there."""
        missing = printed = 0
        groups: dict[str, list[Target]] = {}
        for target in wanted:
            groups.setdefault(target.kind.name, []).append(target)
        for rows in groups.values():
            headings: list[str] = []
            cells: list[list[str]] = []
            for target in rows:
                try:
                    headings, more = self._cells(await self._table(query, target), target)
                    cells += more
                except NotFound as error:
                    missing += 1
                    if not quiet:
                        click.echo(refusal(error), err=True)
            if len(groups) > 1:
                prefix = shown(rows[0].kind, "")
                name = headings.index("NAME") if "NAME" in headings else 0
                cells = [[*row[:name], prefix + row[name], *row[name + 1 :]] for row in cells]
            if cells:
                if printed:
                    click.echo()
                print_table(headings, cells, no_headers=self.no_headers)
                printed += 1
        if not printed and not missing:
            click.echo(nothing_found(wanted, query.cluster.scope), err=True)
        return missing

    async def follow(self, query: Query, target: Target) -> None:
        """The table, and then a line for each change."""
        table = await self._table(query, target)
        headings, cells = self._cells(table, target)
        print_table(headings, cells, no_headers=self.no_headers)
        widths = [max(len(row[i]) for row in [headings, *cells]) for i in range(len(headings))]
        async for _, event in _events(query, target, table["metadata"].get("resourceVersion", ""), as_table=True):
            for row in self._cells(event, target)[1]:
                click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())

    async def _table(self, query: Query, target: Target) -> Object:
        include = "Object" if self.sort_by or target.kind.name in _OWN_COLUMNS else "Metadata"
        namespace = query.cluster.scope if target.kind.namespaced else None
        if target.name is not None:
            return await query.cluster.client.table(
                target.kind,
                query.cluster.namespace if target.kind.namespaced else None,
                target.name,
                include_object=include,
            )
        return await query.cluster.client.table(
            target.kind,
            namespace,
            label_selector=query.labels,
            field_selector=query.fields,
            include_object=include,
        )

    def _cells(self, table: Object, target: Target) -> tuple[list[str], list[list[str]]]:
        if not table.get("columnDefinitions"):  # a watch sends them with its first event only
            table = {**table, "columnDefinitions": self._columns}
        self._columns = table["columnDefinitions"]
        if target.kind.name in _OWN_COLUMNS:
            table = _with_own(table, *_OWN_COLUMNS[target.kind.name])
        if self.sort_by and table.get("rows"):
            table = {**table, "rows": sorted(table["rows"], key=lambda row: sort_key(self.sort_by, row["object"]))}
        found, cells = table_rows(table, wide=self.wide, namespaces=self.namespaces and target.kind.namespaced)
        for row, raw in zip(cells, table.get("rows") or [], strict=True):
            labels = ((raw.get("object") or {}).get("metadata") or {}).get("labels") or {}
            row += [labels.get(name, "") for name in self.label_columns]
            if self.labels:
                row.append(label_text(labels))
        found = [*found, *(name.rpartition("/")[2].upper() for name in self.label_columns)]
        found += ["LABELS"] if self.labels else []
        return found, cells


def _counts(deployment: Object) -> list[object]:
    return [get(deployment, ".spec.replicas", 0), get(deployment, ".status.replicas", 0)]


#: Where people see more than kubectl shows them: kind → the server's column, what stands in its place, and its cells.
_OWN_COLUMNS: dict[str, tuple[str, tuple[str, ...], Callable[[Object], list[object]]]] = {
    "Deployment": ("Ready", ("Desired", "Current"), _counts),
}


def _with_own(table: Object, replaced: str, names: tuple[str, ...], cells: Callable[[Object], list[object]]) -> Object:
    """The table with columns of ours, which are made of the objects that it carries."""
    definitions = table["columnDefinitions"]
    at = next((i for i, column in enumerate(definitions) if column["name"] == replaced), None)
    if at is None:
        return table
    own = [{**definitions[at], "name": name} for name in names]
    rows = [
        {**row, "cells": [*row["cells"][:at], *cells(row["object"]), *row["cells"][at + 1 :]]}
        for row in table.get("rows") or []
    ]
    return {**table, "columnDefinitions": [*definitions[:at], *own, *definitions[at + 1 :]], "rows": rows}


async def _events(query: Query, target: Target, version: str, *, as_table: bool) -> AsyncIterator[tuple[str, Object]]:
    """(type, object) for the target from a resourceVersion on, without the bookmarks."""
    fields = query.fields
    if target.name is not None:
        fields = f"metadata.name={target.name}"
    namespace = query.cluster.scope if target.kind.namespaced else None
    async with aclosing(
        query.cluster.client.watch(
            target.kind,
            namespace,
            resource_version=version,
            label_selector=query.labels,
            field_selector=fields,
            as_table=as_table,
            query={"includeObject": "Object"} if as_table and target.kind.name in _OWN_COLUMNS else None,
        )
    ) as events:
        async for event, obj in events:
            if event != "BOOKMARK":
                yield event, obj


async def _follow(query: Query, target: Target, output: str, *, managed_fields: bool) -> None:
    """What there is, then each change of it; YAML as documents of one stream."""
    fields = query.fields if target.name is None else f"metadata.name={target.name}"
    if target.name is not None:
        await query.objects(target)  # NotFound, rather than waiting for what may never be
    scope = query.cluster.scope if target.kind.namespaced else None
    found = await query.cluster.client.items(target.kind, scope, query.labels, fields)
    first = True

    def show(obj: Object) -> None:
        nonlocal first
        if output == "yaml" and not first:
            click.echo("---")
        print_objects(output, [obj], as_list=False, no_headers=not first, managed_fields=managed_fields)
        if output.startswith("jsonpath"):
            click.echo()
        first = False

    for obj in found.objects:
        show(obj)
    async for _, obj in _events(query, target, found.resource_version, as_table=False):
        show(obj)
