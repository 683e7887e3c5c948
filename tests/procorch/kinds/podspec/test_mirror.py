"""Mirror pods: said when one is made, and never changed."""

from __future__ import annotations

import pytest

from procorch.kinds.podspec.mirror import MIRROR, is_mirror, validate_mirror
from procorch.objects import Object

PATH = "metadata.annotations[kubernetes.io/config.mirror]"


def pod(mirror: str | None, node: str = "one") -> Object:
    annotations = {} if mirror is None else {MIRROR: mirror}
    return {"metadata": {"name": "a", "annotations": annotations}, "spec": {"nodeName": node}}


@pytest.mark.parametrize(
    ("new", "old", "causes"),
    [
        pytest.param(pod("x"), None, [], id="one is made"),
        pytest.param(
            pod("x", ""),
            None,
            [(PATH, 'Invalid value: "": must set spec.nodeName if mirror pod annotation is set')],
            id="of no node",
        ),
        pytest.param(pod("x"), pod("x"), [], id="it stays"),
        pytest.param(
            pod("y"), pod("x"), [(PATH, "Forbidden: may not remove or update mirror pod annotation")], id="of another"
        ),
        pytest.param(
            pod(None), pod("x"), [(PATH, "Forbidden: may not remove or update mirror pod annotation")], id="none more"
        ),
        pytest.param(pod("x"), pod(None), [(PATH, "Forbidden: may not add mirror pod annotation")], id="it was none"),
    ],
)
def test_validation(new: Object, old: Object | None, causes: list[tuple[str, str]]) -> None:
    assert [(cause.field, cause.message) for cause in validate_mirror(new, old)] == causes


def test_what_it_is() -> None:
    assert is_mirror(pod("x")) and not is_mirror(pod(None)) and not is_mirror({"metadata": {}})
