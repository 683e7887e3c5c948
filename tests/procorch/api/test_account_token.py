"""Which new pods get the token of their ServiceAccount, and where it is mounted; by the API that makes them."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.api.account_token import PATH, PREFIX
from procorch.objects import Object


def pod(*mounts: str, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    volumes = [{"name": "v", "emptyDir": {}}] if mounts else []
    container = {
        "name": "a", "image": "host", "volumeMounts": [{"name": "v", "mountPath": path} for path in mounts],
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "annotations": annotations or {}},
        "spec": {"containers": [container], "volumes": volumes, **spec},
    }


def account(name: str, **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}, **more}


def token_volumes(made: Object) -> list[Object]:
    return [one for one in made["spec"].get("volumes", []) if one["name"].startswith(PREFIX)]


async def test_the_volume_is_as_kubernetes_makes_it(served):
    made = await served.client.create(pod())

    (volume,) = token_volumes(made)
    assert len(volume["name"]) == len(PREFIX) + 5
    assert volume["projected"] == {
        "defaultMode": 420,
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {
                "downwardAPI": {
                    "items": [
                        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                    ]
                }
            },
        ],
    }
    mount = {"name": volume["name"], "readOnly": True, "mountPath": PATH}
    assert made["spec"]["containers"][0]["volumeMounts"] == [mount]


@pytest.mark.parametrize(
    ("given", "mounted"),
    [
        pytest.param(pod(), True, id="every pod, also where the account is about to be made"),
        pytest.param(pod(automountServiceAccountToken=False), False, id="not where the pod says no"),
        pytest.param(pod(serviceAccountName="shy"), False, id="not where the account says no"),
        pytest.param(pod(serviceAccountName="shy", automountServiceAccountToken=True), True, id="the pod's word first"),
        pytest.param(pod(serviceAccountName="bold", automountServiceAccountToken=False), False, id="also its no"),
        pytest.param(pod(PATH), False, id="not over what the pod has mounted there"),
        pytest.param(pod("/elsewhere"), True, id="beside what it has mounted elsewhere"),
        pytest.param(
            pod(nodeName="one", annotations={"kubernetes.io/config.mirror": "1"}), False, id="no mirror of a static pod"
        ),
    ],
)
async def test_who_gets_a_token(served, given: Object, mounted: bool):
    await served.client.create(account("shy", automountServiceAccountToken=False))
    await served.client.create(account("bold", automountServiceAccountToken=True))

    made = await served.client.create(given)

    assert bool(token_volumes(made)) is mounted
    paths = [(row["name"], row["mountPath"]) for row in made["spec"]["containers"][0].get("volumeMounts", [])]
    assert (PATH in [path for name, path in paths if name != "v"]) is mounted


async def test_of_several_containers_those_get_it_that_have_nothing_there(served):
    given = pod(PATH)
    given["spec"]["initContainers"] = [{"name": "i", "image": "host"}]
    given["spec"]["containers"].append({"name": "b", "image": "host"})

    made = await served.client.create(given)

    (volume,) = token_volumes(made)
    rows = {
        one["name"]: one["volumeMounts"][-1] for one in (*made["spec"]["initContainers"], *made["spec"]["containers"])
    }
    assert {name: row["name"] for name, row in rows.items()} == {"i": volume["name"], "a": "v", "b": volume["name"]}


async def test_a_volume_that_is_there_by_that_name_is_used(served):
    """Who sends back a pod that he has read."""
    given = pod()
    given["spec"]["volumes"] = [{"name": f"{PREFIX}mine", "emptyDir": {}}]

    made = await served.client.create(given)

    assert [one["name"] for one in made["spec"]["volumes"]] == [f"{PREFIX}mine"]
    assert made["spec"]["containers"][0]["volumeMounts"][0]["name"] == f"{PREFIX}mine"
