"""What the benchmarks send: a Pod, a ConfigMap, a ReplicaSet."""

from __future__ import annotations

from procorch.objects import Object


def pod(name: str, size: int = 24, value: str = "x" * 60) -> Object:
    """With 24 variables of 60 characters about 3.8 kB as stored, the size that the peer's figures are for."""
    variables = [{"name": f"VARIABLE_{number}", "value": value} for number in range(size)]
    container = {"name": "main", "image": "host", "command": ["sleep", "1"], "env": variables}
    labels = {"app": "bench", "tier": "web", "release": "stable"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"containers": [container]},
    }


def stranger(name: str) -> Object:
    """A Pod of the same size that shares no variable's name and no value with any other."""
    made = pod(name, value=f"{name} {'x' * 60}"[:60])
    for variable in made["spec"]["containers"][0]["env"]:
        variable["name"] = f"{variable['name']}_{name.upper().replace('-', '_')}"
    return made


def config_map(name: str) -> Object:
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"key": "x" * 1000}}


def replica_set(name: str, number: int) -> Object:
    """Whose template has 24 variables, and a label of its own that changes with the number."""
    made = pod(name)
    about = {"name": name, "namespace": "default", "labels": {"number": f"n{number}"}}
    template = {"metadata": {"labels": {"app": name}}, "spec": made["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": about, "spec": spec}
