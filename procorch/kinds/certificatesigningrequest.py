"""CertificateSigningRequest: somebody asks the cluster's authority for a certificate.

Who asks (spec.username, groups, uid) is written by the API, never by the client.
Source: pkg/apis/certificates/validation, pkg/printers (printCertificateSigningRequest).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME, human_duration
from procorch.kinds.fields import number, part, rows, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.names import dns_subdomain
from procorch.objects import Cause, Object

_SHORTEST = 600
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


def validate(request: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(request, "spec")
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


def _request(encoded: str) -> Iterator[Cause]:
    try:
        pem = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        pem = b""
    if not re.search(rb"-----BEGIN (NEW )?CERTIFICATE REQUEST-----", pem):
        yield Cause.invalid("spec.request", encoded, "PEM block type must be CERTIFICATE REQUEST")


def _signer(name: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required("spec.signerName")
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
