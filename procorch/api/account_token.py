"""The token of a new pod's ServiceAccount: a projected volume in its specification, mounted in its containers.

Source: plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from random import Random

from procorch.kinds.fields import Fields, rows, text
from procorch.kinds.metadata import generated_name
from procorch.objects import Object

PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
PREFIX = "kube-api-access-"
SECONDS = 3607  # of an hour, so that one sees who asked
ROOT_CA = "kube-root-ca.crt"


def mount(pod: Object, account: Object | None, random: Random) -> None:
    """Adds what is missing. account: None for one that is about to be made. Who mounts something there keeps it."""
    spec: Fields = pod["spec"]
    asked = spec.get("automountServiceAccountToken")
    if asked is None and account is not None:
        asked = account.get("automountServiceAccountToken")
    if asked is False:
        return
    wanting = [one for group in ("initContainers", "containers") for one in rows(spec.get(group)) if not _has(one)]
    if not wanting:
        return
    volumes = rows(spec.get("volumes"))
    name = next((one["name"] for one in volumes if text(one.get("name")).startswith(PREFIX)), "")
    if not name:
        name = generated_name(PREFIX, random)
        spec["volumes"] = [*volumes, _volume(name)]
    for container in wanting:
        row = {"name": name, "readOnly": True, "mountPath": PATH}
        container["volumeMounts"] = [*rows(container.get("volumeMounts")), row]


def _has(container: Fields) -> bool:
    return any(row.get("mountPath") == PATH for row in rows(container.get("volumeMounts")))


def _volume(name: str) -> Fields:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": SECONDS, "path": "token"}},
        {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}
