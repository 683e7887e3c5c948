"""How objects are shown: tables as the server draws them, YAML, JSON, names, JSONPath."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence

import click
import yaml

from cli import jsonpath
from cli.resources import shown
from procorch.kinds import KINDS
from procorch.objects import Object

_GOOD = {"Running", "Ready", "Active", "Completed", "Bound", "True", "Normal"}
_BAD = {
    "Error", "Failed", "CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull", "OOMKilled", "NotReady", "False",
    "Warning", "Evicted", "CreateContainerConfigError", "StartError", "Unknown",
}  # fmt: skip


FORMATS = ("wide", "yaml", "json", "name", "jsonpath=", "jsonpath-file=", "custom-columns=")

output_option = click.option(
    "--output",
    "-o",
    default="",
    metavar="FORMAT",
    help="wide, yaml, json, name, jsonpath=TEMPLATE, jsonpath-file=FILE or custom-columns=TITLE:PATH,….",
    shell_complete=lambda ctx, param, text: [one for one in FORMATS if one.startswith(text)],
)


def check_format(output: str, *, tables: bool = True) -> None:
    known = ("yaml", "json", "name", *(("", "wide") if tables else ("",)))
    if output not in known and not output.startswith(("jsonpath=", "jsonpath-file=", "custom-columns=")):
        raise click.UsageError(
            f'unknown output "{output}": one of wide, yaml, json, name, jsonpath=…, custom-columns=…'
        )
    if output.startswith("custom-columns="):
        _columns(output)


def _unmanaged(obj: Object) -> Object:
    if "managedFields" not in obj.get("metadata", {}):
        return obj
    return {**obj, "metadata": {name: value for name, value in obj["metadata"].items() if name != "managedFields"}}


def print_objects(
    output: str, objects: Sequence[Object], *, as_list: bool, no_headers: bool = False, managed_fields: bool = False
) -> None:
    """In any format but a server's table. as_list: what was asked for is a list, even if it has one row.

    managed_fields: YAML and JSON show who manages which field, too.
    """
    if output.startswith("custom-columns="):
        print_columns(output, objects, no_headers=no_headers)
        return
    if output == "name":
        for obj in objects:
            click.echo(shown(KINDS.of(obj), obj["metadata"]["name"]))
        return
    if output in ("json", "yaml") and not managed_fields:
        objects = [_unmanaged(obj) for obj in objects]
    data: Object = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(objects)}
    data = data if as_list else objects[0]
    if output == "json":
        click.echo(json.dumps(data, indent=4, sort_keys=True, ensure_ascii=False))
    elif output == "yaml":
        click.echo(yaml.dump(data, Dumper=_Dumper, sort_keys=True, allow_unicode=True), nl=False)
    else:
        print_jsonpath(output, data)


def print_jsonpath(output: str, data: Object) -> None:
    template = output.partition("=")[2]
    if output.startswith("jsonpath-file="):
        try:
            with open(template, encoding="utf-8") as file:
                template = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise click.ClickException(f"{template}: {getattr(error, 'strerror', None) or error}") from None
    try:
        click.echo(jsonpath.render(template, data), nl=False)
    except jsonpath.JSONPathError as error:
        raise click.ClickException(f"jsonpath: {error}") from None


def print_columns(output: str, objects: Sequence[Object], *, no_headers: bool = False) -> None:
    """A table of the user's own: `custom-columns=NAME:.metadata.name,NODE:.spec.nodeName`."""
    columns = _columns(output)
    try:
        rows = [[",".join(map(_plain, jsonpath.find(path, obj))) or "<none>" for _, path in columns] for obj in objects]
    except jsonpath.JSONPathError as error:
        raise click.ClickException(f"custom-columns: {error}") from None
    print_table([title for title, _ in columns], rows, no_headers=no_headers)


def _columns(output: str) -> list[tuple[str, str]]:
    """(title, path) of each. Raises a one-line error."""
    columns = []
    for word in output.partition("=")[2].split(","):
        title, colon, path = word.partition(":")
        if not (title and colon and path):
            raise click.UsageError(f'custom-columns: "{word}" is not TITLE:PATH')
        path = path.strip("{}")
        columns.append((title, path if path.startswith((".", "[", "$")) else f".{path}"))
    return columns


def _plain(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return "<none>" if value is None else str(value).lower()
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


class _Dumper(yaml.SafeDumper):
    """Block text for strings of several lines, and no anchors: what kubectl prints, and people edit."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    node = dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)
    read_as: str = dumper.resolve(yaml.ScalarNode, data, (True, False))  # type: ignore[no-untyped-call]
    if node.style is None and read_as != node.tag:
        node.style = '"'  # text that would be read as a number, a time or a truth: quoted as kubectl does
    return node


_Dumper.add_representer(str, _text)


def table_rows(table: Object, *, wide: bool, namespaces: bool) -> tuple[list[str], list[list[str]]]:
    """The headings and the cells of a server's Table; `namespaces` puts a column of them in front."""
    chosen = [i for i, column in enumerate(table["columnDefinitions"]) if wide or not column.get("priority")]
    headings = [table["columnDefinitions"][i]["name"].upper() for i in chosen]
    rows = []
    for row in table.get("rows") or []:
        cells = ["<none>" if row["cells"][i] is None else str(row["cells"][i]) for i in chosen]
        if namespaces:
            cells.insert(0, str(((row.get("object") or {}).get("metadata") or {}).get("namespace", "")))
        rows.append(cells)
    return (["NAMESPACE", *headings] if namespaces else headings), rows


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, no_headers: bool = False) -> None:
    """Columns three spaces apart, as kubectl's; states are coloured where there is a terminal."""
    lines = [list(row) for row in rows]
    if not no_headers:
        lines.insert(0, list(headings))
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(headings))]
    for line in lines:
        cells = [_coloured(cell, cell.ljust(width)) for cell, width in zip(line[:-1], widths[:-1], strict=True)]
        click.echo("   ".join([*cells, _coloured(line[-1], line[-1])]))


def _coloured(cell: str, padded: str) -> str:
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return padded
    word = cell.split(",")[0].removeprefix("Init:")
    colour = "green" if word in _GOOD else "red" if word in _BAD else None
    return click.style(padded, fg=colour) if colour else padded
