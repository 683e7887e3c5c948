"""Service accounts, their tokens, what everybody may ask about them, and certificate requests."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from procorch.api.request import Request
from procorch.client import Client, kind_of
from procorch.objects import Forbidden, Object, condition_of, get
from tests.conformance.cluster import Cluster, obj, pod, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = "kube-root-ca.crt"


async def test_every_namespace_has_the_root_certificate_again_and_again(
    cluster: Cluster, client: Client, ns: str
) -> None:
    async def whole() -> bool:
        found = cluster.api.lookup("ConfigMap", f"{ns}/{ROOT}")
        return found is not None and found.get("data") == {"ca.crt": cluster.api.config.ca_pem.decode()}

    await cluster.until(whole)
    await client.delete("ConfigMap", f"{ns}/{ROOT}")
    await cluster.until(whole)
    changed = await client.get("ConfigMap", f"{ns}/{ROOT}")
    await client.update({**changed, "data": {"ca.crt": "", "another": "entry"}})
    await cluster.until(whole)


async def test_the_life_of_an_account(cluster: Cluster, client: Client, ns: str) -> None:
    key = f"{ns}/testserviceaccount"
    labels = {"test-serviceaccount-static": "true"}
    async with cluster.watching("ServiceAccount", ns, label_selector="test-serviceaccount-static=true") as watch:
        await client.create(obj("ServiceAccount", "testserviceaccount", ns, labels))
        await watch.find("ADDED")
        await client.patch("ServiceAccount", key, {"automountServiceAccountToken": False})
        assert (await watch.find("MODIFIED"))["automountServiceAccountToken"] is False
        listed = (await client.items("ServiceAccount", label_selector="test-serviceaccount-static=true")).objects
        assert [one["automountServiceAccountToken"] for one in listed] == [False]
        found = await client.get("ServiceAccount", key)
        assert (await client.update({**found, "automountServiceAccountToken": True}))["automountServiceAccountToken"]
        await client.delete_all("ServiceAccount", ns, label_selector="test-serviceaccount-static=true")
        await watch.find("DELETED")


async def _token(client: Client, ns: str, name: str, **spec: Any) -> Object:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = await client.raw("POST", kind_of("ServiceAccount").path(ns, name, "token"), body=orjson.dumps(body))
    return orjson.loads(answer.body)  # type: ignore[no-any-return]


async def test_tokens_are_of_the_account_and_of_the_pod(cluster: Cluster, client: Client, ns: str) -> None:
    made = await client.create(pod("p", ns))
    bound = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": made["metadata"]["uid"]}
    token = (await _token(client, ns, "default", expirationSeconds=3600, boundObjectRef=bound))["status"]["token"]
    claims = orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == f"system:serviceaccount:{ns}:default"
    assert claims["kubernetes.io"]["pod"] == {"name": "p", "uid": made["metadata"]["uid"]}
    assert claims["exp"] - claims["iat"] == 3600
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = await client.raw("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=orjson.dumps(review))
    user = get(orjson.loads(answer.body), ".status.user")
    assert user["username"] == claims["sub"] and f"system:serviceaccounts:{ns}" in user["groups"]
    about = await cluster.json("/.well-known/openid-configuration")
    assert about["issuer"] == claims["iss"]
    asked = Request("GET", "/openid/v1/jwks", {}, {"authorization": f"Bearer {token}"}, b"", None, "10.0.0.1")
    answer_to_pod = await cluster.api.handle(asked)
    head = orjson.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert head["kid"] in [row["kid"] for row in orjson.loads(answer_to_pod.body)["keys"]]


async def test_reviews_tell_what_an_account_may(cluster: Cluster, client: Client, ns: str) -> None:
    """What a SubjectAccessReview and a LocalSubjectAccessReview say is what the account meets."""
    await client.create(obj("ServiceAccount", "e2e", ns))
    user = f"system:serviceaccount:{ns}:e2e"
    attributes = {"verb": "list", "resource": "configmaps", "namespace": ns, "version": "v1"}
    allowed = []
    for kind, path in (
        ("SubjectAccessReview", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        ("LocalSubjectAccessReview", f"/apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews"),
    ):
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {"namespace": ns},
                "spec": {"resourceAttributes": attributes, "user": user}}  # fmt: skip
        if kind == "SubjectAccessReview":
            del body["metadata"]
        answer = orjson.loads((await client.raw("POST", path, body=orjson.dumps(body))).body)
        allowed.append(answer["status"]["allowed"])
    assert allowed == [False, False]
    with pytest.raises(Forbidden):
        await client.raw("GET", kind_of("ConfigMap").path(ns), headers={"Impersonate-User": user})


def _request(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


async def test_certificate_requests_through_all_verbs(cluster: Cluster, client: Client, ns: str) -> None:
    name, chosen = "CertificateSigningRequest", {"label_selector": f"test={ns}"}
    spec = {"request": _request("e2e-user"), "signerName": "example.com/e2e", "usages": ["digital signature"],
            "expirationSeconds": 3600}  # fmt: skip
    resources = {row["name"] for row in (await cluster.json("/apis/certificates.k8s.io/v1"))["resources"]}
    plural = "certificatesigningrequests"
    assert {plural, f"{plural}/approval", f"{plural}/status"} <= resources
    for number in (1, 2, 3):
        await client.create(obj(name, f"{ns}-{number}", labels={"test": ns}, spec=spec))
    key = f"{ns}-1"
    assert len((await client.items(name, **chosen)).objects) == 3
    async with cluster.watching(name, **chosen) as watch:
        await client.patch(name, key, {"metadata": {"annotations": {"patched": "true"}}})
        found = await client.get(name, key)
        found["metadata"]["annotations"]["updated"] = "true"
        await client.update(found)
        await watch.find("MODIFIED", lambda one: len(one["metadata"].get("annotations", ())) == 2)

        row = {"type": "ApprovalPatch", "status": "True", "reason": "e2e"}
        patch = {"metadata": {"annotations": {"patchedapproval": "true"}}, "status": {"conditions": [row]}}
        patched = await client.patch(name, key, patch, subresource="approval")
        assert condition_of(patched, "ApprovalPatch") and patched["metadata"]["annotations"]["patchedapproval"]
        patched["status"]["conditions"].append({"type": "Approved", "status": "True", "reason": "E2E", "message": "m"})
        approved = await client.update(patched, "approval")
        assert [one["type"] for one in approved["status"]["conditions"]] == ["ApprovalPatch", "Approved"]

        certificate = base64.b64encode(cluster.api.config.ca_pem).decode()
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": certificate}}
        patched = await client.patch(name, key, patch, subresource="status")
        assert patched["status"]["certificate"] == certificate and patched["metadata"]["annotations"]["patchedstatus"]
        patched["status"]["conditions"].append({"type": "StatusUpdate", "status": "True", "reason": "E2E"})
        updated = await client.update_status(patched)
        assert condition_of(updated, "StatusUpdate")
        await client.delete(name, key)
        await watch.find("DELETED")
        async with refused(404):
            await client.get(name, key)
        await client.delete_all(name, **chosen)
    assert (await client.items(name, **chosen)).objects == []
