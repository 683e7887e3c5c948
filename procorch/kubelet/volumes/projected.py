"""configMap, secret, downwardAPI and projected: files made of the API's objects, fresh when these change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from procorch.kubelet.environment import ConfigProblem, bytes_of, field_value, optional, resource_value
from procorch.kubelet.volumes.volume import (
    READ_ALL,
    File,
    Made,
    Source,
    Volume,
    VolumeProblem,
    chosen,
    fs_group,
    one_user,
    write_files,
)
from procorch.objects import Object
from runtime import Mount

TOKEN_SECONDS = 3600


async def config_map(volume: dict[str, Any], pod: Object, directory: Path, source: Source) -> Made:
    own = volume["configMap"]
    files = await _object_files("ConfigMap", own, own.get("defaultMode"), pod, source)
    return _written(directory, files, pod)


async def secret(volume: dict[str, Any], pod: Object, directory: Path, source: Source) -> Made:
    own = volume["secret"]
    reference = own | {"name": own.get("secretName") or ""}
    files = await _object_files("Secret", reference, own.get("defaultMode"), pod, source)
    return _written(directory, files, pod)


async def downward_api(volume: dict[str, Any], pod: Object, directory: Path, source: Source) -> Made:
    own = volume["downwardAPI"]
    return _written(directory, _downward_files(own, own.get("defaultMode"), pod, source), pod)


async def projected(volume: dict[str, Any], pod: Object, directory: Path, source: Source) -> Made:
    own = volume["projected"]
    mode = own.get("defaultMode")
    files: dict[str, File] = {}
    again = None
    for row in own.get("sources") or []:
        if (part := row.get("configMap")) is not None:
            files |= await _object_files("ConfigMap", part, mode, pod, source)
        elif (part := row.get("secret")) is not None:
            files |= await _object_files("Secret", part, mode, pod, source)
        elif (part := row.get("downwardAPI")) is not None:
            files |= _downward_files(part, mode, pod, source)
        elif (part := row.get("serviceAccountToken")) is not None:
            seconds = int(part.get("expirationSeconds") or TOKEN_SECONDS)
            token, renew = await source.token(pod, part.get("audience") or "", seconds)
            files[part["path"]] = _token_file(token, mode, pod)
            again = renew if again is None else min(again, renew)
        else:
            raise VolumeProblem(f"projected source {', '.join(row) or 'nothing'}: not supported")
    return _written(directory, files, pod, again)


async def _object_files(
    kind: str, reference: dict[str, Any], mode: int | None, pod: Object, source: Source
) -> dict[str, File]:
    found = await optional(source.find, kind, pod["metadata"]["namespace"], reference)
    return {} if found is None else chosen(bytes_of(found), reference, mode, kind.lower())


def _downward_files(own: dict[str, Any], mode: int | None, pod: Object, source: Source) -> dict[str, File]:
    files = {}
    for item in own.get("items") or []:
        if (row := item.get("fieldRef")) is not None:
            text = field_value(pod, row["fieldPath"], source.facts)
        elif (row := item.get("resourceFieldRef")) is not None:
            text = resource_value(
                pod, row.get("containerName") or "", row["resource"], row.get("divisor") or "", source.facts
            )
        else:
            raise ConfigProblem(f"downwardAPI {item.get('path')}: neither fieldRef nor resourceFieldRef")
        own_mode = mode if item.get("mode") is None else item["mode"]
        files[item["path"]] = File(text.encode(), READ_ALL if own_mode is None else own_mode)
    return files


def _token_file(token: str, mode: int | None, pod: Object) -> File:
    """A token is a secret of the one user whom all containers share, and of the pod's group, where either is named.

    Source: Kubernetes' projected volume plugin: 0600 then, whatever the mode asked for.
    """
    owner = one_user(pod)
    if owner is not None or fs_group(pod) is not None:
        return File(token.encode(), 0o600, -1 if owner is None else owner)
    return File(token.encode(), READ_ALL if mode is None else mode)


def _written(directory: Path, files: dict[str, File], pod: Object, again: float | None = None) -> Made:
    write_files(directory, files, fs_group(pod))
    return Made(Mount("", directory, read_only=True), again)


VOLUMES = (
    Volume("configMap", config_map, "kubernetes.io/configmap"),
    Volume("secret", secret, "kubernetes.io/secret"),
    Volume("downwardAPI", downward_api, "kubernetes.io/downward-api"),
    Volume("projected", projected, "kubernetes.io/projected"),
)
