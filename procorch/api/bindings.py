"""POST /api/v1/namespaces/N/bindings: a pod is bound by a Binding that names it, as schedulers of old did.

What it does is the pod's subresource `binding`; who may is asked of the resource `bindings`.
Source: pkg/registry/core/pod/storage (LegacyBindingREST).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from procorch.api import intake, subresources
from procorch.api.options import check_write
from procorch.api.request import Request, Response
from procorch.api.routes import Route, not_found
from procorch.kinds import KINDS
from procorch.objects import BadRequest, MethodNotAllowed

if TYPE_CHECKING:
    from procorch.api.api import Api

KIND = subresources.BINDING


async def serve(api: Api, route: Route, request: Request) -> Response:
    """Raises NotFound, MethodNotAllowed, and what the subresource raises."""
    if route.name is not None or not route.namespace:
        raise not_found()
    if route.verb != "create":
        raise MethodNotAllowed.of()
    check_write(route.verb, request.query)
    said = intake.read_whole(request, KIND)["metadata"]
    if said.get("namespace", route.namespace) != route.namespace:
        raise BadRequest.of("the namespace of the provided object does not match the namespace sent on the request")
    if not said.get("name"):
        raise BadRequest.of("Name parameter required.")
    pod = replace(route, kind=KINDS["Pod"], resource="pods", subresource="binding", name=said["name"])
    return await subresources.bind(api, pod, request)
