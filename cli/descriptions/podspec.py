"""What is in a pod, of the pod itself and of the template that makes pods: containers, volumes, where it may run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cli.descriptions.page import Noted, Page, Text, Value, moment, pairs
from procorch.objects import Object, get

_KINDS_OF_VOLUMES = {
    "configMap": "ConfigMap (a volume populated by a ConfigMap)",
    "secret": "Secret (a volume populated by a Secret)",
    "emptyDir": "EmptyDir (a temporary directory that shares a pod's lifetime)",
    "hostPath": "HostPath (bare host directory volume)",
    "projected": "Projected (a volume that contains injected data from multiple sources)",
}


def describe_podspec(spec: Object, status: Object | None = None) -> Page:
    """Its containers and volumes. status: the pod's, None for a template."""
    states = status or {}
    init, main = spec.get("initContainers") or [], spec.get("containers") or []
    return {
        "Init Containers": _containers(init, states.get("initContainerStatuses"), status is not None) or None,
        "Containers": _containers(main, states.get("containerStatuses"), status is not None),
    }


def describe_placement(spec: Object) -> Page:
    """Its volumes, and which nodes it may go to."""
    return {
        "Volumes": {str(one.get("name")): _volume(one) for one in spec.get("volumes") or []} or [],
        "Node-Selectors": pairs(spec.get("nodeSelector")),
        "Tolerations": [_toleration(one) for one in spec.get("tolerations") or []],
    }


def _containers(rows: list[Object], statuses: Any, running: bool) -> dict[str, Value]:
    by_name = {one.get("name"): one for one in statuses or []}
    return {str(row["name"]): _container(row, by_name.get(row["name"], {}), running) for row in rows}


def _container(row: Object, status: Object, running: bool) -> Page:
    ports = row.get("ports") or []
    page: dict[str, Value] = {
        "Container ID": str(status.get("containerID", "")) if running else None,
        "Image": str(row.get("image", "")),
        "Image ID": str(status.get("imageID", "")) if running else None,
        "Port" if len(ports) < 2 else "Ports": ", ".join(_port(one, "containerPort") for one in ports) or "<none>",
        "Host Port": ", ".join(_port(one, "hostPort") for one in ports if one.get("hostPort")) or None,
        "Command": Text(_words(row["command"])) if row.get("command") else None,
        "Args": Text(_words(row["args"])) if row.get("args") else None,
        "Working Dir": row.get("workingDir"),
    }
    if running:
        page["State"] = _state(status.get("state"))
        page["Last State"] = _state(status["lastState"]) if status.get("lastState") else None
        page["Ready"] = str(bool(status.get("ready")))
        page["Restart Count"] = str(status.get("restartCount", 0))
    for title, field in (("Limits", "limits"), ("Requests", "requests")):
        page[title] = {name: str(value) for name, value in sorted(get(row, f".resources.{field}", {}).items())} or None
    for title, field in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
        page[title] = _probe(row[field]) if row.get(field) else None
    page["Environment Variables from"] = {
        _source_name(one): Text([], _source_note(one)) for one in row.get("envFrom") or []
    } or None
    page["Environment"] = {str(one["name"]): _variable(one) for one in row.get("env") or []} or []
    mounts = sorted(row.get("volumeMounts") or [], key=lambda one: str(one.get("mountPath")))
    page["Mounts"] = Text([_mount(one) for one in mounts]) if mounts else []
    return page


def _words(words: Iterable[object]) -> list[str]:
    """Each word on its line; one with several lines on several."""
    return [line for word in words for line in (str(word).splitlines() or [""])]


def _port(port: Object, field: str) -> str:
    name = f" ({port['name']})" if port.get("name") else ""
    return f"{port.get(field, 0)}/{port.get('protocol', 'TCP')}{name}"


def _state(state: Any) -> Value:
    """`Running` and since when; `Terminated` with why, with what code, from when to when."""
    if not state:
        return "Waiting"
    (name, detail), *_ = state.items()
    detail = detail or {}
    below: dict[str, Value] = {}
    for title, field in (("Reason", "reason"), ("Message", "message"), ("Exit Code", "exitCode"), ("Signal", "signal")):
        if field in detail and detail[field] != "":
            below[title] = " ".join(str(detail[field]).split())
    for title, field in (("Started", "startedAt"), ("Finished", "finishedAt")):
        if detail.get(field):
            below[title] = moment(detail[field])
    return Noted(name.capitalize(), below)


def _probe(probe: Object) -> str:
    """`http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3` in one line."""
    if "exec" in probe:
        what = f"exec [{' '.join(map(str, get(probe, '.exec.command', [])))}]"
    elif "httpGet" in probe:
        ask = probe["httpGet"]
        what = f"http-get {str(ask.get('scheme', 'HTTP')).lower()}://{ask.get('host', '')}:{ask.get('port')}"
        what += str(ask.get("path", ""))
    elif "tcpSocket" in probe:
        what = f"tcp-socket {get(probe, '.tcpSocket.host', '')}:{get(probe, '.tcpSocket.port')}"
    else:
        what = "unknown"
    return (
        f"{what} delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s successThreshold={probe.get('successThreshold', 1)} "
        f"failureThreshold={probe.get('failureThreshold', 3)}"
    )


def _source_name(source: Object) -> str:
    return str(get(source, ".configMapRef.name") or get(source, ".secretRef.name") or "?")


def _source_note(source: Object) -> str:
    kind, field = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
    prefix = f" with prefix '{source['prefix']}'" if source.get("prefix") else ""
    return f"{kind}{prefix}  Optional: {_truth(get(source, f'.{field}.optional'))}"


def _variable(row: Object) -> Value:
    """Its value, or where it comes from: never what a Secret holds."""
    origin = row.get("valueFrom") or {}
    for field, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "config map")):
        if one := origin.get(field):
            return f"<set to the key '{one.get('key')}' in {kind} '{one.get('name')}'>  " + (
                f"Optional: {_truth(one.get('optional'))}"
            )
    if one := origin.get("fieldRef"):
        return f" ({one.get('apiVersion', 'v1')}:{one.get('fieldPath')})".strip()
    if one := origin.get("resourceFieldRef"):
        return f"{one.get('containerName', '')} ({one.get('resource')})".strip()
    return str(row.get("value", "")).splitlines() or ""


def _mount(mount: Object) -> str:
    how = ["ro" if mount.get("readOnly") else "rw"]
    if mount.get("subPath"):
        how.append(f'path="{mount["subPath"]}"')
    return f"{mount.get('mountPath')} from {mount.get('name')} ({','.join(how)})"


def _volume(volume: Object) -> Page:
    field = next((name for name in volume if name != "name"), "emptyDir")
    source: Object = volume.get(field) or {}
    page: dict[str, Value] = {"Type": _KINDS_OF_VOLUMES.get(field, field)}
    match field:
        case "configMap" | "secret":
            page["Name" if field == "configMap" else "SecretName"] = str(source.get("name") or source.get("secretName"))
            page["Optional"] = _truth(source.get("optional"))
        case "hostPath":
            page |= {"Path": str(source.get("path")), "HostPathType": str(source.get("type") or "")}
        case "emptyDir":
            page |= {"Medium": str(source.get("medium") or ""), "SizeLimit": str(source.get("sizeLimit") or "<unset>")}
        case "projected":
            page["Sources"] = [_projection(one) for one in source.get("sources") or []]
    if items := source.get("items"):
        page["Items"] = [f"{one.get('key')} -> {one.get('path')}" for one in items]
    return page


def _projection(source: Object) -> str:
    field = next(iter(source), "?")
    detail: Object = source.get(field) or {}
    if field == "serviceAccountToken":
        return f"serviceAccountToken for {detail.get('expirationSeconds', 3600)} s at {detail.get('path')}"
    return f"{field} {detail.get('name', '')}".strip()


def _toleration(row: Object) -> str:
    text = str(row.get("key") or "")
    text += f"={row['value']}" if row.get("value") else ""
    text += f":{row['effect']}" if row.get("effect") else ""
    text += " op=Exists" if row.get("operator") == "Exists" else ""
    seconds = row.get("tolerationSeconds")
    return (text + (f" for {seconds}s" if seconds is not None else "")).strip()


def _truth(value: object) -> str:
    return "true" if value else "false"
