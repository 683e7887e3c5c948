"""Classes of pods share the processor by what they ask for."""

from __future__ import annotations

import pytest

from procorch.kubelet.levels import level_limits, level_of, node_limits
from procorch.objects import Object
from runtime import Limits
from tests.procorch.kubelet.conftest import Cluster, is_ready


def pod(request: str = "", limit: str = "") -> Object:
    resources = {"requests": {"cpu": request, "memory": "1Mi"}} if request else {}
    if limit:
        resources["limits"] = {"cpu": limit, "memory": "1Mi"}
    return {"spec": {"containers": [{"name": "a", "resources": resources}]}}


@pytest.mark.parametrize(("given", "level"), [(pod(), "besteffort"), (pod("1", "2"), "burstable"), (pod("1", "1"), "")])
def test_a_class_is_a_level(given: Object, level: str) -> None:
    assert level_of(given) == level


def test_what_asks_for_something_gets_its_sum_and_what_does_not_gets_the_rest() -> None:
    asked = [pod("1", "2"), pod("500m", "2"), pod(), pod("1", "1")]

    assert level_limits(asked) == {"burstable": Limits(1500), "besteffort": Limits(2)}
    assert level_limits([]) == {"burstable": Limits(2), "besteffort": Limits(2)}


def test_all_pods_together_have_what_is_not_reserved() -> None:
    assert node_limits({"cpu": "1500m"}, 1 << 30, {"cpu": "500m", "memory": "256Mi"}) == Limits(1500, None, 768 << 20)
    assert node_limits({"cpu": "2"}, 1 << 30, {}) == Limits(2000)


@pytest.mark.kernel
async def test_the_kernel_has_the_levels_as_pods_come_and_go(running: Cluster) -> None:
    assert running.runtime is not None
    groups = running.runtime.groups

    def share(level: str) -> int | None:
        return groups.read(f"{running.cgroup}{level}").cpu_request_millis

    def rounded(millis: int) -> int | None:
        return groups.rounded(Limits(millis)).cpu_request_millis

    assert (share("/besteffort"), share("")) == (rounded(2), rounded(2000))
    resources = {"requests": {"cpu": "300m"}}
    container = {"name": "a", "image": "host", "command": ["sleep", "1000"], "resources": resources}
    await running.pod("web", containers=[container])
    await running.until(is_ready)
    await running.until_true(lambda: share("/burstable") == rounded(300))
    await running.client.delete("Pod", "default/web", grace=0)
    await running.until_true(lambda: share("/burstable") == rounded(2))
