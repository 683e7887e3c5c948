"""What every namespace has: a `default` ServiceAccount, and the cluster's CA in the ConfigMap kube-root-ca.crt."""

from __future__ import annotations

from procorch.controllers.controller import Context, Controller, own
from procorch.controllers.pod_control import is_namespace_ending
from procorch.objects import AlreadyExists, ApiError, NotFound, Object, get, is_deleting

ACCOUNT = "default"
CONFIG_MAP = "kube-root-ca.crt"
_WHY = "The CA with which pods verify the API server, at its Service address (kubernetes.default.svc) too."


def plan(namespace: Object, account: Object | None, config_map: Object | None, root_ca: str) -> list[Object]:
    """What is missing or wrong, as it ought to be; an object with a resourceVersion replaces what is there."""
    if is_deleting(namespace) or get(namespace, ".status.phase") == "Terminating":
        return []
    name = namespace["metadata"]["name"]
    result: list[Object] = []
    if account is None:
        metadata = {"name": ACCOUNT, "namespace": name}
        result.append({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    data = {"ca.crt": root_ca}
    if config_map is None and root_ca:
        metadata = {"name": CONFIG_MAP, "namespace": name}
        annotations = {"kubernetes.io/description": _WHY}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "annotations": annotations}}
        result.append({**body, "data": data})
    elif config_map is not None and root_ca and config_map.get("data") != data:
        result.append({**config_map, "data": data})
    return result


async def reconcile(key: str, context: Context) -> float | None:
    namespace = context.lister["Namespace"].get(key)
    if namespace is None:
        return None
    account = context.lister["ServiceAccount"].get(f"{key}/{ACCOUNT}")
    config_map = context.lister["ConfigMap"].get(f"{key}/{CONFIG_MAP}")
    for body in plan(namespace, account, config_map, context.config.root_ca):
        try:
            if "resourceVersion" in body["metadata"]:
                await context.client.update(body)
            else:
                await context.client.create(body)
        except (AlreadyExists, NotFound):
            continue
        except ApiError as error:
            if not is_namespace_ending(error):
                raise
    return None


def _of_account(account: Object, lister: object) -> list[str]:
    return [account["metadata"]["namespace"]] if account["metadata"]["name"] == ACCOUNT else []


def _of_config_map(config_map: Object, lister: object) -> list[str]:
    return [config_map["metadata"]["namespace"]] if config_map["metadata"]["name"] == CONFIG_MAP else []


CONTROLLER = Controller(
    "serviceaccount",
    reconcile,
    watches={"Namespace": own, "ServiceAccount": _of_account, "ConfigMap": _of_config_map},
)
