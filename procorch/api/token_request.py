"""Tokens for ServiceAccounts: what `kubectl create token` and pods' projected volumes ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from procorch.api import intake
from procorch.api.request import Request, Response, answer
from procorch.api.routes import Route, not_found
from procorch.clock import timestamp
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import BadRequest, Cause, Conflict, Invalid, Object, get

if TYPE_CHECKING:
    from procorch.api.api import Api

KIND = Kind("TokenRequest", "tokenrequests", group="authentication.k8s.io")
_SHORTEST = 600  # seconds


async def create(api: Api, route: Route, request: Request) -> Response:
    assert route.kind is not None and route.name is not None
    if api.service_accounts is None:
        raise not_found()
    entry = api.rest.entry(route.kind, route.namespace, route.name)
    asked = intake.read_whole(request, KIND)
    spec = asked.get("spec") or {}
    seconds = spec.get("expirationSeconds") or 3600
    if not _SHORTEST <= seconds <= 1 << 32:
        limit = "less than 10 minutes" if seconds < _SHORTEST else "larger than 2^32 seconds"
        detail = f"may not specify a duration {limit}"
        cause = Cause.invalid("spec.expirationSeconds", seconds, detail)
        raise Invalid.of("TokenRequest", "", [cause], "authentication.k8s.io")
    bound = _bound(api, route, spec["boundObjectRef"]) if spec.get("boundObjectRef") else {}
    audiences = [str(one) for one in spec.get("audiences") or ()]
    now = api.clock()
    text = api.service_accounts.mint(entry.object, now=now, seconds=seconds, audiences=audiences, bound=bound)
    about = {name: entry.object["metadata"][name] for name in ("name", "namespace")}
    about["creationTimestamp"] = timestamp(now)
    made = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": about,
        "spec": {**spec, "audiences": audiences or [api.service_accounts.issuer], "expirationSeconds": seconds},
        "status": {"token": text, "expirationTimestamp": timestamp(now + seconds)},
    }
    return answer(made, 201)


def _bound(api: Api, route: Route, reference: Mapping[str, Any]) -> dict[str, Object]:
    """The objects that the token says it is for, by the names of its claims; it is good while the first of them is.

    Of a pod the node is told, too, so that a token that was carried off can be told from one at its place. Raises
    NotFound, BadRequest, Conflict. Source: pkg/registry/core/serviceaccount/storage/token.go.
    """
    version, name = reference.get("apiVersion") or "v1", str(reference.get("name") or "")
    kind = reference.get("kind")
    if version != "v1" or kind not in ("Pod", "Secret", "Node"):
        group, _, version = str(version).rpartition("/")
        raise BadRequest.of(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    namespace = None if kind == "Node" else route.namespace
    found = api.rest.entry(KINDS[kind], namespace, name).object
    if reference.get("uid") and reference["uid"] != found["metadata"]["uid"]:
        why = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. The object "
            "might have been deleted and then recreated"
        )
        raise Conflict.of(KINDS[kind].plural, name, "", why)
    bound = {kind.lower(): found}
    if kind == "Pod":
        if get(found, ".spec.serviceAccountName", "default") != route.name:
            why = "to pod running with different serviceaccount name."
            raise BadRequest.of(f'cannot bind token for serviceaccount "{route.name}" {why}')
        node = api.cache.shelf(KINDS["Node"]).entries.get(get(found, ".spec.nodeName", ""))
        if node is not None:
            bound["node"] = node.object
    return bound
