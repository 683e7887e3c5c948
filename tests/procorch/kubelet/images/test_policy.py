"""Whether a registry is asked."""

from __future__ import annotations

import pytest

from procorch.kubelet.images.policy import Step, next_step

Y, N = True, False


@pytest.mark.parametrize(
    ("policy", "present", "private", "servable", "step"),
    [
        pytest.param("Always", N, N, Y, Step.PULL, id="Always: it is asked for what is not there"),
        pytest.param("Always", Y, N, Y, Step.PULL, id="Always: and for what is there"),
        pytest.param("Always", Y, Y, Y, Step.PULL, id="Always: which answers the question of access, too"),
        pytest.param("Always", Y, N, N, Step.UNKNOWN, id="Always: without a registry there is nobody to ask"),
        pytest.param("IfNotPresent", N, N, Y, Step.PULL, id="IfNotPresent: it is asked for what is not there"),
        pytest.param("IfNotPresent", Y, N, Y, Step.USE, id="IfNotPresent: not for what is there"),
        pytest.param("IfNotPresent", Y, N, N, Step.USE, id="IfNotPresent: what is there needs no registry"),
        pytest.param("IfNotPresent", Y, Y, Y, Step.VERIFY, id="IfNotPresent: what was pulled with credentials"),
        pytest.param("IfNotPresent", Y, Y, N, Step.RECOGNIZE, id="IfNotPresent: likewise, and nobody to ask"),
        pytest.param("IfNotPresent", N, N, N, Step.UNKNOWN, id="IfNotPresent: not there, and nobody to ask"),
        pytest.param("", N, N, Y, Step.PULL, id="no policy is IfNotPresent"),
        pytest.param("", Y, N, Y, Step.USE, id="no policy is IfNotPresent, also for what is there"),
        pytest.param("Never", N, N, Y, Step.ABSENT, id="Never: nobody is asked"),
        pytest.param("Never", N, N, N, Step.ABSENT, id="Never: with or without a registry"),
        pytest.param("Never", Y, N, Y, Step.USE, id="Never: what is there runs"),
        pytest.param("Never", Y, Y, Y, Step.RECOGNIZE, id="Never: what was pulled with credentials"),
    ],
)
def test_next_step(policy: str, present: bool, private: bool, servable: bool, step: Step) -> None:
    assert next_step(policy, present=present, private=private, servable=servable) is step
