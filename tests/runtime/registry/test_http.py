"""Redirects, bounds, and what failures are called."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from runtime.layers import Refused
from runtime.registry import http
from runtime.registry.http import MOST_REDIRECTS, Unavailable
from tests.runtime.registry.servers import Hostile, answers, cut, endless, hostile_registry


async def fetch(session: aiohttp.ClientSession, url: str, authorization: str = "Basic secret") -> bytes:
    async with http.get(session, URL(url), {}, authorization) as answer:
        return await http.read(answer, 1000, "it")


def certificate(directory: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself: (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(private)
    return directory / "cert.pem", directory / "key.pem"


def tls(directory: Path) -> tuple[ssl.SSLContext, Path]:
    cert, key = certificate(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context, cert


async def test_a_redirect_to_another_host_carries_no_credentials(
    session: aiohttp.ClientSession, hostile: Hostile
) -> None:
    async with hostile_registry() as other:
        hostile.fail("/a", answers(307, Location="/b"))
        hostile.fail("/b", answers(302, Location=f"{other.url}/c?sig=%2F%2B&x=a%20b"))
        other.fail("/c", answers(307, Location=f"{hostile.url}/d"))
        hostile.fail("/d", answers(200, b"there"))

        assert await fetch(session, f"{hostile.url}/a") == b"there"
        assert [auth for _, _, auth in hostile.requests] == ["Basic secret", "Basic secret", "Basic secret"]
        assert [auth for _, _, auth in other.requests] == [""]


async def test_a_signed_address_stays_as_it_is(session: aiohttp.ClientSession, hostile: Hostile) -> None:
    seen = []

    async def see(request):  # type: ignore[no-untyped-def]
        seen.append(request.raw_path)
        return await answers(200)(request)

    hostile.fail("/a", answers(307, Location="/b%2Fc?sig=%2F%2B&x=a%20b"))
    hostile.always = None
    hostile.fail("/b/c", see)
    await fetch(session, f"{hostile.url}/a")

    assert seen == ["/b%2Fc?sig=%2F%2B&x=a%20b"]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        pytest.param("", "which is no address", id="nowhere"),
        pytest.param("ftp://x/y", "which is no address", id="another protocol"),
        pytest.param("file:///etc/passwd", "which is no address", id="a file"),
        pytest.param("/a", f"more than {MOST_REDIRECTS} times", id="in a circle"),
    ],
)
async def test_bad_redirects(session: aiohttp.ClientSession, hostile: Hostile, location: str, said: str) -> None:
    hostile.fail("/a", *[answers(302, Location=location)] * 10)

    with pytest.raises(Refused, match=said):
        await fetch(session, f"{hostile.url}/a")


async def test_a_redirect_does_not_leave_tls(tmp_path: Path, hostile: Hostile) -> None:
    context, ca = tls(tmp_path)
    async with hostile_registry(context) as secure, http.session(ca) as session:
        secure.fail("/a", answers(302, Location=f"{hostile.url}/b"))
        with pytest.raises(Refused, match="without TLS"):
            await fetch(session, f"{secure.url}/a")
    assert hostile.requests == []


async def test_an_unknown_authority_is_told_with_what_to_do(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    context, ca = tls(tmp_path)
    async with hostile_registry(context) as secure, http.session(ca) as knowing:
        secure.fail("/a", answers(200, b"there"))
        with pytest.raises(Refused, match=r"is not trusted: .*--registry-ca") as caught:
            await fetch(session, f"{secure.url}/a")
        assert not isinstance(caught.value, Unavailable), "another try would not help"
        assert await fetch(knowing, f"{secure.url}/a") == b"there"


async def test_plain_http_where_tls_is_expected(session: aiohttp.ClientSession, hostile: Hostile) -> None:
    with pytest.raises(Refused, match="http://"):
        await fetch(session, hostile.url.replace("http:", "https:") + "/a")


@pytest.mark.parametrize("size", [1001, 5000])
async def test_an_answer_is_bounded(session: aiohttp.ClientSession, hostile: Hostile, size: int) -> None:
    hostile.fail("/a", answers(200, b"x" * size))
    hostile.fail("/b", endless())

    for path in ("/a", "/b"):
        with pytest.raises(Refused, match="it is larger than 1000 bytes"):
            await fetch(session, hostile.url + path)


def unused() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        pytest.param(lambda one: one.fail("/a", answers(500)), "answers 500", id="its own failure"),
        pytest.param(lambda one: one.fail("/a", answers(429, Retry_After="7")), "answers 429", id="too many requests"),
        pytest.param(lambda one: one.fail("/a", cut(b"x" * 100, 10)), "127.0.0.1", id="cut off"),
        pytest.param(lambda one: setattr(one, "url", unused()), "cannot be reached: ", id="nobody listens"),
    ],
)
async def test_what_is_worth_another_try(
    session: aiohttp.ClientSession, hostile: Hostile, prepare: Callable[[Hostile], None], said: str
) -> None:
    prepare(hostile)

    with pytest.raises(Unavailable, match=said) as caught:
        await fetch(session, f"{hostile.url}/a")
    assert caught.value.after == (7.0 if "429" in said else 0.0)


async def test_silence_ends(session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "SILENCE_SECONDS", 0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        async with http.session() as impatient:
            with pytest.raises(Unavailable, match="does not answer"):
                await fetch(impatient, f"http://127.0.0.1:{listener.getsockname()[1]}/")
