"""Every resource kind as data: names, defaults, validation, columns. One file a kind, one line here."""

from __future__ import annotations

from procorch.kinds import (
    certificatesigningrequest,
    configmap,
    core,
    csi,
    endpoints,
    event,
    image,
    ingress,
    lease,
    limitrange,
    networkpolicy,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    rbac,
    replicaset,
    replicationcontroller,
    resourcequota,
    service,
    servicecidr,
    storageclass,
    volumeattachment,
)
from procorch.kinds.kind import Cell, Column, Kind
from procorch.kinds.registry import Registry

__all__ = ["KINDS", "Cell", "Column", "Kind", "Registry"]

KINDS = Registry(
    (
        core.NAMESPACE,
        node.KIND,
        pod.KIND,
        replicationcontroller.KIND,
        service.KIND,
        endpoints.ENDPOINTS,
        configmap.CONFIG_MAP,
        configmap.SECRET,
        core.SERVICE_ACCOUNT,
        event.KIND,
        limitrange.KIND,
        resourcequota.KIND,
        persistentvolume.KIND,
        persistentvolumeclaim.KIND,
        replicaset.KIND,
        endpoints.ENDPOINT_SLICE,
        lease.KIND,
        event.NEW_KIND,
        certificatesigningrequest.KIND,
        rbac.ROLE,
        rbac.CLUSTER_ROLE,
        rbac.ROLE_BINDING,
        rbac.CLUSTER_ROLE_BINDING,
        ingress.INGRESS,
        ingress.INGRESS_CLASS,
        networkpolicy.KIND,
        servicecidr.SERVICE_CIDR,
        servicecidr.IP_ADDRESS,
        storageclass.KIND,
        storageclass.ATTRIBUTES,
        volumeattachment.KIND,
        csi.DRIVER,
        csi.NODE,
        csi.STORAGE_CAPACITY,
        image.KIND,
    )
)
