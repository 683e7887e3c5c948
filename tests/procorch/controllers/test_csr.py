"""Certificate requests: which are approved, and that they are signed."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.clock import timestamp
from procorch.controllers import ControllerConfig, csr
from procorch.controllers.csr import client_refusal, plan, refusal
from procorch.objects import Object, condition_of, get

NOW = 1_000_000.0
USAGES = ["client auth", "digital signature"]
KEY = ec.generate_private_key(ec.SECP256R1())


def request(
    name: str = "system:node:n1",
    organization: str = "system:nodes",
    *,
    user: str = "system:bootstrap:abc",
    groups: tuple[str, ...] = ("system:bootstrappers",),
    usages: list[str] = USAGES,
    signer: str = csr.SIGNER,
    alternative: str = "",
    status: Any = None,
) -> Object:
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
    if alternative:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(alternative)]), critical=False)
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    spec = {"request": base64.b64encode(pem).decode(), "signerName": signer, "usages": usages}
    metadata = {"name": "node-csr", "creationTimestamp": timestamp(NOW)}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": metadata,
        "spec": {**spec, "username": user, "groups": list(groups)},
        "status": status or {},
    }


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        pytest.param(request(), None, id="a joining machine asks for a node's certificate"),
        pytest.param(request(user="system:node:n1", groups=("system:nodes",)), None, id="a node renews its own"),
        pytest.param(request(usages=[*USAGES, "key encipherment"]), None, id="an RSA key needs one usage more"),
        pytest.param(request(user="system:node:n2", groups=("system:nodes",)), "may not ask for", id="another node's"),
        pytest.param(request("kubernetes-admin"), "common name", id="an administrator's name"),
        pytest.param(request("system:node:"), "common name", id="a node without a name"),
        pytest.param(request(organization="system:masters"), "organization", id="an administrator's group"),
        pytest.param(request(usages=["server auth"]), "usages", id="a server's certificate"),
        pytest.param(request(alternative="api.example"), "alternative names", id="with a host name"),
        pytest.param(request(signer="example.com/other"), "signer", id="another signer's business"),
        pytest.param({"spec": {"signerName": csr.SIGNER, "request": "!"}}, "request", id="no request at all"),
    ],
)
def test_what_a_node_may_have(asked: Object, why: str | None) -> None:
    said = refusal(asked)

    assert said is None if why is None else why in str(said)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        pytest.param(request("jane", "developers", usages=["client auth"]), None, id="a user's"),
        pytest.param(request("jane", "developers", usages=[*USAGES, "key encipherment"]), None, id="all its usages"),
        pytest.param(request("jane", "system:masters"), "system:masters group is not allowed", id="an administrator's"),
        pytest.param(request(usages=["server auth", "client auth"]), "invalid usage", id="a server's"),
        pytest.param(request(usages=["digital signature"]), "missing required usage", id="nobody's"),
        pytest.param({"spec": {"request": "!"}}, "request", id="no request at all"),
    ],
)
def test_what_a_user_may_have(asked: Object, why: str | None) -> None:
    said = client_refusal(asked)

    assert said is None if why is None else why in str(said)


def approved(at: float, **more: Any) -> dict[str, Any]:
    return {"conditions": [{"type": "Approved", "status": "True", "lastUpdateTime": timestamp(at)}], **more}


@pytest.mark.parametrize(
    ("asked", "now", "wanted"),
    [
        pytest.param(request(), NOW, "approve", id="new and right"),
        pytest.param(request("x"), NOW, None, id="new and not ours to approve"),
        pytest.param(request(signer=csr.CLIENT_SIGNER), NOW, None, id="a user's is an administrator's to approve"),
        pytest.param(request(signer=csr.CLIENT_SIGNER, status=approved(NOW)), NOW, "sign", id="a user's, approved"),
        pytest.param(request(signer="a.example/b", status=approved(NOW)), NOW, None, id="another signer's business"),
        pytest.param(request(status=approved(NOW)), NOW, "sign", id="approved"),
        pytest.param(request(status=approved(NOW, certificate="x")), NOW, None, id="signed"),
        pytest.param(
            request(status={"conditions": [{"type": "Denied", "status": "True", "lastUpdateTime": timestamp(NOW)}]}),
            NOW, None, id="denied",
        ),
        pytest.param(request(status=approved(NOW, certificate="x")), NOW + 3600, "sweep", id="signed an hour ago"),
        pytest.param(request("x"), NOW + 86400, "sweep", id="nobody answered for a day"),
    ],
)  # fmt: skip
def test_what_is_done(asked: Object, now: float, wanted: str | None) -> None:
    assert plan(asked, now) == wanted


async def sign(pem: bytes, seconds: float) -> bytes:
    """A stand-in for the cluster's CA, which is tested where it lives."""
    asked, now = x509.load_pem_x509_csr(pem), datetime.now(UTC)
    assert asked.is_signature_valid
    builder = x509.CertificateBuilder().subject_name(asked.subject).issuer_name(asked.subject)
    builder = builder.public_key(asked.public_key()).serial_number(1)
    signed = builder.not_valid_before(now).not_valid_after(now + timedelta(seconds=seconds)).sign(KEY, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def new_request() -> Object:
    """As a client posts it: who asks is the API's to say."""
    body = request()
    for name in ("username", "groups"):
        del body["spec"][name]
    return {**body, "metadata": {"name": "node-csr"}, "status": {}}


async def test_a_joining_machines_request_is_approved_and_signed(
    client: Client, api: Api, running: Any, eventually: Any
) -> None:
    joining = Client(LocalTransport(api, User("system:bootstrap:abc", ("system:bootstrappers",))))
    async with running(csr.CONTROLLER, config=ControllerConfig(signer=sign)):
        await joining.create(new_request())

        async def certificate() -> Any:
            return get(await joining.get("CertificateSigningRequest", "node-csr"), ".status.certificate")

        assert b"BEGIN CERTIFICATE" in base64.b64decode(await eventually(certificate))


async def test_a_users_certificate_is_signed_when_an_administrator_has_approved_it(
    client: Client, running: Any, eventually: Any
) -> None:
    async with running(csr.CONTROLLER, config=ControllerConfig(signer=sign)):
        body = request("jane", "developers", signer=csr.CLIENT_SIGNER)
        made = await client.create({**body, "metadata": {"name": "jane"}, "status": {}})
        row = {"type": "Approved", "status": "True", "reason": "Admin", "message": "by hand"}
        await client.update({**made, "status": {"conditions": [row]}}, "approval")

        async def certificate() -> Any:
            return get(await client.get("CertificateSigningRequest", "jane"), ".status.certificate")

        signed = x509.load_pem_x509_certificate(base64.b64decode(await eventually(certificate)))
        assert signed.subject.rfc4514_string() == "CN=jane,O=developers"


async def test_what_an_administrator_approves_is_still_not_signed_against_the_rules(
    client: Client, running: Any, eventually: Any
) -> None:
    async with running(csr.CONTROLLER, config=ControllerConfig(signer=sign)):
        made = await client.create(new_request())  # the administrator is no machine that joins
        row = {"type": "Approved", "status": "True", "reason": "Admin", "message": "by hand"}
        await client.update({**made, "status": {"conditions": [row]}}, "approval")

        async def failed() -> Any:
            return condition_of(await client.get("CertificateSigningRequest", "node-csr"), "Failed")

        assert "may not ask for" in (await eventually(failed))["message"]
        assert not get(await client.get("CertificateSigningRequest", "node-csr"), ".status.certificate")
