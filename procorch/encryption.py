"""Kubernetes' EncryptionConfiguration: which resources are encrypted in the store, and with which keys.

    apiVersion: apiserver.config.k8s.io/v1
    kind: EncryptionConfiguration
    resources:
    - resources: [secrets]
      providers:                       the first one writes, all of them read
      - aesgcm: {keys: [{name: key2, secret: …}, {name: key1, secret: …}]}
      - identity: {}                   in the clear

Source: Kubernetes documentation, "Encrypting Confidential Data at Rest". Of the providers there are aesgcm and
identity; the others are refused by name. A resource that is not known here is refused as well: who mistypes a name
would believe it to be encrypted.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import store
from procorch.kinds import KINDS
from procorch.pki import write_private

API_VERSION, KIND = "apiserver.config.k8s.io/v1", "EncryptionConfiguration"
SIZES = (16, 24, 32)
"""Bytes of an AES key."""


class EncryptionProblem(ValueError):
    """The file cannot be used; one line says where and why."""


def read(path: Path) -> list[store.Rule]:
    """The rules of a file, in the order in which they hold. Raises EncryptionProblem, OSError."""
    return _rules(_load(path), path)


def name_of(prefix: str) -> str:
    """What the file calls the resource of a rule."""
    for kind in KINDS:
        if kind.store_key() == prefix:
            return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    return "*.*"


def object_of(key: str) -> str:
    """What people call the object behind a key of the store: `secrets default/web`."""
    for kind in KINDS:
        if key.startswith(kind.store_key()):
            return f"{name_of(kind.store_key())} {key[len(kind.store_key()) :]}"
    return key


def add_key(path: Path, *, last: bool = False) -> list[str]:
    """A new random key in every aesgcm provider, as the first, which writes, or as the last, which only reads.

    A file that is not there is made, for Secrets. Returns the names of the keys. Raises EncryptionProblem, OSError.
    """
    if path.exists():
        document = _load(path)
        _rules(document, path)
    else:
        providers: list[Any] = [{"aesgcm": {"keys": []}}, {"identity": {}}]
        document = {"apiVersion": API_VERSION, "kind": KIND}
        document["resources"] = [{"resources": ["secrets"], "providers": providers}]
    taken = [key["name"] for keys in _key_lists(document) for key in keys]
    numbers = [int(found[1]) for name in taken if (found := re.fullmatch(r"key(\d+)", name))]
    names = []
    for number, keys in enumerate(_key_lists(document), max(numbers, default=0) + 1):
        key = {"name": f"key{number}", "secret": base64.b64encode(secrets.token_bytes(32)).decode()}
        keys.insert(len(keys) if last else 0, key)
        names.append(key["name"])
    if not names:
        raise EncryptionProblem(f"{path}: has no provider aesgcm that could get a key")
    write_private(path, yaml.safe_dump(document, sort_keys=False).encode())
    return names


def _key_lists(document: Any) -> Iterator[list[dict[str, str]]]:
    for entry in document["resources"]:
        for provider in entry["providers"]:
            if "aesgcm" in provider:
                yield provider["aesgcm"]["keys"]


def _load(path: Path) -> Any:
    """The document, if nobody but its owner and root could have read it or put it there."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise EncryptionProblem(f"{path}: not a regular file")
        if status.st_uid not in (0, os.geteuid()):
            raise EncryptionProblem(f"{path}: belongs to user {status.st_uid}: it holds keys, make it your own")
        if status.st_mode & 0o077:
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            raise EncryptionProblem(f"{path}: its mode {mode} lets others at the keys: chmod 600 {path}")
        try:
            return yaml.safe_load(file)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)  # the error's own text would show what stands there
            at = f" in line {mark.line + 1}" if mark is not None else ""
            raise EncryptionProblem(f"{path}: not YAML{at}") from None


def _rules(document: Any, path: Path) -> list[store.Rule]:
    try:
        return _Reader().rules(document)
    except EncryptionProblem as error:
        raise EncryptionProblem(f"{path}: {error}") from None


class _Reader:
    """Reads one document. Messages begin with the field, and never show a secret."""

    def __init__(self) -> None:
        self._keys: dict[bytes, store.Key] = {}

    def rules(self, document: Any) -> list[store.Rule]:
        top = _fields(document, "the file", ("apiVersion", "kind", "resources"))
        if (top["apiVersion"], top["kind"]) != (API_VERSION, KIND):
            raise EncryptionProblem(f"not a {KIND} of {API_VERSION}")
        rules: list[store.Rule] = []
        for number, entry in enumerate(_list(top["resources"], "resources")):
            where = f"resources[{number}]"
            fields = _fields(entry, where, ("resources", "providers"))
            providers = tuple(self._providers(fields["providers"], f"{where}.providers"))
            for place, name in enumerate(_list(fields["resources"], f"{where}.resources")):
                at = f"{where}.resources[{place}]"
                known = tuple(rule.prefix for rule in rules)
                prefixes = [prefix for prefix in _prefixes(name, at) if not prefix.startswith(known)]
                if not prefixes:
                    raise EncryptionProblem(f"{at}: {name} has no effect: what stands before it covers it already")
                rules += [store.Rule(prefix, providers) for prefix in prefixes]
        return rules

    def _providers(self, given: Any, where: str) -> Iterator[store.Key | None]:
        for number, provider in enumerate(_list(given, where)):
            if not isinstance(provider, Mapping) or len(provider) != 1:
                raise EncryptionProblem(f"{where}[{number}]: one provider is expected: aesgcm or identity")
            ((name, content),) = provider.items()
            if name == "identity":
                yield None
            elif name == "aesgcm":
                yield from self._aesgcm(content, f"{where}[{number}].aesgcm")
            else:
                raise EncryptionProblem(f"{where}[{number}].{name}: not supported; aesgcm and identity are")

    def _aesgcm(self, given: Any, where: str) -> Iterator[store.Key]:
        names = set()
        for number, row in enumerate(_list(_fields(given, where, ("keys",))["keys"], f"{where}.keys")):
            at = f"{where}.keys[{number}]"
            fields = _fields(row, at, ("name", "secret"))
            name = fields["name"]
            if not isinstance(name, str) or not name or name in names:
                raise EncryptionProblem(f"{at}.name: each key needs a name of its own")
            names.add(name)
            try:
                secret = base64.b64decode(fields["secret"], validate=True)
            except (binascii.Error, TypeError, ValueError):
                raise EncryptionProblem(f"{at}.secret: not base64") from None
            if len(secret) not in SIZES:
                raise EncryptionProblem(f"{at}.secret: {len(secret)} bytes; a key has 16, 24 or 32")
            yield self._keys.setdefault(secret, store.Key(name, secret))


def _fields(given: Any, where: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise EncryptionProblem(f"{where}: not an object with {', '.join(names)}")
    for name in given:
        if name not in names:
            raise EncryptionProblem(f"{where}: unknown field {name}")
    for name in names:
        if name not in given:
            raise EncryptionProblem(f"{where}: {name} is missing")
    return given


def _list(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise EncryptionProblem(f"{where}: not a list of at least one")
    return given


def _prefixes(name: Any, where: str) -> list[str]:
    """Of the keys in the store, for `secrets`, `leases.coordination.k8s.io`, `*.apps`, `*.` (the core) or `*.*`."""
    if name == "*.*":
        return ["/registry/"]
    plural, _, group = str(name).partition(".")
    kinds = [kind for kind in KINDS if kind.group == group and plural in ("*", kind.plural)]
    if not kinds or not isinstance(name, str) or name == "*":
        raise EncryptionProblem(
            f"{where}: {name}: no such resource here; they are written as secrets or leases.coordination.k8s.io"
        )
    return list(dict.fromkeys(kind.store_key() for kind in kinds))
