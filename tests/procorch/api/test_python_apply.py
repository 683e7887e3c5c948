"""Python's own clients of Kubernetes, unchanged, apply on the server's side."""

from __future__ import annotations

import asyncio

import pytest
from kubernetes import client, config, dynamic
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

APPLY = "application/apply-patch+yaml"


def config_map(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


@pytest.fixture
def generated(served):
    """The official client, which blocks: to be used in a thread."""
    with config.new_client_from_config(str(served.kubeconfig())) as made:
        yield made


async def test_the_official_client_creates_conflicts_and_forces(generated):
    core = client.CoreV1Api(generated)

    def apply(manager, **more):
        body = config_map(x=manager)
        return core.patch_namespaced_config_map(
            "a", "default", body, field_manager=manager, _content_type=APPLY, **more
        )  # fmt: skip

    def work():
        made = apply("first")
        with pytest.raises(client.ApiException) as refused:
            apply("second")
        return made, refused.value, apply("second", force=True)

    made, refused, forced = await asyncio.to_thread(work)

    assert [(row.manager, row.operation, row.fields_v1) for row in made.metadata.managed_fields] == [
        ("first", "Apply", {"f:data": {"f:x": {}}})
    ]
    assert refused.status == 409 and "FieldManagerConflict" in refused.body
    assert forced.data == {"x": "second"}


async def test_the_dynamic_client_applies(generated):
    def work():
        api = dynamic.DynamicClient(generated).resources.get(api_version="v1", kind="ConfigMap")
        return api.server_side_apply(
            body=config_map(x="1"), namespace="default", name="a", field_manager="dynamic", force_conflicts=True
        )

    made = await asyncio.to_thread(work)

    assert made.data.x == "1" and [row.manager for row in made.metadata.managedFields] == ["dynamic"]


async def test_lightkube_applies(served):
    wanted = ConfigMap(metadata=ObjectMeta(name="a", namespace="default"), data={"x": "1"})

    def work():
        cluster = KubeConfig.from_file(str(served.kubeconfig()))
        with Client(cluster, field_manager="one") as one, Client(cluster, field_manager="two") as two:
            made = one.apply(wanted)
            with pytest.raises(ApiError) as refused:
                two.apply(ConfigMap(metadata=wanted.metadata, data={"x": "2"}))
            return made, refused.value

    made, refused = await asyncio.to_thread(work)

    assert made.data == {"x": "1"} and made.metadata.managedFields[0].manager == "one"
    assert refused.status.message == 'Apply failed with 1 conflict: conflict with "one": .data.x'
