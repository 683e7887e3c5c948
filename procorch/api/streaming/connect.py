"""What an upgraded connection is to be about: the pod's node is known, and nothing has been said to it yet.

Source: pkg/registry/core/pod/strategy.go (streamLocation, PortForwardLocation), for the words too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from procorch.api.containers import container_of
from procorch.api.request import Request, Response, values_of
from procorch.api.routes import Route
from procorch.link import Stream
from procorch.objects import BadRequest, Object, get
from procorch.remotecommand import Wanted

if TYPE_CHECKING:
    from procorch.api.api import Api

PORTFORWARD = "portforward"


@dataclass(frozen=True, slots=True)
class Connect:
    """An answer that is a connection. path: on the node, without what differs between streams.

    wanted: of a command; None for port-forward. ports: those named in the request, of port-forward over channels.
    """

    api: Api
    node: str
    path: str
    wanted: Wanted | None = None
    ports: tuple[int, ...] = ()

    async def open(self, query: str = "") -> Stream:
        """A stream to the node, which has agreed to it. Raises ApiError."""
        return await self.api.links.open(self.node, "POST", self.path + query)


async def exec_(api: Api, route: Route, request: Request) -> Response:
    """A command in a container of the pod."""
    return _command(api, route, request, "exec")


async def attach(api: Api, route: Route, request: Request) -> Response:
    """The output and input of a container's own program."""
    return _command(api, route, request, "attach")


def _command(api: Api, route: Route, request: Request, what: str) -> Response:
    pod = _pod(api, route)
    container = container_of(pod, request.query.get("container", ""))
    node = _node(pod)
    wanted = Wanted.of(request.query)
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise BadRequest.of("you must specify at least 1 of stdin, stdout, stderr")
    query = wanted.query()
    if what == "exec":
        commands = values_of(request.query, "command")
        if not commands:
            raise BadRequest.of("you must specify at least one command for the container")
        query += [("command", one) for one in commands]
    path = f"/{what}/{_steps(route)}/{quote(container, safe='')}?{urlencode(query)}"
    return _upgraded(request, Connect(api, node, path, wanted))


async def portforward(api: Api, route: Route, request: Request) -> Response:
    """Connections to ports of the pod."""
    ports = []
    for text in values_of(request.query, "ports"):
        for one in text.split(","):
            if not one.isdecimal() or not 0 < int(one) < 65536:
                raise BadRequest.of(f'unable to parse "{one[:50]}" as a port: must be between 1 and 65535')
            ports.append(int(one))
    node = _node(_pod(api, route))
    return _upgraded(request, Connect(api, node, f"/portForward/{_steps(route)}", None, tuple(ports)))


def _upgraded(request: Request, connect: Connect) -> Response:
    wanted = request.headers.get("upgrade", "").lower()
    if wanted != "websocket" and not wanted.startswith("spdy/3.1"):
        raise BadRequest.of("Upgrade request required")
    return Response(101, connect=connect)


def _pod(api: Api, route: Route) -> Object:
    assert route.kind is not None and route.name is not None
    return api.rest.entry(route.kind, route.namespace, route.name).object


def _node(pod: Object) -> str:
    node = get(pod, ".spec.nodeName")
    if not node:
        raise BadRequest.of(f"pod {pod['metadata']['name']} does not have a host assigned")
    return str(node)


def _steps(route: Route) -> str:
    return "/".join(quote(step, safe="") for step in (route.namespace or "", route.name or ""))
