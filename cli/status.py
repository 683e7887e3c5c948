"""`procorch status`: does a cluster run here, and how does it stand."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import click

from cli.directories import data_dir_option, running
from cli.output import print_table
from procorch.client import Client, Unreachable
from procorch.kubeconfig import KubeconfigError, load
from procorch.objects import ApiError, Object, condition_of, get

NOT_RUNNING = 3  # as `systemctl status`


@click.command("status")
@data_dir_option
def command(data_dir: Path) -> None:
    """Show whether a cluster is up on this machine, its programs, nodes and pods. Exit code 3 if it is not."""
    data_dir = data_dir.absolute()
    found = running(data_dir)
    if found is None:
        click.echo(f"no cluster is up in {data_dir}: start one with `procorch up`")
        sys.exit(NOT_RUNNING)
    click.echo(f"up since {_ago(time.time() - found['since'])}, pid {found['pid']}, state in {data_dir}")
    click.echo(
        f"API {found['server']}, for nodes and pods https://{found['address']}:{found['server'].rsplit(':')[-1]}\n"
    )
    print_table(["PROGRAM", "PID", "READY", "LOG"], _programs(found, data_dir))
    try:
        nodes, pods, trouble = asyncio.run(_look(data_dir / "admin.kubeconfig"))
    except (ApiError, Unreachable, KubeconfigError, OSError) as error:
        click.echo(f"\nthe API does not answer: {error}; see {data_dir / 'log/master.log'}", err=True)
        sys.exit(1)
    for line in trouble:
        click.secho(f"\n{line}", err=True, fg="yellow")
    click.echo()
    print_table(["NODE", "STATUS", "PODS", "RUNNING"], _nodes(nodes, pods))


def _programs(found: dict[str, Any], data_dir: Path) -> list[list[str]]:
    return [
        [name, str(row["pid"]), "yes" if row["ready"] else "no", str(data_dir / f"log/{name}.log")]
        for name, row in found["programs"].items()
    ]


async def _look(kubeconfig: Path) -> tuple[list[Object], list[Object], list[str]]:
    """Nodes, pods, and what the master has to tell of its store."""
    client = Client(load(kubeconfig).transport(), user_agent="procorch-cli")
    try:
        health = (await client.raw("GET", "/healthz/store", query={"verbose": "1"})).body.decode()
        trouble = [line.removeprefix("[!]") for line in health.splitlines() if line.startswith("[!]")]
        return (await client.items("Node")).objects, (await client.items("Pod")).objects, trouble
    finally:
        await client.transport.close()


def _nodes(nodes: list[Object], pods: list[Object]) -> list[list[str]]:
    rows = []
    for node in nodes:
        mine = [pod for pod in pods if get(pod, ".spec.nodeName") == node["metadata"]["name"]]
        going = sum(get(pod, ".status.phase") == "Running" for pod in mine)
        ready = (condition_of(node, "Ready") or {}).get("status") == "True"
        rows.append([node["metadata"]["name"], "Ready" if ready else "NotReady", str(len(mine)), str(going)])
    waiting = sum(not get(pod, ".spec.nodeName") for pod in pods)
    return rows + ([["(not scheduled)", "", str(waiting), "0"]] if waiting else [])


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
