"""`procorch create -f`: new objects from files."""

from __future__ import annotations

import click

from cli.access import Cluster, cluster_command
from cli.manifests import filename_option, read
from cli.output import check_format, output_option, print_objects
from cli.resources import shown
from procorch.objects import ApiError


@click.command("create")
@filename_option
@output_option
@click.option("--dry-run", is_flag=True, help="Let the server check everything and keep nothing.")
@cluster_command
async def command(cluster: Cluster, files: tuple[str, ...], recursive: bool, output: str, dry_run: bool) -> int:
    """Create the objects of files, folders or standard input."""
    if output:
        check_format(output, tables=False)
    failed = 0
    query = {"fieldManager": "procorch-create", "fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
    for manifest in read(files, recursive):
        try:
            made = await cluster.client.create(manifest.placed(cluster.namespace), query=query)
        except ApiError as error:
            failed += 1
            click.echo(f"Error from server ({error.reason}): {manifest.source}: {error.message}", err=True)
            continue
        if output:
            print_objects(output, [made], as_list=False)
        else:
            click.echo(f"{shown(manifest.kind, made['metadata']['name'])} created{' (dry run)' if dry_run else ''}")
    return 1 if failed else 0
