import contextlib
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from procorch.pki import Authority, fingerprint, remaining_life, server_pair, signing_key

NOW = 1_800_000_000.0


def _names(certificate: bytes) -> tuple[str, list[str]]:
    subject = x509.load_pem_x509_certificate(certificate).subject
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return str(common), [str(row.value) for row in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def test_the_authority_is_made_once_and_found_again(tmp_path: Path) -> None:
    first = Authority.open(tmp_path, NOW)

    assert Authority.open(tmp_path, NOW).pem == first.pem
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
    assert fingerprint(first.pem) == first.fingerprint


def test_half_an_authority_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    Authority.open(tmp_path, NOW)
    (tmp_path / "ca.key").unlink()

    with pytest.raises(ValueError, match=r"ca\.key: missing"):
        Authority.open(tmp_path, NOW)


@pytest.mark.parametrize("writes", range(4))
def test_a_first_start_that_ends_between_its_files_is_finished_by_the_next(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, left = Path.replace, iter(range(writes))

    def killed(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with contextlib.suppress(KeyboardInterrupt):
        Authority.open(tmp_path, NOW)
    monkeypatch.undo()
    made = Authority.open(tmp_path, NOW)

    assert made.pem == Authority.open(tmp_path, NOW).pem
    assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == ["ca.crt", "ca.key"]


def test_a_key_of_another_authority_is_refused(tmp_path: Path) -> None:
    Authority.open(tmp_path / "a", NOW)
    Authority.open(tmp_path / "b", NOW)
    (tmp_path / "a/ca.key").write_bytes((tmp_path / "b/ca.key").read_bytes())

    with pytest.raises(ValueError, match="not the key of"):
        Authority.open(tmp_path / "a", NOW)


def test_a_client_certificate_carries_user_and_groups(tmp_path: Path) -> None:
    pair = Authority.open(tmp_path, NOW).issue_client("kubernetes-admin", ["system:masters"], NOW)

    assert _names(pair.certificate) == ("kubernetes-admin", ["system:masters"])


def test_openssl_accepts_what_is_issued(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path, NOW)
    pair = server_pair(tmp_path, authority, ["localhost", "127.0.0.1"], NOW)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")

    assert b"BEGIN CERTIFICATE" in pair.certificate


@pytest.mark.parametrize(
    ("names", "later", "same"),
    [
        pytest.param(["localhost"], 0, True, id="same names: kept"),
        pytest.param(["localhost", "10.0.0.1"], 0, False, id="a new address: made anew"),
        pytest.param(["localhost"], 300 * 86400, False, id="near its end: made anew"),
    ],
)
def test_the_serving_certificate(tmp_path: Path, names: list[str], later: float, same: bool) -> None:
    authority = Authority.open(tmp_path, NOW)
    first = server_pair(tmp_path, authority, ["localhost"], NOW)

    assert (server_pair(tmp_path, authority, names, NOW + later) == first) is same


def test_a_signing_request_gets_the_subject_it_asks_for(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes")]
    subject.append(x509.NameAttribute(NameOID.COMMON_NAME, "system:node:n1"))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject)).sign(key, hashes.SHA256())
    certificate = Authority.open(tmp_path, NOW).sign_client(
        request.public_bytes(serialization.Encoding.PEM), NOW, days=10
    )

    assert _names(certificate) == ("system:node:n1", ["system:nodes"])
    assert remaining_life(certificate, NOW) == pytest.approx(1, abs=0.01)
    assert remaining_life(certificate, NOW + 20 * 86400) < 0


def test_a_certificate_for_an_hour_is_none_for_a_day(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM)

    certificate = Authority.open(tmp_path, NOW).sign_client(pem, NOW, days=1 / 24)

    assert remaining_life(certificate, NOW + 3599) > 0
    assert remaining_life(certificate, NOW + 3601) < 0


def test_the_signing_key_stays(tmp_path: Path) -> None:
    assert signing_key(tmp_path) == signing_key(tmp_path)
