"""`procorch create -f`: new objects from files."""

from __future__ import annotations

import click

from cli.access import Cluster, cluster_command, refusal
from cli.manifests import filename_option, read
from cli.output import check_format, output_option, print_objects
from cli.resources import shown
from procorch.objects import ApiError


@click.command("create")
@filename_option
@output_option
@click.option(
    "--dry-run", type=click.Choice(["none", "server"]), default="none", is_flag=False, flag_value="server",
    help="server: let it check everything and keep nothing.",
)  # fmt: skip
@cluster_command
async def command(cluster: Cluster, files: tuple[str, ...], recursive: bool, output: str, dry_run: str) -> int:
    """Create the objects of files, folders or standard input."""
    if output:
        check_format(output, tables=False)
    failed = 0
    query = {"fieldManager": "procorch-create", "fieldValidation": "Strict"} | (
        {"dryRun": "All"} if dry_run == "server" else {}
    )
    for manifest in read(files, recursive):
        try:
            made = await cluster.client.create(manifest.placed(cluster.namespace), query=query)
        except ApiError as error:
            failed += 1
            click.echo(refusal(error, manifest.source), err=True)
            continue
        if output:
            print_objects(output, [made], as_list=False)
        else:
            mark = " (server dry run)" if dry_run == "server" else ""
            click.echo(f"{shown(manifest.kind, made['metadata']['name'])} created{mark}")
    return 1 if failed else 0
