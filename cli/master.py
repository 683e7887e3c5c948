"""`procorch master`: the API and the control loops, in the foreground; systemd or `procorch up` keeps it running."""

from __future__ import annotations

from pathlib import Path

import click

from cli.directories import data_dir_option, database_option, encryption_option
from cli.program import run_program
from cli.units import duration, size


@click.command("master")
@data_dir_option
@click.option("--advertise-address", default="", help="The address under which nodes and pods reach this master.")
@click.option("--listen-address", default="0.0.0.0", show_default=True, help="What to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=6443, show_default=True)
@click.option("--service-cidr", default="10.96.0.0/12", show_default=True, help="The Services' addresses.")
@click.option("--cluster-cidr", default="10.240.0.0/12", show_default=True, help="The pods' addresses, /22 a node.")
@click.option("--tls-san", multiple=True, help="One more name or address for the serving certificate.")
@click.option("--kubeconfig-server", default="", help="The server's URL in the admin kubeconfig.")
@database_option
@encryption_option
@click.option("--history-age", callback=duration, default="24h", show_default=True, metavar="DURATION",
              envvar="PROCORCH_HISTORY_AGE", help="How long the past can be read; 0: for ever.")  # fmt: skip
@click.option("--history-size", callback=size, metavar="SIZE", envvar="PROCORCH_HISTORY_SIZE",
              help="Of the database, from which on the oldest of the past goes; 0: none. By default twice the live "
              "data and 16Mi in a file, 1Gi on PostgreSQL.")  # fmt: skip
@click.option("--bootstrap-token", default="", envvar="PROCORCH_BOOTSTRAP_TOKEN", hidden=True)
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
def command(
    data_dir: Path,
    advertise_address: str,
    listen_address: str,
    port: int,
    service_cidr: str,
    cluster_cidr: str,
    tls_san: tuple[str, ...],
    kubeconfig_server: str,
    database: str,
    encryption_provider_config: Path | None,
    history_age: float,
    history_size: int | None,
    bootstrap_token: str,
    log_level: str,
) -> None:
    """Run a master: the API on https, its store, the controllers and the scheduler."""
    from cli.up import own_address
    from procorch.master import MasterConfig, run
    from store import Retention

    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        hint = "run it with sudo, or choose another --data-dir"
        raise click.ClickException(f"{data_dir}: {error.strerror}: {hint}") from None
    config = MasterConfig(
        data_dir=data_dir,
        advertise=advertise_address or own_address(),
        host=listen_address,
        port=port,
        service_cidr=service_cidr,
        cluster_cidr=cluster_cidr,
        names=tls_san,
        kubeconfig_server=kubeconfig_server,
        database=database,
        encryption=encryption_provider_config,
        retention=Retention(age=history_age or None, size="auto" if history_size is None else history_size or None),
        bootstrap_token=bootstrap_token,
    )
    run_program(lambda ready: run(config, ready=ready), log_level)
