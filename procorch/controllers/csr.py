"""Certificate requests: a node's is approved where it asks for what a node may have; what is approved is signed.

A joining machine (group system:bootstrappers) or the node itself may ask for a client certificate of a node, and for
nothing else. Who asks for another client certificate waits for an administrator's `kubectl certificate approve`. All
are swept up later.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from procorch.clock import parse_timestamp, timestamp
from procorch.controllers.controller import Context, Controller, own
from procorch.kinds.certificatesigningrequest import CLIENT_SIGNER
from procorch.objects import NotFound, Object, condition_of, get, key_of, uid_of
from procorch.pods import created_at

SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
BOOTSTRAPPERS = "system:bootstrappers"
MASTERS = "system:masters"
NODES = "system:nodes"
NODE = "system:node:"
_NEEDED = {"client auth", "digital signature"}
_ALLOWED = _NEEDED | {"key encipherment"}
KEEP = {"Approved": 3600.0, "Denied": 3600.0, "Failed": 3600.0, "": 86400.0}
"""Seconds after which a request is swept up, by its last condition; "" is one that nobody answered."""


def request_of(csr: Object) -> x509.CertificateSigningRequest:
    """The PKCS#10 request inside; ValueError for what is none, or is not signed by its own key."""
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(csr["spec"]["request"], validate=True))
        if not request.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
    except (binascii.Error, UnsupportedAlgorithm, InvalidSignature, KeyError) as error:
        raise ValueError(f"not a certificate request: {error}") from error
    return request


def refusal(csr: Object) -> str | None:
    """Why a node's request is not to be approved by itself; None where it is."""
    spec = csr["spec"]
    if spec.get("signerName") != SIGNER:
        return f"not for the signer {SIGNER}"
    try:
        request = request_of(csr)
    except ValueError as error:
        return str(error)
    names = _texts(request, NameOID.COMMON_NAME)
    if _texts(request, NameOID.ORGANIZATION_NAME) != [NODES]:
        return f"the organization is not {NODES} alone"
    if len(names) != 1 or not names[0].startswith(NODE) or names[0] == NODE:
        return f"the common name is not {NODE}<name>"
    if any(isinstance(row.value, x509.SubjectAlternativeName) for row in request.extensions):
        return "a client certificate carries no alternative names"
    usages = set(spec.get("usages") or [])
    if not _NEEDED <= usages <= _ALLOWED:
        return "the usages are not those of a client certificate"
    if BOOTSTRAPPERS not in (spec.get("groups") or []) and spec.get("username") != names[0]:
        return f"{spec.get('username')} may not ask for {names[0]}"
    return None


def client_refusal(csr: Object) -> str | None:
    """Why an approved request for a client certificate is not signed; None where it is. A certificate of system:masters
    cannot be taken back, so none is made of a request. Source: pkg/controller/certificates/signer, and the admission
    plugin CertificateSubjectRestriction.
    """
    try:
        request = request_of(csr)
    except ValueError as error:
        return str(error)
    if MASTERS in _texts(request, NameOID.ORGANIZATION_NAME):
        return f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
    usages = set(csr["spec"].get("usages") or [])
    if other := sorted(usages - _ALLOWED):
        return f"invalid usage for client certificate: {other[0]}"
    return None if "client auth" in usages else "missing required usage for client certificate: client auth"


_SIGNERS = {SIGNER: refusal, CLIENT_SIGNER: client_refusal}


def _texts(request: x509.CertificateSigningRequest, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(row.value) for row in request.subject.get_attributes_for_oid(oid)]


def plan(csr: Object, now: float) -> str | None:
    """`approve`, `sign`, `sweep`, or nothing."""
    conditions: Sequence[Object] = get(csr, ".status.conditions", [])
    answered = bool(conditions)
    if _keep_until(csr) <= now:
        return "sweep"
    if not answered:
        return "approve" if refusal(csr) is None else None
    approved = condition_of(csr, "Approved") is not None
    blocked = condition_of(csr, "Denied") is not None or condition_of(csr, "Failed") is not None
    if approved and not blocked and not get(csr, ".status.certificate") and csr["spec"].get("signerName") in _SIGNERS:
        return "sign"
    return None


def _keep_until(csr: Object) -> float:
    rows = get(csr, ".status.conditions", [])
    if not rows:
        return created_at(csr) + KEEP[""]
    last = rows[-1]
    since = last.get("lastUpdateTime") or last.get("lastTransitionTime")
    return (parse_timestamp(since) if since else created_at(csr)) + KEEP.get(last["type"], KEEP[""])


async def reconcile(key: str, context: Context) -> float | None:
    csr = context.lister["CertificateSigningRequest"].get(key)
    if csr is None:
        return None
    match plan(csr, context.clock()):
        case "sweep":
            with suppress(NotFound):
                await context.client.delete("CertificateSigningRequest", key_of(csr), uid=uid_of(csr))
            return None
        case "approve" if context.config.signer is not None:
            approved = _with_condition(csr, "Approved", "AutoApproved", _APPROVED, context)
            await context.client.update(approved, "approval")
        case "sign" if context.config.signer is not None:
            await _sign(csr, context)
    return max(_keep_until(csr) - context.clock(), 1.0)


_APPROVED = "A node's client certificate, asked for by the node or by a machine that joins."


async def _sign(csr: Object, context: Context) -> None:
    assert context.config.signer is not None
    asked = csr["spec"].get("expirationSeconds")
    seconds = min(float(asked), context.config.certificate_seconds) if asked else context.config.certificate_seconds
    try:
        if (why := _SIGNERS[csr["spec"]["signerName"]](csr)) is not None:
            raise ValueError(why)  # an administrator approved it, but this signer's rules are its own
        certificate = await context.config.signer(base64.b64decode(csr["spec"]["request"]), seconds)
    except ValueError as error:
        failed = _with_condition(csr, "Failed", "SignerValidationFailure", str(error), context)
        await context.client.update_status(failed)
        return
    status = {**csr["status"], "certificate": base64.b64encode(certificate).decode()}
    await context.client.update_status({**csr, "status": status})


def _with_condition(csr: Object, type_: str, reason: str, message: str, context: Context) -> Object:
    now = timestamp(context.clock())
    row = {"type": type_, "status": "True", "reason": reason, "message": message}
    row |= {"lastUpdateTime": now, "lastTransitionTime": now}
    status = csr.get("status") or {}
    return {**csr, "status": {**status, "conditions": [*(status.get("conditions") or []), row]}}


CONTROLLER = Controller(
    "csr",
    reconcile,
    watches={"CertificateSigningRequest": own},
    component="csrapproving-controller",
    resync=0,
)
