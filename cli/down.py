"""`procorch down`: the cluster stops; what is in it stays for the next `up`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from pathlib import Path

import click

from cli.directories import data_dir_option, need_root, running
from cli.up import stop_pods


@click.command("down")
@data_dir_option
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds to wait before it is killed.")
def command(data_dir: Path, timeout: float) -> None:
    """Stop master, nodes and pods. The cluster's objects are kept: `procorch up` brings them back."""
    need_root("procorch down")
    if stop(data_dir.absolute(), timeout):
        click.echo("stopped")
    else:
        click.echo(f"no cluster is up in {data_dir}")


def stop(data_dir: Path, timeout: float) -> bool:
    """Whether there was one to stop. Also ends what an `up` left behind that was killed."""
    found = running(data_dir)
    if found is None:
        _end_programs(data_dir)
        stop_pods(data_dir)
        return False
    pidfd = os.pidfd_open(int(found["pid"]))
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not select.select([pidfd], [], [], timeout)[0]:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            select.select([pidfd], [], [], 5)
            _end_programs(data_dir)
            stop_pods(data_dir)
            click.echo(f"it did not stop in {timeout:.0f} s: killed", err=True)
        elif (data_dir / "node/runtime").exists():
            _end_programs(data_dir)
            stop_pods(data_dir)  # it was killed before it came to that
    finally:
        os.close(pidfd)
    return True


def _end_programs(data_dir: Path) -> None:
    """End what an `up` that was killed left running, by what it wrote down: master and agents, stopped ones too.

    A pid may be another program's by now: only one that names this data directory is meant.
    """
    try:
        rows = json.loads((data_dir / "run/up.json").read_text())["programs"].values()
    except (OSError, ValueError, KeyError):
        return
    for pid in [int(row["pid"]) for row in rows if row["pid"]]:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            pidfd = os.pidfd_open(pid)
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                ours = any(Path(os.fsdecode(word)).is_relative_to(data_dir) for word in words)
                for number in (signal.SIGTERM, signal.SIGKILL):
                    if ours and not select.select([pidfd], [], [], 0)[0]:
                        signal.pidfd_send_signal(pidfd, number)
                        select.select([pidfd], [], [], 5)
            finally:
                os.close(pidfd)
