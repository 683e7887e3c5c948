"""Reaching a cluster from the command line: which kubeconfig, which namespace, and what an error looks like."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import click

from cli.directories import DEFAULT
from procorch.client import Client, Unreachable
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.kubeconfig import Access, KubeconfigError, default_path, load
from procorch.objects import ApiError

INTERRUPTED = 130  # as shells report a program that Ctrl-C ended


class Refused(click.ClickException):
    """What the API refused, in the words that kubectl's users know."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(refusal(error))

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file, err=file is None)


def refusal(error: ApiError, source: str = "") -> str:
    """One line (several where the server names several causes). source: which file and document it is about."""
    reason = f" ({error.reason})" if error.reason else ""
    return f"Error from server{reason}: {source + ': ' if source else ''}{error.message}"


@dataclass
class Cluster:
    """One context of a kubeconfig, and the client that goes there.

    namespace: as asked for with -n, else the context's. all_namespaces: -A was given.
    """

    access: Access
    namespace: str
    all_namespaces: bool = False
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.access.transport(), user_agent="procorch-cli", on_warning=_warn)

    @property
    def scope(self) -> str | None:
        """The namespace to list, None for all."""
        return None if self.all_namespaces else self.namespace


def _warn(text: str) -> None:
    click.secho(f"Warning: {text}", err=True, fg="yellow")


def kubeconfig_path(given: str | None, data_dir: Path = DEFAULT) -> Path:
    """--kubeconfig, else $KUBECONFIG, else this machine's own cluster where it is readable, else ~/.kube/config."""
    if given:
        return Path(given)
    own = Path(os.environ.get("PROCORCH_DATA_DIR") or data_dir) / "admin.kubeconfig"
    if not os.environ.get("KUBECONFIG") and os.access(own, os.R_OK):
        return own
    return default_path()


def _cluster(kubeconfig: str | None, context: str | None, namespace: str | None, everywhere: bool) -> Cluster:
    path = kubeconfig_path(kubeconfig)
    try:
        access = load(path, context)
        return Cluster(access, namespace or access.namespace, everywhere)
    except FileNotFoundError:
        raise click.ClickException(
            f"{path}: no such kubeconfig: start a cluster with `procorch up`, or name one with --kubeconfig"
        ) from None
    except (OSError, KubeconfigError) as error:
        raise click.ClickException(str(error)) from None


def cluster_command(function: Callable[..., Coroutine[Any, Any, int | None]]) -> Callable[..., None]:
    """Makes an async function of a Cluster and its own options a command with kubectl's connection options.

    Its result is the exit code, None for 0. What the API refuses and what cannot be reached is one line and exit 1.
    """

    @click.option("--kubeconfig", help="The kubeconfig file; else $KUBECONFIG, this machine's cluster, ~/.kube/config.")
    @click.option("--context", help="The kubeconfig's context to use.")
    @click.option("--namespace", "-n", help="The namespace; else the context's.", shell_complete=_namespaces)
    @functools.wraps(function)
    def run(kubeconfig: str | None, context: str | None, namespace: str | None, **options: Any) -> None:
        cluster = _cluster(kubeconfig, context, namespace, bool(options.pop("all_namespaces", False)))
        try:
            code = asyncio.run(_closing(cluster, function(cluster, **options)))
        except ApiError as error:
            raise Refused(error) from None
        except Unreachable as error:
            raise click.ClickException(f"no answer from {error}: is the cluster up? `procorch status` tells") from None
        except KubeconfigError as error:
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        sys.exit(code or 0)

    return run


def names_for_completion(ctx: click.Context, kind: Kind) -> list[str]:
    """What the Tab key offers: the names there are, or nothing when the cluster does not answer within 2 s."""
    options = ctx.params

    async def look() -> list[str]:
        cluster = _cluster(options.get("kubeconfig"), options.get("context"), options.get("namespace"), False)
        try:
            async with asyncio.timeout(2):
                found = await cluster.client.items(kind, cluster.namespace if kind.namespaced else None)
            return [obj["metadata"]["name"] for obj in found.objects]
        finally:
            await cluster.client.transport.close()

    try:
        return asyncio.run(look())
    except (ApiError, Unreachable, TimeoutError, click.ClickException, OSError, ValueError):
        return []


def _namespaces(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in names_for_completion(ctx, KINDS["Namespace"]) if name.startswith(incomplete)]


async def _closing(cluster: Cluster, work: Coroutine[Any, Any, int | None]) -> int | None:
    try:
        return await work
    finally:
        await cluster.client.transport.close()


all_namespaces_option = click.option("--all-namespaces", "-A", is_flag=True, help="Look in every namespace.")
selector_option = click.option("--selector", "-l", default="", help="Only what has these labels: a=b,c in (d,e),!f.")
