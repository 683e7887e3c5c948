"""How a node gets its credentials: from a join token to a certificate of its own, kept and renewed.

    token id.secret@fingerprint ──▶ GET /cacerts, fingerprint checked ──▶ key and request made here
        ──▶ POST CertificateSigningRequest with the token ──▶ status.certificate
        ──▶ <directory>/{ca.crt,node.key,node.crt}

The key never leaves the node. Source: Kubernetes' "TLS bootstrapping".
"""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from procorch import pki
from procorch.client import Client, HttpTransport, Unreachable
from procorch.clock import Backoff, Clock
from procorch.objects import ApiError, Object, condition_of, get
from procorch.tokens import Token

logger = logging.getLogger(__name__)

SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
NODES, NODE = "system:nodes", "system:node:"
RENEW_BELOW = 1 / 3
WAIT_SECONDS = 60.0
LOOK_SECONDS = 3600.0


class JoinFailed(RuntimeError):
    """The node cannot join; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files of one node, readable by the owner alone."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def key(self) -> Path:
        return self.directory / "node.key"

    @property
    def certificate(self) -> Path:
        return self.directory / "node.crt"

    def usable(self, name: str, now: float) -> bool:
        """Whether they are there and still good. Raises JoinFailed where they are another node's."""
        if not (self.ca.exists() and self.key.exists() and self.certificate.exists()):
            return False
        found = name_in(self.certificate.read_bytes())
        if found != name:
            raise JoinFailed(
                f'{self.directory} has the credentials of node "{found}", not of "{name}": use another --data-dir, or '
                f"--node-name {found}"
            )
        return pki.remaining_life(self.certificate.read_bytes(), now) > 0

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.read_text())
        context.load_cert_chain(self.certificate, self.key)
        return context

    def save(self, ca: bytes, key: bytes, certificate: bytes) -> None:
        pki.write_private(self.ca, ca)
        pki.write_private(self.key, key)
        pki.write_private(self.certificate, certificate)


async def join(server: str, name: str, token_text: str, credentials: Credentials, clock: Clock) -> None:
    """Gets the node's first certificate. Raises JoinFailed, Unreachable."""
    if not token_text:
        raise JoinFailed(
            "this node has no credentials yet: give it a join token (--token; `procorch token create` on the master "
            "prints one)"
        )
    try:
        token = Token.parse(token_text)
    except ValueError as error:
        raise JoinFailed(str(error)) from None
    ca = await fetch_ca(server, token.ca)
    context = ssl.create_default_context(cadata=ca.decode())
    transport = HttpTransport(server, context, token.bearer)
    try:
        key, certificate = await request_certificate(Client(transport, user_agent="kubelet"), name)
    finally:
        await transport.close()
    credentials.save(ca, key, certificate)
    logger.info("joined", extra={"node": name, "server": server})


async def fetch_ca(server: str, fingerprint: str) -> bytes:
    """The cluster's CA, PEM, checked against the token's fingerprint before anything secret is sent."""
    if not fingerprint:
        raise JoinFailed("the token does not say which cluster it is for: use the whole token, with the part after @")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # what comes is public, and is checked by its fingerprint
    transport = HttpTransport(server, context, timeout=10)
    try:
        answer = await transport.send("GET", "/cacerts")
    finally:
        await transport.close()
    if answer.status != 200:
        raise JoinFailed(f"{server}/cacerts answered {answer.status}: is that a procorch master?")
    try:
        found = pki.fingerprint(answer.body)
    except ValueError:
        raise JoinFailed(f"{server}/cacerts is no certificate: is that a procorch master?") from None
    if found != fingerprint:
        raise JoinFailed(f"{server} is not the cluster that the token is for: its CA has another fingerprint")
    return answer.body


async def request_certificate(client: Client, name: str) -> tuple[bytes, bytes]:
    """(key, certificate), PEM: a request is made, approved and signed by the masters. Raises JoinFailed."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, NODES),
        x509.NameAttribute(NameOID.COMMON_NAME, NODE + name),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)
    body: Object = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "node-csr-"},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": SIGNER,
            "usages": ["digital signature", "client auth"],
        },
    }
    try:
        made = await client.create(body)
        certificate = await _wait_for(client, made["metadata"]["name"])
    except ApiError as error:
        if error.code in (401, 403):
            raise JoinFailed(f"the master refuses the token: {error}; make a new one: procorch token create") from None
        raise JoinFailed(f"the master refuses the certificate request: {error}") from None
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate


async def keep_fresh(
    credentials: Credentials, name: str, client: Client, context: ssl.SSLContext, clock: Clock
) -> None:
    """Renews the certificate when a third of its life is left, for as long as the agent runs."""
    backoff = Backoff(first=10.0, most=LOOK_SECONDS)
    while True:
        wait = LOOK_SECONDS
        if pki.remaining_life(credentials.certificate.read_bytes(), clock()) < RENEW_BELOW:
            try:
                key, certificate = await request_certificate(client, name)
                credentials.save(credentials.ca.read_bytes(), key, certificate)
                context.load_cert_chain(credentials.certificate, credentials.key)  # from the next connection on
                logger.info("certificate renewed", extra={"node": name})
                backoff.reset()
            except (JoinFailed, Unreachable) as error:
                logger.warning("certificate not renewed", extra={"error": str(error)})
                wait = backoff.next()
        await asyncio.sleep(wait)


def name_in(certificate: bytes) -> str:
    """The node's name that a certificate carries."""
    subject = x509.load_pem_x509_certificate(certificate).subject
    names = [str(row.value) for row in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return names[0].removeprefix(NODE) if names else ""


async def _wait_for(client: Client, name: str) -> bytes:
    backoff = Backoff(first=0.02, most=1.0)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_SECONDS
    while loop.time() < deadline:
        found = await client.get("CertificateSigningRequest", name)
        if text := get(found, ".status.certificate"):
            return base64.b64decode(text)
        for type_ in ("Denied", "Failed"):
            if (condition := condition_of(found, type_)) is not None:
                raise JoinFailed(f"certificate request {name} {type_.lower()}: {condition.get('message', '')}")
        await asyncio.sleep(backoff.next())
    raise JoinFailed(f"certificate request {name} was not signed within {WAIT_SECONDS:g} s: do the masters run?")
