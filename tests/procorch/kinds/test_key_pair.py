"""A certificate and its key, in Go's words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from procorch import pki
from procorch.kinds import KINDS
from procorch.kinds.key_pair import pair_problem

KEY = b"-----BEGIN PRIVATE KEY-----\nYQ==\n-----END PRIVATE KEY-----\n"
CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        (b"a", b"", "tls: failed to find any PEM data in certificate input"),
        (KEY, KEY, "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
                   "PEM inputs may have been switched"),
        (CERTIFICATE, b"", "tls: failed to find any PEM data in key input"),
        (CERTIFICATE, CERTIFICATE, "tls: found a certificate rather than a key in the PEM for the private key"),
        (CERTIFICATE, KEY, "x509: malformed certificate"),
    ],
)  # fmt: skip
def test_what_is_none(certificate: bytes, key: bytes, problem: str) -> None:
    assert pair_problem(certificate, key) == problem


def test_a_pair_fits_and_two_halves_do_not(tmp_path: Path) -> None:
    ca = pki.Authority.open(tmp_path, time.time())
    one, other = (ca.issue_client(name, (), time.time()) for name in ("a", "b"))

    assert pair_problem(one.certificate, one.key) == ""
    assert pair_problem(one.certificate, other.key) == "tls: private key does not match public key"


def test_who_writes_such_a_secret_is_told() -> None:
    secret = {"type": "kubernetes.io/tls", "data": {"tls.crt": "YQ==", "tls.key": "YQ=="}}

    assert list(KINDS["Secret"].warn(secret, None)) == ["tls: failed to find any PEM data in certificate input"]
    assert list(KINDS["Secret"].warn({**secret, "type": "Opaque"}, None)) == []
