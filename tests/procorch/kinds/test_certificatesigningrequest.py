"""Certificate requests: what is asked, of whom, and how it stands."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from procorch.kinds import KINDS
from procorch.objects import Object

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "n1")])
PEM = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(NAME)
    .sign(KEY, hashes.SHA256())
    .public_bytes(serialization.Encoding.PEM)
)
BROKEN = b"-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"
APPROVED = {"type": "Approved", "status": "True"}
KIND = KINDS["CertificateSigningRequest"]


def request(**spec: Any) -> Object:
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "node-csr-n1"},
        "spec": {
            "request": base64.b64encode(PEM).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
            **spec,
        },
    }


def test_a_nodes_request_is_accepted_and_waits(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**request(), "status": {"certificate": "forged"}})

    assert problems == []
    assert made["status"] == {}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"request": "aGVsbG8="},
            'spec.request: Invalid value: "aGVsbG8=": PEM block type must be CERTIFICATE REQUEST',
        ),
        (
            {"request": base64.b64encode(BROKEN).decode()},
            f'spec.request: Invalid value: "{base64.b64encode(BROKEN).decode()}": x509: malformed certificate request',
        ),
        ({"usages": []}, "spec.usages: Required value"),
        (
            {"signerName": "kubernetes.io/legacy-unknown"},
            'spec.signerName: Invalid value: "kubernetes.io/legacy-unknown": '
            "the legacy signerName is not allowed via this API version",
        ),
        ({"signerName": ""}, "spec.signerName: Required value"),
        (
            {"signerName": "nobody"},
            'spec.signerName: Invalid value: "nobody": '
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ),
        (
            {"expirationSeconds": 5},
            "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ],
)
def test_a_bad_request_is_named(enter, spec, problem) -> None:  # type: ignore[no-untyped-def]
    assert enter(request(**spec))[1] == [problem]


def test_what_was_asked_stays_asked(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(request())

    made, problems = enter(request(usages=["any"]), old)

    assert problems == []
    assert made["spec"] == old["spec"]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ({}, "Pending"),
        ({"conditions": [{"type": "Approved"}]}, "Approved"),
        ({"conditions": [{"type": "Approved"}], "certificate": "MA=="}, "Approved,Issued"),
        ({"conditions": [{"type": "Approved"}, {"type": "Denied"}]}, "Denied"),
        ({"conditions": [{"type": "Failed"}]}, "Pending,Failed"),
    ],
)
def test_the_columns_are_kubectls(status: Object, shown: str) -> None:
    seen = {**request(username="system:bootstrap:abc", expirationSeconds=3600), "status": status}

    assert [column.cell(seen, 0.0) for column in KINDS["CertificateSigningRequest"].columns] == [
        "node-csr-n1", "<unknown>", "kubernetes.io/kube-apiserver-client-kubelet", "system:bootstrap:abc", "60m", shown,
    ]  # fmt: skip


def through(part: str, old: Object, **status: Any) -> tuple[Object, list[str]]:
    """A request whose status is written through a subresource, and what is wrong with that."""
    obj = {**copy.deepcopy(old), "status": status}
    hooks = KIND.parts[part]
    assert hooks.prepare is not None and hooks.validate is not None
    hooks.prepare(obj, old, "2026-11-25T12:00:00Z")
    return obj, [f"{cause.field}: {cause.message}" for cause in hooks.validate(obj, old)]


def test_who_decides_need_not_know_the_time() -> None:
    made, problems = through("approval", request(), conditions=[APPROVED])

    assert problems == []
    assert made["status"]["conditions"] == [
        {**APPROVED, "lastUpdateTime": "2026-11-25T12:00:00Z", "lastTransitionTime": "2026-11-25T12:00:00Z"}
    ]


def test_no_certificate_comes_with_the_approval() -> None:
    issued = {**request(), "status": {"certificate": "old"}}

    made, problems = through("approval", issued, conditions=[APPROVED], certificate="YQ==")

    assert problems == []
    assert made["status"]["certificate"] == "old"


def test_who_issues_changes_nothing_of_the_decision() -> None:
    made, problems = through("status", {**request(), "status": {"conditions": [APPROVED]}},
                             conditions=[{**APPROVED, "message": "I did it"}])  # fmt: skip

    assert problems == []
    assert "message" not in made["status"]["conditions"][0]


@pytest.mark.parametrize(
    ("part", "before", "after", "problem"),
    [
        pytest.param(
            "approval", {}, {"conditions": [APPROVED, {"type": "Denied", "status": "True"}]},
            'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive',
            id="approved and denied",
        ),
        pytest.param(
            "approval", {"conditions": [APPROVED]}, {"conditions": []},
            'status.conditions: Forbidden: updates may not remove a condition of type "Approved"',
            id="what was decided stays",
        ),
        pytest.param(
            "approval", {}, {"conditions": [{"type": "Approved", "status": "False"}]},
            'status.conditions[0].status: Unsupported value: "False": supported values: "True"',
            id="approved is approved",
        ),
        pytest.param(
            "approval", {}, {"conditions": [{"type": "Mine"}]}, "status.conditions[0].status: Required value",
            id="a condition without a status",
        ),
        pytest.param(
            "status", {}, {"conditions": [APPROVED]},
            'status.conditions: Forbidden: updates may not add a condition of type "Approved"',
            id="nobody decides through the status",
        ),
        pytest.param(
            "status", {}, {"certificate": base64.b64encode(b"x").decode()},
            'status.certificate: Invalid value: "<certificate data>": must contain at least one CERTIFICATE PEM block',
            id="a certificate that is none",
        ),
        pytest.param(
            "status", {}, {"certificate": base64.b64encode(PEM).decode()},
            'status.certificate: Invalid value: "<certificate data>": '
            'only CERTIFICATE PEM blocks are allowed, found "CERTIFICATE REQUEST"',
            id="something else in PEM",
        ),
        pytest.param(
            "status", {"certificate": "YQ=="}, {"certificate": ""},
            "status.certificate: Forbidden: updates may not modify existing certificate content",
            id="a certificate is issued once",
        ),
    ],
)  # fmt: skip
def test_what_a_subresource_may_not_write_is_named(part: str, before: Object, after: Object, problem: str) -> None:
    assert through(part, {**request(), "status": before}, **after)[1] == [problem]
