"""When a pod has to leave a tainted node."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.controllers.taint_eviction import plan
from procorch.objects import Object

CAME = 1_000_000.0


def pod(*tolerations: Object) -> Object:
    return {"metadata": {"name": "p"}, "spec": {"tolerations": list(tolerations)}}


def taint(key: str = "k") -> Object:
    return {"key": key, "effect": "NoExecute", "timeAdded": timestamp(CAME)}


def tolerates(key: str = "k", seconds: int | None = None, **more: Any) -> Object:
    row = {"key": key, "operator": "Exists", "effect": "NoExecute", **more}
    return row if seconds is None else {**row, "tolerationSeconds": seconds}


@pytest.mark.parametrize(
    ("asked", "taints", "when"),
    [
        pytest.param(pod(), [], None, id="no taint: stays"),
        pytest.param(pod(), [taint()], 0.0, id="not tolerated: at once"),
        pytest.param(pod(tolerates()), [taint()], None, id="tolerated for ever"),
        pytest.param(pod(tolerates(seconds=300)), [taint()], CAME + 300, id="tolerated for five minutes"),
        pytest.param(pod(tolerates(seconds=0)), [taint()], 0.0, id="tolerated for no time"),
        pytest.param(pod(tolerates(seconds=-1)), [taint()], 0.0, id="a negative time is none"),
        pytest.param(
            pod(tolerates(seconds=300), tolerates(seconds=60)), [taint()], CAME + 60, id="the shortest counts"
        ),
        pytest.param(pod(tolerates(seconds=300)), [taint(), taint("other")], 0.0, id="one of two is not tolerated"),
        pytest.param(pod(tolerates(effect="NoSchedule")), [taint()], 0.0, id="tolerating another effect is no help"),
    ],
)
def test_the_moment_to_go(asked: Object, taints: list[Object], when: float | None) -> None:
    assert plan(asked, taints) == when
