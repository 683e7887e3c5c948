"""`procorch explain`: the fields of a kind, and of what is in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from cli.resources import complete_words, kind_named
from procorch.kinds import descriptions, schema


@click.command("explain")
@click.argument("path", shell_complete=complete_words)
@click.option("--recursive", is_flag=True, help="The fields of the fields too.")
def command(path: str, recursive: bool) -> None:
    """Show a kind's fields: `explain pod`, `explain pod.spec.containers`, `explain rc.spec --recursive`."""
    first, *steps = path.split(".")
    kind = kind_named(first)
    definition: schema.Definition | None = schema.of_kind(kind)
    shown = said = ""
    for number, step in enumerate(steps, 1):
        field = definition.fields.get(step) if definition else None
        if field is None:
            above = ".".join([first, *steps[: number - 1]])
            raise click.ClickException(f'field "{step}" does not exist: see `procorch explain {above}`')
        said = descriptions.of_field(definition.name, step) if definition else ""
        definition, shown = _struct(field.type), f"{step} <{type_name(field.type)}>"
    if kind.group:
        click.echo(f"GROUP:      {kind.group}")
    click.echo(f"KIND:       {kind.name}\nVERSION:    {kind.version}\n")
    if shown:
        click.echo(f"FIELD: {shown}\n")
    about = (said, descriptions.of_definition(definition.name) if definition else "")
    if any(about):
        click.echo("\n".join(("DESCRIPTION:", *_wrapped(" ".join(filter(None, about)), 1), "")))
    if definition is not None:
        click.echo("FIELDS:")
        for line in fields(definition, 1, recursive, ()):
            click.echo(line)


def fields(definition: schema.Definition, depth: int, recursive: bool, within: tuple[str, ...]) -> Iterator[str]:
    """A line for each field, and what it means unless there are fields of fields; `within` are the definitions that
    lead here, since some contain themselves."""
    for name, field in sorted(definition.fields.items()):
        required = " -required-" if field.required else ""
        choice = f"  enum: {', '.join(field.enum)}" if field.enum else ""
        yield f"{'  ' * depth}{name}\t<{type_name(field.type)}>{required}{choice}"
        inner = _struct(field.type)
        if not recursive:
            yield from _wrapped(descriptions.of_field(definition.name, name), depth + 1)
        elif inner is not None and inner.name not in within:
            yield from fields(inner, depth + 1, recursive, (*within, definition.name))


def _wrapped(text: str, depth: int) -> list[str]:
    indent = "  " * depth
    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def type_name(kind: schema.Type) -> str:
    """`[]Container`, `map[string]string`, `integer`, as kubectl names types."""
    if kind.form == "list" and kind.of is not None:
        return f"[]{type_name(kind.of)}"
    if kind.form == "map" and kind.of is not None:
        return f"map[string]{type_name(kind.of)}"
    if kind.form == "struct":
        return schema.definition(kind.name).go_name
    return {"int32": "integer", "int64": "integer", "bool": "boolean", "time": "Time"}.get(kind.form, kind.form)


def _struct(kind: schema.Type) -> schema.Definition | None:
    while kind.of is not None:
        kind = kind.of
    return schema.definition(kind.name) if kind.form == "struct" else None
