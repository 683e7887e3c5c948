"""A pod's RuntimeClass: whether this node has the handler that it names.

A node runs every pod in one way, as processes of the host; a class that means this names the handler `procorch`. For
any other the pod waits, as it does under Kubernetes on a node whose runtime does not know the handler.
"""

from __future__ import annotations

from procorch.client import Client, Unreachable
from procorch.objects import ApiError, NotFound, Object, get

HANDLER = "procorch"


async def problem(pod: Object, client: Client) -> str:
    """Why the pod cannot be run here; "" where it can."""
    name = get(pod, ".spec.runtimeClassName")
    if not name:
        return ""
    try:
        handler = (await client.get("RuntimeClass", name)).get("handler")
    except NotFound:
        return f'RuntimeClass "{name}" not found'
    except (ApiError, Unreachable) as error:
        return f'RuntimeClass "{name}" cannot be read: {error}'
    if handler == HANDLER:
        return ""
    return f'no runtime for "{handler}" is configured: this node has "{HANDLER}", which runs pods as plain processes'
