"""OpenAPI as kubectl reads it: every kubectl on this machine explains our kinds from a server with nothing else."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from procorch.api.discovery import Discovery
from procorch.api.openapi import OpenAPI
from procorch.api.request import JSON, Request, Response
from procorch.kinds import KINDS, schema
from procorch.objects import NotFound

KUBECTLS = sorted({path for path in (str(Path(sys.executable).with_name("kubectl")), shutil.which("kubectl"))
                   if path and Path(path).exists()})  # fmt: skip
V2_BINARY = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture(scope="module")
def documents() -> OpenAPI:
    return OpenAPI(KINDS)


def ask(documents: OpenAPI, path: str, **headers: str) -> Response:
    path, _, query = path.partition("?")
    options = dict(part.split("=", 1) for part in query.split("&")) if query else {}
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return documents.answer(Request("GET", path, options, named))


@pytest.fixture
async def server(documents: OpenAPI) -> AsyncIterator[str]:
    """The URL of a server that has discovery and OpenAPI, and nothing else."""
    discovery = Discovery(KINDS, "127.0.0.1")

    async def handle(request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Request(request.method, request.path, dict(request.query), headers)
        try:
            found = documents.answer(asked) if "openapi" in request.path else discovery.answer(request.path, asked)
        except NotFound:
            return web.Response(status=404)
        return web.Response(status=found.status, body=found.body, headers=found.headers)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def explain(kubectl: str, server: str, home: Path, *args: str) -> str:
    process = await asyncio.create_subprocess_exec(
        kubectl, "--server", server, "--cache-dir", str(home), "explain", *args,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={"HOME": str(home)},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("kubectl", KUBECTLS)
async def test_kubectl_explains_every_level_of_a_pod(kubectl, server, tmp_path):
    text = await explain(kubectl, server, tmp_path, "pod.spec", "--recursive")

    assert "KIND:       Pod" in text
    for field in ("containers\t<[]Container> -required-", "terminationGracePeriodSeconds\t<integer>", "emptyDir"):
        assert field in text


@pytest.mark.parametrize("kubectl", KUBECTLS)
async def test_kubectl_explains_by_short_name_and_our_own_kind(kubectl, server, tmp_path):
    assert "replicas\t<integer>" in await explain(kubectl, server, tmp_path, "rc.spec")
    assert "patterns\t<[]string> -required-" in await explain(kubectl, server, tmp_path, "image.spec")


@pytest.mark.parametrize("kubectl", KUBECTLS)
async def test_kubectl_reads_the_older_form_too(kubectl, server, tmp_path):
    text = await explain(kubectl, server, tmp_path, "service.spec.ports", "--output=plaintext-openapiv2")

    assert "targetPort\t<string>" in text
    assert "The pods' port, by number" in " ".join(text.split())


@pytest.mark.parametrize("kubectl", KUBECTLS)
async def test_kubectl_says_what_kinds_and_fields_are_for(kubectl, server, tmp_path):
    kind = await explain(kubectl, server, tmp_path, "pod")
    assert "Containers that run together on one node" in kind

    field = " ".join((await explain(kubectl, server, tmp_path, "pod.spec.containers")).split())
    assert "The containers that run side by side." in field  # the field
    assert "A program that runs in a pod" in field  # its type
    assert "The container's name, unique in the pod." in field  # its fields


def test_the_index_leads_to_a_document_for_every_group_version(documents):
    paths = json.loads(documents.v3_index())["paths"]

    assert set(paths) == {kind.prefix.strip("/") for kind in KINDS}
    for where, row in paths.items():
        answer = ask(documents, row["serverRelativeURL"])
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert json.loads(answer.body)["openapi"] == "3.0.0", where


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_no_reference_leads_nowhere(documents):
    second = json.loads(documents.v2())
    assert references(second) <= {f"#/definitions/{name}" for name in second["definitions"]}
    for version in {kind.api_version for kind in KINDS}:
        third = json.loads(documents.v3(version))
        assert references(third) <= {f"#/components/schemas/{name}" for name in third["components"]["schemas"]}


def test_every_patch_operation_says_that_the_server_validates(documents):
    """kubectl looks for the parameter on the patch operation of the kind; without it, it checks itself."""
    for kind in KINDS:
        paths = json.loads(documents.v3(kind.api_version))["paths"]
        patches = [item["patch"] for item in paths.values() if "patch" in item]
        own = [one for one in patches if one["x-kubernetes-group-version-kind"]["kind"] == kind.name]
        assert own or "patch" not in kind.verbs
        for one in own:
            assert {"fieldValidation", "dryRun"} <= {row["name"] for row in one["parameters"] if row["in"] == "query"}


def test_fields_carry_what_patches_need(documents):
    schemas = json.loads(documents.v3("v1"))["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]

    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert schemas["io.k8s.api.core.v1.Pod"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "version": "v1", "kind": "Pod"}
    ]


def test_fields_tell_what_they_take_and_what_stands_for_nothing(documents):
    """Enums in both, defaults in v3 alone, as kube-apiserver publishes them."""
    second = json.loads(documents.v2())["definitions"]
    third = json.loads(documents.v3("v1"))["components"]["schemas"]
    port, claim, pod = (f"io.k8s.api.core.v1.{name}" for name in ("ContainerPort", "PersistentVolumeClaimSpec", "Pod"))
    for properties in (one[name]["properties"] for one in (second, third) for name in (port, pod)):
        for field in properties.values():
            del field["description"]

    assert third[port]["properties"]["protocol"] == {
        "type": "string", "enum": ["SCTP", "TCP", "UDP"], "default": "TCP",
    }  # fmt: skip
    assert second[port]["properties"]["protocol"] == {"type": "string", "enum": ["SCTP", "TCP", "UDP"]}
    assert third[port]["properties"]["containerPort"] == {"type": "integer", "format": "int32", "default": 0}
    assert "default" not in third[port]["properties"]["hostPort"]
    assert "ReadWriteOnce" in third[claim]["properties"]["accessModes"]["items"]["enum"]
    assert third[pod]["properties"]["spec"]["default"] == {}
    assert second[pod]["properties"]["spec"] == {"$ref": "#/definitions/io.k8s.api.core.v1.PodSpec"}


@pytest.mark.parametrize("kubectl", KUBECTLS)
async def test_kubectl_tells_the_values_of_a_field(kubectl, server, tmp_path):
    text = await explain(kubectl, server, tmp_path, "pod.spec.restartPolicy")

    assert "ENUM:\n    Always\n    Never\n    OnFailure" in text


def test_a_document_that_the_client_has_is_not_sent_again(documents):
    for path in ("/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1"):
        first = ask(documents, path)
        again = ask(documents, path, if_none_match=first.headers["ETag"])
        assert (again.status, again.body) == (304, b"")
    binary, plain = ask(documents, "/openapi/v2", accept=V2_BINARY), ask(documents, "/openapi/v2")
    assert binary.headers["ETag"] != plain.headers["ETag"]


def test_a_hash_of_the_past_is_sent_on_to_the_present(documents):
    path = "/openapi/v3/apis/apps/v1"
    old = ask(documents, f"{path}?hash=0123")
    now = ask(documents, old.headers["Location"])

    assert old.status == 301 and old.body == b""
    assert old.headers["Location"] == f"{path}?hash={now.headers['ETag'].strip(chr(34))}"
    assert now.status == 200 and now.headers["Cache-Control"] == "public, immutable" and "GMT" in now.headers["Expires"]
    assert "Cache-Control" not in ask(documents, path).headers


def test_what_nobody_speaks_is_406(documents):
    assert ask(documents, "/openapi/v3/api/v1", accept="image/png").status == 406
    assert ask(documents, "/openapi/v2", accept="image/png, application/json").headers["Content-Type"] == JSON


def test_every_answer_says_what_it_holds(documents):
    paths = json.loads(documents.v3("v1"))["paths"]
    pods = paths["/api/v1/namespaces/{namespace}/pods"]
    answered = pods["get"]["responses"]["200"]["content"]

    assert answered["application/json"]["schema"]["$ref"].endswith("io.k8s.api.core.v1.PodList")
    assert pods["post"]["responses"]["201"]["content"]["application/yaml"]["schema"]["$ref"].endswith("v1.Pod")
    assert {"resourceVersionMatch", "sendInitialEvents", "allowWatchBookmarks", "timeoutSeconds"} <= {
        row["name"] for row in pods["get"]["parameters"]
    }
    scale = json.loads(documents.v2())["paths"]["/api/v1/namespaces/{namespace}/replicationcontrollers/{name}/scale"]
    assert scale["get"]["responses"]["200"]["schema"]["$ref"].endswith("autoscaling.v1.Scale")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "get" in kind.verbs], ids=lambda kind: kind.name)
async def test_kubectl_explains_every_field_of_every_kind(kind, server, tmp_path):
    version = f"--api-version={kind.api_version}"
    text = await explain(KUBECTLS[-1], server, tmp_path, kind.plural, "--recursive", version)

    assert f"KIND:       {kind.name}\n" in text and f"VERSION:    {kind.version}\n" in text
    for field in schema.of_kind(kind).fields:
        assert f"\n  {field}\t<" in text, field


@pytest.mark.parametrize("path", ["/openapi/v3/apis/example.com/v1", "/openapi/v4", "/openapi/v3/nothing"])
def test_what_is_not_there_is_not_found(documents, path):
    assert ask(documents, path).status == 404
