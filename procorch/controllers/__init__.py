"""The control loops: one file a controller; the leading master runs them all."""

from __future__ import annotations

from procorch.controllers import (
    cronjob,
    csr,
    daemonset,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    endpointslice_mirroring,
    flowschema,
    garbage,
    horizontalpodautoscaler,
    job,
    namespace,
    node_ipam,
    node_lifecycle,
    podgc,
    replicaset,
    replicationcontroller,
    resourcequota,
    serviceaccount,
    statefulset,
    taint_eviction,
    ttl_after_finished,
)
from procorch.controllers.config import ControllerConfig, Signer
from procorch.controllers.controller import Context, Controller, Runner

__all__ = ["CONTROLLERS", "Context", "Controller", "ControllerConfig", "Runner", "Signer"]

CONTROLLERS: tuple[Controller, ...] = (
    serviceaccount.CONTROLLER,
    node_ipam.CONTROLLER,
    node_lifecycle.CONTROLLER,
    taint_eviction.CONTROLLER,
    csr.CONTROLLER,
    deployment.CONTROLLER,
    replicationcontroller.CONTROLLER,
    replicaset.CONTROLLER,
    daemonset.CONTROLLER,
    statefulset.CONTROLLER,
    job.CONTROLLER,
    cronjob.CONTROLLER,
    ttl_after_finished.CONTROLLER,
    endpoints.CONTROLLER,
    endpointslice.CONTROLLER,
    endpointslice_mirroring.CONTROLLER,
    flowschema.CONTROLLER,
    namespace.CONTROLLER,
    garbage.CONTROLLER,
    podgc.CONTROLLER,
    resourcequota.CONTROLLER,
    disruption.CONTROLLER,
    horizontalpodautoscaler.CONTROLLER,
)
