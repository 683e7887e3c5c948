"""The cluster's certificate authority and what it issues: server, client and signing keys under one directory."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
LEAF_DAYS = 365
_SKEW = datetime.timedelta(minutes=5)  # a node whose clock is a little behind must accept what was just issued


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """The cluster's CA. Keys are ECDSA P-256: small, and made in a millisecond."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes

    @classmethod
    def open(cls, directory: Path, now: float) -> Authority:
        """The CA kept in `directory` (ca.crt, ca.key), made there if there is none.

        Raises ValueError when only one of the two files is there, or they do not belong together.
        """
        certificate_path, key_path = directory / "ca.crt", directory / "ca.key"
        both = directory / "ca.new"  # a first start that is killed between the two files is finished by the next
        if not certificate_path.exists() and not key_path.exists():
            authority = cls._new(now)
            write_private(both, authority.pem + _key_pem(authority.key))
        if both.exists():
            content = both.read_bytes()
            begin = content.index(b"-----BEGIN PRIVATE KEY-----")
            write_private(key_path, content[begin:])
            write_public(certificate_path, content[:begin])
            both.unlink()
        if not (certificate_path.exists() and key_path.exists()):
            missing = key_path if certificate_path.exists() else certificate_path
            raise ValueError(f"{missing}: missing, but its other half is there; restore it, or run `procorch reset`")
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if _public_bytes(certificate.public_key()) != _public_bytes(key.public_key()):
            raise ValueError(f"{key_path}: not the key of {certificate_path}")
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(certificate, key)

    @classmethod
    def _new(cls, now: float) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "procorch-ca")])
        usage = _key_usage(signs_certificates=True)
        certificate = (
            _builder(name, name, key.public_key(), now, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the DER form, in hex: what a join token carries."""
        return fingerprint(self.pem)

    def issue_client(self, name: str, groups: Iterable[str], now: float, days: float = LEAF_DAYS) -> Pair:
        """A certificate that authenticates as user `name` in `groups`: common name and organizations."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Pair(self._client(_subject(name, groups), key.public_key(), now, days), _key_pem(key))

    def issue_server(self, name: str, names: Iterable[str], now: float, days: float = LEAF_DAYS) -> Pair:
        """A serving certificate. names: DNS names and IP addresses that clients may call the server by."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._leaf(_subject(name, ()), key.public_key(), now, days)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))

    def sign_client(self, request: bytes, now: float, days: float = LEAF_DAYS) -> bytes:
        """The client certificate for a PEM signing request, with the subject it asks for.

        Whether the subject may be had is the caller's business. Raises ValueError for a request that is not
        signed by its own key.
        """
        csr = x509.load_pem_x509_csr(request)
        if not csr.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
        return self._client(csr.subject, csr.public_key(), now, days)

    def _client(self, subject: x509.Name, public_key: object, now: float, days: float) -> bytes:
        certificate = (
            self._leaf(subject, public_key, now, days)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _leaf(self, subject: x509.Name, public_key: object, now: float, days: float) -> x509.CertificateBuilder:
        return (
            _builder(subject, self.certificate.subject, public_key, now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )


def server_pair(directory: Path, authority: Authority, names: Iterable[str], now: float) -> Pair:
    """The API server's certificate in `directory`, made anew when a name is missing or a third of its life is left."""
    certificate_path, key_path = directory / "apiserver.crt", directory / "apiserver.key"
    wanted = sorted(set(names))
    if certificate_path.exists() and key_path.exists():
        pair = Pair(certificate_path.read_bytes(), key_path.read_bytes())
        if _covers(pair.certificate, wanted) and remaining_life(pair.certificate, now) > 1 / 3:
            return pair
    pair = authority.issue_server("kube-apiserver", wanted, now)
    write_private(key_path, pair.key)
    write_public(certificate_path, pair.certificate)
    return pair


def signing_key(directory: Path) -> bytes:
    """The PEM key with which ServiceAccount tokens are signed, made if there is none."""
    path = directory / "service-account.key"
    if not path.exists():
        write_private(path, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    return path.read_bytes()


def remaining_life(certificate: bytes, now: float) -> float:
    """The share of a certificate's validity that is left: 1 when new, 0 or less when expired."""
    parsed = x509.load_pem_x509_certificate(certificate)
    begin, end = parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp()
    return (end - now) / (end - begin)


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a PEM certificate's DER form, in hex."""
    parsed = x509.load_pem_x509_certificate(certificate)
    return hashlib.sha256(parsed.public_bytes(serialization.Encoding.DER)).hexdigest()


def write_private(path: Path, data: bytes) -> None:
    """Whole or not at all, readable by the owner alone."""
    _write(path, data, 0o600)


def write_public(path: Path, data: bytes) -> None:
    _write(path, data, 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the name, too, outlives a power cut
    finally:
        os.close(folder)


def _covers(certificate: bytes, names: list[str]) -> bool:
    parsed = x509.load_pem_x509_certificate(certificate)
    found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(found) >= {_general_name(name) for name in names}


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(name: str, groups: Iterable[str]) -> x509.Name:
    rows = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*rows, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: object, now: float, days: float
) -> x509.CertificateBuilder:
    begin = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - _SKEW)
        .not_valid_after(begin + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_bytes(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
