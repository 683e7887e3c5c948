"""What hangs below an object: its status, scale, binding, eviction, log, token, approval; which verbs each has."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from procorch.api import deletion, disruption, intake, metadata, token_request
from procorch.api.accept import form_of
from procorch.api.cache import Entry
from procorch.api.containers import container_of
from procorch.api.encoding import encode
from procorch.api.fieldmanager import apply_scale, config_of, is_apply, update_scale
from procorch.api.patch import apply_patch
from procorch.api.request import JSON, Request, Response, answer, is_true
from procorch.api.routes import Route, not_found
from procorch.api.streaming import attach, exec_, portforward, proxy
from procorch.api.table import view_of
from procorch.clock import parse_timestamp, timestamp
from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import rows
from procorch.kinds.kind import Column, Kind
from procorch.names import dns_subdomain
from procorch.objects import (
    BadRequest,
    Cause,
    Conflict,
    Invalid,
    MethodNotAllowed,
    Object,
    condition_of,
    get,
    is_deleting,
)
from procorch.selectors import LabelSelector

if TYPE_CHECKING:
    from procorch.api.api import Api

SCALE = Kind(
    "Scale", "scales", group="autoscaling",
    columns=(
        NAME,
        Column("Desired", ".spec.replicas", type="integer"),
        Column("Available", ".status.replicas", type="integer"),  # of all replicas: Kubernetes' word for them
        AGE,
    ),
)  # fmt: skip
BINDING = Kind("Binding", "bindings", verbs=("create",))
EVICTION = Kind("Eviction", "evictions", group="policy")
_CORE = "io.k8s.api.core.v1."
EXEC_OPTIONS, ATTACH_OPTIONS, PORT_FORWARD_OPTIONS = (
    Kind(name, name.lower(), schema=_CORE + name)
    for name in ("PodExecOptions", "PodAttachOptions", "PodPortForwardOptions")
)

Handler = Callable[["Api", Route, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Subresource:
    """kind: what is sent and answered, None for the object itself. handle: None for plain writes of the object."""

    verbs: tuple[str, ...]
    kind: Kind | None = None
    handle: Handler | None = None


async def scale(api: Api, route: Route, request: Request) -> Response:
    """autoscaling/v1 Scale: reads and writes spec.replicas."""
    assert route.kind is not None and route.name is not None
    kind, dry_run = route.kind, api.is_dry_run(request)
    if route.verb == "get":
        return _shown(api, scale_of(api.rest.entry(kind, route.namespace, route.name).object), request)
    change = _applied_scale(api, route, request) if is_apply(request) else _written_scale(api, route, request)
    entry = await api.rest.change(api.main_route(route), change, dry_run=dry_run)
    return _shown(api, scale_of(entry.object), request)


def _written_scale(api: Api, route: Route, request: Request) -> Callable[[Object], Object]:
    assert route.kind is not None
    kind, update = route.kind, api.update_by(route, request)
    sent = intake.read_whole(request, SCALE) if route.verb == "update" else None

    def change(obj: Object) -> Object:
        assert route.name is not None
        now = scale_of(obj)
        if sent is not None:
            wanted = sent
        else:
            wanted = apply_patch(request.headers.get("content-type", ""), now, request.body, SCALE)
            intake.Fields("Ignore").settle(SCALE, wanted)
        metadata.check_name(wanted, route.name)
        metadata.place(SCALE, wanted, route.namespace)
        update_scale(obj, _replicas(kind, obj, wanted), update)
        return obj

    return change


def _applied_scale(api: Api, route: Route, request: Request) -> Callable[[Object], Object]:
    assert route.kind is not None
    kind, fields = route.kind, intake.Fields.asked(request.query)
    config = api.apply_by(route, request, SCALE).check(config_of(request, fields))
    fields.settle(SCALE, config)
    apply = api.apply_by(route, request, kind)

    def change(obj: Object) -> Object:
        replicas = _replicas(kind, obj, config)
        apply_scale(obj, replicas if get(config, ".spec.replicas") is not None else None, apply)
        return obj

    return change


def _replicas(kind: Kind, obj: Object, wanted: Object) -> int:
    """How many the Scale asks for. Raises Conflict where it is about another object or version, Invalid."""
    about, said = obj["metadata"], wanted.get("metadata") or {}
    metadata.check_version(kind, said.get("resourceVersion"), obj)
    if said.get("uid", about["uid"]) != about["uid"]:
        raise Conflict.of(kind.plural, about["name"], kind.group)
    replicas: int = get(wanted, ".spec.replicas", 0)
    if replicas < 0:
        cause = Cause.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise Invalid.of("Scale", about["name"], [cause], "autoscaling")
    return replicas


def _shown(api: Api, made: Object, request: Request) -> Response:
    """A Scale in the form that is asked for: kubectl prints a Table."""
    form = form_of(request)
    form.check_one(SCALE.name)
    view = view_of(SCALE, form, request.query.get("includeObject", ""), api.clock)
    entry = Entry("", encode(SCALE, made), int(made["metadata"]["resourceVersion"]))
    return Response(200, {"Content-Type": JSON}, view.one(entry) + b"\n")


def scale_of(obj: Object) -> Object:
    about = obj["metadata"]
    selector = get(obj, ".spec.selector")
    if isinstance(selector, dict) and not {"matchLabels", "matchExpressions"} & set(selector):
        chosen = LabelSelector.of_map(selector)
    else:
        chosen = LabelSelector.of(selector)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: about[name] for name in kept if name in about},
        "spec": {"replicas": get(obj, ".spec.replicas", 0)},
        "status": {"replicas": get(obj, ".status.replicas", 0), "selector": str(chosen)},
    }


async def bind(api: Api, route: Route, request: Request) -> Response:
    """Puts a pod onto a node, once. Source of the words: pkg/registry/core/pod/storage (assignPod)."""
    assert route.kind is not None and route.name is not None
    binding = intake.read_whole(request, BINDING)
    target, said = binding.get("target") or {}, binding["metadata"]
    causes = []
    if target.get("kind") not in ("", None, "Node"):
        causes.append(Cause.unsupported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        causes.append(Cause.required("target.name"))
    else:  # Kubernetes takes any; the text becomes part of the pod
        causes += [Cause.invalid("target.name", target["name"], why) for why in dns_subdomain(target["name"])]
    if causes:
        raise Invalid.of("Binding", route.name, causes)
    node = target["name"]
    if said.get("name", route.name) != route.name:
        raise BadRequest.of("name in URL does not match name in Binding object")

    def change(pod: Object) -> Object:
        name, spec = pod["metadata"]["name"], pod["spec"]
        if said.get("uid") and said["uid"] != pod["metadata"]["uid"]:
            uid = pod["metadata"]["uid"]
            why = f"Precondition failed: UID in precondition: {said['uid']}, UID in object meta: {uid}"
            raise Conflict.of("pods/binding", name, "", why)
        if is_deleting(pod):
            raise Conflict.of("pods/binding", name, "", f"pod {name} is being deleted, cannot be assigned to a host")
        if spec.get("nodeName"):
            why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
            raise Conflict.of("pods/binding", name, "", why)
        if spec.get("schedulingGates"):
            raise Conflict.of("pods/binding", name, "", f"pod {name} has non-empty .spec.schedulingGates")
        spec["nodeName"] = node
        for field in ("annotations", "labels"):
            if said.get(field):
                pod["metadata"].setdefault(field, {}).update(said[field])
        _set_condition(pod, {"type": "PodScheduled", "status": "True"}, api.clock())
        return pod

    await api.rest.change(route, change, opaque=True, dry_run=api.is_dry_run(request))
    return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)


def _set_condition(pod: Object, condition: dict[str, Any], now: float) -> None:
    conditions: list[dict[str, Any]] = pod.setdefault("status", {}).setdefault("conditions", [])
    before = condition_of(pod, condition["type"])
    fresh = {**condition, "lastProbeTime": None, "lastTransitionTime": timestamp(now)}
    if before is None:
        conditions.append(fresh)
    elif before.get("status") != condition["status"]:
        conditions[conditions.index(before)] = fresh


async def evict(api: Api, route: Route, request: Request) -> Response:
    """policy/v1 Eviction, what `kubectl drain` asks for: a delete that a PodDisruptionBudget may refuse.

    The preconditions come first: what is not deleted spends nothing of the budget.
    Source: pkg/registry/core/pod/storage/eviction.go.
    """
    assert route.kind is not None and route.name is not None
    eviction = intake.read_whole(request, EVICTION)
    if eviction["metadata"].get("name") != route.name:
        raise BadRequest.of("name in URL does not match name in Eviction object")
    dry_run = {"dryRun": "All"} if api.is_dry_run(request) else {}
    options = deletion.options_of(eviction.get("deleteOptions") or {}, dry_run)
    pod = api.rest.entry(route.kind, route.namespace, route.name).object
    deletion.check_preconditions(route.kind, pod, options)
    await disruption.allow(api, pod, dry_run=options.dry_run)
    if not options.dry_run and not is_deleting(pod):
        options = await _told(api, route, options)
    await api.rest.delete(route.kind, route.namespace, route.name, options)
    return answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201)


async def _told(api: Api, route: Route, options: deletion.Options) -> deletion.Options:
    """The pod's status says why it goes; a version that the client named is the one that this makes."""

    def change(pod: Object) -> Object:
        why = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
        _set_condition(pod, {"type": "DisruptionTarget", "status": "True", **why}, api.clock())
        return pod

    entry = await api.rest.change(replace(route, verb="update", subresource="status"), change, opaque=True)
    named = options.resource_version is not None
    return replace(options, resource_version=str(entry.revision)) if named else options


_LOG_OPTIONS = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")


async def log(api: Api, route: Route, request: Request) -> Response:
    """A container's output, fetched from its node over the node's link."""
    assert route.kind is not None and route.name is not None
    pod = api.rest.entry(route.kind, route.namespace, route.name).object
    options = _log_options(request.query, route.name)
    container = container_of(pod, request.query.get("container", ""))
    node = get(pod, ".spec.nodeName")
    if not node:  # as Kubernetes: nothing was said yet
        return Response(200, {"Content-Type": "text/plain"})
    _check_waiting(pod, container, is_true(request.query, "previous"))
    steps = "/".join(quote(step, safe="") for step in (route.namespace or "", route.name, container))
    body = await api.links.request(node, "GET", f"/containerLogs/{steps}?{urlencode(options)}")
    return Response(200, {"Content-Type": "text/plain"}, stream=body)


def _log_options(query: Mapping[str, str], name: str) -> dict[str, str]:
    """Raises Invalid. Source: pkg/apis/core/validation, ValidatePodLogOptions."""
    options = {option: query[option] for option in _LOG_OPTIONS if query.get(option)}
    causes = []
    for option, least in (("tailLines", 0), ("sinceSeconds", 1), ("limitBytes", 1)):
        if option in options:
            text = options[option]
            if not re.fullmatch(r"-?[0-9]{1,18}", text):
                raise BadRequest.of(f"{option}: not a number: {text[:100]}")
            if int(text) < least:
                causes.append(Cause.invalid(option, int(text), f"must be greater than or equal to {least}"
                                            if least == 0 else "must be greater than 0"))  # fmt: skip
    if "sinceSeconds" in options and "sinceTime" in options:
        causes.append(Cause.forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if "sinceTime" in options:
        try:
            parse_timestamp(options["sinceTime"])
        except ValueError:
            raise BadRequest.of(f"sinceTime: not a time: {options['sinceTime']}") from None
    if causes:
        raise Invalid.of("PodLogOptions", name, causes)
    return options


def _check_waiting(pod: Object, container: str, previous: bool) -> None:
    """Source: pkg/kubelet, validateContainerLogStatus."""
    name = pod["metadata"]["name"]
    fields = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    statuses = [row for field in fields for row in rows((pod.get("status") or {}).get(field))]
    status = next((row for row in statuses if row.get("name") == container), None)
    if status is None:
        return
    if get(status, ".lastState.terminated") is not None:
        return
    if previous:
        raise BadRequest.of(f'previous terminated container "{container}" in pod "{name}" not found')
    waiting = get(status, ".state.waiting")
    if waiting is None:
        return
    reason = waiting.get("reason") or "ContainerCreating"
    words = {"ImagePullBackOff": "trying and failing to pull image", "ErrImagePull": "image can't be pulled"}
    raise BadRequest.of(f'container "{container}" in pod "{name}" is waiting to start: {words.get(reason, reason)}')


_READ_WRITE = ("get", "patch", "update")
TABLE: dict[str, Subresource] = {
    "status": Subresource(_READ_WRITE),
    "approval": Subresource(_READ_WRITE),
    "finalize": Subresource(("update",)),
    "ephemeralcontainers": Subresource(_READ_WRITE),
    "resize": Subresource(_READ_WRITE),
    "scale": Subresource(_READ_WRITE, SCALE, scale),
    "binding": Subresource(("create",), BINDING, bind),
    "eviction": Subresource(("create",), EVICTION, evict),
    "token": Subresource(("create",), token_request.KIND, token_request.create),
    "log": Subresource(("get",), None, log),
    "exec": Subresource(("create", "get"), EXEC_OPTIONS, exec_),
    "attach": Subresource(("create", "get"), ATTACH_OPTIONS, attach),
    "portforward": Subresource(("create", "get"), PORT_FORWARD_OPTIONS, portforward),
    "proxy": Subresource(("create", "delete", "get", "patch", "update"), None, proxy),
}


def of(route: Route) -> Subresource:
    """Raises NotFound for a subresource the kind does not have, MethodNotAllowed for a verb it does not have."""
    assert route.kind is not None
    found = TABLE.get(route.subresource)
    if found is None or route.subresource not in route.kind.subresources:
        raise not_found()
    if route.rest and route.subresource != "proxy":
        raise not_found()
    if route.verb not in found.verbs:
        raise MethodNotAllowed.of()
    return found
