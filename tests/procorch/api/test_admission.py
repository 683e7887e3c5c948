"""The life of namespaces, and who signs a certificate request."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from procorch.api import User
from procorch.api.admission import IMMORTAL, sign
from procorch.kinds import KINDS
from procorch.kinds.certificatesigningrequest import CLIENT_SIGNER
from procorch.objects import Forbidden


async def test_the_namespaces_without_which_nothing_works_stay(served):
    for name in IMMORTAL[:2]:
        with pytest.raises(Forbidden, match="this namespace may not be deleted"):
            await served.client.delete("Namespace", name)


async def test_a_pod_needs_the_service_account_that_it_names(served):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"},
           "spec": {"serviceAccountName": "bot", "containers": [{"name": "c", "image": "host"}]}}  # fmt: skip
    with pytest.raises(Forbidden, match='service account default/bot: serviceaccount "bot" not found'):
        await served.client.create(pod)

    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "default"}}
    await served.client.create(account)
    await served.client.create(pod)


async def test_a_pod_without_image_pull_secrets_has_those_of_its_account(served):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "default"},
               "imagePullSecrets": [{"name": "regcred"}]}  # fmt: skip
    await served.client.create(account)

    def pod(name, **more):
        spec = {"serviceAccountName": "bot", "containers": [{"name": "c", "image": "host"}], **more}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}

    assert (await served.client.create(pod("a")))["spec"]["imagePullSecrets"] == [{"name": "regcred"}]
    own = pod("b", imagePullSecrets=[{"name": "mine"}])
    assert (await served.client.create(own))["spec"]["imagePullSecrets"] == [{"name": "mine"}]


def test_a_certificate_request_is_signed_by_who_makes_it():
    obj = {"spec": {"username": "admin", "groups": ["system:masters"], "uid": "0", "extra": {"a": ["b"]}}}
    sign(KINDS["CertificateSigningRequest"], obj, User("jane", ("team",), "7"))

    assert obj["spec"] == {"username": "jane", "groups": ["team", "system:authenticated"], "uid": "7"}


def test_other_kinds_are_left_alone():
    obj = {"spec": {"username": "x"}}
    sign(KINDS["Pod"], obj, User("jane"))

    assert obj == {"spec": {"username": "x"}}


def asking(signer: str, *organizations: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    text = base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": text, "signerName": signer, "usages": ["client auth"]}
    shell = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    return {**shell, "metadata": {"name": "me"}, "spec": spec}


async def test_nobody_asks_for_a_certificate_that_may_everything(served):
    why = "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    with pytest.raises(Forbidden, match=why):
        await served.client.create(asking(CLIENT_SIGNER, "team", "system:masters"))

    await served.client.create(asking(CLIENT_SIGNER, "team"))
