"""Making and deleting an owner's pods: several at once, told by events, a refusal noticed early.

    create_pods: 1, 2, 4 … at once (slow start) ──▶ SuccessfulCreate, or FailedCreate and no further batch
    delete_pods: all at once                    ──▶ SuccessfulDelete, FailedDelete

Source: pkg/controller/controller_utils.go (RealPodControl), slowStartBatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from procorch.controllers.controller import Context
from procorch.objects import ApiError, NotFound, Object, key_of, owner_reference, uid_of


def pod_of(owner: Object, *, generate_name: str = "", name: str = "") -> Object:
    """A pod from the owner's template. Without a name the API gives it the rest of one (`web-x7k2p`).

    The specification is the owner's own: not to be changed.
    """
    template = owner["spec"]["template"]
    given = template.get("metadata") or {}
    metadata: Object = {
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [owner_reference(owner)],
    }
    if name:
        metadata["name"] = name
    else:
        metadata["generateName"] = generate_name or f"{owner['metadata']['name']}-"
    for field in ("labels", "annotations", "finalizers"):
        if given.get(field):
            metadata[field] = given[field]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


async def create_pods(owner: Object, bodies: Sequence[Object], context: Context) -> ApiError | None:
    """Batches of 1, 2, 4 …: a template that is refused costs one request, not five hundred."""
    made, batch = 0, 1
    while made < len(bodies):
        some = bodies[made : made + batch]
        if error := await all_of([_create(owner, body, context) for body in some]):
            return error
        made += len(some)
        batch *= 2
    return None


async def delete_pods(owner: Object, pods: Sequence[Object], context: Context) -> ApiError | None:
    """The first error, after all have been tried; what is gone already is none."""
    return await all_of([_delete(owner, pod, context) for pod in pods])


async def all_of(ways: Sequence[Awaitable[ApiError | None]]) -> ApiError | None:
    """The first error, after all have ended."""
    if len(ways) == 1:
        return await ways[0]
    ends = await asyncio.gather(*ways, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, ApiError):
            raise end
    return next((end for end in ends if isinstance(end, ApiError)), None)


def is_namespace_ending(error: ApiError) -> bool:
    """Whether the API refused a create because the namespace is being deleted: then trying again is no use."""
    causes = error.details.get("causes") or []
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


async def _create(owner: Object, body: Object, context: Context) -> ApiError | None:
    try:
        pod = await context.client.create(body)
    except ApiError as error:
        if is_namespace_ending(error):
            return None
        context.events.event(owner, "Warning", "FailedCreate", f"Error creating: {error}")
        return error
    context.events.event(owner, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
    return None


async def _delete(owner: Object, pod: Object, context: Context) -> ApiError | None:
    try:
        await context.client.delete("Pod", key_of(pod), uid=uid_of(pod))
    except NotFound:
        return None
    except ApiError as error:
        context.events.event(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
        return error
    context.events.event(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
    return None
