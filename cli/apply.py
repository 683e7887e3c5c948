"""`procorch apply -f`: objects as the files say, whatever they were before.

As kubectl's client-side apply: what was applied last is kept in the same annotation, so that a field which left the
file leaves the object, and what others set is not touched. The two programs may be mixed. With --server-side the
server merges, keeps who manages which field, and refuses to change what others do.
"""

from __future__ import annotations

import copy
from typing import Any

import click
import orjson

from cli.access import Cluster, cluster_command, refusal
from cli.manifests import Manifest, filename_option, read
from cli.resources import shown
from procorch.kinds import schema
from procorch.objects import ApiError, Conflict, NotFound, Object, annotations_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TRIES = 5
_CONFLICT_ADVICE = """\
These fields have other managers. To take them over, apply with --force-conflicts; to leave them to their managers,
remove them from the file; to manage them together, give them the values that they have."""
# Go escapes these in JSON: kubectl finds its own text unchanged, and says so
_AS_GO_WRITES = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


@click.command("apply")
@filename_option
@click.option(
    "--dry-run", type=click.Choice(["none", "server"]), default="none", is_flag=False, flag_value="server",
    help="server: let it check everything and keep nothing.",
)  # fmt: skip
@click.option("--server-side", is_flag=True, help="Let the server merge; a field that others manage is a conflict.")
@click.option("--force-conflicts", is_flag=True, help="With --server-side: take over the fields that others manage.")
@click.option(
    "--field-manager", default="procorch-apply", show_default=True, metavar="NAME", help="Who manages what is applied."
)
@cluster_command
async def command(
    cluster: Cluster,
    files: tuple[str, ...],
    recursive: bool,
    dry_run: str,
    server_side: bool,
    force_conflicts: bool,
    field_manager: str,
) -> int:
    """Create or change objects so that they are as the files say."""
    if force_conflicts and not server_side:
        raise click.UsageError("--force-conflicts only works with --server-side")
    failed = 0
    query = {"fieldManager": field_manager, "fieldValidation": "Strict"}
    query |= {"dryRun": "All"} if dry_run == "server" else {}
    query |= {"force": "true"} if force_conflicts else {}
    for manifest in read(files, recursive):
        try:
            if server_side:
                name, what = await _apply_on_server(cluster, manifest, query)
            else:
                name, what = await _apply(cluster, manifest, query)
        except ApiError as error:
            failed += 1
            click.echo(refusal(error, manifest.source), err=True)
            if any(cause.get("reason") == "FieldManagerConflict" for cause in error.details.get("causes", ())):
                click.echo(_CONFLICT_ADVICE, err=True)
            continue
        click.echo(f"{shown(manifest.kind, name)} {what}{' (server dry run)' if dry_run == 'server' else ''}")
    return 1 if failed else 0


async def _apply_on_server(cluster: Cluster, manifest: Manifest, query: dict[str, str]) -> tuple[str, str]:
    key = manifest.key(cluster.namespace)
    wanted = manifest.placed(cluster.namespace)
    made = await cluster.client.patch(manifest.kind, key, wanted, type="apply", query=query)
    return str(made["metadata"]["name"]), "serverside-applied"


async def _apply(cluster: Cluster, manifest: Manifest, query: dict[str, str]) -> tuple[str, str]:
    """The object's name and what was done with it."""
    wanted = _recorded(manifest.placed(cluster.namespace))
    for attempt in range(TRIES):
        try:
            live = await cluster.client.get(manifest.kind, manifest.key(cluster.namespace))
        except NotFound:
            made = await cluster.client.create(wanted, query=query)
            return str(made["metadata"]["name"]), "created"
        last = orjson.loads(annotations_of(live).get(LAST_APPLIED) or "{}")
        merged = merge(live, last, wanted, schema.of_kind(manifest.kind))
        if merged == live:
            return str(live["metadata"]["name"]), "unchanged"
        try:
            await cluster.client.update(merged, query=query)
            return str(live["metadata"]["name"]), "configured"
        except Conflict:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _recorded(obj: Object) -> Object:
    """The object with itself, as the text that kubectl would write, in the annotation."""
    metadata = obj["metadata"]
    annotations = {name: one for name, one in (metadata.get("annotations") or {}).items() if name != LAST_APPLIED}
    plain = {**obj, "metadata": {**metadata, "annotations": annotations}}
    text = orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode().translate(_AS_GO_WRITES) + "\n"
    return {**plain, "metadata": {**plain["metadata"], "annotations": {**annotations, LAST_APPLIED: text}}}


def merge(live: Any, last: Any, wanted: Any, definition: schema.Definition | None) -> Any:
    """`live` with what `wanted` says, less what `last` said and `wanted` does not.

    definition: of the value's fields in the field tables, for the keys by which rows of lists are matched.
    """
    if not (isinstance(live, dict) and isinstance(wanted, dict)):
        return copy.deepcopy(wanted)
    last = last if isinstance(last, dict) else {}
    result = {name: copy.deepcopy(value) for name, value in live.items() if name in wanted or name not in last}
    for name, value in wanted.items():
        field = definition.fields.get(name) if definition else None
        before = last.get(name)
        if isinstance(value, list) and isinstance(live.get(name), list) and field and field.merge_key:
            before = before if isinstance(before, list) else []
            result[name] = _merge_rows(live[name], before, value, field.merge_key, _inner(field.type.of))
        elif name in live:
            result[name] = merge(live[name], before, value, _inner(field.type) if field else None)
        else:
            result[name] = copy.deepcopy(value)
    return result


def _inner(kind: schema.Type | None) -> schema.Definition | None:
    return schema.definition(kind.name) if kind is not None and kind.form == "struct" else None


def _merge_rows(
    live: list[Any], last: list[Any], wanted: list[Any], key: str, definition: schema.Definition | None
) -> list[Any]:
    """Rows matched by their `key`: the wanted ones in their order, then those of others."""
    if not all(isinstance(row, dict) and key in row for row in (*live, *wanted)):
        return copy.deepcopy(wanted)
    by_key = {row[key]: row for row in live}
    before = {row.get(key): row for row in last if isinstance(row, dict)}
    chosen = [row[key] for row in wanted]
    rows = [
        merge(by_key[name], before.get(name), row, definition) if name in by_key else copy.deepcopy(row)
        for name, row in zip(chosen, wanted, strict=True)
    ]
    return rows + [copy.deepcopy(row) for name, row in by_key.items() if name not in chosen and name not in before]
