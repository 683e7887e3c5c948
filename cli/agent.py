"""`procorch agent`: a node, in the foreground; systemd or `procorch up` keeps it running."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from cli.directories import DEFAULT, data_dir_option, need_root
from cli.node_options import node_options
from cli.node_resources import NodeResources, node_resources
from cli.program import run_program
from cli.registries import registry_options


@click.command("agent")
@data_dir_option
@click.option("--server", "servers", multiple=True, help="A master's URL, https://…:6443; once for each master.")
@click.option(
    "--token", default="", envvar="PROCORCH_TOKEN", help="A join token (`procorch token create`); needed once."
)
@click.option("--token-file", type=click.Path(path_type=Path), help="The file in which the join token is.")
@click.option("--node-name", default="", help="The node's name; else the host's.")
@click.option("--node-ip", default="", help="The node's address as masters, nodes and pods reach it; found by default.")
@click.option("--pods", type=click.IntRange(1, 1000), default=110, show_default=True, help="At most so many.")
@click.option("--pod-pids", type=click.IntRange(16), default=8192, show_default=True, help="Processes a pod may have.")
@click.option("--cluster-cidr", default="10.240.0.0/12", show_default=True, help="As the masters have it.")
@click.option("--service-cidr", default="10.96.0.0/12", show_default=True, help="As the masters have it.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label to register the node with.")
@click.option("--hide", multiple=True, type=click.Path(path_type=Path), help="A path that no pod may see.")
@registry_options
@node_options
@node_resources
@click.option("--clean", is_flag=True, help="End this node's pods, undo its network and cgroups, and stop.")
@click.option("--grace", type=click.FloatRange(min=0), default=0.0, help="With --clean: seconds to end in.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def command(
    data_dir: Path,
    servers: tuple[str, ...],
    token: str,
    token_file: Path | None,
    node_name: str,
    node_ip: str,
    pods: int,
    pod_pids: int,
    cluster_cidr: str,
    service_cidr: str,
    labels: tuple[str, ...],
    hide: tuple[Path, ...],
    registries: tuple[str, ...],
    registry_ca: Path | None,
    registry_auth: Path | None,
    pod_manifest_path: Path | None,
    allowed_unsafe_sysctls: tuple[str, ...],
    node_resources: NodeResources,
    clean: bool,
    grace: float,
    log_level: str,
) -> None:
    """Run a node: pods, their network, and the Services' addresses."""
    need_root("procorch agent")
    from cli.up import own_address
    from procorch.agent import Agent
    from procorch.agent import clean as clean_up
    from procorch.agent_config import AgentConfig
    from procorch.kubelet.images import RegistryConfig

    if not servers and not clean:
        raise click.UsageError("name the master: --server https://ADDRESS:6443")
    if token_file is not None:
        try:
            token = token_file.read_text().strip()
        except OSError as error:
            raise click.ClickException(f"{token_file}: {error.strerror}") from None
    config = AgentConfig(
        servers=servers,
        data_dir=data_dir.absolute(),
        node_name=node_name or socket.gethostname().lower(),
        node_ip=node_ip or own_address(),
        token=token,
        max_pods=pods,
        pod_pids=pod_pids,
        labels=_pairs(labels),
        cluster_cidr=cluster_cidr,
        service_cidr=service_cidr,
        hidden=(*hide, DEFAULT),  # another cluster's state is nobody's business either
        static_pods=pod_manifest_path,
        unsafe_sysctls=allowed_unsafe_sysctls,
        registries=RegistryConfig(registries, registry_ca, registry_auth),
        reserved=node_resources.reserved(),
        eviction=node_resources.eviction(),
        shutdown=node_resources.shutdown(),
    )
    if clean:
        run_program(lambda ready: clean_up(config, grace), log_level)
    else:
        agent = Agent(config)
        run_program(agent.run, log_level, agent.before_stop)


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise click.UsageError(f"--label {word}: write KEY=VALUE")
        pairs[name] = value
    return pairs
