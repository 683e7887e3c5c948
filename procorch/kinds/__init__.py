"""Every resource kind as data: names, defaults, validation, columns. One file a kind, one line here."""

from __future__ import annotations

from procorch.kinds import (
    certificatesigningrequest,
    configmap,
    controllerrevision,
    core,
    cronjob,
    daemonset,
    deployment,
    endpoints,
    event,
    horizontalpodautoscaler,
    image,
    job,
    lease,
    node,
    pod,
    poddisruptionbudget,
    podtemplate,
    replicaset,
    replicationcontroller,
    service,
    statefulset,
)
from procorch.kinds.kind import Cell, Column, Kind
from procorch.kinds.registry import Registry

__all__ = ["KINDS", "Cell", "Column", "Kind", "Registry"]

KINDS = Registry(
    (
        core.NAMESPACE,
        node.KIND,
        pod.KIND,
        podtemplate.KIND,
        replicationcontroller.KIND,
        service.KIND,
        endpoints.ENDPOINTS,
        configmap.CONFIG_MAP,
        configmap.SECRET,
        core.SERVICE_ACCOUNT,
        event.KIND,
        deployment.KIND,
        replicaset.KIND,
        statefulset.KIND,
        daemonset.KIND,
        controllerrevision.KIND,
        job.KIND,
        cronjob.KIND,
        horizontalpodautoscaler.KIND,
        horizontalpodautoscaler.OLD_KIND,
        poddisruptionbudget.KIND,
        endpoints.ENDPOINT_SLICE,
        lease.KIND,
        event.NEW_KIND,
        certificatesigningrequest.KIND,
        image.KIND,
    )
)
