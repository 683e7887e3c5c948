"""Programs outside can tell whose a service account's token is."""

from __future__ import annotations

import base64

import orjson
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from procorch.api import issuer
from procorch.api.auth import ServiceAccountTokens

ACCOUNT = {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}


def number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ec.generate_private_key(ec.SECP256R1()), id="elliptic curve"),
        pytest.param(rsa.generate_private_key(65537, 2048), id="RSA"),
    ],
)
def test_a_token_is_verified_with_what_is_told_alone(key):
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    tokens = ServiceAccountTokens(pem, "https://issuer")
    about = orjson.loads(issuer.configuration("https://issuer", tokens.algorithm, "h:1").body)
    (row,) = orjson.loads(issuer.keys(tokens.public_key, tokens.algorithm).body)["keys"]
    head, claims, signature = tokens.mint(ACCOUNT, now=1_000, seconds=600, audiences=[]).split(".")
    signed = f"{head}.{claims}".encode()

    assert about["issuer"] == "https://issuer" and about["jwks_uri"] == "https://h:1/openid/v1/jwks"
    assert about["id_token_signing_alg_values_supported"] == [row["alg"]]
    said = orjson.loads(raw(head))
    assert (said["kid"], said["alg"]) == (row["kid"], row["alg"])
    if row["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number(row["e"]), number(row["n"])).public_key()
        public.verify(raw(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        curve = ec.EllipticCurvePublicNumbers(number(row["x"]), number(row["y"]), ec.SECP256R1()).public_key()
        both = raw(signature)
        r, s = int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big")
        curve.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


async def test_it_is_served_and_listed(served):
    paths = orjson.loads((await served.client.raw("GET", "/")).body)["paths"]
    assert {issuer.CONFIGURATION, issuer.KEYS} <= set(paths)
    answer = await served.client.raw("GET", issuer.KEYS)
    assert answer.headers["content-type"] == "application/jwk-set+json"
    assert len(orjson.loads(answer.body)["keys"]) == 1
