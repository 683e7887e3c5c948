"""`procorch token`: what lets a new node in."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from cli.directories import data_dir_option
from procorch.client import Client, Unreachable
from procorch.kubeconfig import Access, KubeconfigError, load
from procorch.objects import ApiError, Object
from procorch.pki import fingerprint
from procorch.tokens import Token, secret_of


@click.group("token")
def command() -> None:
    """Join tokens: what lets a new node in."""


@command.command("create")
@data_dir_option
@click.option("--ttl", type=float, default=24.0, show_default=True, help="Hours that it is good for; 0 for ever.")
@click.option("--description", default="", help="What it is for.")
def create(data_dir: Path, ttl: float, description: str) -> None:
    """Print a new token for `procorch agent --server … --token …`. Run it on the master's machine."""
    access = _access(data_dir)
    if access.ca is None:
        raise click.ClickException("the admin kubeconfig names no CA")
    token = Token.new(fingerprint(access.ca))
    secret = secret_of(token, expires=time.time() + ttl * 3600 if ttl else None, description=description)
    asyncio.run(_create(access, secret))
    click.echo(str(token))


def _access(data_dir: Path) -> Access:
    path = data_dir / "admin.kubeconfig"
    try:
        return load(path)
    except FileNotFoundError:
        raise click.ClickException(f"{path} is not there: run this where the master runs, after it started") from None
    except (OSError, KubeconfigError) as error:
        raise click.ClickException(str(error)) from None


async def _create(access: Access, secret: Object) -> None:
    transport = access.transport()
    try:
        await Client(transport, user_agent="procorch-cli").create(secret)
    except (ApiError, Unreachable) as error:
        raise click.ClickException(str(error)) from None
    finally:
        await transport.close()
