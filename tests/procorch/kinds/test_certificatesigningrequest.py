"""Certificate requests: what is asked, of whom, and how it stands."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

PEM = b"-----BEGIN CERTIFICATE REQUEST-----\nMA==\n-----END CERTIFICATE REQUEST-----\n"


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
        ({"usages": []}, "spec.usages: Required value"),
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
