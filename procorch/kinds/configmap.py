"""ConfigMap and Secret: named values for pods, the one open, the other guarded."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill_text, labels, made, mapping, part, same, text
from procorch.kinds.key_pair import pair_problem
from procorch.kinds.kind import Column, Kind
from procorch.names import config_key
from procorch.objects import Cause, Object

LIMIT = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"

# Types of Secrets → the keys that must be there.
_NEEDED: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _keys(values: Fields, path: str) -> Iterator[Cause]:
    for key in values:
        if isinstance(key, str):
            for message in config_key(key):
                yield Cause.invalid(f"{path}[{key}]", key, message)


def _immutable(obj: Object, old: Object | None, fields: tuple[str, ...]) -> Iterator[Cause]:
    if old is None or old.get("immutable") is not True:
        return
    if obj.get("immutable") is not True:
        yield Cause.forbidden("immutable", _FROZEN)
    for field in fields:
        if not same(obj.get(field), old.get(field)):
            yield Cause.forbidden(field, _FROZEN)


def decoded(value: object) -> bytes:
    """A value of data as bytes; what is not base64 counts as empty (the structural check names it)."""
    try:
        return base64.b64decode(text(value))
    except (binascii.Error, ValueError):
        return b""


def validate_config_map(config: Object, old: Object | None) -> Iterator[Cause]:
    data, binary = mapping(config.get("data")), mapping(config.get("binaryData"))
    yield from _keys(data, "data")
    for key in data:
        if key in binary:
            yield Cause.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    yield from _keys(binary, "binaryData")
    size = sum(len(text(value).encode(errors="replace")) for value in data.values())
    if size + sum(len(decoded(value)) for value in binary.values()) > LIMIT:
        yield Cause.too_long("", LIMIT)
    yield from _immutable(config, old, ("data", "binaryData"))


def default_secret(secret: Object) -> None:
    """stringData is for writing alone: its values go into data."""
    fill_text(secret, "type", "Opaque")
    given = secret.get("stringData")
    if given is None:
        secret.pop("stringData", None)
    elif isinstance(given, dict) and all(isinstance(value, str) for value in given.values()):
        data = made(secret, "data")
        for key, value in secret.pop("stringData").items():
            data[key] = base64.b64encode(value.encode(errors="surrogateescape")).decode()


def validate_secret(secret: Object, old: Object | None) -> Iterator[Cause]:
    data, kind = mapping(secret.get("data")), text(secret.get("type"))
    if old is not None and kind != old.get("type", "Opaque"):
        yield Cause.invalid("type", kind, "field is immutable")
    yield from _immutable(secret, old, ("data",))
    yield from _keys(data, "data")
    if sum(len(decoded(value)) for value in data.values()) > LIMIT:
        yield Cause.too_long("data", LIMIT)
    for key in _NEEDED.get(kind, ()):
        if key not in data:
            yield Cause.required(f"data[{key}]")
        elif key.startswith(".docker"):
            yield from _json(data[key], f"data[{key}]")
    if kind == "kubernetes.io/service-account-token":
        annotation = "kubernetes.io/service-account.name"
        if not labels(part(secret, "metadata").get("annotations")).get(annotation):
            yield Cause.required(f"metadata.annotations[{annotation}]")
    elif kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        yield Cause.required("data[username]")
        yield Cause.required("data[password]")
    elif kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        yield Cause.required("data[ssh-privatekey]")


def warn_secret(secret: Object, old: Object | None) -> Iterator[str]:
    """A certificate and a key that do not belong together. Source: pkg/registry/core/secret/strategy.go."""
    if secret.get("type") == "kubernetes.io/tls":
        data = mapping(secret.get("data"))
        problem = pair_problem(decoded(data.get("tls.crt")), decoded(data.get("tls.key")))
        if problem:
            yield problem


def _json(value: object, path: str) -> Iterator[Cause]:
    try:
        json.loads(decoded(value))
    except ValueError as error:
        yield Cause.invalid(path, "<secret contents redacted>", str(error))


def _count(*fields: str) -> Column:
    return Column("Data", lambda obj, now: sum(len(mapping(obj.get(field))) for field in fields))


CONFIG_MAP = Kind(
    "ConfigMap", "configmaps",
    short_names=("cm",),
    validate=validate_config_map,
    columns=(NAME, _count("data", "binaryData"), AGE),
)  # fmt: skip

SECRET = Kind(
    "Secret", "secrets",
    default=default_secret, validate=validate_secret, warn=warn_secret,
    columns=(NAME, Column("Type", ".type"), _count("data"), AGE),
    fields={"type": ".type"},
)  # fmt: skip
