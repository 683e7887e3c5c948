"""Objects out of files, folders, standard input: the YAML and JSON that people keep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import Object

Command = TypeVar("Command", bound=Callable[..., Any])
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file. source: the file and, from the second document on, its number, for messages."""

    obj: Object
    kind: Kind
    source: str

    def key(self, namespace: str) -> str:
        name = str(self.obj["metadata"]["name"])
        return f"{self.obj['metadata'].get('namespace') or namespace}/{name}" if self.kind.namespaced else name

    def placed(self, namespace: str) -> Object:
        """The object with its namespace filled in. Raises a one-line error if it names another than -n does."""
        if not self.kind.namespaced:
            return self.obj
        return {**self.obj, "metadata": {**self.obj["metadata"], "namespace": self._namespace(namespace)}}

    def _namespace(self, namespace: str) -> str:
        return str(self.obj["metadata"].get("namespace") or namespace)


def filename_option(function: Command) -> Command:
    function = click.option("--recursive", "-R", is_flag=True, help="Look into the folders of a folder too.")(function)
    return click.option(
        "--filename", "-f", "files", multiple=True, required=True, help="A file, a folder, or - for standard input."
    )(function)


def read(files: Sequence[str], recursive: bool = False) -> list[Manifest]:
    """All objects, in order; Lists are opened. Raises a one-line error that names file and place."""
    found = [
        manifest for name in files for source, text in _texts(name, recursive) for manifest in _parse(source, text)
    ]
    if not found:
        raise click.ClickException(f"no objects in {', '.join(files)}")
    return found


def _texts(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield "standard input", sys.stdin.read()
        return
    path = Path(name)
    try:
        if path.is_dir():
            inside = sorted(path.rglob("*") if recursive else path.iterdir())
            for one in inside:
                if one.suffix in SUFFIXES and one.is_file():
                    yield str(one), one.read_text(encoding="utf-8")
        else:
            yield name, path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{name}: not UTF-8 text: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or name}: {error.strerror}") from None


def _parse(source: str, text: str) -> Iterator[Manifest]:
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise click.ClickException(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    for number, document in enumerate(documents, 1):
        if document is None:
            continue
        where = source if number == 1 else f"{source}, document {number}"
        if isinstance(document, dict) and document.get("kind") == "List":
            for obj in document.get("items") or []:
                yield _manifest(obj, where)
        else:
            yield _manifest(document, where)


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a date is text, and a key that comes twice is an error."""


_Loader.yaml_implicit_resolvers = {
    first: [row for row in rows if row[0] != "tag:yaml.org,2002:timestamp"]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, str) and key in seen and key != "<<":
            raise yaml.constructor.ConstructorError(None, None, f'key "{key}" already set', key_node.start_mark)
        seen.add(key if isinstance(key, str) else repr(key))
    loader.flatten_mapping(node)
    return {loader.construct_object(k, deep=True): loader.construct_object(v, deep=True) for k, v in node.value}


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _manifest(obj: Any, where: str) -> Manifest:
    if not isinstance(obj, dict):
        raise click.ClickException(f"{where}: not an object")
    for field in ("apiVersion", "kind"):
        if not obj.get(field):
            raise click.ClickException(f"{where}: {field} is not set")
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        raise click.ClickException(f"{where}: metadata.name is not set")
    try:
        kind = KINDS.of(obj)
    except KeyError:
        raise click.ClickException(
            f'{where}: no kind "{obj["kind"]}" in version "{obj["apiVersion"]}": see `procorch api-resources`'
        ) from None
    return Manifest(obj, kind, where)
