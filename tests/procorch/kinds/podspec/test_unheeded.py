"""What nobody acts on is told by its name; each message is tried by tests/procorch/kinds/test_pod_fields.py."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.unheeded import unheeded


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="nothing is asked"),
        pytest.param({"affinity": {"nodeAffinity": {"a": 1}}, "topologySpreadConstraints": []}, id="what is looked at"),
        pytest.param({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, id="no filter is what there is"),
        pytest.param({"volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]}, id="an emptyDir has a limit"),
        pytest.param({"evictionResponders": []}, id="none is no wish"),
        pytest.param(
            {"containers": "no list", "securityContext": [], "volumes": {}}, id="nonsense is judged elsewhere"
        ),
    ],
)
def test_what_is_acted_on_is_not_told_of(spec: dict[str, Any]) -> None:
    assert list(unheeded(spec, "spec")) == []


def test_every_container_is_looked_at() -> None:
    one = {"securityContext": {"seLinuxOptions": {"level": "s0"}}}
    spec = {"containers": [{}, one], "initContainers": [one], "ephemeralContainers": [one]}

    assert list(unheeded(spec, "spec.template.spec")) == [
        f"spec.template.spec.{where}.securityContext.seLinuxOptions: not acted on: this is no SELinux"
        for where in ("initContainers[0]", "containers[1]", "ephemeralContainers[0]")
    ]
