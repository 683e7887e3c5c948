"""What every cluster has from the start: four namespaces, the Service `kubernetes` and the masters behind it, the
range of Services' addresses, the priority classes of what a cluster itself runs, and who has how much of the API."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import logging
from collections.abc import Iterable
from dataclasses import dataclass

from procorch import flowcontrol
from procorch.client import Client
from procorch.clock import Clock, micro_timestamp, parse_timestamp, timestamp
from procorch.kinds import priorityclass
from procorch.objects import AlreadyExists, ApiError, Conflict, NotFound, Object, condition_of, get, key_of
from procorch.tokens import Token, secret_of

logger = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
KEEP_SECONDS = 10.0  # between two looks at what every cluster has
FRESH_SECONDS = 40.0  # a master that has not renewed its Lease for so long is not sent to any more
FIRST_TOKEN_SECONDS = 3600.0  # for the nodes that `up` starts together with the master
IDENTITY = "apiserver.kubernetes.io/identity"  # the label of the masters' Leases, as Kubernetes has it
ADVERTISED = "procorch.dev/advertise"


@dataclass(frozen=True, slots=True)
class Address:
    """host, port: where nodes and pods reach this master. service: the ClusterIP of the Service `kubernetes`.

    services: the range of all ClusterIPs.
    """

    host: str
    port: int
    service: str
    services: str = ""

    @property
    def is_loopback(self) -> bool:
        """On a machine without a network: it works, but no pod can come to a loopback address of its host."""
        return ipaddress.ip_address(self.host).is_loopback


class Basics:
    """identity: of this master among several; empty where it is alone, whoever was there before."""

    def __init__(self, client: Client, clock: Clock, address: Address, identity: str) -> None:
        self._client = client
        self._clock = clock
        self._address = address
        self._identity = identity

    async def ensure(self, bootstrap_token: str = "") -> None:
        """bootstrap_token: `id.secret` of the first join token; empty for none."""
        await self._ensure_own()
        if self._address.is_loopback:
            logger.warning("pods cannot reach the API", extra={"advertise": self._address.host})
        if bootstrap_token:
            expires = self._clock() + FIRST_TOKEN_SECONDS
            secret = secret_of(Token.parse(bootstrap_token), expires=expires, description="made by `procorch up`")
            await _ensure(self._client, secret)

    async def keep(self) -> None:
        """Makes again what somebody deletes (`kubectl delete service --all`), as Kubernetes does; a token stays
        revoked."""
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            try:
                await self._ensure_own()
            except ApiError as error:
                logger.warning("the cluster's own objects were not looked after", extra={"error": str(error)})

    async def _ensure_own(self) -> None:
        for name in NAMESPACES:
            await _ensure(self._client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for priority in priorityclass.system_classes():
            await _ensure(self._client, priority)
        await flowcontrol.ensure(self._client)
        await self._ensure_range()
        await _ensure(self._client, service(self._address))
        masters = await self._masters()
        if not self._address.is_loopback:
            await _put(self._client, endpoints(masters))
            for slice_ in endpoint_slices(masters):
                await _put(self._client, slice_)

    async def _ensure_range(self) -> None:
        """The ServiceCIDR `kubernetes`. Source: pkg/controlplane/controller/defaultservicecidr."""
        if not self._address.services:
            return
        await _ensure(self._client, service_cidr(self._address))
        there = await self._client.get("ServiceCIDR", "kubernetes")
        if condition_of(there, "Ready") is None:
            message = "Kubernetes default Service CIDR is ready"
            ready = {"type": "Ready", "status": "True", "reason": "", "message": message,
                     "lastTransitionTime": timestamp(self._clock())}  # fmt: skip
            with contextlib.suppress(Conflict):  # another master was faster
                await self._client.update_status({**there, "status": {"conditions": [ready]}})

    async def _masters(self) -> list[tuple[str, int]]:
        """Host and port of every master that lives, this one among them."""
        own = (self._address.host, self._address.port)
        if not self._identity:
            return [own]
        await self._renew()
        leases = await self._client.items("Lease", "kube-system", label_selector=IDENTITY)
        return sorted({own, *alive(leases.objects, self._clock())})

    async def _renew(self) -> None:
        wanted = lease(self._identity, self._address, self._clock())
        try:
            there = await self._client.get("Lease", key_of(wanted))
        except NotFound:
            return await _ensure(self._client, wanted)
        with contextlib.suppress(Conflict):
            await self._client.update({**there, **wanted, "metadata": {**there["metadata"], **wanted["metadata"]}})


def lease(identity: str, address: Address, now: float) -> Object:
    """By which a master tells the others that it lives, and where."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": f"apiserver-{hashlib.sha256(identity.encode()).hexdigest()[:26]}",
            "namespace": "kube-system",
            "labels": {IDENTITY: "procorch-master"},
            "annotations": {ADVERTISED: f"{address.host}:{address.port}"},
        },
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": int(FRESH_SECONDS),
            "renewTime": micro_timestamp(now),
        },
    }


def alive(leases: Iterable[Object], now: float) -> list[tuple[str, int]]:
    found = []
    for one in leases:
        host, _, port = get(one, ".metadata.annotations", {}).get(ADVERTISED, "").rpartition(":")
        with contextlib.suppress(ValueError):
            if now - parse_timestamp(get(one, ".spec.renewTime", "")) <= FRESH_SECONDS and host:
                found.append((host, int(port)))
    return found


def service(address: Address) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": address.service,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": address.port}],
        },
    }


def service_cidr(address: Address) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": [address.services]},
    }


def endpoints(masters: Iterable[tuple[str, int]]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": host} for host in hosts],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            }
            for port, hosts in _by_port(masters).items()
        ],
    }


def endpoint_slices(masters: Iterable[tuple[str, int]]) -> list[Object]:
    """One a port; where all masters have the same, as they should, it is named as in Kubernetes."""
    ports = _by_port(masters)
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "kubernetes" if len(ports) == 1 else f"kubernetes-{port}",
                "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}} for host in hosts],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        }
        for port, hosts in ports.items()
    ]


def _by_port(masters: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for host, port in sorted(masters):
        found.setdefault(port, []).append(host)
    return found


async def _ensure(client: Client, obj: Object) -> None:
    """Looks first: a Service that is there already would be refused for its address, which it has itself."""
    try:
        await client.get(obj["kind"], key_of(obj))
    except NotFound:
        with contextlib.suppress(AlreadyExists):  # another master was faster
            await client.create(obj)


async def _put(client: Client, obj: Object) -> None:
    """Creates the object or makes it as wanted; writes nothing where it is so already."""
    kind, key = obj["kind"], key_of(obj)
    while True:
        try:
            there = await client.get(kind, key)
        except NotFound:
            return await _ensure(client, obj)
        if all(there.get(field) == value for field, value in obj.items() if field != "metadata"):
            return
        try:
            await client.update({**obj, "metadata": {**there["metadata"], **obj["metadata"]}})
        except Conflict:
            continue
        return
