"""The sockets: limits, TLS, time-outs, compression; and that a bad request gets a clear answer."""

from __future__ import annotations

import asyncio
import gzip
import ssl

import orjson
import pytest

from procorch.api import connection, http
from procorch.transport import Unreachable

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
async def admin(served):
    transport = served.transport("kubernetes-admin", "system:masters")
    yield transport
    await transport.close()


async def test_no_credential_is_401_except_for_health_and_the_ca(served):
    transport = served.transport()

    for path, status in (("/api", 401), (CONFIG_MAPS, 401), ("/metrics", 401), ("/livez", 200), ("/readyz", 200)):
        assert (await transport.send("GET", path)).status == status, path
    assert (await transport.send("GET", "/cacerts")).body == served.credentials.ca.pem
    await transport.close()


async def test_a_certificate_of_another_ca_does_not_get_in(served, tmp_path):
    import time

    from procorch import pki

    other = pki.Authority.open(tmp_path / "other", time.time()).issue_client("x", ["system:masters"], time.time())
    (tmp_path / "c").write_bytes(other.certificate)
    (tmp_path / "k").write_bytes(other.key)
    context = served.context()
    context.load_cert_chain(tmp_path / "c", tmp_path / "k")
    transport = http_transport(served, context)

    with pytest.raises(Unreachable):
        await transport.send("GET", "/api")
    await transport.close()


def http_transport(served, context):
    from procorch.transport import HttpTransport

    return HttpTransport(served.url, context)


async def test_a_body_over_3_mib_is_413_whether_its_length_is_said_or_not(served, admin):
    big = b"x" * (http.BODY_LIMIT + 1)

    answer = await admin.send("POST", CONFIG_MAPS, headers={"Content-Type": "application/json"}, body=big)
    assert answer.status == 413 and orjson.loads(answer.body)["reason"] == "RequestEntityTooLarge"

    reader, writer = await connect(served)
    writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % CONFIG_MAPS.encode())
    chunk = b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))
    for _ in range(4):
        writer.write(chunk)
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def connect(served):
    context = served.context("kubernetes-admin", "system:masters")
    return await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context, limit=1 << 22)


async def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(served):
    reader, writer = await connect(served)
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}'
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(body)
    assert b" 201 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_large_list_is_compressed_for_those_who_ask(served, admin):
    for number in range(40):
        about = {"name": f"c{number}", "namespace": "default"}
        await served.client.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"x": "y" * 10_000}}
        )
    reader, writer = await connect(served)
    writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n" % CONFIG_MAPS.encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0])
    body = await reader.readexactly(length)
    writer.close()

    assert "content-encoding: gzip" in head and len(orjson.loads(gzip.decompress(body))["items"]) == 40


async def test_a_connection_that_says_nothing_is_closed(served, monkeypatch):
    monkeypatch.setattr(connection, "HEADER_SECONDS", 0.1)
    reader, writer = await connect(served)
    writer.write(b"GET /api HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_body_that_never_comes_is_408(served, monkeypatch):
    monkeypatch.setattr(http, "BODY_SECONDS", 0.1)
    reader, writer = await connect(served)
    writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc" % CONFIG_MAPS.encode())

    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/api/v1/namespaces/default/pods/none", 404, id="no such object"),
        pytest.param("GET", "/api/v1/colours", 404, id="no such resource"),
        pytest.param("GET", "/api/v2/pods", 404, id="no such version"),
        pytest.param("GET", "/api/v2", 404, id="no such version to discover"),
        pytest.param("GET", "/apis/apps/v1/pods", 404, id="a resource of another group"),
        pytest.param("GET", "/api/v1//pods", 404, id="two slashes"),
        pytest.param("GET", "/api/v1/namespaces/default/pods/none/colour", 404, id="no such subresource"),
        pytest.param("PUT", CONFIG_MAPS, 405, id="a verb that the collection does not have"),
        pytest.param("OPTIONS", CONFIG_MAPS, 405, id="a method of nobody"),
        pytest.param("DELETE", "/api/v1/namespaces", 405, id="all namespaces at once"),
        pytest.param("GET", "/api/v1/namespaces/default/pods/%ff", 400, id="a path that is no UTF-8"),
        pytest.param("GET", "/api/v1/namespaces/default/pods/a%2fstatus", 404, id="a slash stays in its segment"),
        pytest.param("GET", "/api/v1/namespaces/default/pods/%2e%2e", 400, id="no way upwards"),
    ],
)
async def test_what_leads_nowhere_says_so_as_a_status(admin, method, path, status):
    answer = await admin.send(method, path)

    found = orjson.loads(answer.body)
    assert (answer.status, found["kind"], found["code"]) == (status, "Status", status)


@pytest.mark.parametrize("path", ["/nothing", "/apis/nobody.example.com", "/apis/nobody.example.com/v1",
                                  "/apis/nobody.example.com/v1/things", "/openapi/v4", "/openapi/v3/apis/nobody/v1",
                                  "/debug/pprof"])  # fmt: skip
async def test_where_nothing_is_the_answer_is_go_s(admin, path):
    answer = await admin.send("GET", path)

    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", CONFIG_MAPS, "DELETE, GET, HEAD, POST"),
        ("OPTIONS", CONFIG_MAPS, "DELETE, GET, HEAD, POST"),
        ("POST", "/api/v1/configmaps", "GET, HEAD"),
        ("DELETE", "/api/v1/namespaces", "GET, HEAD, POST"),
        ("TRACE", f"{CONFIG_MAPS}/a", "DELETE, GET, HEAD, PATCH, PUT"),
        ("POST", "/api/v1/namespaces/default/pods/a/status", "GET, HEAD, PATCH, PUT"),
        ("POST", "/version", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_there_is_405_and_names_those_that_are(admin, method, path, allowed):
    answer = await admin.send(method, path, body=b"{}" if method == "POST" else b"")

    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert orjson.loads(answer.body)["reason"] == "MethodNotAllowed"


@pytest.mark.parametrize("path", ["/version", "/healthz", "/readyz", "/livez", "/metrics", "/api", "/apis", "/apis/",
                                  "/api/v1", "/apis/apps/v1", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1", "/",
                                  "/api/v1/pods", "/api/v1/pods/", CONFIG_MAPS, "/api/v1/namespaces/default",
                                  f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1", "/nothing"])  # fmt: skip
async def test_head_is_get_without_the_body(admin, path):
    head, whole = await admin.send("HEAD", path), await admin.send("GET", path)

    assert head.status == whole.status and head.body == b""
    assert head.headers["content-type"] == whole.headers["content-type"]


async def test_a_watch_that_is_only_headed_is_over_at_once(admin, served):
    answer = await asyncio.wait_for(admin.send("HEAD", f"{CONFIG_MAPS}?watch=1"), 5)

    assert (answer.status, answer.body) == (200, b"") and not served.api.listing.watches
    assert (await admin.send("GET", "/version")).status == 200


async def test_every_answer_has_an_audit_id_and_is_not_to_be_kept(admin, served):
    stranger = served.transport("jane")
    own, new = "my-request", []
    for status, one, method, path in (
        (200, admin, "GET", "/api/v1/pods"), (200, admin, "GET", "/healthz"), (404, admin, "GET", "/nothing"),
        (404, admin, "GET", f"{CONFIG_MAPS}/none"), (405, admin, "PUT", CONFIG_MAPS),
        (403, stranger, "GET", CONFIG_MAPS),
        (200, admin, "GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1"),
    ):  # fmt: skip
        answer = await one.send(method, path)
        named = await one.send(method, path, headers={"Audit-ID": own})

        assert (answer.status, answer.headers["cache-control"]) == (status, "no-cache, private")
        assert named.headers["audit-id"] == own
        new.append(answer.headers["audit-id"])
    refused = await stranger.send("GET", CONFIG_MAPS)
    kept = await admin.send("GET", "/apis", headers={"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as="
                                                               "APIGroupDiscoveryList"})  # fmt: skip
    await stranger.close()

    assert len(set(new)) == len(new) and {len(one) for one in new} == {36}
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert kept.headers["cache-control"] == "public"


async def test_a_selector_may_be_long(admin):
    names = ",".join(f"name-{number}" for number in range(2000))
    answer = await admin.send("GET", CONFIG_MAPS, query={"labelSelector": f"app in ({names})"})

    assert answer.status == 200, answer.body


async def test_a_watch_in_http_1_0_is_refused(served):
    reader, writer = await connect(served)
    writer.write(f"GET {CONFIG_MAPS}?watch=1 HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert b" 400 " in answer and b"HTTP/1.1" in answer
    assert not served.api.listing.watches


async def test_unknown_fields_are_refused_warned_of_or_ignored_as_asked(served):
    from procorch.client import Client
    from procorch.objects import BadRequest

    warnings: list[str] = []
    transport = served.transport("kubernetes-admin", "system:masters")
    client = Client(transport, on_warning=warnings.append)
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "datum": {}}

    with pytest.raises(BadRequest, match='strict decoding error: unknown field "datum"'):
        await client.create(obj, query={"fieldValidation": "Strict"})
    await client.create(obj, query={"fieldValidation": "Ignore"})
    assert warnings == []
    made = await client.update(obj, query={"fieldValidation": "Warn"})
    assert warnings == ['unknown field "datum"'] and "datum" not in made
    await transport.close()


async def test_answers_come_as_yaml_to_those_who_ask(admin):
    answer = await admin.send("GET", "/api/v1/namespaces/default", headers={"Accept": "application/yaml"})

    assert answer.headers["content-type"] == "application/yaml" and b"\nkind: Namespace\n" in answer.body


async def test_an_accept_that_cannot_be_served_is_406(admin):
    assert (await admin.send("GET", "/api/v1/namespaces", headers={"Accept": "image/png"})).status == 406


async def test_tls_below_1_2_is_refused(served):
    context = served.context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    except ValueError:
        pytest.skip("this OpenSSL cannot even try")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context)


async def test_metrics_count_requests(served, admin):
    await admin.send("GET", "/api/v1/namespaces")
    text = (await admin.send("GET", "/metrics")).body.decode()

    assert 'resource="namespaces",subresource="",scope="cluster",component="apiserver",code="200"} 1' in text
    assert f"procorch_store_revision {served.api.log.revision}" in text


async def test_health_tells_its_checks_when_asked(admin):
    answer = await admin.send("GET", "/readyz", query={"verbose": ""})

    assert b"[+]store ok" in answer.body and b"readyz check passed" in answer.body


async def test_clients_that_leave_in_the_middle_harm_nobody(served):
    """Half of them hang up as soon as they have asked: the cache and the store stay of one mind."""

    async def ask(number):
        reader, writer = await connect(served)
        body = orjson.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{number}"}})
        head = (
            f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        writer.write(head.encode() + b"\r\n\r\n" + body)
        if number % 2:
            writer.transport.abort()
            return
        assert b" 201 " in await reader.readline()
        writer.close()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(ask(number))

    listed = {obj["metadata"]["name"] for obj in (await served.client.items("ConfigMap", "default")).objects}
    rows = await served.api.log.items("/registry/configmaps/default/")
    assert listed == {row.key.rpartition("/")[2] for row in rows}
    assert listed >= {f"c{number}" for number in range(0, 60, 2)}
