"""`procorch image`: the node's store of images. It works on the data directory, with or without an agent."""

from __future__ import annotations

from pathlib import Path

import click

from cli.directories import data_dir_option, need_root
from cli.output import print_table
from runtime.images import Image, ImageStore
from runtime.layers import Refused


@click.group("image")
def command() -> None:
    """Images on this node: those loaded from files, which no registry is asked for, and those that were pulled."""


@command.command("load")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--name", default="", help="What it is called; needed where the file does not say.")
@data_dir_option
def load(file: Path, name: str, data_dir: Path) -> None:
    """Unpack FILE and give it a name.

    FILE is what `podman save`, `docker save` or `skopeo copy … oci:DIR` write, an OCI layout's directory, or a tar of a
    root file system. With `up --nodes` every node gets it. A pod that waits for it starts at once.
    """
    need_root("procorch image load")
    for where, store in stores(data_dir).items():
        try:
            for full, image in store.load(file.absolute(), name):
                click.echo(f"loaded {full} ({image.id}){where}")
        except Refused as error:
            raise click.ClickException(str(error)) from None


@command.command("list")
@data_dir_option
def list_(data_dir: Path) -> None:
    """The images of this node."""
    need_root("procorch image list")
    rows: dict[tuple[str, str], Image] = {}
    for store in stores(data_dir).values():
        rows |= {(name, image.id): image for name, image in store.items()}
    cells = [(name or "<none>", id_, f"{image.size / 1e6:.1f}MB") for (name, id_), image in sorted(rows.items())]
    print_table(["NAME", "IMAGE ID", "SIZE"], cells)


@command.command("remove")
@click.argument("name")
@data_dir_option
def remove(name: str, data_dir: Path) -> None:
    """Take a NAME away, and with its last name the image; or an image by its ID. Refused while a process runs on it."""
    need_root("procorch image remove")
    problem: Refused | None = None
    done = False
    for where, store in stores(data_dir).items():
        try:
            unpacked = store.remove(name)
        except Refused as error:
            problem = error
            continue
        done = True
        click.echo(f"removed {name}{where}" if unpacked else f"removed the name {name}; the image has others{where}")
    if problem is not None and (not done or "in use" in str(problem)):
        raise click.ClickException(str(problem))


def stores(data_dir: Path) -> dict[str, ImageStore]:
    """What is said of the node → its store: of an agent's own directory, or of the node or nodes of an `up`."""
    data_dir = data_dir.absolute()
    if (data_dir / "agent").is_dir():
        return {"": ImageStore(data_dir / "images")}
    nodes = sorted(path for path in data_dir.glob("nodes/*") if path.is_dir())
    if nodes:
        return {f" on {path.name}": ImageStore(path / "images") for path in nodes}
    return {"": ImageStore(data_dir / "node" / "images")}
