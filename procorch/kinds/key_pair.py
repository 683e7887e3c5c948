"""Whether a certificate and a private key, both PEM, belong together.

Source of the words: Go's crypto/tls (X509KeyPair), by which Kubernetes judges Secrets of type kubernetes.io/tls.
"""

from __future__ import annotations

import re

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s.*?-----END \1-----", re.DOTALL)


def pair_problem(certificate: bytes, key: bytes) -> str:
    """What is wrong with the pair, "" for one that fits."""
    return _missing(certificate, "certificate") or _missing(key, "key") or _mismatch(certificate, key)


def _kinds(pem: bytes) -> list[str]:
    return [found.decode() for found in _BEGIN.findall(pem)]


def _is_key(kind: str) -> bool:
    return kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY")


def _missing(pem: bytes, which: str) -> str:
    """Whether there is a block of that kind; which: "certificate" or "key"."""
    kinds = _kinds(pem)
    if not kinds:
        return f"tls: failed to find any PEM data in {which} input"
    if which == "certificate" and "CERTIFICATE" not in kinds:
        if len(kinds) == 1 and _is_key(kinds[0]):
            return (
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
                "PEM inputs may have been switched"
            )
        return (
            'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
            f"following types: [{' '.join(kinds)}]"
        )
    if which == "key" and not any(_is_key(kind) for kind in kinds):
        if kinds == ["CERTIFICATE"]:
            return "tls: found a certificate rather than a key in the PEM for the private key"
        return (
            'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks '
            f"of the following types: [{' '.join(kinds)}]"
        )
    return ""


def _mismatch(certificate: bytes, key: bytes) -> str:
    # Only who writes such a Secret waits for this import, not every command.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError:
        return "x509: malformed certificate"
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError):
        return "tls: failed to parse private key"
    own = private.public_key()
    if type(own) is not type(public):
        return "tls: private key type does not match public key type"
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "" if own.public_bytes(*form) == public.public_bytes(*form) else "tls: private key does not match public key"
