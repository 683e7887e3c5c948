"""`procorch backup`: everything the cluster holds, in one file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

import store
from cli.access import Refused, kubeconfig_path
from cli.directories import data_dir_option, database_option
from procorch.client import Client, Unreachable
from procorch.kubeconfig import Access, KubeconfigError, load
from procorch.objects import ApiError

if TYPE_CHECKING:
    from store.backup import Summary


@click.command("backup")
@click.argument("file", metavar="FILE")
@data_dir_option
@database_option
@click.option("--kubeconfig", help="Of a master elsewhere; by default the data directory's own.")
@click.option("--without-keys", is_flag=True, help="Leave out the cluster's CA and signing key.")
def command(file: str, data_dir: Path, database: str, kubeconfig: str | None, without_keys: bool) -> None:
    """Write all objects to FILE (`-`: standard output), consistent as of one revision, while the cluster runs.

    Secrets are in it as they are stored, and on the master's machine the cluster's keys, too: keep it as safe as
    those. If the master is stopped, the data directory itself is read. Bring it back with `procorch restore`.
    """
    try:
        summary = asyncio.run(_backup(file, data_dir.absolute(), database, kubeconfig, with_keys=not without_keys))
    except ApiError as error:
        raise Refused(error) from None
    except BrokenPipeError:
        raise click.ClickException("standard output was closed before the backup was complete") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from None
    except (KubeconfigError, store.LogError, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    keys = "with the cluster's keys" if summary.files else "without the cluster's keys"
    click.echo(
        f"revision {summary.header.revision}: {summary.objects} objects {keys}, {summary.size} bytes, "
        f"sha256 {summary.sha256}",
        err=file == "-",
    )


async def _backup(file: str, data_dir: Path, database: str, kubeconfig: str | None, *, with_keys: bool) -> Summary:
    from procorch import restoration
    from procorch.backups import from_store, write

    if file == "-" and sys.stdout.isatty():
        raise click.ClickException("a backup is no text: write it to a file or a pipe")
    restoration.finish(data_dir)
    access = _access(data_dir, kubeconfig)
    url = database or str(data_dir / restoration.STORE)
    has_store = bool(database) or Path(url).exists()
    why = f"{data_dir}: no cluster here: name one with --data-dir or --kubeconfig"
    if access is not None:
        pieces = _from_api(access)
        try:
            first = await anext(pieces)
        except Unreachable as error:
            why = f"no answer from {error}"
        else:
            keys_of = data_dir if with_keys and _is_of(access, data_dir) else None
            return await write(_after(first, pieces), file, keys_of)
    if kubeconfig or not has_store:
        raise click.ClickException(why)
    try:
        return await write(from_store(url), file, data_dir if with_keys else None)
    except store.Unusable as error:
        raise click.ClickException(f"{error}" if access is None else f"{why}, and {error}") from None


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _access(data_dir: Path, kubeconfig: str | None) -> Access | None:
    """The directory's own cluster, where no other is named; None where there is no kubeconfig at all."""
    own = data_dir / "admin.kubeconfig"
    if kubeconfig:
        return load(kubeconfig)
    if own.exists():
        return load(own)
    if (data_dir / "store.db").exists():
        return None
    path = kubeconfig_path(None)
    return load(path) if path.exists() else None


def _is_of(access: Access, data_dir: Path) -> bool:
    """Whether the keys in the directory are those of the cluster that is reached."""
    path = data_dir / "pki/ca.crt"
    return path.exists() and access.ca is not None and path.read_bytes().strip() == access.ca.strip()


async def _from_api(access: Access) -> AsyncIterator[bytes]:
    from procorch.backups import PATH

    client = Client(access.transport(), user_agent="procorch-cli")
    try:
        async for chunk in client.download(PATH):
            yield chunk
    finally:
        await client.transport.close()
