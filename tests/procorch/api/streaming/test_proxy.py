"""pods/proxy and services/proxy to a real server, through a node that dials for the master."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web

from procorch.objects import MethodNotAllowed, NotFound

BASE = "/api/v1/namespaces/default"


class Proxy:
    """base: URLs of the pod `a` of which the server is; a client's session as an administrator."""

    def __init__(self, url: str, session: aiohttp.ClientSession, options: dict[str, Any]) -> None:
        self.url, self.session, self.options = url, session, options

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, str], str]:
        url = f"{self.url}{BASE}{path}"
        async with self.session.request(method, url, allow_redirects=False, **self.options, **more) as answer:
            return answer.status, dict(answer.headers), await answer.text()


async def behind(request: web.Request) -> web.StreamResponse:
    """The server: says what it was asked, or does what the path names."""
    if request.path == "/page":
        return web.Response(text='<a href="/rewriteme">test</a>', content_type="text/html")
    if request.path == "/away":
        return web.Response(status=302, headers={"Location": "/there?x=1"})
    if request.path == "/socket":
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket
    if request.path == "/large":
        return web.Response(body=b"x" * 5_000_000)
    body = await request.read()
    told = {name.lower(): value for name, value in request.headers.items()}
    return web.json_response({"method": request.method, "path": request.raw_path, "size": len(body), "headers": told})


@pytest.fixture
async def proxy(served: Any, linked: Any) -> AsyncIterator[Proxy]:
    runner = web.AppRunner(_app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    async def accept(header: dict[str, Any], stream: Any) -> None:
        query = parse_qs(urlsplit(header["path"]).query)
        assert query["address"] == ["10.240.0.5"]
        if query["port"] == ["9999"]:
            await stream.respond({"status": 502})
            await stream.write(b"dial tcp 10.240.0.5:9999: connect: connection refused")
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await stream.respond({"status": 200})

        async def inward() -> None:
            while data := await stream.read():
                writer.write(data)

        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(inward())
            while data := await reader.read(65536):
                await stream.write(data)
            task.cancel()
            writer.close()

    containers = [{"name": "m", "image": "host", "command": ["x"], "ports": [{"containerPort": 8080}]}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"},
           "spec": {"nodeName": "n1", "containers": containers}}  # fmt: skip
    await served.client.create(pod)
    await served.client.patch("Pod", "default/a", {"status": {"podIP": "10.240.0.5"}}, subresource="status")
    context = served.context("kubernetes-admin", "system:masters")
    async with linked(accept), aiohttp.ClientSession() as session:
        yield Proxy(served.url, session, {"ssl": context})
    await runner.cleanup()


def _app() -> web.Application:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", behind)
    return app


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_and_the_path_as_it_was(proxy, method):
    status, _, text = await proxy.ask(method, "/pods/a:8080/proxy/some%2Fpath/x?q=1&q=a%26b&dryRun=odd&watch=1")

    assert status == 200
    told = json.loads(text)
    assert (told["method"], told["path"]) == (method, "/some%2Fpath/x?q=1&q=a%26b&dryRun=odd&watch=1")


async def test_head(proxy):
    status, headers, text = await proxy.ask("HEAD", "/pods/a/proxy/")
    assert (status, text) == (200, "")
    assert headers["Content-Type"].startswith("application/json")


async def test_a_body_larger_than_any_object(proxy):
    _, _, text = await proxy.ask("POST", "/pods/a/proxy/x", data=b"x" * 8_000_000)
    assert '"size": 8000000' in text
    _, _, text = await proxy.ask("GET", "/pods/a/proxy/large")
    assert len(text) == 5_000_000


async def test_headers_between_client_and_proxy_stay_there(proxy):
    sent = {"X-Own": "1", "Connection": "keep-alive, x-hop", "X-Hop": "1", "Impersonate-User": "kubernetes-admin",
            "Impersonate-Group": "system:masters"}  # fmt: skip
    _, _, text = await proxy.ask("GET", "/pods/a/proxy/x", headers=sent)
    told = json.loads(text)["headers"]

    assert told["x-own"] == "1"
    assert told["host"] == "10.240.0.5:8080"
    assert told["x-forwarded-uri"] == f"{BASE}/pods/a/proxy/x"
    assert not {"x-hop", "impersonate-user", "impersonate-group", "authorization"} & set(told)


async def test_links_and_redirects_lead_through_the_proxy(proxy):
    _, _, page = await proxy.ask("GET", "/pods/a/proxy/page")
    assert page == f'<a href="{BASE}/pods/a/proxy/rewriteme">test</a>'
    status, headers, _ = await proxy.ask("GET", "/pods/a/proxy/away")
    assert (status, headers["Location"]) == (302, f"{BASE}/pods/a/proxy/there?x=1")
    status, headers, _ = await proxy.ask("GET", "/pods/a/proxy?x=1")
    assert (status, headers["Location"]) == (301, f"{BASE}/pods/a/proxy/?x=1")


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "PATCH", "POST", "PUT"])
async def test_only_what_is_read_is_sent_to_the_path_with_a_slash(proxy, method):
    status, _, text = await proxy.ask(method, "/pods/a/proxy?method=x")

    assert status == 200
    assert (json.loads(text)["method"], json.loads(text)["path"]) == (method, "/?method=x")


async def test_a_websocket_behind_it(proxy):
    url = f"{proxy.url}{BASE}/pods/a/proxy/socket"
    async with asyncio.timeout(10), proxy.session.ws_connect(url, **proxy.options) as socket:
        await socket.send_str("hello")
        assert (await socket.receive()).data == "HELLO"


async def test_a_service(proxy, served):
    about = {"name": "web", "namespace": "default"}
    ports = [{"port": 80, "targetPort": 8080}]
    await served.client.create({"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {"ports": ports}})
    status, _, text = await proxy.ask("GET", "/services/web/proxy/x")
    assert (status, json.loads(text)["message"]) == (503, 'no endpoints available for service "web"')
    labels = {"kubernetes.io/service-name": "web"}
    await served.client.create({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "web-1", "namespace": "default", "labels": labels},
        "endpoints": [{"addresses": ["10.240.0.5"]}], "ports": [{"name": "", "port": 8080}],
    })  # fmt: skip
    status, _, text = await proxy.ask("GET", "/services/web:80/proxy/x")
    assert (status, json.loads(text)["path"]) == (200, "/x")


async def test_a_server_that_is_not_there(proxy):
    status, _, text = await proxy.ask("GET", "/pods/a:9999/proxy/x")
    why = "error trying to reach service: dial tcp 10.240.0.5:9999: connect: connection refused"
    assert (status, json.loads(text)["message"]) == (503, why)


async def test_a_node(served, linked):
    async def accept(header, stream):
        if header["path"].startswith("/absent"):
            await stream.respond({"status": 404})
            await stream.write(b"this node does not serve GET /absent")
            return
        await stream.respond({"status": 200, "headers": {"Content-Type": "application/json"}})
        await stream.write(json.dumps([header["method"], header["path"]]).encode())

    await served.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    raw = served.client.raw
    async with linked(accept):
        for name in ("n1", "n1:10250", "https:n1:10250"):
            answer = await raw("GET", f"/api/v1/nodes/{name}/proxy/containerLogs/d/a%2Fb/c", query={"tailLines": "1"})
            assert json.loads(answer.body) == ["GET", "/containerLogs/d/a%2Fb/c?tailLines=1"]
        with pytest.raises(NotFound, match="this node does not serve"):
            await raw("GET", "/api/v1/nodes/n1/proxy/absent")
        with pytest.raises(MethodNotAllowed):
            await raw("POST", "/api/v1/nodes/n1/proxy/exec/d/a/c")
    with pytest.raises(NotFound, match='nodes "n2" not found'):
        await raw("GET", "/api/v1/nodes/n2/proxy/pods")


async def test_who_may_not_is_told_so_and_the_server_hears_nothing(proxy, served):
    proxy.options["ssl"] = served.context("somebody")
    async with aiohttp.ClientSession() as proxy.session:
        assert (await proxy.ask("GET", "/pods/a/proxy/x"))[0] == 403
