"""What can be set about the controllers."""

from __future__ import annotations

from procorch.controllers import ControllerConfig


def test_the_defaults_are_kubernetes_and_the_clusters() -> None:
    config = ControllerConfig()

    assert (config.node_grace, config.eviction_rate, config.unhealthy_part) == (50.0, 0.1, 0.55)
    assert (config.cluster_cidr, config.node_mask) == ("10.240.0.0/12", 22)
