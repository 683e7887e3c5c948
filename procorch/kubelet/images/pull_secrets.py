"""The credentials that registries are asked with: of a pod's imagePullSecrets, and of the node."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from procorch.client import Unreachable
from procorch.kubelet.environment import Find
from procorch.objects import ApiError, Object, get
from runtime.layers import Refused
from runtime.registry.credentials import Keyring

_KEYS = {".dockerconfigjson": False, ".dockercfg": True}  # of the Secret's data; whether it is of the old form


async def keyring_of(pod: Object, find: Find) -> tuple[Keyring, list[str]]:
    """The credentials, and what is wrong with Secrets that give none: a sentence each.

    The ServiceAccount's Secrets are in the pod already: admission put them there.
    """
    keyring, problems = Keyring(), []
    names = [row.get("name") or "" for row in get(pod, ".spec.imagePullSecrets", [])]
    lost = []
    for name in filter(None, names):
        try:
            secret = await find("Secret", pod["metadata"]["namespace"], name)
        except (ApiError, Unreachable):
            lost.append(name)
            continue
        try:
            keyring += _of_secret(secret)
        except ValueError as error:
            problems.append(f'The image pull secret "{name}" is left aside: {error}')
    if lost:
        problems.append(
            f"Unable to retrieve some image pull secrets ({', '.join(lost)}); attempting to pull the image may not "
            "succeed."
        )
    return keyring, problems


def node_keyring(path: Path | None) -> Keyring:
    """The node's own credentials, read anew each time: they may be renewed while the agent runs. Raises Refused."""
    if path is None:
        return Keyring()
    try:
        return Keyring.parse(path.read_bytes())
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Refused(f"{path} is no Docker config.json: {error}") from None


def _of_secret(secret: Mapping[str, Any]) -> Keyring:
    data = secret.get("data") or {}
    for key, legacy in _KEYS.items():
        if data.get(key):
            try:
                return Keyring.parse(base64.b64decode(data[key], validate=True), legacy=legacy)
            except binascii.Error:
                raise ValueError("its data is no base64") from None
    raise ValueError(f"it has none of {', '.join(_KEYS)}: make it with `kubectl create secret docker-registry`")
