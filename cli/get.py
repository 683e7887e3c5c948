"""`procorch get`: what there is, as a table or in full; with -w as it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import click

from cli.access import Cluster, all_namespaces_option, cluster_command, selector_option
from cli.output import check_format, output_option, print_objects, print_table, table_rows
from cli.resources import Target, complete_words, shown, targets
from procorch.objects import NotFound, Object


@click.command("get")
@click.argument("words", nargs=-1, shell_complete=complete_words)
@output_option
@selector_option
@click.option("--field-selector", default="", help="Only what has these fields: spec.nodeName=a,status.phase!=Running.")
@all_namespaces_option
@click.option("--watch", "-w", is_flag=True, help="Go on showing what changes, until Ctrl-C.")
@click.option("--no-headers", is_flag=True, help="Rows alone.")
@click.option("--show-labels", is_flag=True, help="A last column with the labels.")
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
    ignore_not_found: bool,
) -> int:
    """Show objects: `get pods`, `get rc,svc`, `get pod web`, `get node/n1 -o yaml`, `get all -A`."""
    check_format(output)
    wanted = targets(words)
    query = Query(cluster, selector, field_selector)
    view = TableView(output == "wide", cluster.all_namespaces, no_headers, show_labels)
    if watch:
        if len(wanted) != 1:
            raise click.UsageError("--watch follows one resource type")
        await (view.follow(query, wanted[0]) if output in ("", "wide") else _follow(query, wanted[0], output))
        return 0
    missing = 0
    if output in ("", "wide"):
        missing = await view.show(query, wanted, several=len(wanted) > 1)
    else:
        objects: list[Object] = []
        for target in wanted:
            try:
                objects += await query.objects(target)
            except NotFound as error:
                missing += 1
                if not ignore_not_found:
                    click.echo(f"Error from server (NotFound): {error.message}", err=True)
        if objects or any(target.name is None for target in wanted):
            print_objects(output, objects, as_list=len(wanted) != 1 or wanted[0].name is None)
    return 1 if missing and not ignore_not_found else 0


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

    def __init__(self, wide: bool, namespaces: bool, no_headers: bool, labels: bool) -> None:
        self.wide, self.namespaces, self.no_headers, self.labels = wide, namespaces, no_headers, labels
        self._columns: list[Object] = []

    async def show(self, query: Query, wanted: list[Target], *, several: bool) -> int:
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
                    click.echo(f"Error from server (NotFound): {error.message}", err=True)
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
            where = (
                ""
                if query.cluster.all_namespaces or not wanted[0].kind.namespaced
                else (f" in {query.cluster.namespace} namespace")
            )
            click.echo(f"No resources found{where}", err=True)
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
        namespace = query.cluster.scope if target.kind.namespaced else None
        if target.name is not None:
            return await query.cluster.client.table(
                target.kind, query.cluster.namespace if target.kind.namespaced else None, target.name
            )
        return await query.cluster.client.table(
            target.kind, namespace, label_selector=query.labels, field_selector=query.fields
        )

    def _cells(self, table: Object, target: Target) -> tuple[list[str], list[list[str]]]:
        if not table.get("columnDefinitions"):  # a watch sends them with its first event only
            table = {**table, "columnDefinitions": self._columns}
        self._columns = table["columnDefinitions"]
        found, cells = table_rows(table, wide=self.wide, namespaces=self.namespaces and target.kind.namespaced)
        if self.labels:
            for row, raw in zip(cells, table.get("rows") or [], strict=True):
                labels = ((raw.get("object") or {}).get("metadata") or {}).get("labels") or {}
                row.append(",".join(f"{name}={value}" for name, value in sorted(labels.items())) or "<none>")
            found = [*found, "LABELS"]
        return found, cells


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
        )
    ) as events:
        async for event, obj in events:
            if event != "BOOKMARK":
                yield event, obj


async def _follow(query: Query, target: Target, output: str) -> None:
    for obj in await query.objects(target):
        print_objects(output, [obj], as_list=False)
    async for _, obj in _events(query, target, "", as_table=False):
        print_objects(output, [obj], as_list=False)
