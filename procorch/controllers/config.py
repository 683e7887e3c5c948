"""What can be set about the controllers; the defaults are Kubernetes'."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from procorch.controllers.autoscale_replicas import Patience

Signer = Callable[[bytes, float], Awaitable[bytes]]
"""(PEM of a certificate request, seconds of validity) → PEM of the certificate; ValueError with what is wrong."""


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """Times in seconds.

    cluster_cidr, node_mask: each node gets a /node_mask piece of the pods' range.
    node_grace: no sign of life for so long makes a node's Ready condition Unknown.
    node_startup_grace: the same for a node that has never said anything.
    eviction_rate, small_eviction_rate: nodes a second that may be tainted NoExecute, normally and when at least
        `unhealthy_part` of the nodes are not ready; where all are not ready nobody is evicted at all.
    orphan_grace: a node must be missing so long before its pods are deleted.
    terminated_pods: how many finished pods are kept.
    root_ca: PEM, goes into each namespace's kube-root-ca.crt.
    signer: signs nodes' client certificates; None: requests stay as they are.
    certificate_seconds: how long a certificate is valid when the request does not say.
    autoscale_period: how often each autoscaler looks. autoscale_tolerance: a ratio so near to 1 changes nothing.
    autoscale_down_window: nothing goes below what was recommended within it. autoscale_patience: with young pods.
    draw: random numbers in [0, 1) for jitter.
    """

    cluster_cidr: str = "10.240.0.0/12"
    node_mask: int = 22
    node_grace: float = 50.0
    node_startup_grace: float = 60.0
    eviction_rate: float = 0.1
    small_eviction_rate: float = 0.01
    unhealthy_part: float = 0.55
    large_cluster: int = 50
    orphan_grace: float = 40.0
    terminated_pods: int = 12500
    root_ca: str = ""
    signer: Signer | None = None
    certificate_seconds: float = 365 * 86400.0
    autoscale_period: float = 15.0
    autoscale_tolerance: float = 0.1
    autoscale_down_window: float = 300.0
    autoscale_patience: Patience = field(default_factory=Patience)
    draw: Callable[[], float] = random.random
