"""Objects that the tests create: pods of the host's own programs, what keeps them, and what leads to them."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.cluster import Cluster

Object = dict[str, Any]
PORT = 8080

# Answers every connection with its host name and the address that it was asked from; no import that takes time.
_WEB = f"""
import socket
with socket.create_server(("", {PORT}), backlog=64) as server:
    while True:
        peer, address = server.accept()
        with peer:
            peer.recv(4096)
            text = f"{{socket.gethostname()}} {{address[0]}}\\n"
            peer.sendall(f"HTTP/1.0 200 OK\\r\\nContent-Length: {{len(text)}}\\r\\n\\r\\n{{text}}".encode())
"""


def container(*command: str, **more: Any) -> Object:
    return {"image": "host", "command": list(command), **more}


def sleeper(**more: Any) -> Object:
    return container("sleep", "infinity", **more)


def shell(script: str, **more: Any) -> Object:
    return container("/bin/sh", "-c", script, **more)


def web(**more: Any) -> Object:
    """Serves `<host name> <peer's address>` on 8080, over plain TCP and as HTTP."""
    return container("python3", "-ISc", _WEB, **{"ports": [{"containerPort": PORT, "name": "http"}], **more})


def pod_spec(*containers: Object, **spec: Any) -> Object:
    """Containers are named c0, c1, … unless they have names; a second of grace."""
    rows = [{"name": f"c{number}", **row} for number, row in enumerate(containers)]
    return {"terminationGracePeriodSeconds": 1, "containers": rows, **spec}


def pod(name: str, *containers: Object, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(*containers, **spec)}


def controller(name: str, replicas: int, spec: Object, labels: dict[str, str] | None = None) -> Object:
    """A ReplicationController whose pods are labelled app=<name> unless told otherwise."""
    template = {"metadata": {"labels": labels or {"app": name}}, "spec": spec}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": labels or {"app": name}, "template": template},
    }


def deployment(name: str, replicas: int, spec: Object, **more: Any) -> Object:
    """A Deployment whose pods are labelled app=<name>. more: of its spec."""
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, **more}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def service(name: str, selector: dict[str, str] | None, *ports: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": list(ports), **({"selector": selector} if selector else {}), **spec},
    }


def create(cluster: Cluster, namespace: str, *objects: Object, code: int = 0) -> str:
    """`kubectl create -f -` of all of them; what it printed, or with code=1 its error."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    return cluster.kubectl("create", "-n", namespace, "-f", "-", input=text, code=code)


def log(cluster: Cluster, namespace: str, name: str, container: str = "c0") -> str:
    """The container's whole output, once the pod has ended."""
    ended = ("Succeeded", "Failed")
    cluster.until(lambda: cluster.path("{.status.phase}", "pod", name, "-n", namespace) in ended, f"{name} ends")
    return cluster.kubectl("logs", name, "-c", container, "-n", namespace)
