"""CertificateSigningRequest: somebody asks the cluster's authority for a certificate.

Who asks (spec.username, groups, uid) is written by the API, never by the client.
Source: pkg/apis/certificates/validation, pkg/printers (printCertificateSigningRequest).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from procorch.kinds.cells import AGE, NAME, human_duration
from procorch.kinds.fields import Fields, indexed, number, part, rows, same, text, texts
from procorch.kinds.kind import Column, Kind, Part
from procorch.kinds.podspec.update import difference
from procorch.names import dns_subdomain
from procorch.objects import Cause, Object

_SHORTEST = 600
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"  # of what speaks to the API, but no node
_LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
_DECISIONS = ("Approved", "Denied")
_FINAL = (*_DECISIONS, "Failed")
_PEM = re.compile(rb"-----BEGIN ([^\n-]+)-----\s(.*?)-----END \1-----", re.DOTALL)
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip


def prepare(request: Object, old: Object | None) -> None:
    """What was asked stays as it was asked; the status comes through approval and status."""
    if old is None:
        request["status"] = {}
    else:
        request["spec"], request["status"] = old.get("spec", {}), old.get("status", {})


def prepare_conditions(request: Object, old: Object, now: str) -> None:
    """Through approval and status: what was asked stays, and a condition without times gets them."""
    request["spec"] = old.get("spec", {})
    before = rows(part(old, "status").get("conditions"))
    for row in rows(part(request, "status").get("conditions")):
        row["lastUpdateTime"] = row.get("lastUpdateTime") or now
        if row.get("lastTransitionTime"):
            continue
        like = (one for one in before if (one.get("type"), one.get("status")) == (row.get("type"), row.get("status")))
        row["lastTransitionTime"] = next((one["lastTransitionTime"] for one in like if one.get("lastTransitionTime")),
                                         now)  # fmt: skip


def prepare_approval(request: Object, old: Object, now: str) -> None:
    """Only the conditions come this way."""
    prepare_conditions(request, old, now)
    status, conditions = dict(part(old, "status")), part(request, "status").get("conditions")
    status.pop("conditions", None)
    request["status"] = status if conditions is None else {**status, "conditions": conditions}


def prepare_status(request: Object, old: Object, now: str) -> None:
    """What was decided stays as it was decided, whatever the writer has made of it."""
    for kind in _DECISIONS:
        given, before = _of_type(request, kind), _of_type(old, kind)
        if len(given) == len(before):
            for row, former in zip(given, before, strict=True):
                row.clear()
                row.update(former)
    prepare_conditions(request, old, now)


def validate_approval(request: Object, old: Object) -> Iterator[Cause]:
    """Decides; no certificate comes this way."""
    yield from _status(request, old)


def validate_status(request: Object, old: Object) -> Iterator[Cause]:
    """Issues, or tells that it could not; nothing is decided this way."""
    yield from _status(request, old)
    for kind in _DECISIONS:
        now, before = _of_type(request, kind), _of_type(old, kind)
        if len(now) > len(before):
            yield Cause.forbidden("status.conditions", f'updates may not add a condition of type "{kind}"')
        elif len(now) == len(before) and not same(now, before):
            shown = "".join(difference(one, other) for one, other in zip(before, now, strict=True))
            yield Cause.forbidden("status.conditions", f'updates may not modify a condition of type "{kind}"\n{shown}')
    certificate, issued = (text(part(one, "status").get("certificate")) for one in (request, old))
    if certificate == issued:
        return
    if issued:
        yield Cause.forbidden("status.certificate", "updates may not modify existing certificate content")
    if problem := _certificate_problem(certificate):
        yield Cause.invalid("status.certificate", "<certificate data>", problem)


def _of_type(request: Object, kind: str) -> list[Fields]:
    return [row for row in rows(part(request, "status").get("conditions")) if row.get("type") == kind]


def _status(request: Object, old: Object) -> Iterator[Cause]:
    """The conditions: each once, decided once, and what was decided stays."""
    path, taken = "status.conditions", set[str]()
    for where, row in indexed(part(request, "status").get("conditions"), path):
        kind, status = text(row.get("type")), text(row.get("status"))
        if not kind:
            yield Cause.required(f"{where}.type")
        allowed = ("True",) if kind in _FINAL else ("False", "True", "Unknown")
        if not status:
            yield Cause.required(f"{where}.status")
        elif status not in allowed:
            yield Cause.unsupported(f"{where}.status", status, allowed)
        if kind in _DECISIONS and taken & {*_DECISIONS} - {kind}:
            yield Cause.invalid(path, kind, "Approved and Denied conditions are mutually exclusive")
        if kind in taken:
            yield Cause.duplicate(f"{where}.type", kind)
        taken.add(kind)
    for kind in _FINAL:
        if len(_of_type(request, kind)) < len(_of_type(old, kind)):
            yield Cause.forbidden(path, f'updates may not remove a condition of type "{kind}"')


def _certificate_problem(encoded: str) -> str:
    """Why this is not a chain of certificates in PEM; empty for one, and for nothing at all."""
    pem = _decoded(encoded)
    if not pem:
        return ""
    blocks = _PEM.findall(pem)
    for kind, content in blocks:
        if kind != b"CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{kind.decode(errors="replace")}"'
        if b":" in content:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(base64.b64decode(content))
        except ValueError:
            return "x509: malformed certificate"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return b""


def validate(request: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(request, "spec")
    if old is not None and spec == old.get("spec"):
        return
    yield from _request(text(spec.get("request")))
    usages = texts(spec.get("usages"))
    if not usages:
        yield Cause.required("spec.usages")
    for index, usage in enumerate(usages):
        if usage not in _USAGES:
            yield Cause.unsupported(f"spec.usages[{index}]", usage, _USAGES)
        if usage in usages[:index]:
            yield Cause.duplicate(f"spec.usages[{index}]", usage)
    yield from _signer(text(spec.get("signerName")))
    seconds = number(spec.get("expirationSeconds"))
    if seconds is not None and seconds < _SHORTEST:
        yield Cause.invalid(
            "spec.expirationSeconds", seconds, "may not specify a duration less than 600 seconds (10 minutes)"
        )


def organizations(request: Object) -> list[str]:
    """Of the subject that a valid request asks for: the groups that the certificate's owner would be in."""
    subject = x509.load_pem_x509_csr(_decoded(text(part(request, "spec").get("request")))).subject
    return [str(one.value) for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def _request(encoded: str) -> Iterator[Cause]:
    pem = _decoded(encoded)
    problem = ""
    if not re.search(rb"-----BEGIN (NEW )?CERTIFICATE REQUEST-----", pem):
        problem = "PEM block type must be CERTIFICATE REQUEST"
    else:
        try:
            if not x509.load_pem_x509_csr(pem).is_signature_valid:
                problem = "x509: signature does not match the key of the request"
        except (ValueError, InvalidSignature, UnsupportedAlgorithm):
            problem = "x509: malformed certificate request"
    if problem:
        yield Cause.invalid("spec.request", encoded or None, problem)


def _signer(name: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required("spec.signerName")
        return
    if name == _LEGACY_SIGNER:
        yield Cause.invalid("spec.signerName", name, "the legacy signerName is not allowed via this API version")
        return
    domain, slash, path = name.partition("/")
    if not slash or not path:
        yield Cause.invalid(
            "spec.signerName", name, "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        )
        return
    for part_, label in ((domain, "domain"), (path, "path")):
        for message in dns_subdomain(part_):
            yield Cause.invalid("spec.signerName", part_, f"validating label {label!r}: {message}")
    if "." not in domain:
        yield Cause.invalid(
            "spec.signerName", domain, "should be a domain with at least two segments separated by dots"
        )


def _condition(request: Object, now: float) -> str:
    status = part(request, "status")
    types = {text(row.get("type")) for row in rows(status.get("conditions"))}
    word = next((one for one in ("Denied", "Approved") if one in types), "Pending")
    word += ",Failed" if "Failed" in types else ""
    return word + (",Issued" if text(status.get("certificate")) else "")


def _duration(request: Object, now: float) -> str:
    seconds = number(part(request, "spec").get("expirationSeconds"))
    return "<none>" if seconds is None else human_duration(seconds)


def _any_name(name: str) -> list[str]:
    return []


KIND = Kind(
    "CertificateSigningRequest", "certificatesigningrequests", group="certificates.k8s.io",
    short_names=("csr",), namespaced=False, subresources=("status", "approval"),
    name_format=_any_name,
    prepare=prepare, validate=validate,
    parts={
        "approval": Part(prepare_approval, validate_approval),
        "status": Part(prepare_status, validate_status),
    },
    columns=(
        NAME,
        AGE,
        Column("SignerName", lambda request, now: text(part(request, "spec").get("signerName")) or "<none>"),
        Column("Requestor", ".spec.username"),
        Column("RequestedDuration", _duration),
        Column("Condition", _condition),
    ),
    fields={"spec.signerName": ".spec.signerName"},
)  # fmt: skip
