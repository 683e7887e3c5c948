"""`procorch restore`: a cluster's objects as they were in a backup."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from cli.directories import data_dir_option, database_option
from cli.program import set_up_logs


@click.command("restore")
@click.argument("file", metavar="FILE")
@data_dir_option
@database_option
@click.option("--force", is_flag=True, help="Where there is a store already, put it aside; nothing is deleted.")
def command(file: str, data_dir: Path, database: str, force: bool) -> None:
    """Restore the objects in FILE (`-`: standard input) into an empty data directory or database; then start a master.

    The whole file is proved before anything is touched, and a kill leaves all of it done or nothing. Revisions go on
    above all that clients of the old cluster may have seen, so that they notice and begin anew.
    """
    from procorch.restoration import RestoreProblem, restore_into

    set_up_logs("warning")
    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        with _readable(file) as backup:
            done = restore_into(data_dir, backup, database=database, force=force)
    except RestoreProblem as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror or error}") from None
    header = done.summary.header
    click.echo(
        f"restored {done.summary.objects} objects as of revision {header.revision}; it goes on at {done.revision}"
    )
    if done.aside is not None:
        click.echo(f"what was there is in {done.aside}")
    if not done.summary.files and not (data_dir / "pki/ca.key").exists():
        click.secho(
            "the backup has no keys: the master makes new ones, and agents must join anew", err=True, fg="yellow"
        )


@contextlib.contextmanager
def _readable(file: str) -> Iterator[Path]:
    """A file that can be read twice: it is proved before it is used."""
    if file != "-":
        yield Path(file)
        return
    with tempfile.NamedTemporaryFile(prefix="procorch-restore-") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield Path(spool.name)
