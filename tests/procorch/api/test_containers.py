"""Which container is meant, and Kubernetes' words where none is."""

from __future__ import annotations

import pytest

from procorch.api.containers import container_of
from procorch.objects import BadRequest


def pod(*names, init=(), annotations=None):
    return {
        "metadata": {"name": "a", "annotations": annotations or {}},
        "spec": {"containers": [{"name": one} for one in names], "initContainers": [{"name": one} for one in init]},
    }


def test_the_one_that_is_named_or_alone_or_the_default():
    assert container_of(pod("x", "y"), "y") == "y"
    assert container_of(pod("x", init=["i"]), "i") == "i"
    assert container_of(pod("x"), "") == "x"
    assert container_of(pod("x", "y", annotations={"kubectl.kubernetes.io/default-container": "y"}), "") == "y"


@pytest.mark.parametrize(
    ("one", "asked", "said"),
    [
        (pod("x"), "z", "container z is not valid for pod a"),
        (pod("x", "y"), "", r"a container name must be specified for pod a, choose one of: \[x y\]"),
        (pod("x", init=["i"]), "", r"choose one of: \[x\] or one of the init containers: \[i\]"),
    ],
)
def test_what_is_not_clear_is_refused(one, asked, said):
    with pytest.raises(BadRequest, match=said):
        container_of(one, asked)
